//! Imports that were run: what came of each, its failed rows, and taking it back.

use askama::Template;
use axum::response::{IntoResponse as _, Redirect};
use fieldstone_model::RecordId;
use fieldstone_store::Store as _;
use fieldstone_ui::{PageError, PageResult, locale::Locale};

use super::{Inside, PATH, failed, running::went_on};
use crate::import::job::Ending;
use crate::{
    import::{
        job::may_undo,
        uploads::{ImportRun, State, people},
    },
    pages::path_id::PathId,
};

/// What was left, as far as it is shown.
const KEPT: i64 = 200;

struct Line {
    href: String,
    file: String,
    objects: String,
    who: String,
    outcome: &'static str,
    tone: &'static str,
    figures: String,
    undone: bool,
}

#[derive(Template)]
#[template(path = "imports/list.html")]
struct List<'a> {
    locale: &'a Locale,
    open: Vec<(String, String, String)>,
    lines: Vec<Line>,
}

/// `GET /imports`.
pub(crate) async fn list(inside: Inside) -> PageResult {
    let locale = &inside.viewer.locale;
    let runs = inside.store.import_runs().await?;
    let uploads = inside.store.open_uploads().await?;
    let names = inside.store.names(&people(&runs)).await?;
    let open = uploads.iter().map(|upload| {
        let state = match upload.state {
            State::Arriving | State::Draft => "import-state-draft",
            State::Queued | State::Running => "import-outcome-running",
            State::Ended => "import-outcome-stopped",
        };
        (
            format!("{PATH}/{}", upload.id),
            upload.file.clone(),
            locale.t(state).into_owned(),
        )
    });
    let line = |run: &ImportRun| {
        let who = names
            .get(&run.by)
            .cloned()
            .unwrap_or_else(|| locale.t("person-unknown").into_owned());
        let (outcome, tone) = outcome(run);
        Line {
            href: format!("{PATH}/{}", run.id),
            file: run.file.clone(),
            objects: objects(&inside, &run.object),
            who: locale.t2(
                "import-by-whom",
                ("person", who),
                ("when", locale.instant(run.began_at)),
            ),
            outcome,
            tone,
            figures: figures(locale, run)
                .into_iter()
                .filter(|(_, count, _)| *count > 0)
                .map(|(key, _, text)| format!("{} {text}", locale.t(key)))
                .collect::<Vec<_>>()
                .join(" · "),
            undone: run.undo.is_some(),
        }
    };
    let page = List {
        locale,
        open: open.collect(),
        lines: runs.iter().map(line).collect(),
    };
    Ok(inside.page(locale.t("imports"), &page))
}

fn outcome(run: &ImportRun) -> (&'static str, &'static str) {
    match run.outcome.as_deref() {
        Some("complete") => ("import-outcome-complete", "good"),
        Some("cancelled") => ("import-outcome-cancelled", ""),
        Some(_) => ("import-outcome-stopped", "bad"),
        None => ("import-outcome-running", "accent"),
    }
}

fn objects(inside: &Inside, name: &str) -> String {
    inside.registry().object(name).map_or_else(
        || name.to_owned(),
        |object| inside.viewer.locale.objects(object),
    )
}

fn figures(locale: &Locale, run: &ImportRun) -> Vec<(&'static str, i64, String)> {
    [
        ("import-created", run.created),
        ("import-updated", run.updated),
        ("import-skipped", run.skipped),
        ("import-failed", run.failed),
    ]
    .into_iter()
    .map(|(key, count)| (key, count, locale.count(count.unsigned_abs())))
    .collect()
}

struct Left {
    href: Option<String>,
    name: String,
    field: String,
    reason: String,
}

#[derive(Template)]
#[template(path = "imports/one.html")]
struct Page<'a> {
    locale: &'a Locale,
    run: &'a ImportRun,
    objects: String,
    who: String,
    outcome: &'static str,
    tone: &'static str,
    figures: Vec<(&'static str, i64, String)>,
    problem: Option<String>,
    went_on: Option<String>,
    /// The upload that can go on.
    may_continue: Option<RecordId>,
    /// The upload with failed rows, if they are the caller's.
    failed: Option<RecordId>,
    failed_head: Vec<String>,
    failed_rows: Vec<Vec<String>>,
    may_undo: bool,
    undo: Option<UndoPart>,
    kept: Vec<Left>,
    has_more_kept: bool,
}

struct UndoPart {
    running: bool,
    told: String,
    problem: Option<String>,
}

/// One import.
pub(super) async fn one(inside: &Inside, id: RecordId) -> PageResult {
    let locale = &inside.viewer.locale;
    let run = inside
        .store
        .import_run(id)
        .await?
        .ok_or(PageError::NotFound)?;
    let upload = inside.store.upload_of_run(id).await?;
    let names = inside.store.names(&[run.by]).await?;
    let who = names
        .get(&run.by)
        .cloned()
        .unwrap_or_else(|| locale.t("person-unknown").into_owned());
    let (outcome, tone) = outcome(&run);
    let (failed, head, rows) = failed::first(inside, upload.as_ref()).await?;
    let mut kept = if run.undo.is_some() {
        kept(inside, id).await?
    } else {
        Vec::new()
    };
    let shown = usize::try_from(KEPT).unwrap_or(200);
    let has_more_kept = kept.len() > shown;
    kept.truncate(shown);
    let problem = upload.as_ref().and_then(|upload| upload.problem.clone());
    let may_continue = match &upload {
        Some(upload) if inside.store.can_continue(upload).await? => Some(upload.id),
        _ => None,
    };
    let page = Page {
        locale,
        went_on: upload.as_ref().and_then(|upload| went_on(locale, upload)),
        may_continue,
        objects: objects(inside, &run.object),
        who: locale.t2(
            "import-by-whom",
            ("person", who),
            ("when", locale.instant(run.began_at)),
        ),
        outcome,
        tone,
        figures: figures(locale, &run),
        problem: problem.map(|problem| {
            let told = Ending::told(locale, &problem);
            locale.t1("import-stopped", "problem", told)
        }),
        failed,
        failed_head: head,
        failed_rows: rows,
        may_undo: may_undo(&inside.store, run.by) && run.ended_at.is_some(),
        undo: run.undo.as_ref().map(|undo| {
            let running = undo.state != State::Ended;
            let (count, undone) = (|count: u64| locale.count(count), &undo.undone);
            let told = if running {
                locale.t2(
                    "import-undo-running",
                    ("settled", count(undone.settled)),
                    ("total", count(undone.total)),
                )
            } else {
                locale.t2(
                    "import-undone",
                    ("deleted", count(undone.deleted)),
                    ("reverted", count(undone.reverted)),
                )
            };
            let problem = undo.problem.as_ref();
            UndoPart {
                running,
                told,
                problem: problem
                    .map(|problem| Ending::told(locale, problem))
                    .map(|told| locale.t1("import-undo-problem", "problem", told)),
            }
        }),
        kept,
        has_more_kept,
        run: &run,
    };
    Ok(inside.page(format!("{}: {}", locale.t("import"), run.file), &page))
}

async fn kept(inside: &Inside, run: RecordId) -> Result<Vec<Left>, PageError> {
    let locale = &inside.viewer.locale;
    let left = inside.store.import_kept(run, KEPT + 1).await?;
    let ids: Vec<RecordId> = left.iter().map(|(id, _, _)| *id).collect();
    let names = if ids.is_empty() {
        std::collections::HashMap::new()
    } else {
        inside.store.names(&ids).await?
    };
    let line = |(id, field, reason): &(RecordId, String, String)| {
        let object = inside.registry().object_of(*id);
        let name = names.get(id).cloned();
        Left {
            href: object
                .filter(|_| name.is_some())
                .map(|object| format!("/{}/{id}", object.plural)),
            name: name.unwrap_or_else(|| locale.t("record-unknown").into_owned()),
            field: object
                .and_then(|object| Some(locale.field(object, object.field(field)?)))
                .unwrap_or_default(),
            reason: locale.t(&format!("import-kept-{reason}")).into_owned(),
        }
    };
    Ok(left.iter().map(line).collect())
}

/// `POST /imports/{id}/undo`: hands the import over to be taken back.
pub(crate) async fn undo(inside: Inside, PathId(id): PathId) -> PageResult {
    let run = inside
        .store
        .import_run(id)
        .await?
        .ok_or(PageError::NotFound)?;
    if !may_undo(&inside.store, run.by) {
        return Err(PageError::Forbidden);
    }
    if run.ended_at.is_none() {
        return Err(PageError::Conflict);
    }
    inside.store.start_undo(&run).await?;
    Ok(Redirect::to(&format!("{PATH}/{id}")).into_response())
}
