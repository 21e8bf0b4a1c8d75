//! `/settings/ending`: an owner ends the workspace, with a month to think about it, and reads what becomes of what when.

use askama::Template;
use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    http::StatusCode,
};
use fieldstone_model::RecordId;
use fieldstone_store::StoreError;
use fieldstone_ui::{PageResult, locale::Locale};
use jiff::SignedDuration;
use serde::Deserialize;

use super::Settings;
use crate::identity::workspace_end::{GRACE_DAYS, last_backup};
use crate::platform::Platform;

pub(crate) const PATH: &str = "/settings/ending";

#[derive(Template)]
#[template(path = "settings/ending.html")]
struct Page<'a> {
    locale: &'a Locale,
    workspace: &'a str,
    /// Who asked, and when; nothing while nobody has.
    asked: Option<String>,
    /// When keys are destroyed and rows removed.
    ends: String,
    /// When the rows have left the last backup, where that is known.
    gone: Option<String>,
    typed: &'a str,
    error: bool,
}

/// `GET /settings/ending`.
pub(crate) async fn show(State(platform): State<Platform>, settings: Settings) -> PageResult {
    page(&platform, &settings, "", StatusCode::OK).await
}

/// What was typed.
#[derive(Debug, Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    workspace: String,
}

/// `POST /settings/ending`: asks for the end; the workspace's name is typed so that nobody does it by accident.
pub(crate) async fn ask(
    State(platform): State<Platform>,
    settings: Settings,
    typed: Result<Form<Typed>, FormRejection>,
) -> PageResult {
    let typed = typed.map(|Form(typed)| typed.workspace).unwrap_or_default();
    if typed.trim() != settings.viewer.workspace {
        return page(
            &platform,
            &settings,
            &typed,
            StatusCode::UNPROCESSABLE_ENTITY,
        )
        .await;
    }
    settings.store.ask_workspace_end().await?;
    Ok(Settings::done_at(PATH, "ending-asked"))
}

/// `POST /settings/ending/withdrawal`: takes it back.
pub(crate) async fn stop(settings: Settings) -> PageResult {
    settings.store.stop_workspace_end().await?;
    Ok(Settings::done_at(PATH, "ending-stopped"))
}

async fn person_name(settings: &Settings, person: RecordId) -> Result<String, StoreError> {
    let sql = "SELECT u.name FROM app.\"user\" u WHERE u.tenant_id = (SELECT app.tenant_id()) AND u.id = $1";
    let rows = settings.store.run_step(sql, &[&person.as_str()]).await?;
    let name = rows.first().map(|row| row.try_get(0)).transpose();
    Ok(name.map_err(StoreError::internal)?.unwrap_or_default())
}

async fn page(
    platform: &Platform,
    settings: &Settings,
    typed: &str,
    status: StatusCode,
) -> PageResult {
    let locale = settings.locale();
    let end = settings.store.workspace_end().await?;
    let grace = SignedDuration::from_hours(24 * i64::from(GRACE_DAYS));
    let now = settings.viewer.now;
    let ends_at = end.as_ref().map_or_else(
        || now.saturating_add(grace).unwrap_or(now),
        |end| end.ends_at,
    );
    let asked = match &end {
        None => None,
        Some(end) => {
            let at = locale.instant(end.asked_at);
            Some(match end.asked_by {
                Some(person) => {
                    let name = person_name(settings, person).await?;
                    locale.t2("ending-asked-by", ("name", name), ("at", at))
                }
                None => locale.t1("ending-asked-operator", "at", at),
            })
        }
    };
    settings.page_with(
        status,
        &Page {
            locale,
            workspace: &settings.viewer.workspace,
            asked,
            ends: locale.instant(ends_at),
            gone: platform
                .backup_days
                .map(|days| locale.date(locale.local(last_backup(ends_at, days)).date())),
            typed,
            error: status.is_client_error(),
        },
    )
}
