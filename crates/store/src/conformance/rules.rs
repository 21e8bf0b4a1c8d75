//! The objects' own rules, as a store applies them: derived fields, defaults, conversion, and who may write what.

use fieldstone_model::{
    Change, Query, StageKind, Value,
    objects::lead::{Conversion, Target, conversion},
};

use super::{
    Fixture, assert_complains, creation, deletion, fetch, listed, make, refusal, restoration,
    revision, text, values,
};
use crate::{ChangeError, Store, StoreError};

fn stage<S: Store>(store: &S, kind: StageKind, nth: usize) -> Value {
    let mut stages = store
        .registry()
        .stages()
        .iter()
        .filter(|stage| stage.kind == kind);
    Value::Id(stages.nth(nth).unwrap().id)
}

/// Pipeline, status, probability and closing time follow the stage.
pub async fn a_deal_follows_its_stage<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let first = store.registry().first_stage().unwrap().clone();
    let id = make(store, "deal", [("name", text("Deal"))]).await;
    let deal = fetch(store, "deal", id).await;
    assert_eq!(deal.get("stage_id"), &Value::Id(first.id));
    assert_eq!(deal.get("pipeline_id"), &Value::Id(first.pipeline_id));
    assert_eq!(deal.get("status"), &text("open"));
    assert_eq!(deal.get("probability"), &Value::Int(first.probability));
    assert_eq!(deal.get("closed_at"), &Value::Null);

    let second = stage(store, StageKind::Open, 1);
    let moved = [
        ("stage_id", second.clone()),
        ("probability", Value::Int(1234)),
    ];
    store.apply(&[revision("deal", id, moved)]).await.unwrap();
    let deal = fetch(store, "deal", id).await;
    assert_eq!(deal.get("probability"), &Value::Int(1234));

    let won = [("stage_id", stage(store, StageKind::Won, 0))];
    store.apply(&[revision("deal", id, won)]).await.unwrap();
    let deal = fetch(store, "deal", id).await;
    assert_eq!(deal.get("status"), &text("won"));
    assert_eq!(deal.get("probability"), &Value::Int(10_000));
    let closed_at = deal.get("closed_at").clone();
    assert_eq!(&closed_at, deal.get("updated_at"));

    let lost = [("stage_id", stage(store, StageKind::Lost, 0))];
    store.apply(&[revision("deal", id, lost)]).await.unwrap();
    let deal = fetch(store, "deal", id).await;
    assert_eq!(deal.get("status"), &text("lost"));
    assert_eq!(deal.get("closed_at"), &closed_at);

    let again = [("stage_id", second)];
    store.apply(&[revision("deal", id, again)]).await.unwrap();
    let deal = fetch(store, "deal", id).await;
    assert_eq!(deal.get("status"), &text("open"));
    assert_eq!(deal.get("closed_at"), &Value::Null);

    let arrived = [
        ("name", text("From elsewhere")),
        ("stage_id", stage(store, StageKind::Won, 0)),
        ("close_date", Value::Date("2024-02-29".parse().unwrap())),
    ];
    let elsewhere = make(store, "deal", arrived).await;
    let deal = fetch(store, "deal", elsewhere).await;
    assert_eq!(
        deal.get("closed_at"),
        &Value::DateTime("2024-02-29T12:00:00Z".parse().unwrap())
    );
    let ahead = [
        ("name", text("Sooner than expected")),
        ("stage_id", stage(store, StageKind::Won, 0)),
        ("close_date", Value::Date("2199-01-01".parse().unwrap())),
    ];
    let ahead = make(store, "deal", ahead).await;
    let deal = fetch(store, "deal", ahead).await;
    assert_eq!(deal.get("closed_at"), deal.get("created_at"));

    let unknown = [("stage_id", Value::Id("01J0000000000zz".parse().unwrap()))];
    assert_complains(
        store.apply(&[revision("deal", id, unknown)]).await,
        &[("stage_id", "missing_reference")],
    );
    let without = [("stage_id", Value::Null)];
    assert_complains(
        store.apply(&[revision("deal", id, without)]).await,
        &[("stage_id", "required")],
    );
}

/// A person's name is first and last name, now and after every change of either.
pub async fn people_are_named_from_their_parts<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    for object in ["contact", "lead"] {
        let id = make(
            store,
            object,
            [("first_name", text("Ada")), ("last_name", text("Byron"))],
        )
        .await;
        let changes = [
            (("last_name", text("Lovelace")), "Ada Lovelace"),
            (("first_name", Value::Null), "Lovelace"),
            (("first_name", text("Augusta")), "Augusta Lovelace"),
        ];
        assert_eq!(
            fetch(store, object, id).await.get("name"),
            &text("Ada Byron")
        );
        for (change, name) in changes {
            store
                .apply(&[revision(object, id, [change])])
                .await
                .unwrap();
            assert_eq!(fetch(store, object, id).await.get("name"), &text(name));
        }
        let query = || Query::new(object).order("name", false);
        assert_eq!(listed(store, query()).await, ["Augusta Lovelace"]);
        let search = Query {
            search: Some("august lovel".to_owned()),
            ..query()
        };
        assert_eq!(listed(store, search).await, ["Augusta Lovelace"]);
    }
}

/// Done and closed leave their time; reopening takes it away.
pub async fn tasks_and_cases_remember_when_they_ended<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    for (object, field, ended) in [("task", "done_at", "done"), ("case", "closed_at", "closed")] {
        let id = make(store, object, [("subject", text("Look into it"))]).await;
        let record = fetch(store, object, id).await;
        assert_eq!(record.get(field), &Value::Null);
        assert_eq!(record.get("priority"), &text("normal"));
        let end = revision(object, id, [("status", text(ended))]);
        store.apply(&[end]).await.unwrap();
        let record = fetch(store, object, id).await;
        let at = record.get(field).clone();
        assert_eq!(&at, record.get("updated_at"));
        let later = revision(object, id, [("priority", text("high"))]);
        store.apply(&[later]).await.unwrap();
        assert_eq!(fetch(store, object, id).await.get(field), &at);
        let reopened = revision(object, id, [("status", text("waiting"))]);
        store.apply(&[reopened]).await.unwrap();
        assert_eq!(fetch(store, object, id).await.get(field), &Value::Null);
    }
}

/// Quantity × price − discount, half up to a hundredth.
pub async fn deal_lines_add_up<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let deal = make(store, "deal", [("name", text("Deal"))]).await;
    let line = |quantity, price, discount| {
        creation(
            store,
            "deal_line",
            [
                ("name", text("Line")),
                ("deal_id", Value::Id(deal)),
                ("quantity", quantity),
                ("unit_price", Value::Int(price)),
                ("discount", discount),
            ],
        )
    };
    for (quantity, price, discount, total) in [
        (Value::Null, 199, Value::Null, 199),
        (Value::Int(2_500), 101, Value::Null, 253),
        (Value::Int(3_000), 10_000, Value::Int(1_250), 26_250),
        (Value::Int(-1_000), 50, Value::Null, -50),
    ] {
        let change = line(quantity, price, discount);
        let id = change.id();
        store.apply(&[change]).await.unwrap();
        let record = fetch(store, "deal_line", id).await;
        assert_eq!(record.get("total"), &Value::Int(total));
        let doubled = revision("deal_line", id, [("unit_price", Value::Int(price * 2))]);
        store.apply(&[doubled]).await.unwrap();
        let record = fetch(store, "deal_line", id).await;
        assert!((record.get("total").as_int().unwrap() - total * 2).abs() <= 1);
    }
    let largest = fieldstone_model::value::NUMBER_MAX;
    let answer = store
        .apply(&[line(Value::Int(2_000), largest, Value::Null)])
        .await;
    assert_complains(answer, &[("quantity", "total_too_large")]);
    let answer = store
        .apply(&[line(Value::Null, 1, Value::Int(10_001))])
        .await;
    assert_complains(answer, &[("discount", "out_of_range")]);
}

/// Defaults are for what was left out or left empty, never over what was given.
pub async fn defaults_fill_only_what_is_empty<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let empty = make(
        store,
        "product",
        [
            ("name", text("Rod")),
            ("active", Value::Null),
            ("owner_id", Value::Null),
        ],
    )
    .await;
    let record = fetch(store, "product", empty).await;
    assert_eq!(record.get("active"), &Value::Bool(true));
    assert_eq!(record.get("owner_id"), &Value::Id(store.user().id));
    let given = make(
        store,
        "product",
        [("name", text("Rod")), ("active", Value::Bool(false))],
    )
    .await;
    assert_eq!(
        fetch(store, "product", given).await.get("active"),
        &Value::Bool(false)
    );
    let event = make(
        store,
        "event",
        [
            ("subject", text("Visit")),
            ("starts_at", super::instant("2026-03-01T10:00:00Z")),
        ],
    )
    .await;
    assert_eq!(
        fetch(store, "event", event).await.get("ends_at"),
        &super::instant("2026-03-01T11:00:00Z")
    );
    let backwards = revision(
        "event",
        event,
        [("ends_at", super::instant("2026-03-01T09:59:59Z"))],
    );
    assert_complains(
        store.apply(&[backwards]).await,
        &[("ends_at", "ends_before_start")],
    );
}

struct Lead {
    id: fieldstone_model::RecordId,
    values: fieldstone_model::Values,
}

async fn lead<S: Store>(store: &S) -> Lead {
    let pairs = [
        ("first_name", text("Ada")),
        ("last_name", text("Byron")),
        ("company", text("Engines Ltd")),
        ("email", text("ada@example.com")),
        ("city", text("London")),
        ("source", text("referral")),
    ];
    let id = make(store, "lead", pairs).await;
    let record = fetch(store, "lead", id).await;
    Lead {
        id,
        values: record
            .iter()
            .map(|(column, value)| (column.name.clone(), value.clone()))
            .collect(),
    }
}

fn plan<S: Store>(store: &S, deal: Option<&str>) -> Conversion {
    Conversion {
        account: Target::New(store.new_id("account").unwrap()),
        contact_id: store.new_id("contact").unwrap(),
        deal: deal.map(|name| (store.new_id("deal").unwrap(), name.to_owned())),
    }
}

/// A qualified lead becomes an account, a contact and a deal that know each other, owned by the lead's owner.
pub async fn a_lead_is_converted_in_one_step<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let Lead { id, values } = lead(store).await;
    let plan = plan(store, Some("Engine for Ada"));
    let applied = team
        .admin
        .apply(&conversion(id, 1, &values, &plan))
        .await
        .unwrap();
    assert_eq!(applied.len(), 4);
    let owner = Value::Id(store.user().id);
    let (deal_id, _) = plan.deal.clone().unwrap();
    let (Target::New(account_id) | Target::Existing(account_id)) = plan.account;
    let account = fetch(store, "account", account_id).await;
    assert_eq!(account.get("name"), &text("Engines Ltd"));
    assert_eq!(account.get("city"), &text("London"));
    assert_eq!(account.get("owner_id"), &owner);
    let contact = fetch(store, "contact", plan.contact_id).await;
    assert_eq!(contact.get("name"), &text("Ada Byron"));
    assert_eq!(contact.get("email"), &text("ada@example.com"));
    assert_eq!(contact.get("account_id"), &Value::Id(account_id));
    let deal = fetch(store, "deal", deal_id).await;
    assert_eq!(deal.get("name"), &text("Engine for Ada"));
    assert_eq!(deal.get("source"), &text("referral"));
    assert_eq!(deal.get("contact_id"), &Value::Id(plan.contact_id));
    assert_eq!(deal.get("account_id"), &Value::Id(account_id));
    assert_eq!(deal.get("owner_id"), &owner);
    let lead = fetch(store, "lead", id).await;
    assert_eq!(lead.get("status"), &text("converted"));
    assert_eq!(lead.get("converted_account_id"), &Value::Id(account_id));
    assert_eq!(
        lead.get("converted_contact_id"),
        &Value::Id(plan.contact_id)
    );
    assert_eq!(lead.get("converted_deal_id"), &Value::Id(deal_id));
    let reopened = revision("lead", id, [("status", text("working"))]);
    assert_complains(
        store.apply(&[reopened]).await,
        &[("status", "lead_stays_converted")],
    );
}

/// Who converts a lead that somebody else has converted meanwhile is told so; there is one account.
pub async fn a_lead_is_converted_once<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let Lead { id, values } = lead(store).await;
    let changes = conversion(id, 1, &values, &plan(store, None));
    assert_eq!(changes.len(), 3);
    store.apply(&changes).await.unwrap();
    let again = conversion(id, 1, &values, &plan(store, Some("Twice")));
    let (_, error) = refusal(team.admin.apply(&again).await);
    assert_eq!(error, ChangeError::Stale { current: 2 });
    assert_eq!(listed(store, Query::new("account")).await, ["Engines Ltd"]);
    assert!(listed(store, Query::new("deal")).await.is_empty());
    for half in [
        vec![("status", text("converted"))],
        vec![("converted_account_id", Value::Null)],
    ] {
        let fresh = lead(store).await.id;
        let change = match half[0].0 {
            "status" => revision("lead", fresh, half),
            _ => revision("lead", id, half),
        };
        assert_complains(
            store.apply(&[change]).await,
            &[("status", "lead_convert_instead")],
        );
    }
}

/// A conversion that can't be finished makes nothing: no account, no contact, no token to find them by.
pub async fn a_failed_conversion_leaves_nothing<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let Lead { id, values } = lead(store).await;
    let bad = plan(store, Some(""));
    let answer = store.apply(&conversion(id, 1, &values, &bad)).await;
    assert_eq!(refusal(answer).0, 2);
    let gone = Conversion {
        account: Target::Existing(store.new_id("account").unwrap()),
        ..plan(store, None)
    };
    assert_complains(
        store.apply(&conversion(id, 1, &values, &gone)).await,
        &[("account_id", "missing_reference")],
    );
    for object in ["account", "contact", "deal"] {
        assert_eq!(store.count(&Query::new(object)).await.unwrap(), 0);
    }
    assert_eq!(fetch(store, "lead", id).await.version, 1);
}

/// A viewer reads everything and changes nothing.
pub async fn viewers_change_nothing<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let id = make(&team.member, "account", [("name", text("Acme"))]).await;
    let gone = make(&team.member, "account", [("name", text("Gone"))]).await;
    let deletion_by_member = deletion("account", gone);
    team.member.apply(&[deletion_by_member]).await.unwrap();
    let before = fetch(&team.viewer, "account", id).await;
    for change in [
        creation(&team.viewer, "account", [("name", text("Mine"))]),
        creation(&team.viewer, "inspection", [("name", text("Mine"))]),
        revision("account", id, [("name", text("Changed"))]),
        deletion("account", id),
        restoration("account", gone),
        creation(&team.viewer, "stage", [("name", text("Mine"))]),
    ] {
        let answer = team.viewer.apply(std::slice::from_ref(&change)).await;
        assert!(matches!(answer, Err(StoreError::Denied)), "{change:?}");
    }
    assert_eq!(fetch(&team.viewer, "account", id).await, before);
    assert_eq!(listed(&team.viewer, Query::new("account")).await, ["Acme"]);
    assert!(fetch(&team.viewer, "account", gone).await.deleted);
}

/// Pipelines and stages are records that only admins and owners write; a mixed batch doesn't get past that.
pub async fn settings_are_for_admins<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let pipeline = |name: &str| {
        creation(
            &team.admin,
            "pipeline",
            [("name", text(name)), ("position", Value::Int(5))],
        )
    };
    let before = team.viewer.count(&Query::new("pipeline")).await.unwrap();
    assert!(matches!(
        team.member.apply(&[pipeline("Mine")]).await,
        Err(StoreError::Denied)
    ));
    let mixed = [
        creation(&team.member, "account", [("name", text("Fine"))]),
        pipeline("Mine"),
    ];
    assert!(matches!(
        team.member.apply(&mixed).await,
        Err(StoreError::Denied)
    ));
    assert_eq!(team.viewer.count(&Query::new("account")).await.unwrap(), 0);
    let existing = team.member.registry().stages()[0].clone();
    for change in [
        revision("stage", existing.id, [("name", text("Mine"))]),
        deletion("stage", existing.id),
        deletion("pipeline", existing.pipeline_id),
    ] {
        assert!(matches!(
            team.member.apply(&[change]).await,
            Err(StoreError::Denied)
        ));
    }
    for store in [&team.admin, &team.owner] {
        let change = pipeline(&format!("By {}", store.user().role));
        let id = change.id();
        store.apply(&[change]).await.unwrap();
        let record = fetch(&team.viewer, "pipeline", id).await;
        assert_eq!(record.get("position"), &Value::Int(5));
    }
    assert_eq!(
        team.viewer.count(&Query::new("pipeline")).await.unwrap(),
        before + 2
    );
    let answer = team.admin.apply(&[pipeline("by ADMIN")]).await;
    assert_complains(answer, &[("name", "duplicate")]);
}

/// Deals have pipeline and status from their stage, so a stage never takes either elsewhere.
pub async fn a_stage_keeps_its_pipeline_and_its_kind<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let stage = team.admin.registry().first_stage().unwrap().clone();
    make(&team.member, "deal", [("name", text("x"))]).await;
    let other = creation(
        &team.admin,
        "pipeline",
        [("name", text("Other")), ("position", Value::Int(9))],
    );
    let elsewhere = Value::Id(other.id());
    team.admin.apply(&[other]).await.unwrap();
    for (field, value) in [("pipeline_id", elsewhere), ("kind", text("won"))] {
        let answer = team
            .admin
            .apply(&[revision("stage", stage.id, [(field, value)])])
            .await;
        assert_complains(answer, &[(field, "stage_is_fixed")]);
    }
    let same = [
        ("name", text("Renamed")),
        ("kind", text(stage.kind.name())),
        ("pipeline_id", Value::Id(stage.pipeline_id)),
    ];
    team.admin
        .apply(&[revision("stage", stage.id, same)])
        .await
        .unwrap();
}

/// Users are kept by identity: they are read, listed and referred to here, never written, not even by an owner.
pub async fn users_are_not_written_here<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let query = || Query::new("user").order("name", false);
    assert_eq!(
        listed(&team.viewer, query()).await,
        ["Adam Admin", "Mia Member", "Olive Owner", "Vic Viewer"]
    );
    let id = team.viewer.user().id;
    let user = fetch(&team.member, "user", id).await;
    assert_eq!(user.get("email"), &text("vic@example.com"));
    assert_eq!(user.get("role"), &text("viewer"));
    assert_eq!(user.get("active"), &Value::Bool(true));
    for store in [&team.owner, &team.admin, &team.member, &team.viewer] {
        for change in [
            Change::Create {
                object: "user".to_owned(),
                id: store.new_id("user").unwrap(),
                values: values([("name", text("Nobody"))]),
            },
            revision("user", id, [("role", text("owner"))]),
            deletion("user", id),
        ] {
            let answer = store.apply(&[change]).await;
            assert!(
                matches!(
                    answer,
                    Err(StoreError::Denied | StoreError::Change(0, ChangeError::ReadOnlyObject))
                ),
                "{answer:?}"
            );
        }
    }
    assert_eq!(fetch(&team.member, "user", id).await, user);
}
