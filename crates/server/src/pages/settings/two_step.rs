//! `/settings/two-step`: the second factor of signing in. Setting one up, recovery codes, removing it.
//!
//! A seed and recovery codes are shown to whoever has just proved that it is them, and codes once only.

use askama::Template;
use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use fieldstone_ui::{PageError, PageResult, locale::Locale};
use secrecy::SecretString;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::Settings;
use crate::{
    identity::{
        IdentityError,
        account::{Factor, RecoveryCodes},
        totp::{Code, Seed},
    },
    pages::{Entrance, Visitor, renewed, retry_after, trouble},
};

const PATH: &str = "/settings/two-step";
const SETUP: &str = "/settings/two-step/setup";

/// A code that was typed.
#[derive(Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    code: String,
}

/// A code of the authenticator, or one of those that stand in for it.
#[derive(Deserialize)]
pub(crate) struct Either {
    #[serde(default)]
    code: String,
    #[serde(default)]
    recovery: String,
}

fn either<'a>(code: &'a str, recovery: &'a str) -> Code<'a> {
    if recovery.is_empty() {
        Code::Totp(code)
    } else {
        Code::Recovery(recovery)
    }
}

/// What removing asks for.
#[derive(Deserialize)]
pub(crate) struct Removal {
    #[serde(default)]
    password: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    recovery: String,
}

#[derive(Template)]
#[template(path = "settings/two_step.html")]
struct Overview<'a> {
    locale: &'a Locale,
    /// Since when there is one, and how many recovery codes are left.
    factor: Option<(String, i64)>,
    /// Whether the workspace asks for one that isn't there.
    is_missing: bool,
    /// Why no new recovery codes were made.
    error: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "settings/two_step_setup.html")]
struct Setup<'a> {
    locale: &'a Locale,
    seed: Zeroizing<String>,
    /// Size of the drawing and its path.
    drawing: Option<(i32, Zeroizing<String>)>,
    error: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "settings/recovery_codes.html")]
struct Codes<'a> {
    locale: &'a Locale,
    recovery: RecoveryCodes,
    /// Whether the second factor has just been set up.
    is_first: bool,
}

#[derive(Template)]
#[template(path = "settings/two_step_removal.html")]
struct Remove<'a> {
    locale: &'a Locale,
    password_error: Option<&'static str>,
    code_error: Option<&'static str>,
    error: Option<&'static str>,
}

/// `GET /settings/two-step`.
pub(crate) async fn show(State(entrance): State<Entrance>, settings: Settings) -> PageResult {
    let page = Overview::of(&entrance, &settings).await?;
    settings.page(&page)
}

/// `POST /settings/two-step/setup`: a fresh seed.
pub(crate) async fn start(
    State(entrance): State<Entrance>,
    settings: Settings,
) -> Result<Response, PageError> {
    match entrance.sign_in.start_totp(&settings.identity).await {
        Ok(_) => Ok(Redirect::to(SETUP).into_response()),
        Err(IdentityError::FactorChanged) => Ok(Redirect::to(PATH).into_response()),
        Err(error) => Err(error.into()),
    }
}

/// `GET /settings/two-step/setup`: the seed that waits, as a drawing and as text.
pub(crate) async fn show_setup(State(entrance): State<Entrance>, settings: Settings) -> PageResult {
    match factor(&entrance, &settings).await? {
        Factor::Unconfirmed(seed) => {
            let page = setup(&settings, &seed, None).await?;
            settings.page(&page)
        }
        Factor::None | Factor::Totp { .. } => Ok(Redirect::to(PATH).into_response()),
    }
}

/// `POST /settings/two-step/confirmation`: a code shows that the authenticator has the seed.
pub(crate) async fn confirm(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    settings: Settings,
    typed: Result<Form<Typed>, FormRejection>,
) -> PageResult {
    let Form(typed) = typed.map_err(|_| PageError::Invalid)?;
    let (identity, now) = (&settings.identity, entrance.clock.now());
    let confirmed = entrance
        .sign_in
        .confirm_totp(identity, &typed.code, visitor.address, now)
        .await;
    match confirmed {
        Ok((codes, token)) => {
            entrance.authenticator.forget(identity);
            let page = settings.page(&Codes {
                locale: settings.locale(),
                recovery: codes,
                is_first: true,
            })?;
            Ok(renewed(page, &token))
        }
        Err(error @ IdentityError::Unauthenticated) => Err(error.into()),
        Err(error) => match factor(&entrance, &settings).await? {
            Factor::Unconfirmed(seed) => {
                let (status, key) = trouble(&error);
                let page = setup(&settings, &seed, Some(key)).await?;
                let mut response = settings.page_with(status, &page)?;
                retry_after(&mut response, &error);
                Ok(response)
            }
            Factor::None | Factor::Totp { .. } => Ok(Redirect::to(PATH).into_response()),
        },
    }
}

/// `POST /settings/two-step/codes`: new recovery codes, with a code.
pub(crate) async fn renew_codes(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    settings: Settings,
    typed: Result<Form<Either>, FormRejection>,
) -> PageResult {
    let Form(typed) = typed.map_err(|_| PageError::Invalid)?;
    let (identity, now) = (&settings.identity, entrance.clock.now());
    let code = either(&typed.code, &typed.recovery);
    let renewed = entrance
        .sign_in
        .renew_recovery_codes(identity, code, visitor.address, now)
        .await;
    match renewed {
        Ok(codes) => settings.page(&Codes {
            locale: settings.locale(),
            recovery: codes,
            is_first: false,
        }),
        Err(IdentityError::FactorChanged) => Ok(Redirect::to(PATH).into_response()),
        Err(error @ IdentityError::Unauthenticated) => Err(error.into()),
        Err(error) => {
            let (status, key) = trouble(&error);
            let mut page = Overview::of(&entrance, &settings).await?;
            page.error = Some(key);
            let mut response = settings.page_with(status, &page)?;
            retry_after(&mut response, &error);
            Ok(response)
        }
    }
}

/// `GET /settings/two-step/removal`.
pub(crate) async fn show_removal(settings: Settings) -> PageResult {
    settings.page(&Remove::of(&settings))
}

/// `POST /settings/two-step/removal`: with the password and a code.
pub(crate) async fn remove(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    settings: Settings,
    typed: Result<Form<Removal>, FormRejection>,
) -> PageResult {
    let Form(typed) = typed.map_err(|_| PageError::Invalid)?;
    let password = SecretString::from(typed.password);
    let code = either(&typed.code, &typed.recovery);
    let (identity, now) = (&settings.identity, entrance.clock.now());
    let removed = entrance
        .sign_in
        .remove_totp(identity, &password, code, visitor.address, now)
        .await;
    let error = match removed {
        Ok(token) => {
            entrance.authenticator.forget(identity);
            return Ok(renewed(Settings::done_at(PATH, "two-step-removed"), &token));
        }
        Err(IdentityError::FactorChanged) => return Ok(Redirect::to(PATH).into_response()),
        Err(error @ IdentityError::Unauthenticated) => return Err(error.into()),
        Err(error) => error,
    };
    let mut page = Remove::of(&settings);
    let (status, key) = match &error {
        IdentityError::WrongPassword => (StatusCode::UNPROCESSABLE_ENTITY, "confirm-wrong"),
        error => trouble(error),
    };
    match &error {
        IdentityError::WrongPassword => page.password_error = Some(key),
        IdentityError::WrongCode => page.code_error = Some(key),
        _ => page.error = Some(key),
    }
    let mut response = settings.page_with(status, &page)?;
    retry_after(&mut response, &error);
    Ok(response)
}

async fn factor(entrance: &Entrance, settings: &Settings) -> Result<Factor, IdentityError> {
    let now = entrance.clock.now();
    entrance.sign_in.factor(&settings.identity, now).await
}

async fn setup<'a>(
    settings: &'a Settings,
    seed: &Seed,
    error: Option<&'static str>,
) -> Result<Setup<'a>, PageError> {
    let profile = settings.store.own_profile().await?;
    Ok(Setup {
        locale: settings.locale(),
        seed: seed.text(),
        drawing: seed.drawing(&settings.viewer.workspace, &profile.email),
        error,
    })
}

impl<'a> Overview<'a> {
    async fn of(entrance: &Entrance, settings: &'a Settings) -> Result<Self, PageError> {
        let locale = settings.locale();
        let factor = match factor(entrance, settings).await? {
            Factor::Totp { since, codes_left } => Some((locale.instant(since), codes_left)),
            Factor::None | Factor::Unconfirmed(_) => None,
        };
        Ok(Self {
            locale,
            is_missing: settings.identity.must_enrol && factor.is_none(),
            factor,
            error: None,
        })
    }
}

impl<'a> Remove<'a> {
    fn of(settings: &'a Settings) -> Self {
        Self {
            locale: settings.locale(),
            password_error: None,
            code_error: None,
            error: None,
        }
    }
}
