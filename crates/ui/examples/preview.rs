//! Serves the pages over records in memory, for looking at them: `cargo run -p fieldstone-ui --example preview`.
//!
//! The environment chooses: `ROLE`, `LOCALE`, `CURRENCY`, `PORT`. Never part of a release.

#![allow(
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "sample data, looked at by its author"
)]

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    http::{HeaderValue, header},
    middleware::{self, Next},
};
use fieldstone_model::{
    Change, Clock as _, Field, FieldType, Object, RecordId, Registry, Role, Stage, StageKind,
    SystemClock, Value, Values,
};
use fieldstone_store::{MemoryStore, Store as _, Workspace};
use fieldstone_ui::{CONTENT_SECURITY_POLICY, Viewer, locale::Locale, router};
use jiff::{ToSpan as _, tz::TimeZone};

const STAGES: [(&str, StageKind, i64); 6] = [
    ("Qualification", StageKind::Open, 1_000),
    ("Needs analysis", StageKind::Open, 2_500),
    ("Proposal", StageKind::Open, 5_000),
    ("Negotiation", StageKind::Open, 7_500),
    ("Won", StageKind::Won, 10_000),
    ("Lost", StageKind::Lost, 0),
];
const COMPANIES: [&str; 12] = [
    "Acme Corporation",
    "Bluethree Logistics",
    "Cancity Foods",
    "Dambase Energy",
    "Ebertgruppe GmbH & Co. KG",
    "Fasehatice Media",
    "Ganjaflex Textiles",
    "Hatfan",
    "Initech",
    "Konmatfix",
    "Rundofase Healthcare",
    "Zumgoity Retail",
];
const PEOPLE: [(&str, &str); 8] = [
    ("Moses", "Frase"),
    ("Darcel", "Schlecht"),
    ("Anna", "Snelling"),
    ("Vicki", "Laflamme"),
    ("Markita", "Hansen"),
    ("Niesha", "Huffines"),
    ("Jörg", "Müller-Lüdenscheidt"),
    ("Corliss", "Cosme"),
];

fn text(value: impl Into<String>) -> Value {
    Value::Text(value.into())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(serve())
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let env =
        |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let role: Role = env("ROLE", "owner").parse()?;
    let store = records(role).await?;
    let me = store.user();
    let store_for = store.clone();
    let locale = Locale::new(
        &env("LOCALE", "en-US"),
        TimeZone::get("Europe/Berlin")?,
        &env("CURRENCY", "EUR"),
    );
    let viewer = Arc::new(move || Viewer {
        user_id: me.id,
        name: "Renate Achterberg".to_owned(),
        role: me.role,
        workspace: "Northwind Sales".to_owned(),
        locale: locale.clone(),
        now: SystemClock.now(),
        can_sign_out: true,
        is_proven: true,
    });
    let app: Router = router::<MemoryStore>(Router::new()).layer(middleware::from_fn(
        move |mut request: Request, next: Next| {
            request.extensions_mut().insert(store_for.clone());
            request.extensions_mut().insert(viewer());
            async move {
                let mut response = next.run(request).await;
                response.headers_mut().insert(
                    header::CONTENT_SECURITY_POLICY,
                    HeaderValue::from_static(CONTENT_SECURITY_POLICY),
                );
                response
            }
        },
    ));
    let app = app.merge(fieldstone_ui::assets::<MemoryStore>());
    let listener =
        tokio::net::TcpListener::bind(format!("127.0.0.1:{}", env("PORT", "8090"))).await?;
    axum::serve(listener, app).await?;
    Ok(())
}

/// A small sales company, and one custom object.
async fn records(role: Role) -> Result<MemoryStore, Box<dyn std::error::Error>> {
    let now = SystemClock.now();
    let id = |prefix: [u8; 3], number: u64| RecordId::compose(prefix, now, number);
    let pipeline = id(*b"fP0", 1);
    let stages: Vec<Stage> = (1_i64..)
        .zip(STAGES)
        .map(|(position, (name, kind, probability))| Stage {
            id: id(*b"01J", position.unsigned_abs()),
            pipeline_id: pipeline,
            name: name.to_owned(),
            kind,
            probability,
            position,
        })
        .collect();
    let mut visit = Object::custom(
        "site_visit".into(),
        "site_visits".into(),
        *b"a00",
        "Site visit".into(),
        "Site visits".into(),
    );
    let custom = |field: Field, label: &str| Field {
        custom: true,
        indexed: true,
        label: Some(label.to_owned()),
        ..field
    };
    visit.fields.push(custom(
        Field::relation(1000, "account_id", "account"),
        "Account",
    ));
    visit.fields.push(custom(
        Field::new(1001, "visited_on", FieldType::Date),
        "Visited on",
    ));
    visit.fields.push(custom(
        Field::new(1002, "score", FieldType::Integer),
        "Score",
    ));
    visit.fields.push(custom(
        Field::new(
            1003,
            "topics",
            FieldType::MultiChoice {
                options: vec![
                    fieldstone_model::Choice::new("Safety"),
                    fieldstone_model::Choice::new("Service"),
                    fieldstone_model::Choice::new("Price"),
                ]
                .into(),
            },
        ),
        "Topics",
    ));
    let workspace = Workspace::new(
        Registry::new(
            1,
            vec![visit],
            std::collections::HashMap::new(),
            stages.clone(),
        ),
        SystemClock,
    );
    let mut settings = vec![Change::Create {
        object: "pipeline".into(),
        id: pipeline,
        values: Values::new()
            .with("name", text("New business"))
            .with("position", Value::Int(1)),
    }];
    settings.extend(stages.iter().map(|stage| {
        Change::Create {
            object: "stage".into(),
            id: stage.id,
            values: Values::new()
                .with("name", text(stage.name.clone()))
                .with("pipeline_id", Value::Id(pipeline))
                .with("position", Value::Int(stage.position))
                .with("kind", text(stage.kind.name()))
                .with("probability", Value::Int(stage.probability)),
        }
    }));
    workspace.seed(&settings)?;
    let store = workspace.add_user("Renate Achterberg", "renate@example.com", role);
    let colleague = workspace.add_user("Cecily Lampkin", "cecily@example.com", Role::Member);
    let today = now.to_zoned(TimeZone::UTC).date();

    let mut accounts = Vec::new();
    for (at, company) in (0_i64..).zip(COMPANIES) {
        let id = colleague.new_id("account").ok_or("account")?;
        let values = Values::new()
            .with("name", text(company))
            .with("kind", text(if at % 3 == 0 { "customer" } else { "prospect" }))
            .with("industry", text(["retail", "technology", "healthcare", "software"][usize::try_from(at)? % 4]))
            .with("city", text(["Berlin", "Wien", "Zürich", "New York"][usize::try_from(at)? % 4]))
            .with("phone", text(format!("+49 30 5550 {:04}", 100 + at)))
            .with("website", text(format!("https://www.{}.example", company.split_whitespace().next().unwrap_or("x").to_lowercase())))
            .with("annual_revenue", Value::Int(110_000_000 + at * 98_765_400))
            .with("employees", Value::Int(40 + at * 731))
            .with("founded", Value::Int(1979 + at))
            .with("description", text("Buys twice a year, in spring and in autumn.\n\nDecisions are made by the purchasing board, which meets on the first Tuesday of each month. Ask for the agenda two weeks ahead."));
        store
            .apply(&[Change::Create {
                object: "account".into(),
                id,
                values,
            }])
            .await?;
        accounts.push(id);
    }
    let mut contacts = Vec::new();
    for (at, (first, last)) in PEOPLE.iter().enumerate() {
        let id = store.new_id("contact").ok_or("contact")?;
        let values = Values::new()
            .with("first_name", text(*first))
            .with("last_name", text(*last))
            .with(
                "job_title",
                text(
                    [
                        "Head of purchasing",
                        "Plant manager",
                        "CFO",
                        "Facility lead",
                    ][at % 4],
                ),
            )
            .with(
                "email",
                text(format!(
                    "{}@example.com",
                    first.to_lowercase().replace('ö', "oe")
                )),
            )
            .with("phone", text(format!("+49 30 5551 {:04}", 200 + at)))
            .with("account_id", Value::Id(accounts[at % accounts.len()]));
        store
            .apply(&[Change::Create {
                object: "contact".into(),
                id,
                values,
            }])
            .await?;
        contacts.push(id);
    }
    for at in 0_usize..140 {
        let owner = if at % 3 == 0 { &colleague } else { &store };
        let owner = if owner.user().role == Role::Viewer {
            &colleague
        } else {
            owner
        };
        let id = owner.new_id("deal").ok_or("deal")?;
        let values = Values::new()
            .with(
                "name",
                text(format!(
                    "{} – {} {}",
                    COMPANIES[at % 12],
                    ["GTX Pro", "MG Special", "GTK 500", "Service plan"][at % 4],
                    2024 + at % 3
                )),
            )
            .with("account_id", Value::Id(accounts[at % accounts.len()]))
            .with("contact_id", Value::Id(contacts[at % contacts.len()]))
            .with("stage_id", Value::Id(stages[at * 7 % stages.len()].id))
            .with(
                "amount",
                Value::Int(
                    i64::try_from(at * 7_919 % 480_000)? * 100 + if at % 5 == 0 { 50 } else { 0 },
                ),
            )
            .with(
                "close_date",
                Value::Date(today.checked_add((i64::try_from(at)? % 60 - 10).days())?),
            )
            .with(
                "source",
                text(["website", "referral", "event", "partner"][at % 4]),
            );
        owner
            .apply(&[Change::Create {
                object: "deal".into(),
                id,
                values,
            }])
            .await?;
        if at < 4 {
            colleague
                .apply(&[Change::Update {
                    object: "deal".into(),
                    id,
                    expected: None,
                    values: Values::new()
                        .with("next_step", text("Send the revised offer"))
                        .with("amount", Value::Int(4_500_000)),
                }])
                .await?;
        }
        if at % 9 == 0 {
            let task = store.new_id("task").ok_or("task")?;
            let values = Values::new()
                .with(
                    "subject",
                    text(
                        [
                            "Call back about delivery dates",
                            "Send the revised offer",
                            "Prepare the site visit",
                        ][at % 3],
                    ),
                )
                .with("about_id", Value::Id(id))
                .with(
                    "due_date",
                    Value::Date(today.checked_add((i64::try_from(at)? / 9 - 3).days())?),
                );
            store
                .apply(&[Change::Create {
                    object: "task".into(),
                    id: task,
                    values,
                }])
                .await?;
        }
    }
    for (at, (first, last)) in PEOPLE.iter().enumerate().take(5) {
        let id = store.new_id("lead").ok_or("lead")?;
        let values = Values::new()
            .with("first_name", text(*last))
            .with("last_name", text(*first))
            .with("company", text(format!("{} Holding", COMPANIES[at])));
        store
            .apply(&[Change::Create {
                object: "lead".into(),
                id,
                values,
            }])
            .await?;
    }
    let long = store.new_id("account").ok_or("account")?;
    store
        .apply(&[Change::Create {
            object: "account".into(),
            id: long,
            values: Values::new().with(
                "name",
                text(
                    "Donaudampfschifffahrtsgesellschaftskapitänswitwenrentenauszahlungsstelle"
                        .repeat(3),
                ),
            ),
        }])
        .await?;
    let visit = store.new_id("site_visit").ok_or("site_visit")?;
    let values = Values::new()
        .with("name", text("Spring round"))
        .with("account_id", Value::Id(accounts[0]))
        .with("visited_on", Value::Date(today))
        .with("score", Value::Int(87))
        .with(
            "topics",
            Value::Choices(vec!["Safety".into(), "Price".into()]),
        );
    store
        .apply(&[Change::Create {
            object: "site_visit".into(),
            id: visit,
            values,
        }])
        .await?;
    Ok(store)
}
