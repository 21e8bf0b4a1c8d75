//! Filters: what every comparison means for every type. Two-valued: a record matches or it doesn't, and `Not` is the complement.

use fieldstone_model::{Comparison, Filter, Query, Value, query::Presence};
use jiff::civil;

use super::{Fixture, Team, day, instant, listed, make, text};
use crate::Store;
use Comparison::{
    Contains, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual, StartsWith,
};

async fn deals<S: Store>(team: &Team<S>, field: &'static str, cases: &[(&'static str, Value)]) {
    for (name, value) in cases {
        make(
            &team.member,
            "deal",
            [("name", text(*name)), (field, value.clone())],
        )
        .await;
    }
}

/// Names of the deals that match, in alphabetical order; checks that the filter's negation gives exactly the others.
async fn matching<S: Store>(store: &S, filter: Filter) -> Vec<String> {
    let query = |filter| Query::new("deal").filter(filter).order("name", false);
    let found = listed(store, query(filter.clone())).await;
    let others = listed(store, query(Filter::Not(Box::new(filter.clone())))).await;
    let mut both = [found.clone(), others].concat();
    both.sort();
    let mut all = listed(store, query(Filter::All)).await;
    all.sort();
    assert_eq!(both, all, "{filter:?} and its negation are not complements");
    assert_eq!(
        store.count(&query(filter)).await.unwrap(),
        found.len() as u64
    );
    found
}

async fn assert_matches<S: Store>(
    store: &S,
    field: &str,
    expected: &[(Comparison, Value, &[&str])],
) {
    for (comparison, value, names) in expected {
        let filter = Filter::compare(field, *comparison, value.clone());
        assert_eq!(
            matching(store, filter).await,
            *names,
            "{field} {} {value:?}",
            comparison.operator()
        );
    }
}

/// Money, integers, decimals, percentages: by their number, exactly.
pub async fn numbers_compare<F: Fixture>(fixture: &F) {
    for field in ["amount", "seats", "margin"] {
        let team = fixture.workspace().await;
        let cases = [
            ("a", Value::Int(-100)),
            ("b", Value::Int(0)),
            ("c", Value::Int(100)),
            ("d", Value::Int(101)),
            ("e", Value::Null),
        ];
        deals(&team, field, &cases).await;
        let at = Value::Int;
        assert_matches(
            &team.viewer,
            field,
            &[
                (Equal, at(100), &["c"]),
                (NotEqual, at(100), &["a", "b", "d", "e"]),
                (Less, at(100), &["a", "b"]),
                (LessOrEqual, at(100), &["a", "b", "c"]),
                (Greater, at(100), &["d"]),
                (GreaterOrEqual, at(100), &["c", "d"]),
                (Greater, at(999_999), &[]),
                (Equal, at(99), &[]),
            ],
        )
        .await;
    }
    let team = fixture.workspace().await;
    let cases = [("a", Value::Int(1)), ("b", Value::Int(10_000))];
    deals(&team, "probability", &cases).await;
    assert_matches(
        &team.viewer,
        "probability",
        &[(Less, Value::Int(2), &["a"])],
    )
    .await;
}

/// Text: without case, accents and surplus spaces; ordered by the folded key.
pub async fn text_compares_folded<F: Fixture>(fixture: &F) {
    for field in ["next_step", "territory"] {
        let team = fixture.workspace().await;
        let cases = [
            ("a", text("Café  Noir")),
            ("b", text("cafe")),
            ("c", text("Straße")),
            ("d", text("100% sure_thing\\")),
            ("e", Value::Null),
        ];
        deals(&team, field, &cases).await;
        assert_matches(
            &team.viewer,
            field,
            &[
                (Equal, text("CAFÉ noir"), &["a"]),
                (Equal, text("STRASSE"), &["c"]),
                (NotEqual, text("Cafe"), &["a", "c", "d", "e"]),
                (Contains, text("É n"), &["a"]),
                (Contains, text("ss"), &["c"]),
                (StartsWith, text("CAFE"), &["a", "b"]),
                (StartsWith, text("noir"), &[]),
                (Less, text("d"), &["a", "b", "d"]),
                (LessOrEqual, text("CAFE"), &["b", "d"]),
                (Greater, text("cafe"), &["a", "c"]),
                (GreaterOrEqual, text("café noir"), &["a", "c"]),
            ],
        )
        .await;
    }
    let team = fixture.workspace().await;
    let phones = [("a", text("+49 (30) 123-45")), ("b", text("0049 30 999"))];
    deals(&team, "hotline", &phones).await;
    assert_matches(
        &team.viewer,
        "hotline",
        &[
            (Equal, text("0049 3012345"), &["a"]),
            (StartsWith, text("+49 30"), &["a", "b"]),
            (Contains, text("999"), &["b"]),
        ],
    )
    .await;
}

/// `%`, `_` and `\` are characters like any other.
pub async fn parts_of_text_are_taken_literally<F: Fixture>(fixture: &F) {
    for field in ["next_step", "territory"] {
        let team = fixture.workspace().await;
        let cases = [
            ("a", text("100% sure")),
            ("b", text("100 sure")),
            ("c", text("under_score")),
            ("d", text("underXscore")),
            ("e", text("back\\slash")),
            ("f", text("it's")),
        ];
        deals(&team, field, &cases).await;
        assert_matches(
            &team.viewer,
            field,
            &[
                (Contains, text("%"), &["a"]),
                (StartsWith, text("100%"), &["a"]),
                (StartsWith, text("under_"), &["c"]),
                (Contains, text("r_s"), &["c"]),
                (Contains, text("\\"), &["e"]),
                (StartsWith, text("back\\"), &["e"]),
                (Contains, text("'"), &["f"]),
                (Contains, text("*"), &[]),
            ],
        )
        .await;
    }
}

/// Dates, times of day and instants: by the calendar and the clock.
pub async fn dates_and_times_compare<F: Fixture>(fixture: &F) {
    let time = |hour, nanos| Value::Time(civil::time(hour, 0, 0, nanos));
    let cases = [
        (
            "close_date",
            [day("1969-12-31"), day("1970-01-01"), day("2026-03-01")],
        ),
        (
            "renewal",
            [day("0900-01-01"), day("2026-02-28"), day("2026-03-01")],
        ),
        (
            "reviewed_at",
            [
                instant("1969-12-31T23:59:59.999999Z"),
                instant("2026-03-01T10:00:00Z"),
                instant("2026-03-01T12:00:00.000001+01:00"),
            ],
        ),
        ("call_at", [time(0, 0), time(8, 1000), time(8, 2000)]),
    ];
    for (field, [early, middle, late]) in cases {
        let team = fixture.workspace().await;
        let rows = [
            ("a", early.clone()),
            ("b", middle.clone()),
            ("c", late.clone()),
            ("d", Value::Null),
        ];
        deals(&team, field, &rows).await;
        assert_matches(
            &team.viewer,
            field,
            &[
                (Equal, middle.clone(), &["b"]),
                (NotEqual, middle.clone(), &["a", "c", "d"]),
                (Less, middle.clone(), &["a"]),
                (LessOrEqual, middle.clone(), &["a", "b"]),
                (Greater, early, &["b", "c"]),
                (GreaterOrEqual, late, &["c"]),
            ],
        )
        .await;
    }
}

/// Options compare by their stored value, exactly; yes and no are equal or not.
pub async fn choices_and_booleans_compare<F: Fixture>(fixture: &F) {
    for field in ["source", "tier"] {
        let team = fixture.workspace().await;
        let [first, second] = match field {
            "source" => ["email", "partner"],
            _ => ["gold", "tin"],
        };
        let cases = [("a", text(first)), ("b", text(second)), ("c", Value::Null)];
        deals(&team, field, &cases).await;
        assert_matches(
            &team.viewer,
            field,
            &[
                (Equal, text(first), &["a"]),
                (Equal, text(first.to_uppercase()), &[]),
                (NotEqual, text(first), &["b", "c"]),
                (Greater, text(first), &["b"]),
                (LessOrEqual, text(first), &["a"]),
                (Equal, text("nothing of the kind"), &[]),
            ],
        )
        .await;
    }
    let team = fixture.workspace().await;
    let cases = [
        ("a", Value::Bool(true)),
        ("b", Value::Bool(false)),
        ("c", Value::Null),
    ];
    deals(&team, "reviewed", &cases).await;
    assert_matches(
        &team.viewer,
        "reviewed",
        &[
            (Equal, Value::Bool(true), &["a"]),
            (Equal, Value::Bool(false), &["b"]),
            (NotEqual, Value::Bool(true), &["b", "c"]),
        ],
    )
    .await;
}

/// Relations and ids compare exactly, case included.
pub async fn ids_and_relations_compare<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let account = make(&team.member, "account", [("name", text("Acme"))]).await;
    let contact = make(&team.member, "contact", [("last_name", text("Byron"))]).await;
    let cases = [("a", Value::Id(account)), ("b", Value::Null)];
    deals(&team, "account_id", &cases).await;
    let sponsored = make(
        &team.member,
        "deal",
        [("name", text("c")), ("sponsor_id", Value::Id(contact))],
    )
    .await;
    assert_matches(
        &team.viewer,
        "account_id",
        &[
            (Equal, Value::Id(account), &["a"]),
            (NotEqual, Value::Id(account), &["b", "c"]),
        ],
    )
    .await;
    assert_matches(
        &team.viewer,
        "sponsor_id",
        &[(Equal, Value::Id(contact), &["c"])],
    )
    .await;
    assert_matches(
        &team.viewer,
        "id",
        &[
            (Equal, Value::Id(sponsored), &["c"]),
            (Less, Value::Id(sponsored), &["a", "b"]),
        ],
    )
    .await;
    make(
        &team.member,
        "task",
        [("subject", text("t")), ("about_id", Value::Id(account))],
    )
    .await;
    for (id, count) in [(account, 1), (contact, 0)] {
        let query = Query::new("task").filter(Filter::equal("about_id", Value::Id(id)));
        assert_eq!(team.viewer.count(&query).await.unwrap(), count);
    }
}

/// A record without a value is found by `NotEqual` and by `Empty`, and by no other comparison, also through an empty relation.
pub async fn records_without_a_value_match_only_not_equal<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let bare = make(&team.member, "account", [("name", text("Bare"))]).await;
    for (name, account) in [("through", Value::Id(bare)), ("alone", Value::Null)] {
        make(
            &team.member,
            "deal",
            [("name", text(name)), ("account_id", account)],
        )
        .await;
    }
    let cases = [
        ("amount", Value::Int(0)),
        ("next_step", text("")),
        ("territory", text("x")),
        ("seats", Value::Int(0)),
        ("renewal", day("2026-01-01")),
        ("account.city", text("x")),
        ("account.annual_revenue", Value::Int(0)),
        ("account.parent.name", text("x")),
    ];
    for (path, value) in cases {
        for comparison in [
            Equal,
            Less,
            LessOrEqual,
            Greater,
            GreaterOrEqual,
            Contains,
            StartsWith,
        ] {
            if matches!(comparison, Contains | StartsWith) && value.as_text().is_none() {
                continue;
            }
            let filter = Filter::compare(path, comparison, value.clone());
            assert!(
                matching(&team.viewer, filter).await.is_empty(),
                "{path} {}",
                comparison.operator()
            );
        }
        let filter = Filter::compare(path, NotEqual, value.clone());
        assert_eq!(
            matching(&team.viewer, filter).await,
            ["alone", "through"],
            "{path}"
        );
        let empty = Filter::Empty {
            path: path.to_owned().into(),
        };
        assert_eq!(matching(&team.viewer, empty).await, ["alone", "through"]);
        let listed = Filter::In {
            path: path.to_owned().into(),
            values: vec![value],
        };
        assert!(matching(&team.viewer, listed).await.is_empty());
    }
}

/// Negation turns a filter round for every record, those without a value included; twice negated is not negated.
pub async fn not_is_the_exact_complement<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let cases = [
        ("a", Value::Int(1)),
        ("b", Value::Int(2)),
        ("c", Value::Null),
    ];
    deals(&team, "amount", &cases).await;
    let one = Filter::equal("amount", Value::Int(1));
    let negated = Filter::Not(Box::new(one.clone()));
    assert_eq!(matching(&team.viewer, negated.clone()).await, ["b", "c"]);
    let twice = Filter::Not(Box::new(negated));
    assert_eq!(matching(&team.viewer, twice).await, ["a"]);
    let neither = Filter::Not(Box::new(Filter::Or(vec![
        one.clone(),
        Filter::equal("seats", Value::Int(5)),
    ])));
    assert_eq!(matching(&team.viewer, neither).await, ["b", "c"]);
    let not_both = Filter::Not(Box::new(Filter::And(vec![
        one,
        Filter::equal("seats", Value::Int(5)),
    ])));
    assert_eq!(matching(&team.viewer, not_both).await, ["a", "b", "c"]);
}

/// One of several; any of several; of nothing: `In` nothing and `Or` nothing match nothing, `And` nothing matches all.
pub async fn in_or_and_empty_groups<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let cases = [
        ("a", text("One")),
        ("b", text("two")),
        ("c", text("three")),
        ("d", Value::Null),
    ];
    deals(&team, "next_step", &cases).await;
    let within = |values: &[&str]| Filter::In {
        path: "next_step".to_owned().into(),
        values: values.iter().map(|value| text(*value)).collect(),
    };
    let viewer = &team.viewer;
    assert_eq!(
        matching(viewer, within(&["ONE", "Three"])).await,
        ["a", "c"]
    );
    assert_eq!(matching(viewer, within(&["one", "one"])).await, ["a"]);
    assert!(matching(viewer, within(&[])).await.is_empty());
    assert!(matching(viewer, Filter::Or(Vec::new())).await.is_empty());
    let everything = matching(viewer, Filter::And(Vec::new())).await;
    assert_eq!(everything, ["a", "b", "c", "d"]);
    let either = Filter::Or(vec![
        within(&["one"]),
        Filter::And(vec![
            Filter::compare("name", Greater, text("b")),
            Filter::Empty {
                path: "next_step".to_owned().into(),
            },
        ]),
    ]);
    assert_eq!(matching(viewer, either).await, ["a", "d"]);
}

/// Filters reach through up to three relations, to standard and custom fields.
pub async fn dotted_filters_follow_relations<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let member = &team.member;
    let mother = make(member, "account", [("name", text("Mother"))]).await;
    let acme = make(
        &team.owner,
        "account",
        [
            ("name", text("Acme")),
            ("city", text("Köln")),
            ("annual_revenue", Value::Int(500)),
            ("parent_id", Value::Id(mother)),
        ],
    )
    .await;
    let contact = make(
        member,
        "contact",
        [
            ("last_name", text("Byron")),
            ("account_id", Value::Id(acme)),
        ],
    )
    .await;
    for (name, account) in [("a", acme), ("b", mother)] {
        make(
            member,
            "deal",
            [
                ("name", text(name)),
                ("account_id", Value::Id(account)),
                ("sponsor_id", Value::Id(contact)),
            ],
        )
        .await;
    }
    make(member, "deal", [("name", text("c"))]).await;
    let viewer = &team.viewer;
    for (path, value, names) in [
        ("account.city", text("koln"), &["a"][..]),
        ("account.annual_revenue", Value::Int(500), &["a"]),
        ("account.parent.name", text("mother"), &["a"]),
        ("account.parent.owner.name", text("mia member"), &["a"]),
        ("account.owner.name", text("Olive Owner"), &["a"]),
        ("account.id", Value::Id(mother), &["b"]),
        ("sponsor.last_name", text("byron"), &["a", "b"]),
        ("sponsor.account.city", text("köln"), &["a", "b"]),
        ("stage.kind", text("open"), &["a", "b", "c"]),
        ("stage.pipeline.name", text("sales"), &["a", "b", "c"]),
    ] {
        let filter = Filter::equal(path, value);
        assert_eq!(matching(viewer, filter).await, names, "{path}");
    }
    let filter = Filter::compare("account.city", NotEqual, text("Köln"));
    assert_eq!(matching(viewer, filter).await, ["b", "c"]);
    let inspections = [("one", acme), ("two", mother)];
    for (name, account) in inspections {
        make(
            member,
            "inspection",
            [
                ("name", text(name)),
                ("inspector", text("Ines")),
                ("account_id", Value::Id(account)),
            ],
        )
        .await;
    }
    let query =
        Query::new("inspection").filter(Filter::equal("account.parent.name", text("mother")));
    assert_eq!(listed(viewer, query).await, ["one"]);
}

/// A multiple choice contains an option or doesn't; one without options contains none.
pub async fn multiple_choices_contain_their_options<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let chosen = |options: &[&str]| {
        Value::Choices(options.iter().map(|option| (*option).to_owned()).collect())
    };
    let cases = [
        ("a", chosen(&["gold", "tin"])),
        ("b", chosen(&["tin"])),
        ("c", Value::Null),
    ];
    deals(&team, "interests", &cases).await;
    assert_matches(
        &team.viewer,
        "interests",
        &[
            (Contains, text("tin"), &["a", "b"]),
            (Contains, text("gold"), &["a"]),
            (Contains, text("silver"), &[]),
            (Contains, text("go"), &[]),
            (Contains, text("GOLD"), &[]),
        ],
    )
    .await;
    let empty = Filter::Empty {
        path: "interests".to_owned().into(),
    };
    assert_eq!(matching(&team.viewer, empty).await, ["c"]);
}

/// Version, time stamps and authors are fields like any other.
pub async fn system_fields_are_filtered_by<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let mine = make(&team.member, "deal", [("name", text("a"))]).await;
    let other = make(&team.admin, "deal", [("name", text("b"))]).await;
    let changes = [super::revision("deal", other, [("name", text("bb"))])];
    team.member.apply(&changes).await.unwrap();
    let viewer = &team.viewer;
    let member = Value::Id(team.member.user().id);
    let old = instant("2001-01-01T00:00:00Z");
    for (path, comparison, value, names) in [
        ("version", Equal, Value::Int(2), &["bb"][..]),
        ("version", Less, Value::Int(2), &["a"]),
        ("created_by_id", Equal, member.clone(), &["a"]),
        ("updated_by_id", Equal, member.clone(), &["a", "bb"]),
        ("owner_id", Equal, member, &["a"]),
        ("created_at", Greater, old.clone(), &["a", "bb"]),
        ("updated_at", Less, old, &[]),
        ("id", Equal, Value::Id(mine), &["a"]),
        ("owner.role", Equal, text("admin"), &["bb"]),
        ("created_by.email", StartsWith, text("ADAM@"), &["bb"]),
    ] {
        let filter = Filter::compare(path, comparison, value);
        assert_eq!(matching(viewer, filter).await, names, "{path}");
    }
    let query = Query {
        presence: Presence::All,
        ..Query::new("deal").filter(Filter::Not(Box::new(Filter::Empty {
            path: "deleted_at".to_owned().into(),
        })))
    };
    assert!(listed(viewer, query.clone()).await.is_empty());
    let deletion = [super::deletion("deal", mine)];
    team.member.apply(&deletion).await.unwrap();
    assert_eq!(listed(viewer, query).await, ["a"]);
}

/// A count is of all that match, whatever the page holds.
pub async fn counts_agree_with_lists<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let cases: Vec<_> = (0..7_i64).map(|at| ("x", Value::Int(at % 3))).collect();
    deals(&team, "seats", &cases).await;
    let query = Query::new("deal")
        .filter(Filter::equal("seats", Value::Int(0)))
        .order("name", false)
        .limit(1);
    assert_eq!(team.viewer.count(&query).await.unwrap(), 3);
    let searched = Query {
        search: Some("x".to_owned()),
        ..query
    };
    assert_eq!(team.viewer.count(&searched).await.unwrap(), 3);
    let nothing = Query {
        search: Some("y".to_owned()),
        ..searched
    };
    assert_eq!(team.viewer.count(&nothing).await.unwrap(), 0);
}
