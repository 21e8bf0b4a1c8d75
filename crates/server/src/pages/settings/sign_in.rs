//! `/settings/sign-in`: how the workspace's people sign in. For those who manage the workspace, after a recent proof.

use askama::Template;
use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    http::StatusCode,
};
use fieldstone_ui::{PageError, PageResult, locale::Locale};
use serde::Deserialize;

use super::Settings;
use crate::{identity::account::Factor, pages::Entrance, store::SignInPolicy};

const PATH: &str = "/settings/sign-in";

/// What was typed.
#[derive(Debug, Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    idle_minutes: String,
    #[serde(default)]
    absolute_minutes: String,
    totp_required: Option<String>,
}

#[derive(Template)]
#[template(path = "settings/sign_in.html")]
struct Page<'a> {
    locale: &'a Locale,
    /// Minutes and their text; the present ones are among them.
    idle: Vec<(i32, String)>,
    absolute: Vec<(i32, String)>,
    policy: SignInPolicy,
    factor_error: bool,
    error: Option<&'static str>,
}

/// `GET /settings/sign-in`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let policy = settings.store.sign_in_policy().await?;
    settings.page(&page(&settings, policy))
}

/// `POST /settings/sign-in`.
pub(crate) async fn submit(
    State(entrance): State<Entrance>,
    settings: Settings,
    typed: Result<Form<Typed>, FormRejection>,
) -> PageResult {
    let Form(typed) = typed.map_err(|_| PageError::Invalid)?;
    let minutes = |text: &str| text.parse::<i32>().map_err(|_| PageError::Invalid);
    let policy = SignInPolicy {
        idle_minutes: minutes(&typed.idle_minutes)?,
        absolute_minutes: minutes(&typed.absolute_minutes)?,
        totp_required: typed.totp_required.is_some(),
    };
    let mut shown = page(&settings, policy);
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    if !policy.is_possible() {
        shown.error = Some("policy-limits");
        return settings.page_with(status, &shown);
    }
    let (identity, now) = (&settings.identity, entrance.clock.now());
    let factor = entrance.sign_in.factor(identity, now).await?;
    if policy.totp_required && !matches!(factor, Factor::Totp { .. }) {
        shown.factor_error = true;
        return settings.page_with(status, &shown);
    }
    settings.store.set_sign_in_policy(policy).await?;
    Ok(Settings::done_at(PATH, "policy"))
}

fn page(settings: &Settings, policy: SignInPolicy) -> Page<'_> {
    let locale = settings.locale();
    let choices = |usual: &[i32], present: i32| {
        let mut all = usual.to_vec();
        all.push(present);
        all.sort_unstable();
        all.dedup();
        all.into_iter()
            .map(|minutes| (minutes, span(locale, minutes)))
            .collect()
    };
    Page {
        locale,
        idle: choices(&[5, 15, 30, 60, 120, 240, 480, 1440], policy.idle_minutes),
        absolute: choices(
            &[60, 240, 480, 720, 1440, 10_080, 20_160, 43_200],
            policy.absolute_minutes,
        ),
        policy,
        factor_error: false,
        error: None,
    }
}

/// A span as people say it.
fn span(locale: &Locale, minutes: i32) -> String {
    match minutes {
        minutes if minutes % 1440 == 0 => locale.t1("span-days", "number", minutes / 1440),
        minutes if minutes % 60 == 0 => locale.t1("span-hours", "number", minutes / 60),
        minutes => locale.t1("span-minutes", "number", minutes),
    }
}
