//! Files in a bucket: against a server that speaks S3 (`s3s-fs`), which goes away and comes back.

use std::net::SocketAddr;
use std::path::{Path as FilePath, PathBuf};
use std::time::{Duration, Instant};

use fieldstone_server::attachments::{Bucket, Sweep};
use fieldstone_server::jobs::Jobs;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::attachments::{PART, content, walk};
use super::*;

const KEY: &str = "AKIAEXAMPLE";
const SECRET: &str = "a secret that signs requests";

/// A service with one bucket, in a folder. Gone with the value, connections and all; the folder stays.
struct Service {
    address: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
    stop: tokio_util::sync::CancellationToken,
}

impl Service {
    async fn start(folder: &FilePath, address: &str) -> Self {
        std::fs::create_dir_all(folder.join("files")).unwrap();
        let mut service = S3ServiceBuilder::new(FileSystem::new(folder).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = tokio_util::sync::CancellationToken::new();
        let stopped = stop.clone();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    () = stopped.cancelled() => return,
                };
                let service = service.clone();
                connections.spawn(async move {
                    let connection = auto::Builder::new(TokioExecutor::new());
                    let _ = connection
                        .serve_connection(TokioIo::new(accepted), service)
                        .await;
                });
            }
        });
        Self {
            address,
            serving,
            stop,
        }
    }

    fn storage(&self, name: &str, secret: &str, vault: Vault) -> ObjectStorage {
        let bucket = Bucket {
            name: name.to_owned(),
            endpoint: Some(format!("http://{}", self.address)),
            region: "eu-central-1".to_owned(),
            access_key_id: KEY.to_owned(),
            secret_access_key: secret.into(),
        };
        ObjectStorage::bucket(&bucket, vault).unwrap()
    }

    async fn stop(self) {
        self.stop.cancel();
        let _ = self.serving.await;
    }
}

/// The objects in the bucket, as they lie there.
fn lying(folder: &FilePath) -> Vec<PathBuf> {
    // The service keeps facts about objects in files of its own, whose names begin with a point.
    let is_object = |path: &PathBuf| !path.file_name().unwrap().to_str().unwrap().starts_with('.');
    walk(&folder.join("files"))
        .into_iter()
        .filter(is_object)
        .collect()
}

async fn readiness(site: &Site) -> Json {
    let answer = site.raw("", Method::GET, "/readyz", &[], Vec::new()).await;
    serde_json::from_slice(&answer.body).unwrap()
}

/// Whether the object store answers, as the server says.
async fn answers(site: &Site) -> bool {
    let report = readiness(site).await;
    let warnings = report["warnings"].as_array().unwrap();
    warnings
        .iter()
        .find(|check| check["name"] == "objects")
        .unwrap()["ok"]
        == true
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_mins(1), "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_bucket_keeps_files_sealed_and_gives_them_back_in_ranges() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), "127.0.0.1:0").await;
    let site = Site::keeping(|_, vault| service.storage("files", SECRET, vault)).await;
    let member = site.sign_in("member@north.example").await;
    let (_, file) = site.file(&member).await;
    let content = content();
    site.upload(&member, &file, &content).await;
    assert!(site.download(&member, &file, &[]).await.body == content);
    let range = format!("bytes={}-{}", PART - 3, PART + 6);
    let part = site.download(&member, &file, &[("range", &range)]).await;
    assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
    assert!(part.body == content[PART - 3..PART + 7]);
    assert!(answers(&site).await);

    let objects = lying(folder.path());
    assert_eq!(objects.len(), 3, "{objects:?}");
    for path in walk(folder.path()) {
        let bytes = std::fs::read(&path).unwrap();
        assert!(
            !bytes.windows(12).any(|window| window == b"canary-7f3a "),
            "{path:?}"
        );
    }

    // What no row needs any more is removed, but not at once: somebody may still be putting a part of it there.
    let owner = connect(&site.database.owner()).await.unwrap();
    owner
        .execute("DELETE FROM app.attachment WHERE id = $1", &[&file])
        .await
        .unwrap();
    let worker = connect(&site.database.worker()).await.unwrap();
    let sql = "SELECT count(*) FROM app.orphaned_contents(7, 100)";
    let due = async || -> i64 { worker.query_one(sql, &[]).await.unwrap().get(0) };
    assert_eq!(due().await, 0);
    let older = "UPDATE app.content_orphan SET since = since - interval '61 minutes'";
    assert_eq!(owner.execute(older, &[]).await.unwrap(), 1);
    assert_eq!(due().await, 1);
    let storage = service.storage("files", SECRET, Vault::new(Arc::new(MemoryKeys::default())));
    let jobs = Jobs::start(&site.database.worker(), vec![Box::new(Sweep::new(storage))]);
    until("the objects are removed", async || {
        lying(folder.path()).is_empty()
    })
    .await;
    jobs.stop().await;
}

#[tokio::test]
async fn a_bucket_that_goes_away_loses_nothing_and_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), "127.0.0.1:0").await;
    let address = service.address.to_string();
    let site = Site::keeping(|_, vault| service.storage("files", SECRET, vault)).await;
    let member = site.sign_in("member@north.example").await;
    let (_, kept) = site.file(&member).await;
    site.upload(&member, &kept, b"kept").await;
    let (account, file) = site.file(&member).await;
    let announced = json!({ "content_type": "a/b", "size": 2 * PART });
    site.announce(&member, &file, announced.clone()).await;
    let part = vec![7; PART];
    assert_eq!(
        site.put(&member, &file, 0, &part).await,
        StatusCode::NO_CONTENT
    );

    service.stop().await;
    let path = format!("/api/v1/records/attachment/{file}/upload/parts/1");
    let refused = site
        .raw(&member, Method::PUT, &path, &[], part.clone())
        .await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    let said: Json = serde_json::from_slice(&refused.body).unwrap();
    assert!(
        said["detail"]
            .as_str()
            .unwrap()
            .contains("can't be used at the moment"),
        "{said}"
    );
    let download = site.download(&member, &kept, &[]).await;
    assert_eq!(download.status, StatusCode::SERVICE_UNAVAILABLE);
    // Everything else is served.
    let path = format!("/records/account/{account}");
    assert_eq!(
        site.with(&member, Method::GET, &path, None).await.status,
        StatusCode::OK
    );
    until("it is told of", async || !answers(&site).await).await;
    assert_eq!(readiness(&site).await["ready"], true);

    let service = Service::start(folder.path(), &address).await;
    until("it is back", async || answers(&site).await).await;
    let again = site.announce(&member, &file, announced).await;
    assert_eq!(
        again.body["received"],
        json!([0]),
        "what was acknowledged is there"
    );
    assert_eq!(
        site.put(&member, &file, 1, &part).await,
        StatusCode::NO_CONTENT
    );
    assert_eq!(site.complete(&member, &file).await.status, StatusCode::OK);
    assert!(
        site.download(&member, &file, &[])
            .await
            .body
            .iter()
            .all(|byte| *byte == 7)
    );
    assert_eq!(site.download(&member, &kept, &[]).await.body, "kept");
    service.stop().await;
}

#[tokio::test]
async fn a_bucket_that_is_not_ours_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let service = Service::start(folder.path(), "127.0.0.1:0").await;
    let vault = || Vault::new(Arc::new(MemoryKeys::default()));
    service
        .storage("files", SECRET, vault())
        .check()
        .await
        .unwrap();
    service
        .storage("files", "another secret", vault())
        .check()
        .await
        .unwrap_err();
    service
        .storage("elsewhere", SECRET, vault())
        .check()
        .await
        .unwrap_err();
    service.stop().await;
}
