//! One PostgreSQL for many tests: the one of the whole run when there is one, else one for this process.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fieldstone_server::cluster::{Cluster, ClusterOptions, admin_config};
use fieldstone_server::data_dir::DataDir;
use tokio::sync::OnceCell;
use tokio_postgres::Config;

/// The environment variable that names the data folder of the cluster that a whole run shares.
pub const CLUSTER_VARIABLE: &str = "FIELDSTONE_TEST_CLUSTER";

static SHARED: OnceCell<TestCluster> = OnceCell::const_new();

/// A PostgreSQL that forgets everything when the tests are over.
#[derive(Debug)]
pub struct TestCluster {
    data_dir: DataDir,
    admin: Config,
}

impl TestCluster {
    /// The cluster that this process's tests use.
    pub async fn shared() -> &'static Self {
        SHARED
            .get_or_init(|| async {
                match env::var_os(CLUSTER_VARIABLE) {
                    Some(folder) => Self::open(Path::new(&folder)),
                    None => Self::private().await,
                }
            })
            .await
    }

    /// Its superuser, over the socket.
    pub fn admin_config(&self) -> Config {
        self.admin.clone()
    }

    /// The data folder it lives in, for its secrets.
    pub fn data_dir(&self) -> &DataDir {
        &self.data_dir
    }

    fn open(folder: &Path) -> Self {
        let data_dir = DataDir::open(folder).expect("the folder of the run's test cluster");
        let admin = admin_config(&data_dir).expect("the password of the run's test cluster");
        Self { data_dir, admin }
    }

    /// A cluster of this process's own, which a guard stops and removes when the process ends, however it ends.
    async fn private() -> Self {
        let folder = temporary_folder();
        let data_dir = DataDir::open(&folder).expect("a folder for a test cluster");
        let cluster = Cluster::start_with(&data_dir, &ClusterOptions::DISPOSABLE)
            .await
            .expect("a PostgreSQL for the tests");
        guard(&folder);
        let admin = cluster.admin_config();
        // The runtime of one test ends before the process does; the guard stops the database, not this value's end.
        std::mem::forget(cluster);
        Self { data_dir, admin }
    }
}

/// A new folder with a path short enough for a socket.
pub(crate) fn temporary_folder() -> PathBuf {
    tempfile::Builder::new()
        .prefix("fieldstone-test-")
        .tempdir_in("/tmp")
        .expect("a temporary folder")
        .keep()
}

/// Starts a process that waits for this one to end (the pipe between them closes), then stops the database and removes the folder.
fn guard(folder: &Path) {
    const SCRIPT: &str = r#"read -r _
pid=$(head -n 1 "$0/postgres/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
for _ in $(seq 500); do kill -0 "${pid:-x}" 2>/dev/null || break; sleep 0.02; done
rm -rf "$0""#;
    let mut guard = Command::new("sh")
        .args(["-c", SCRIPT])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a shell to guard the test cluster");
    // Held open until the process ends; the guard is not waited for.
    std::mem::forget(guard.stdin.take());
    drop(guard);
}
