//! `/settings/password`: one's own password.

use askama::Template;
use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    http::StatusCode,
};
use fieldstone_ui::{PageError, PageResult, locale::Locale};
use secrecy::SecretString;
use serde::Deserialize;

use super::Settings;
use crate::{
    identity::IdentityError,
    pages::{Entrance, Visitor, renewed, retry_after, trouble},
};

/// What was typed.
#[derive(Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    present: String,
    #[serde(default)]
    new: String,
    #[serde(default)]
    repeat: String,
    /// There when the API tokens are to end too.
    end_tokens: Option<String>,
}

#[derive(Template)]
#[template(path = "settings/password.html")]
struct Page<'a> {
    locale: &'a Locale,
    email: &'a str,
    /// One's own API tokens: name and first characters.
    tokens: Vec<(String, String)>,
    /// Whether they are to end.
    end_tokens: bool,
    present_error: Option<&'static str>,
    new_error: Option<&'static str>,
    repeat_error: Option<&'static str>,
    /// What no field is to blame for.
    error: Option<&'static str>,
}

/// `GET /settings/password`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let profile = settings.store.own_profile().await?;
    let tokens = tokens(&settings).await?;
    settings.page(&Page::of(&settings, &profile.email, tokens))
}

/// `POST /settings/password`.
pub(crate) async fn submit(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    settings: Settings,
    typed: Result<Form<Typed>, FormRejection>,
) -> PageResult {
    let Form(typed) = typed.map_err(|_| PageError::Invalid)?;
    let profile = settings.store.own_profile().await?;
    let tokens = tokens(&settings).await?;
    let end_tokens = typed.end_tokens.is_some() && !tokens.is_empty();
    let mut page = Page::of(&settings, &profile.email, tokens);
    page.end_tokens = end_tokens;
    if typed.new != typed.repeat {
        page.repeat_error = Some("set-up-different");
        return settings.page_with(StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    let passwords = (
        &SecretString::from(typed.present),
        &SecretString::from(typed.new),
    );
    let (address, now) = (visitor.address, entrance.clock.now());
    let changed = entrance
        .sign_in
        .change_password(&settings.identity, passwords, end_tokens, address, now)
        .await;
    let error = match changed {
        Ok(token) => {
            entrance.authenticator.forget(&settings.identity);
            let notice = if end_tokens {
                "password-tokens"
            } else {
                "password"
            };
            let done = Settings::done_at("/settings/password", notice);
            return Ok(renewed(done, &token));
        }
        Err(error @ IdentityError::Unauthenticated) => return Err(error.into()),
        Err(error) => error,
    };
    let (status, key) = match &error {
        IdentityError::WrongPassword => (StatusCode::UNPROCESSABLE_ENTITY, "confirm-wrong"),
        error => trouble(error),
    };
    match &error {
        IdentityError::WrongPassword => page.present_error = Some(key),
        IdentityError::Weak(_) => page.new_error = Some(key),
        _ => page.error = Some(key),
    }
    let mut response = settings.page_with(status, &page)?;
    retry_after(&mut response, &error);
    Ok(response)
}

/// One's own API tokens, the newest first: name and first characters.
async fn tokens(settings: &Settings) -> Result<Vec<(String, String)>, PageError> {
    let tokens = settings.store.tokens_of(settings.viewer.user_id).await?;
    let shown = tokens.into_iter().rev();
    Ok(shown.map(|token| (token.name, token.prefix)).collect())
}

impl<'a> Page<'a> {
    fn of(settings: &'a Settings, email: &'a str, tokens: Vec<(String, String)>) -> Self {
        Self {
            locale: settings.locale(),
            email,
            tokens,
            end_tokens: false,
            present_error: None,
            new_error: None,
            repeat_error: None,
            error: None,
        }
    }
}
