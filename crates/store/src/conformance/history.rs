//! History: what happened to a record, when, and who did it.

use fieldstone_model::{StageKind, Value};

use super::{Fixture, creation, deletion, fetch, make, refusal, restoration, revision, text};
use crate::{Action, FieldChange, Store as _, entry_of_version};

/// One entry a change, newest first, with the fields changed and both values, derived fields included.
pub async fn every_change_is_remembered_newest_first<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let id = make(
        &team.member,
        "deal",
        [("name", text("Deal")), ("amount", Value::Int(100))],
    )
    .await;
    let won = team
        .member
        .registry()
        .stages()
        .iter()
        .find(|stage| stage.kind == StageKind::Won)
        .unwrap()
        .clone();
    let before = fetch(&team.member, "deal", id).await;
    let update = revision(
        "deal",
        id,
        [
            ("amount", Value::Int(250)),
            ("territory", text("North")),
            ("stage_id", Value::Id(won.id)),
            ("name", text("Deal")),
        ],
    );
    team.admin.apply(&[update]).await.unwrap();
    team.owner.apply(&[deletion("deal", id)]).await.unwrap();
    team.member.apply(&[restoration("deal", id)]).await.unwrap();
    let history = team.viewer.history(id, None, 100).await.unwrap();
    let told: Vec<_> = history
        .iter()
        .map(|entry| (entry.action, entry.by))
        .collect();
    assert_eq!(
        told,
        [
            (Action::Restored, team.member.user().id),
            (Action::Deleted, team.owner.user().id),
            (Action::Updated, team.admin.user().id),
            (Action::Created, team.member.user().id),
        ]
    );
    assert!(
        history
            .windows(2)
            .all(|pair| pair[0].sequence > pair[1].sequence)
    );
    assert!(history.windows(2).all(|pair| pair[0].at >= pair[1].at));
    for (since, entry) in history.iter().enumerate() {
        let made = i64::try_from(history.len() - since).unwrap();
        let found = entry_of_version(&team.viewer, id, 4, made).await.unwrap();
        assert_eq!(found.as_ref(), Some(entry), "version {made}");
    }
    for never in [0, -1, 5, i64::MIN] {
        let found = entry_of_version(&team.viewer, id, 4, never).await;
        assert_eq!(found.unwrap(), None, "version {never}");
    }
    assert!(history[3].fields.is_empty(), "a creation lists no fields");
    assert!(history[1].fields.is_empty() && history[0].fields.is_empty());
    let mut changed = history[2].fields.clone();
    changed.sort_by(|left, right| left.field.cmp(&right.field));
    let after = fetch(&team.member, "deal", id).await;
    let change = |field: &str, old, new| FieldChange {
        field: field.to_owned(),
        old,
        new,
    };
    assert_eq!(
        changed,
        [
            change("amount", Value::Int(100), Value::Int(250)),
            change("closed_at", Value::Null, after.get("closed_at").clone()),
            change(
                "probability",
                before.get("probability").clone(),
                Value::Int(10_000)
            ),
            change(
                "stage_id",
                before.get("stage_id").clone(),
                Value::Id(won.id)
            ),
            change("status", text("open"), text("won")),
            change("territory", Value::Null, text("North")),
        ]
    );
    let nobody = team.member.new_id("deal").unwrap();
    assert!(
        team.viewer
            .history(nobody, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

/// What didn't happen isn't told.
pub async fn a_refused_batch_leaves_no_history<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let id = make(&team.member, "account", [("name", text("Acme"))]).await;
    let changes = [
        revision("account", id, [("name", text("Apex"))]),
        creation(&team.member, "account", [("city", text("No name"))]),
    ];
    assert_eq!(refusal(team.member.apply(&changes).await).0, 1);
    let history = team.viewer.history(id, None, 10).await.unwrap();
    assert_eq!(history.len(), 1);
    let never = changes[1].id();
    assert!(
        team.viewer
            .history(never, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

/// `before` and `limit` walk through all entries, each once.
pub async fn history_pages_by_sequence<F: Fixture>(fixture: &F) {
    let team = fixture.workspace().await;
    let id = make(&team.member, "account", [("name", text("v0"))]).await;
    let other = make(&team.member, "account", [("name", text("other"))]).await;
    let updates: Vec<_> = (1..=10)
        .flat_map(|at| {
            [id, other].map(|id| revision("account", id, [("name", text(format!("v{at}")))]))
        })
        .collect();
    // Half of them one by one, half in one batch.
    for update in &updates[..10] {
        team.member
            .apply(std::slice::from_ref(update))
            .await
            .unwrap();
    }
    team.member.apply(&updates[10..]).await.unwrap();
    let whole = team.viewer.history(id, None, 100).await.unwrap();
    assert_eq!(whole.len(), 11);
    let mut walked = Vec::new();
    let mut before = None;
    loop {
        let page = team.viewer.history(id, before, 4).await.unwrap();
        assert!(page.len() <= 4);
        let Some(last) = page.last() else { break };
        before = Some(last.sequence);
        walked.extend(page);
    }
    assert_eq!(walked, whole);
    assert!(
        team.viewer
            .history(id, Some(0), 10)
            .await
            .unwrap()
            .is_empty()
    );
}
