//! `/sign-in`: address and password, and the workspace when the address is used in several.

use askama::Template;
use axum::{
    Form,
    extract::{
        Query, State,
        rejection::{FormRejection, QueryRejection},
    },
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use fieldstone_ui::{Ask, Frame, local_path, locale::Locale, respond};
use secrecy::SecretString;
use serde::Deserialize;

use super::{Entrance, Visitor, from_here, retry_after, trouble, welcome};
use crate::identity::sign_in::Attempt;

/// What the address says.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Parameters {
    /// Where to go afterwards.
    to: Option<String>,
    /// Why the page is shown: `out` after signing out, `late` when a code came too late.
    after: Option<String>,
    /// The workspace's address, in links that are meant for one.
    workspace: Option<String>,
}

/// What was typed.
#[derive(Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    workspace: String,
    #[serde(default)]
    to: String,
}

#[derive(Template)]
#[template(path = "identity/sign_in.html")]
struct Page<'a> {
    locale: &'a Locale,
    to: &'a str,
    email: &'a str,
    note: Option<&'static str>,
    error: Option<&'static str>,
    workspace: &'a str,
}

impl Page<'_> {
    fn answer(&self, status: StatusCode) -> Response {
        respond(
            Ask::Page,
            status,
            &Frame::alone(self.locale.clone(), self.locale.t("sign-in-title")),
            self,
        )
    }
}

/// `GET /sign-in`.
pub(crate) async fn show(
    visitor: Visitor,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Response {
    let parameters = parameters
        .map(|Query(parameters)| parameters)
        .unwrap_or_default();
    let to = parameters
        .to
        .as_deref()
        .and_then(local_path)
        .unwrap_or_default();
    let note = match parameters.after.as_deref() {
        Some("out") => Some("sign-in-signed-out"),
        Some("late") => Some("sign-in-late"),
        Some("reset") => Some("sign-in-reset"),
        Some("left") => Some("sign-in-left"),
        _ if !to.is_empty() => Some("sign-in-ended"),
        _ => None,
    };
    Page {
        locale: &visitor.locale,
        to: &to,
        email: "",
        note,
        error: None,
        workspace: parameters.workspace.as_deref().unwrap_or_default(),
    }
    .answer(StatusCode::OK)
}

/// `POST /sign-in`.
pub(crate) async fn submit(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    uri: Uri,
    headers: HeaderMap,
    typed: Result<Form<Typed>, FormRejection>,
) -> Response {
    let Ok(Form(typed)) = typed else {
        return Page {
            locale: &visitor.locale,
            to: "",
            email: "",
            note: None,
            error: Some("error-invalid"),
            workspace: "",
        }
        .answer(StatusCode::BAD_REQUEST);
    };
    let to = local_path(&typed.to).unwrap_or_default();
    let password = SecretString::from(typed.password);
    let attempt = Attempt {
        email: &typed.email,
        password: &password,
        workspace: Some(typed.workspace.trim()).filter(|slug| !slug.is_empty()),
        address: visitor.address,
        user_agent: &visitor.user_agent,
        code: None,
    };
    let outcome = match from_here(&uri, &headers) {
        Ok(()) => entrance.sign_in.begin(&attempt, entrance.clock.now()).await,
        Err(error) => Err(error),
    };
    let page = Page {
        locale: &visitor.locale,
        to: &to,
        email: &typed.email,
        note: None,
        error: None,
        workspace: &typed.workspace,
    };
    match outcome {
        Ok(begun) => welcome(&begun, if to.is_empty() { "/" } else { &to }),
        Err(error) => {
            let (status, key) = trouble(&error);
            let mut response = Page {
                error: Some(key),
                ..page
            }
            .answer(status);
            retry_after(&mut response, &error);
            response
        }
    }
}
