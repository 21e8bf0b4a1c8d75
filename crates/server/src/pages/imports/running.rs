//! An import under way: how far it is, looked at every second, and the way to end it.

use askama::Template;
use axum::response::{IntoResponse as _, Redirect, Response};
use fieldstone_ui::{PageResult, locale::Locale};

use super::{Inside, PATH, own};
use crate::import::job::Ending;
use crate::{
    import::uploads::{State, Upload},
    pages::path_id::PathId,
};

#[derive(Template)]
#[template(path = "imports/running.html")]
struct Page<'a> {
    locale: &'a Locale,
    upload: &'a Upload,
    progress: Piece<'a>,
}

/// The part that is looked at again and again.
#[derive(Template)]
#[template(path = "imports/progress.html")]
struct Piece<'a> {
    locale: &'a Locale,
    upload: &'a Upload,
    waits: bool,
    percent: u64,
    told: String,
    went_on: Option<String>,
    figures: Vec<(&'static str, String)>,
}

impl askama::filters::HtmlSafe for Piece<'_> {}

#[derive(Template)]
#[template(path = "imports/stopped.html")]
struct Stopped<'a> {
    locale: &'a Locale,
    upload: &'a Upload,
    problem: String,
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is shown, not calculated with"
)]
fn piece<'a>(locale: &'a Locale, upload: &'a Upload) -> Piece<'a> {
    let progress = &upload.progress;
    let percent = progress
        .bytes
        .saturating_mul(100)
        .checked_div(progress.total_bytes)
        .unwrap_or(0)
        .min(100);
    let (settled, rate) = (
        locale.count(progress.settled),
        locale.count(progress.rate.max(0.0) as u64),
    );
    let figure = |key, count| (key, locale.count(count));
    Piece {
        locale,
        upload,
        waits: upload.state == State::Queued,
        percent,
        told: locale.t2("import-progress", ("settled", settled), ("rate", rate)),
        went_on: went_on(locale, upload),
        figures: vec![
            figure("import-created", progress.created),
            figure("import-updated", progress.updated),
            figure("import-skipped", progress.skipped),
            figure("import-failed", progress.failed),
        ],
    }
}

/// What is said of an import that was interrupted and went on.
pub(super) fn went_on(locale: &Locale, upload: &Upload) -> Option<String> {
    (upload.interruptions > 0).then(|| {
        locale.t2(
            "import-went-on",
            ("times", upload.interruptions),
            ("row", locale.count(upload.resumed_row)),
        )
    })
}

/// `POST /imports/{id}/continuation`: goes on with what came to an early end.
pub(crate) async fn go_on(inside: Inside, PathId(id): PathId) -> PageResult {
    let upload = own(&inside, id).await?;
    inside.store.continue_upload(&upload).await?;
    Ok(Redirect::to(&format!("{PATH}/{id}")).into_response())
}

pub(super) fn page(inside: &Inside, upload: &Upload) -> Response {
    let locale = &inside.viewer.locale;
    let page = Page {
        locale,
        upload,
        progress: piece(locale, upload),
    };
    inside.page(
        locale.t1("import-running", "file", upload.file.as_str()),
        &page,
    )
}

/// What ended before a record was touched.
pub(super) fn stopped(inside: &Inside, upload: &Upload) -> Response {
    let locale = &inside.viewer.locale;
    let problem = match &upload.problem {
        Some(problem) => {
            let told = Ending::told(locale, problem);
            locale.t1("import-stopped", "problem", told)
        }
        None => locale.t("import-cancelled").into_owned(),
    };
    inside.page(
        format!("{}: {}", locale.t("import"), upload.file),
        &Stopped {
            locale,
            upload,
            problem,
        },
    )
}

/// `GET /imports/{id}/progress`: the part of the page that moves; the whole page once it has ended.
pub(crate) async fn progress(inside: Inside, PathId(id): PathId) -> PageResult {
    let upload = own(&inside, id).await?;
    let locale = &inside.viewer.locale;
    if !matches!(upload.state, State::Queued | State::Running) {
        let target = format!("{PATH}/{id}");
        let mut response = Redirect::to(&target).into_response();
        if inside.ask == fieldstone_ui::Ask::Partial {
            *response.status_mut() = http::StatusCode::NO_CONTENT;
            if let Ok(target) = http::HeaderValue::from_str(&target) {
                response.headers_mut().insert("hx-redirect", target);
            }
        }
        return Ok(response);
    }
    let html = piece(locale, &upload).render()?;
    let headers = [
        (http::header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (http::header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, html).into_response())
}

/// `POST /imports/{id}/cancellation`: no further rows; what is imported stays.
pub(crate) async fn cancel(inside: Inside, PathId(id): PathId) -> PageResult {
    own(&inside, id).await?;
    inside.store.cancel_upload(id).await?;
    Ok(Redirect::to(&format!("{PATH}/{id}")).into_response())
}
