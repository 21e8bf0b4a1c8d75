//! The same pages over both stores: `ui`'s router, run in process, shows a device's records as it shows the reference's.

use std::{collections::HashMap, sync::Arc};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::Request,
    http::{StatusCode, header},
    middleware::{self, Next},
};
use fieldstone_client::{
    keys::LoginKey,
    store::{Local, PlatformRow, SchemaDocument, Unknown},
};
use fieldstone_model::{
    Change, Field, FieldType, RecordId, Registry, Role, RollUp, Value, Values, clock::FixedClock,
    object::Placed,
};
use fieldstone_store::{
    MemoryStore, Store, User, Workspace, conflict::ConflictStore, conformance::schema,
};
use fieldstone_ui::{Viewer, locale::Locale, router};
use jiff::{Timestamp, tz::TimeZone};
use tower::ServiceExt as _;

use crate::conformance::document;

const USER: &str = "0050000000000Aa";
const ACCOUNT: &str = "0011kQh2S000001";
const CONTACT: &str = "0031kQh2S000001";
const DEAL: &str = "0061kQh2S000001";
const VISIT: &str = "a001kQh2S000001";

fn now() -> Timestamp {
    "2026-03-10T09:30:00Z".parse().unwrap()
}

fn id(text: &str) -> RecordId {
    text.parse().unwrap()
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn stages() -> Vec<fieldstone_model::Stage> {
    schema::stages(id("fP00000000000Aa"), |at| {
        id(&format!("01J00000000000{at}"))
    })
}

/// What both stores are given to do.
fn changes() -> Vec<Change> {
    let create = |object: &str, record: &str, values| Change::Create {
        object: object.to_owned(),
        id: id(record),
        values,
    };
    let mut changes = Vec::new();
    changes.push(create(
        "account",
        ACCOUNT,
        Values::new()
            .with("name", text("Ångström & Söhne <GmbH>"))
            .with("city", text("Halle"))
            .with("phone", text("+49 345 1234"))
            .with("annual_revenue", Value::Int(123_456_789)),
    ));
    for at in 2..60 {
        let record = format!("0011kQh2S0000{at:02}");
        let values = Values::new()
            .with("name", text(&format!("Company {at}")))
            .with("city", text(if at % 3 == 0 { "Leuna" } else { "halle" }));
        changes.push(create("account", &record, values));
    }
    changes.push(create(
        "contact",
        CONTACT,
        Values::new()
            .with("first_name", text("Ada"))
            .with("last_name", text("Lovelace"))
            .with("email", text("ada@example.com"))
            .with("account_id", Value::Id(id(ACCOUNT))),
    ));
    changes.push(create(
        "deal",
        DEAL,
        Values::new()
            .with("name", text("Wind park"))
            .with("account_id", Value::Id(id(ACCOUNT)))
            .with("amount", Value::Int(1_234_550))
            .with("close_date", Value::Date(jiff::civil::date(2026, 3, 1)))
            .with("seats", Value::Int(12))
            .with(
                "interests",
                Value::Choices(vec!["gold".to_owned(), "tin".to_owned()]),
            )
            .with("renewal", Value::Date(jiff::civil::date(2027, 1, 31))),
    ));
    changes.push(create(
        "inspection",
        VISIT,
        Values::new()
            .with("name", text("First visit"))
            .with("inspector", text("Ada"))
            .with("account_id", Value::Id(id(ACCOUNT))),
    ));
    changes.push(Change::Update {
        object: "deal".to_owned(),
        id: id(DEAL),
        expected: None,
        values: Values::new()
            .with("amount", Value::Int(2_000_000))
            .with("territory", text("North")),
    });
    changes
}

fn user() -> User {
    User {
        id: id(USER),
        role: Role::Owner,
    }
}

/// An order of fields that nobody would have without asking for it.
fn places() -> Vec<Placed> {
    vec![Placed {
        section: "section-details".to_owned(),
        fields: ["city", "annual_revenue", "phone"]
            .map(str::to_owned)
            .to_vec(),
    }]
}

async fn reference() -> MemoryStore {
    let registry = Registry::new(
        1,
        vec![schema::custom_object()],
        schema::custom_fields(),
        stages(),
    );
    let workspace = Workspace::new(registry.placed("account", places()), FixedClock(now()));
    let store = workspace.adopt_user(id(USER), "Ada Lovelace", "ada@example.com", Role::Owner);
    store.apply(&schema::settings(&stages())).await.unwrap();
    store.apply(&changes()).await.unwrap();
    store
}

async fn device(folder: &std::path::Path) -> fieldstone_client::store::DeviceStore {
    let key = LoginKey::generate().unwrap();
    let clock = Arc::new(FixedClock(now()));
    let local = Local::open(&folder.join("db"), &key, clock, false)
        .await
        .unwrap();
    let placed = SchemaDocument {
        places: HashMap::from([("account".to_owned(), places())]),
        ..document()
    };
    local.set_schema(placed).await.unwrap();
    let row = PlatformRow {
        id: id(USER),
        version: 1,
        row_tag: 1,
        values: Values::new()
            .with("created_at", Value::DateTime(now()))
            .with("created_by_id", Value::Id(id(USER)))
            .with("updated_at", Value::DateTime(now()))
            .with("updated_by_id", Value::Id(id(USER)))
            .with("name", text("Ada Lovelace"))
            .with("email", text("ada@example.com"))
            .with("role", text("owner"))
            .with("active", Value::Bool(true)),
        unknown: Unknown::new(),
    };
    local.adopt(vec![row]).await.unwrap();
    // Stages are known to the objects' rules once their transaction is over.
    let settings = schema::settings(&stages());
    local.store(user()).apply(&settings).await.unwrap();
    local.store(user()).apply(&changes()).await.unwrap();
    local.store(user())
}

fn pages<S: ConflictStore + Clone + Send + Sync + 'static>(store: S) -> Router {
    router::<S>(Router::new()).layer(middleware::from_fn(
        move |mut request: Request, next: Next| {
            let store = store.clone();
            request.extensions_mut().insert(Viewer {
                user_id: id(USER),
                name: "Ada Lovelace".to_owned(),
                role: Role::Owner,
                workspace: "Northwind".to_owned(),
                locale: Locale::new("en-US", TimeZone::get("Europe/Berlin").unwrap(), "EUR"),
                now: now(),
                can_sign_out: false,
                is_proven: true,
            });
            request.extensions_mut().insert(store);
            next.run(request)
        },
    ))
}

async fn ask(router: &Router, request: Request) -> (StatusCode, String) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 10 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn get(path: &str) -> Request {
    Request::get(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn a_device_shows_fields_in_the_order_that_the_workspace_wants() {
    let folder = tempfile::tempdir().unwrap();
    let device = pages(device(folder.path()).await);
    for path in [
        format!("/accounts/{ACCOUNT}"),
        format!("/accounts/{ACCOUNT}/edit"),
        "/accounts/new".to_owned(),
    ] {
        let (_, page) = ask(&device, get(&path)).await;
        // Beside the facts stands what is most important, in an order of its own.
        let page = page
            .split("<dl class=\"facts\">")
            .skip(1)
            .collect::<String>()
            + &page;
        let at = |label: &str| {
            let found = page.find(&format!(">{label}"));
            found.unwrap_or_else(|| panic!("{label} on {path}:\n{page}"))
        };
        // The city has left the address, the phone the section it usually stands in.
        assert!(at("City") < at("Annual revenue"), "{path}");
        assert!(at("Annual revenue") < at("Phone"), "{path}");
        assert!(at("Phone") < at("Industry"), "{path}");
    }
}

#[tokio::test]
async fn a_device_shows_the_same_pages() {
    let folder = tempfile::tempdir().unwrap();
    let (reference, device) = (pages(reference().await), pages(device(folder.path()).await));
    let paths = [
        "/".to_owned(),
        "/accounts".to_owned(),
        "/accounts?sort=name".to_owned(),
        "/accounts?sort=-city".to_owned(),
        "/accounts?q=ang".to_owned(),
        "/deals".to_owned(),
        "/inspections".to_owned(),
        "/accounts/new".to_owned(),
        "/accounts/deleted".to_owned(),
        "/search?q=halle".to_owned(),
        "/search?q=wind".to_owned(),
        format!("/accounts/{ACCOUNT}"),
        format!("/accounts/{ACCOUNT}/edit"),
        format!("/contacts/{CONTACT}"),
        format!("/deals/{DEAL}"),
        format!("/deals/{DEAL}/edit"),
        format!("/deals/{DEAL}/history"),
        format!("/inspections/{VISIT}"),
        "/accounts/0010000000000zz".to_owned(),
    ];
    for path in &paths {
        let (status, expected) = ask(&reference, get(path)).await;
        let (found_status, found) = ask(&device, get(path)).await;
        assert_eq!(found_status, status, "{path}");
        if found != expected {
            let (line, (wanted, got)) = expected
                .lines()
                .zip(found.lines())
                .enumerate()
                .find(|(_, (wanted, got))| wanted != got)
                .unwrap_or((0, ("more or fewer lines", "")));
            panic!("{path}, line {line}:\n  {wanted}\n  {got}");
        }
    }
}

#[tokio::test]
async fn a_count_says_that_it_is_of_this_device() {
    let folder = tempfile::tempdir().unwrap();
    let (reference, device) = (pages(reference().await), pages(device(folder.path()).await));
    let (_, whole) = ask(&reference, get("/accounts/count")).await;
    let (_, scope) = ask(&device, get("/accounts/count")).await;
    assert!(
        whole.contains("59") && scope.contains("59"),
        "{whole}\n{scope}"
    );
    assert_ne!(whole, scope);
    assert!(scope.contains("device"), "{scope}");
}

#[tokio::test]
async fn a_figure_says_that_it_is_of_this_device() {
    let folder = tempfile::tempdir().unwrap();
    let store = device(folder.path()).await;
    let mut figures = SchemaDocument {
        version: 2,
        ..document()
    };
    let roll_up = RollUp {
        object: "deal".to_owned(),
        by: "account_id".to_owned(),
        sum: Some("amount".to_owned()),
        filter: "close_date < :today".to_owned(),
    };
    let figure = Field {
        custom: true,
        label: Some("Overdue".to_owned()),
        roll_up: Some(Box::new(roll_up)),
        ..Field::new(1_900, "overdue", FieldType::Money)
    };
    let of_accounts = figures.fields.entry("account".to_owned()).or_default();
    of_accounts.push(figure);
    store.local().set_schema(figures).await.unwrap();
    // A store sees the objects as they are when it is taken.
    let router = pages(store.local().store(user()));
    let (_, page) = ask(&router, get(&format!("/accounts/{ACCOUNT}"))).await;
    let figure = "Overdue (on this device)</dt><dd>€20,000";
    assert!(page.contains(figure), "{page}");
}

#[tokio::test]
async fn a_form_changes_a_record_on_the_device_and_fills_the_outbox() {
    let folder = tempfile::tempdir().unwrap();
    let store = device(folder.path()).await;
    let before = store.local().pending_count().await.unwrap();
    let router = pages(store.clone());
    let post = |path: String, body: &str| {
        Request::post(path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(body.to_owned()))
            .unwrap()
    };
    let (status, page) = ask(
        &router,
        post("/accounts".to_owned(), "name=Offline+GmbH&city=Jena"),
    )
    .await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{page}");
    let (_, found) = ask(&router, get("/accounts?q=offline")).await;
    assert!(found.contains("Offline GmbH"));
    assert_eq!(store.local().pending_count().await.unwrap(), before + 1);
    let path = format!("/accounts/{ACCOUNT}/deletion");
    let (status, page) = ask(&router, post(path, "")).await;
    assert_eq!(status, StatusCode::SEE_OTHER, "{page}");
    let (_, found) = ask(&router, get("/accounts?q=angstrom")).await;
    assert!(!found.contains("Ångström &"));
}

/// The registry of a device has what the platform's has.
#[tokio::test]
async fn a_device_knows_the_same_fields() {
    let folder = tempfile::tempdir().unwrap();
    let (reference, device) = (reference().await, device(folder.path()).await);
    let fields = |registry: &Registry| -> Vec<(String, Vec<Field>)> {
        let fields = registry.objects();
        fields
            .map(|object| (object.name.to_string(), object.fields.clone()))
            .collect()
    };
    assert_eq!(fields(reference.registry()), fields(device.registry()));
}
