//! A workspace's own fields: what new records get, figures over related records, and in which order they stand.

use fieldstone_model::{
    Change, Clock as _, FieldType, Filter, Query, Record, RecordId, Role, RollUp, SystemClock,
    Value, Values, object::Placed,
};
use fieldstone_server::database::connect;
use fieldstone_server::schema::{self, NewField, SchemaError, Wording};
use fieldstone_server::store::PgStore;
use fieldstone_server::sync::SyncStore as _;
use fieldstone_store::{ChangeError, Store as _, StoreError};
use fieldstone_testkit::TestStores;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn field(name: &str, kind: FieldType) -> NewField {
    NewField {
        name: name.to_owned(),
        kind,
        label: name.to_owned(),
        help: None,
        required: false,
        unique: false,
        indexed: true,
        searchable: false,
        default: None,
        roll_up: None,
    }
}

fn roll_up(name: &str, sum: Option<&str>, filter: &str) -> NewField {
    NewField {
        roll_up: Some(RollUp {
            object: "deal".to_owned(),
            by: "account_id".to_owned(),
            sum: sum.map(str::to_owned),
            filter: filter.to_owned(),
        }),
        ..field(name, FieldType::Integer)
    }
}

async fn create(store: &PgStore, object: &str, values: Values) -> Result<RecordId, StoreError> {
    let id = store.new_id(object).unwrap();
    let change = Change::Create {
        object: object.to_owned(),
        id,
        values,
    };
    store.apply(&[change]).await.map(|_| id)
}

async fn read(store: &PgStore, object: &str, id: RecordId) -> Record {
    store.get(object, id, &[]).await.unwrap()
}

/// What is refused, by field and code.
fn refused<T: std::fmt::Debug>(outcome: Result<T, SchemaError>) -> Vec<(String, String)> {
    match outcome {
        Err(SchemaError::Invalid(errors)) => errors
            .iter()
            .map(|error| (error.field.clone(), error.problem.code().to_owned()))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn relations_of_new_records_lead_where_their_fields_say() {
    let database = TestStores::new().await;
    let (_, ann) = database.workspace("north").await;
    let leading = |name: &str, to: &str, default: Option<String>| NewField {
        default,
        ..field(
            name,
            FieldType::Relation {
                to: to.to_owned().into(),
            },
        )
    };
    let partner = create(&ann, "account", Values::new().with("name", text("Partner")))
        .await
        .unwrap();
    let me = Some("me".to_owned());
    for new in [
        leading("checked_by_id", "user", me.clone()),
        leading("partner_id", "account", Some(partner.to_string())),
    ] {
        schema::create_field(&ann, "account", &new).await.unwrap();
    }
    // What leads nowhere, or to something else, is refused beside the field.
    let gone = RecordId::compose(*b"001", SystemClock.now(), 7).to_string();
    for (default, code) in [
        ("me", "not_a_reference"),
        (&*gone, "missing_reference"),
        (ann.user().id.as_str(), "not_a_reference"),
        ("nobody", "not_a_reference"),
    ] {
        let new = leading("other_id", "account", Some(default.to_owned()));
        let problems = refused(schema::create_field(&ann, "account", &new).await);
        assert_eq!(
            problems,
            [("default".to_owned(), code.to_owned())],
            "{default}"
        );
    }
    let unique = NewField {
        unique: true,
        ..leading("only_id", "user", me)
    };
    let problems = refused(schema::create_field(&ann, "account", &unique).await);
    assert!(
        problems.iter().any(|(field, _)| field == "default"),
        "{problems:?}"
    );

    let ann = database.reopen(&ann).await;
    let named = |name: &str| Values::new().with("name", text(name));
    let acme = create(&ann, "account", named("Acme")).await.unwrap();
    let acme = read(&ann, "account", acme).await;
    assert_eq!(*acme.get("checked_by_id"), Value::Id(ann.user().id));
    assert_eq!(*acme.get("partner_id"), Value::Id(partner));
    // What is entered counts, and so does what is left empty on purpose: by a person, or by a file that has a column for it.
    let beta = named("Beta")
        .with("partner_id", Value::Null)
        .with("checked_by_id", Value::Null);
    let beta = create(&ann, "account", beta).await.unwrap();
    let beta = read(&ann, "account", beta).await;
    assert_eq!(*beta.get("partner_id"), Value::Null);
    assert_eq!(*beta.get("checked_by_id"), Value::Null);
    // A record that is gone keeps nobody from making others.
    let delete = Change::Delete {
        object: "account".to_owned(),
        id: partner,
        expected: None,
    };
    ann.apply(&[delete]).await.unwrap();
    let gamma = create(&ann, "account", named("Gamma")).await.unwrap();
    let gamma = read(&ann, "account", gamma).await;
    assert_eq!(*gamma.get("partner_id"), Value::Null);
    assert_eq!(*gamma.get("checked_by_id"), Value::Id(ann.user().id));
}

#[tokio::test]
async fn new_records_get_what_their_fields_say() {
    let database = TestStores::new().await;
    let (_, ann) = database.workspace("north").await;
    let with = |name: &str, kind, default: &str| NewField {
        default: Some(default.to_owned()),
        ..field(name, kind)
    };
    for new in [
        with("tier", FieldType::Text { max: 20 }, "standard"),
        with("visits", FieldType::Decimal { scale: 2 }, "1.5"),
        with("since", FieldType::Date, "today"),
        with("trusted", FieldType::Boolean, "true"),
    ] {
        schema::create_field(&ann, "account", &new).await.unwrap();
    }
    let ann = database.reopen(&ann).await;
    let acme = create(&ann, "account", Values::new().with("name", text("Acme")))
        .await
        .unwrap();
    let acme = read(&ann, "account", acme).await;
    assert_eq!(*acme.get("tier"), text("standard"));
    assert_eq!(*acme.get("visits"), Value::Int(150));
    assert_eq!(*acme.get("trusted"), Value::Bool(true));
    assert!(matches!(acme.get("since"), Value::Date(_)));
    // What is entered counts, and so does what is cleared.
    let beta = Values::new()
        .with("name", text("Beta"))
        .with("tier", text("gold"))
        .with("visits", Value::Null);
    let beta = create(&ann, "account", beta).await.unwrap();
    let beta = read(&ann, "account", beta).await;
    assert_eq!(*beta.get("tier"), text("gold"));
    assert_eq!(*beta.get("visits"), Value::Null);

    // Another default is for records from then on.
    let wording = Wording {
        label: "Tier",
        help: None,
        default: Some("basic"),
    };
    schema::relabel_field(&ann, "account", "tier", &wording)
        .await
        .unwrap();
    let gamma = create(&ann, "account", Values::new().with("name", text("Gamma")))
        .await
        .unwrap();
    assert_eq!(
        *read(&ann, "account", gamma).await.get("tier"),
        text("basic")
    );

    let to = || FieldType::Relation { to: "user".into() };
    for (new, code) in [
        (with("a", FieldType::Integer, "many"), "not_a_number"),
        (with("b", FieldType::Text { max: 2 }, "long"), "too_long"),
        (with("c_id", to(), "005000000000000"), "missing_reference"),
        (
            NewField {
                unique: true,
                ..with("d", FieldType::Text { max: 20 }, "x")
            },
            "no_default",
        ),
    ] {
        let found = refused(schema::create_field(&ann, "account", &new).await);
        assert_eq!(
            found,
            [("default".to_owned(), code.to_owned())],
            "{}",
            new.name
        );
    }
}

/// An account with an open deal over 2.50, a won and a deleted one; and one without any.
async fn two_accounts(ann: &PgStore) -> (RecordId, RecordId) {
    let acme = create(ann, "account", Values::new().with("name", text("Acme")))
        .await
        .unwrap();
    let beta = create(ann, "account", Values::new().with("name", text("Beta")))
        .await
        .unwrap();
    let deal = |amount: i64| {
        Values::new()
            .with("name", text("Deal"))
            .with("account_id", Value::Id(acme))
            .with("amount", Value::Int(amount))
    };
    let first = create(ann, "deal", deal(100)).await.unwrap();
    create(ann, "deal", deal(250)).await.unwrap();
    let gone = create(ann, "deal", deal(1_000)).await.unwrap();
    let delete = Change::Delete {
        object: "deal".to_owned(),
        id: gone,
        expected: None,
    };
    ann.apply(&[delete]).await.unwrap();
    let won = ann
        .registry()
        .stages()
        .iter()
        .find(|stage| stage.kind.name() == "won")
        .unwrap()
        .id;
    let win = Change::Update {
        object: "deal".to_owned(),
        id: first,
        expected: None,
        values: Values::new().with("stage_id", Value::Id(won)),
    };
    ann.apply(&[win]).await.unwrap();
    (acme, beta)
}

#[tokio::test]
async fn figures_are_of_what_the_reader_sees_and_nobody_writes_them() {
    let database = TestStores::new().await;
    let (tenant, ann) = database.workspace("north").await;
    for new in [
        roll_up("deals", None, ""),
        roll_up("open_amount", Some("amount"), "status = \"open\""),
    ] {
        let made = schema::create_field(&ann, "account", &new).await.unwrap();
        let is_sum = new.name == "open_amount";
        assert_eq!(
            made.kind,
            if is_sum {
                FieldType::Money
            } else {
                FieldType::Integer
            }
        );
        assert!(!made.is_writable() && !made.is_filterable() && !made.is_sortable());
    }
    schema::create_default_pipeline(&ann).await.unwrap();
    // Whoever asks next finds that the workspace has moved on, and the one opened then knows its stages.
    ann.count(&Query::new("deal")).await.unwrap();
    let ann = database.reopen(&ann).await;
    let (acme, beta) = two_accounts(&ann).await;
    let record = read(&ann, "account", acme).await;
    assert_eq!(*record.get("deals"), Value::Int(2));
    assert_eq!(*record.get("open_amount"), Value::Int(250));
    let list = Query::new("account")
        .columns(["name", "deals", "open_amount"])
        .order("name", false);
    let found = ann.list(&list).await.unwrap().records;
    let figures: Vec<_> = found
        .iter()
        .map(|record| {
            (
                record.get("deals").clone(),
                record.get("open_amount").clone(),
            )
        })
        .collect();
    assert_eq!(
        figures,
        [
            (Value::Int(2), Value::Int(250)),
            (Value::Int(0), Value::Null)
        ]
    );
    assert_eq!(
        *read(&ann, "account", beta).await.get("deals"),
        Value::Int(0)
    );

    // Nobody writes, filters, orders by or adds up a figure, and nobody reads it over another record.
    let write = Change::Update {
        object: "account".to_owned(),
        id: acme,
        expected: None,
        values: Values::new().with("deals", Value::Int(7)),
    };
    let refused_write = ann.apply(&[write]).await;
    assert!(
        matches!(
            refused_write,
            Err(StoreError::Change(0, ChangeError::Invalid(_)))
        ),
        "{refused_write:?}"
    );
    for query in [
        Query::new("account").filter(Filter::equal("deals", Value::Int(2))),
        Query::new("account").order("deals", false),
        Query::new("deal").columns(["account.deals"]),
    ] {
        assert!(ann.list(&query).await.is_err(), "{query:?}");
    }

    // Who may not see amounts sees no sum of them, and who sees only their own deals has only those counted.
    let viewer = database.user(tenant, Role::Member).await;
    schema::restrict_field(&ann, "deal", "amount", (Role::Admin, Role::Admin))
        .await
        .unwrap();
    let seen = read(&viewer, "account", acme).await;
    assert_eq!(*seen.get("open_amount"), Value::Null);
    assert_eq!(*seen.get("deals"), Value::Int(2));
}

#[tokio::test]
async fn a_figure_over_nothing_there_is_refused() {
    let database = TestStores::new().await;
    let (_, ann) = database.workspace("north").await;
    let of = |change: fn(&mut RollUp)| {
        let mut new = roll_up("odd", None, "");
        change(new.roll_up.as_mut().unwrap());
        new
    };
    for (new, place) in [
        (of(|it| it.object = "nothing".to_owned()), "roll_up.object"),
        (of(|it| it.by = "owner_id".to_owned()), "roll_up.object"),
        (of(|it| it.sum = Some("name".to_owned())), "roll_up.sum"),
        (of(|it| it.sum = Some(String::new())), "roll_up.sum"),
        (
            of(|it| it.filter = "nothing = 1".to_owned()),
            "roll_up.filter",
        ),
        (of(|it| it.filter = "status".to_owned()), "roll_up.filter"),
    ] {
        let found = refused(schema::create_field(&ann, "account", &new).await);
        assert_eq!(found[0].0, place, "{new:?}");
    }
}

#[tokio::test]
async fn fields_stand_in_the_order_that_the_workspace_says() {
    let database = TestStores::new().await;
    let (tenant, ann) = database.workspace("north").await;
    let placed = |fields: &[&str]| {
        vec![Placed {
            section: "section-details".to_owned(),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        }]
    };
    let wanted = placed(&["due_date", "subject"]);
    schema::arrange_fields(&ann, "task", &wanted).await.unwrap();
    let bob = database.user(tenant, Role::Member).await;
    assert_eq!(bob.registry().object("task").unwrap().places, wanted);
    // A device is told as well.
    let told = bob.describe().await.unwrap().objects;
    let told = told.iter().find(|shape| shape.name == "task").unwrap();
    assert_eq!(told.places, wanted);
    assert!(matches!(
        schema::arrange_fields(&bob, "task", &[]).await,
        Err(SchemaError::Store(StoreError::Denied))
    ));
    for bad in [&["nothing"][..], &["subject", "subject"]] {
        assert!(
            schema::arrange_fields(&ann, "task", &placed(bad))
                .await
                .is_err()
        );
    }
    schema::arrange_fields(&ann, "task", &[]).await.unwrap();
    let carol = database.user(tenant, Role::Viewer).await;
    assert_eq!(carol.registry().object("task").unwrap().places, []);
    let (_, stranger) = database.workspace("south").await;
    assert_eq!(stranger.registry().object("task").unwrap().places, []);
}

#[tokio::test]
async fn an_object_has_ten_roll_ups_and_no_more() {
    let database = TestStores::new().await;
    let (_, ann) = database.workspace("north").await;
    for number in 0..schema::ROLL_UPS_MAX {
        let new = roll_up(&format!("figure_{number}"), None, "");
        schema::create_field(&ann, "account", &new).await.unwrap();
    }
    let more = roll_up("one_more", None, "");
    let full = [("roll_up.object".to_owned(), "roll_ups_full".to_owned())];
    let refused_more = refused(schema::create_field(&ann, "account", &more).await);
    assert_eq!(refused_more, full);
    // A removed one makes room, and doesn't come back into none.
    schema::remove_field(&ann, "account", "figure_3")
        .await
        .unwrap();
    schema::create_field(&ann, "account", &more).await.unwrap();
    let removed = schema::removed_fields(&ann, "account").await.unwrap();
    let restored = schema::restore_field(&ann, "account", removed[0].number).await;
    assert_eq!(
        refused(restored),
        [("restore".to_owned(), "roll_ups_full".to_owned())]
    );
    let plain = field("plain", FieldType::Integer);
    schema::create_field(&ann, "account", &plain).await.unwrap();
}

#[tokio::test]
async fn today_in_a_roll_up_is_the_readers() {
    let database = TestStores::new().await;
    let (_, ann) = database.workspace("north").await;
    let due = roll_up("due", None, "close_date = :today");
    schema::create_field(&ann, "account", &due).await.unwrap();
    schema::create_default_pipeline(&ann).await.unwrap();
    ann.count(&Query::new("deal")).await.unwrap();
    let ann = database.reopen(&ann).await;
    let (acme, _) = two_accounts(&ann).await;
    let deal = Query::new("deal").columns(["id"]);
    let deals = ann.list(&deal).await.unwrap().records;
    let mut seen = Vec::new();
    for zone in ["Pacific/Kiritimati", "Pacific/Pago_Pago"] {
        let zone_of = jiff::tz::TimeZone::get(zone).unwrap();
        let today = SystemClock.now().to_zoned(zone_of).date();
        let owner = connect(&database.database.owner()).await.unwrap();
        let sql = "UPDATE app.\"user\" SET time_zone = $1 WHERE id = $2";
        let user = ann.actor().user;
        owner.execute(sql, &[&zone, &user.as_str()]).await.unwrap();
        let ann = database.reopen(&ann).await;
        let change = Change::Update {
            object: "deal".to_owned(),
            id: deals[0].id,
            expected: None,
            values: Values::new().with("close_date", Value::Date(today)),
        };
        ann.apply(&[change]).await.unwrap();
        assert_eq!(
            *read(&ann, "account", acme).await.get("due"),
            Value::Int(1),
            "{zone}"
        );
        seen.push(today);
    }
    assert_ne!(seen[0], seen[1], "the two never have the same day");
}
