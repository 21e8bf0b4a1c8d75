//! One set of pages: what the platform shows over PostgreSQL, a device shows over SQLCipher, once it has the same records.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::StatusCode,
    middleware,
};
use fieldstone_client::{
    engine::local::{LocalAnswer, LocalCall, Publication, Published, Resume, StagedPage, Staging},
    keys::LoginKey,
    store::{DeviceStore, Local, SchemaDocument},
};
use fieldstone_model::{Clock as _, RecordId, SystemClock, Value, Values, query::Environment};
use fieldstone_protocol::{
    device::Registration,
    pull::{Inventory, Next, Page, PullAnswer, PullRequest, Want},
};
use fieldstone_server::{store::PgStore, sync::SyncStore as _};
use fieldstone_store::{Store as _, conflict::ConflictStore};
use fieldstone_testkit::TestStores;
use fieldstone_ui::{Viewer, locale::Locale, router};
use jiff::{Timestamp, tz::TimeZone};
use tower::ServiceExt as _;

use crate::sync::{create, deal, pipeline, text};

/// More than a page of a list.
const ACCOUNTS: usize = 60;

#[tokio::test]
async fn a_device_shows_what_the_platform_shows() {
    let database = TestStores::new().await;
    let (_, platform) = database.workspace("pages").await;
    pipeline(&platform).await;
    for number in 0..ACCOUNTS {
        let city = ["Halle (Saale)", "Ångermanland", "Łódź", "Ulm"][number % 4];
        let values = Values::new()
            .with("name", text(&format!("Nordwind {number:02}")))
            .with("city", text(city));
        create(&platform, "account", values).await;
    }
    let (account, contact, deal) = deal(&platform, "Wind park <b>").await;
    let task = Values::new()
        .with("subject", text("Call back"))
        .with("about_id", Value::Id(deal));
    let task = create(&platform, "task", task).await;
    // Stages are part of the objects' rules, and those move with them.
    let platform = database.reopen(&platform).await;

    let folder = tempfile::tempdir().unwrap();
    let device = synced(&platform, folder.path()).await;
    let now = SystemClock.now();
    let (there, here) = (pages(&platform, now), pages(&device, now));
    let paths = [
        "/accounts".to_owned(),
        "/accounts?sort=name".to_owned(),
        "/accounts?sort=-city".to_owned(),
        "/accounts?q=nordwind+5".to_owned(),
        "/contacts".to_owned(),
        "/deals".to_owned(),
        "/tasks".to_owned(),
        "/accounts/new".to_owned(),
        "/deals/new".to_owned(),
        "/search?q=wind".to_owned(),
        "/search?q=angermanland".to_owned(),
        format!("/accounts/{account}"),
        format!("/accounts/{account}/edit"),
        format!("/contacts/{contact}"),
        format!("/contacts/{contact}/edit"),
        format!("/deals/{deal}"),
        format!("/deals/{deal}/edit"),
        format!("/tasks/{task}"),
        "/accounts/0010000000000zz".to_owned(),
    ];
    for path in &paths {
        let (status, expected) = ask(&there, path).await;
        let (found_status, found) = ask(&here, path).await;
        assert_eq!(found_status, status, "{path}");
        let differing = expected
            .lines()
            .zip(found.lines())
            .find(|(wanted, got)| wanted != got);
        assert_eq!(differing, None, "{path}");
        assert_eq!(found.lines().count(), expected.lines().count(), "{path}");
    }
    // A comparison that can fail: what the device doesn't have, it doesn't show.
    let late = create(
        &platform,
        "account",
        Values::new().with("name", text("Late")),
    )
    .await;
    assert_eq!(
        ask(&there, &format!("/accounts/{late}")).await.0,
        StatusCode::OK
    );
    assert_eq!(
        ask(&here, &format!("/accounts/{late}")).await.0,
        StatusCode::NOT_FOUND
    );
}

/// A device's database with everything that the platform sends to it.
async fn synced(platform: &PgStore, folder: &std::path::Path) -> DeviceStore {
    let registration = Registration {
        installation: "pages".to_owned(),
        name: "Test".to_owned(),
        platform: "linux".to_owned(),
        app: "test".to_owned(),
        login_key: None,
    };
    let device = platform.register(&registration).await.unwrap().device;
    let key = LoginKey::generate().unwrap();
    let local = Local::open(&folder.join("db"), &key, Arc::new(SystemClock), false)
        .await
        .unwrap();
    let schema = platform.describe().await.unwrap();
    let document = SchemaDocument {
        version: schema.version,
        ..SchemaDocument::default()
    };
    local.set_schema(document).await.unwrap();
    let page = first_page(platform, device).await;
    let Next::Done { cursor, digest } = page.next.clone() else {
        panic!("one page is enough");
    };
    let resume = Resume {
        staging: Staging::Generation,
        epoch: page.epoch.clone(),
        schema: page.schema,
        settles: 0,
        next: page.next,
    };
    let staged = StagedPage {
        staging: Staging::Generation,
        first: true,
        rows: page.rows,
        gone: page.gone,
        resume,
    };
    local
        .perform(LocalCall::Stage(Box::new(staged)))
        .await
        .unwrap();
    let publication = Publication {
        staged: Some(Staging::Generation),
        published: Published {
            cursor,
            epoch: page.epoch,
            schema: page.schema,
        },
        settles: 0,
    };
    let answer = local
        .perform(LocalCall::Publish(publication))
        .await
        .unwrap();
    let LocalAnswer::Published(found) = answer else {
        panic!("it was published");
    };
    assert_eq!(digest.unwrap().differing(&found), Vec::<String>::new());
    local.store(platform.user())
}

async fn first_page(platform: &PgStore, device: RecordId) -> Page {
    let request = PullRequest {
        protocol: fieldstone_protocol::VERSION,
        device,
        epoch: None,
        page: None,
        proof: None,
        want: Want::Walk(Inventory::default()),
    };
    let environment = Environment {
        me: platform.user().id,
        today: SystemClock.now().to_zoned(TimeZone::UTC).date(),
    };
    let PullAnswer::Page(page) = platform.pull(&request, environment).await.unwrap() else {
        panic!("a page");
    };
    page
}

fn pages<S: ConflictStore + Clone + Send + Sync + 'static>(store: &S, now: Timestamp) -> Router {
    let store = store.clone();
    let gate = middleware::from_fn(move |mut request: Request, next: middleware::Next| {
        let user = store.user();
        let viewer = Viewer {
            user_id: user.id,
            name: "Ada Lovelace".to_owned(),
            role: user.role,
            workspace: "Northwind".to_owned(),
            locale: Locale::new("de-DE", TimeZone::get("Europe/Berlin").unwrap(), "EUR"),
            now,
            can_sign_out: false,
            is_proven: true,
        };
        request.extensions_mut().insert(viewer);
        request.extensions_mut().insert(store.clone());
        next.run(request)
    });
    router::<S>(Router::new()).layer(gate)
}

async fn ask(router: &Router, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 10 << 20).await.unwrap();
    (
        status,
        without_timeline(std::str::from_utf8(&body).unwrap()),
    )
}

/// What happened to a record stays where it happened: a device tells of its own changes only.
fn without_timeline(page: &str) -> String {
    const BEGIN: &str = "<ol class=\"timeline\">";
    match page.split_once(BEGIN) {
        Some((before, rest)) => {
            let (_, after) = rest.split_once("</ol>").unwrap();
            format!("{before}{after}")
        }
        None => page.to_owned(),
    }
}
