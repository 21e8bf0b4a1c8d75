//! Search: words, each by its beginning, all of them in one record.

use fieldstone_model::{Filter, Query, Value};

use super::{Fixture, Team, deletion, listed, make, restoration, revision, text};
use crate::Store;

async fn found<S: Store>(store: &S, object: &str, words: &str) -> Vec<String> {
    let query = Query {
        search: Some(words.to_owned()),
        ..Query::new(object).order("name", false)
    };
    let names = listed(store, query.clone()).await;
    assert_eq!(store.count(&query).await.unwrap(), names.len() as u64);
    names
}

async fn accounts<S: Store>(team: &Team<S>) {
    for (name, city) in [
        ("Acme Rockets", "Zürich"),
        ("Acme Ropes", "Bern"),
        ("Rocky Mountain", "Acton"),
        ("Backe & Söhne GmbH", "Köln"),
    ] {
        make(
            &team.member,
            "account",
            [("name", text(name)), ("city", text(city))],
        )
        .await;
    }
}

/// All words must be found, in any searchable field, in any order.
pub async fn words_are_found_by_their_beginnings<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    accounts(&team).await;
    let viewer = &team.viewer;
    for (words, names) in [
        ("acme", &["Acme Rockets", "Acme Ropes"][..]),
        ("ac", &["Acme Rockets", "Acme Ropes", "Rocky Mountain"]),
        ("roc", &["Acme Rockets", "Rocky Mountain"]),
        ("rock acm", &["Acme Rockets"]),
        ("acme bern", &["Acme Ropes"]),
        ("cme", &[]),
        ("acme nothing", &[]),
        ("rocketss", &[]),
        (
            "",
            &[
                "Acme Rockets",
                "Acme Ropes",
                "Backe & Söhne GmbH",
                "Rocky Mountain",
            ],
        ),
        (
            "  ",
            &[
                "Acme Rockets",
                "Acme Ropes",
                "Backe & Söhne GmbH",
                "Rocky Mountain",
            ],
        ),
    ] {
        assert_eq!(found(viewer, "account", words).await, names, "{words}");
    }
    assert!(found(viewer, "deal", "acme").await.is_empty());
    let query = Query {
        search: Some("acme".to_owned()),
        ..Query::new("account").filter(Filter::equal("city", text("bern")))
    };
    assert_eq!(listed(viewer, query).await, ["Acme Ropes"]);
}

/// Folded like everything that is compared.
pub async fn search_ignores_case_and_accents<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    accounts(&team).await;
    for words in [
        "SOHNE",
        "söh",
        "backe sohne köln",
        "gmbh & söhne",
        "Backe & Söhne",
    ] {
        assert_eq!(
            found(&team.viewer, "account", words).await,
            ["Backe & Söhne GmbH"],
            "{words}"
        );
    }
    assert_eq!(
        found(&team.viewer, "account", "zurich").await,
        ["Acme Rockets"]
    );
}

/// In whatever format they were written and are looked for.
pub async fn telephone_numbers_are_found_by_their_digits<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    make(
        &team.member,
        "contact",
        [
            ("last_name", text("Byron")),
            ("phone", text("+49 (30) 123-45")),
        ],
    )
    .await;
    for words in ["+49 30 12345", "0049 3012345", "493012345", "+49 (30) 1"] {
        assert_eq!(
            found(&team.viewer, "contact", words).await,
            ["Byron"],
            "{words}"
        );
    }
    assert!(found(&team.viewer, "contact", "99 999 99").await.is_empty());
}

/// By the whole address, its beginning, or a word of it.
pub async fn addresses_are_found_whole_or_in_part<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    make(
        &team.member,
        "contact",
        [
            ("last_name", text("Byron")),
            ("email", text("Ada.Byron@Example.com")),
        ],
    )
    .await;
    for words in [
        "ada.byron@example.com",
        "ADA.BYRON@ex",
        "ada",
        "example",
        "byron ada",
    ] {
        assert_eq!(
            found(&team.viewer, "contact", words).await,
            ["Byron"],
            "{words}"
        );
    }
    assert!(
        found(&team.viewer, "contact", "ada@example.com")
            .await
            .is_empty()
    );
}

/// New words find a changed record and old ones don't; deleted records aren't found until they are back.
pub async fn search_follows_changes<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let store = &team.member;
    let id = make(
        store,
        "deal",
        [("name", text("Windmill")), ("territory", text("Northern"))],
    )
    .await;
    assert_eq!(found(store, "deal", "north").await, ["Windmill"]);
    let renamed = revision("deal", id, [("name", text("Watermill"))]);
    store.apply(&[renamed]).await.unwrap();
    assert!(found(store, "deal", "windmill").await.is_empty());
    assert_eq!(found(store, "deal", "waterm north").await, ["Watermill"]);
    let moved = revision("deal", id, [("territory", Value::Null)]);
    store.apply(&[moved]).await.unwrap();
    assert!(found(store, "deal", "north").await.is_empty());
    let unrelated = revision("deal", id, [("amount", Value::Int(1))]);
    store.apply(&[unrelated]).await.unwrap();
    assert_eq!(found(store, "deal", "water").await, ["Watermill"]);
    store.apply(&[deletion("deal", id)]).await.unwrap();
    assert!(found(store, "deal", "water").await.is_empty());
    store.apply(&[restoration("deal", id)]).await.unwrap();
    assert_eq!(found(store, "deal", "water").await, ["Watermill"]);
}

/// Order numbers and codes are found as they are written, also those that look like telephone numbers.
pub async fn codes_with_punctuation_are_found<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    for (name, code) in [
        ("a", "12345-678"),
        ("b", "INV-2026/17"),
        ("c", "2026-03-01"),
    ] {
        make(
            &team.member,
            "account",
            [("name", text(name)), ("external_id", text(code))],
        )
        .await;
    }
    for (words, name) in [
        ("12345-678", "a"),
        ("12345", "a"),
        ("INV-2026/17", "b"),
        ("2026/17", "b"),
        ("2026-03-01", "c"),
    ] {
        assert_eq!(
            found(&team.viewer, "account", words).await,
            [name],
            "{words}"
        );
    }
}
