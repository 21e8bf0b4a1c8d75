//! `/settings/token-policy`: how long tokens may live in this workspace.

use askama::Template;
use axum::http::StatusCode;
use fieldstone_ui::{PageResult, locale::Locale};

use super::{
    Settings,
    programs::{Fields, Submitted},
};
use crate::identity::service_account::TokenPolicy;

const PATH: &str = "/settings/token-policy";

#[derive(Template)]
#[template(path = "settings/token_policy.html")]
struct Page<'a> {
    locale: &'a Locale,
    days: &'a str,
    days_error: Option<&'static str>,
    minutes: &'a str,
    minutes_error: Option<&'static str>,
}

/// `GET /settings/token-policy`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let policy = settings.store.token_policy().await?;
    settings.page(&Page {
        locale: settings.locale(),
        days: &policy.days_max.to_string(),
        days_error: None,
        minutes: &policy.access_minutes.to_string(),
        minutes_error: None,
    })
}

/// `POST /settings/token-policy`.
pub(crate) async fn submit(settings: Settings, submitted: Submitted) -> PageResult {
    let fields = Fields::read(submitted)?;
    let (days, minutes) = (fields.get("days"), fields.get("minutes"));
    let days_max = days
        .parse()
        .ok()
        .filter(|it| TokenPolicy::DAYS.contains(it));
    let access_minutes = minutes
        .parse()
        .ok()
        .filter(|it| TokenPolicy::MINUTES.contains(it));
    if let (Some(days_max), Some(access_minutes)) = (days_max, access_minutes) {
        let policy = TokenPolicy {
            days_max,
            access_minutes,
        };
        settings.store.set_token_policy(policy).await?;
        return Ok(Settings::done_at(PATH, "token-policy"));
    }
    let page = Page {
        locale: settings.locale(),
        days,
        days_error: days_max.is_none().then_some("token-policy-days-problem"),
        minutes,
        minutes_error: access_minutes
            .is_none()
            .then_some("token-policy-minutes-problem"),
    };
    settings.page_with(StatusCode::UNPROCESSABLE_ENTITY, &page)
}
