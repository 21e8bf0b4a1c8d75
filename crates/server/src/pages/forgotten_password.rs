//! `/forgotten-password`: asks for a letter with which a new password can be set.
//!
//! The answer is the same whether or not anybody has the address.

use askama::Template;
use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use fieldstone_ui::{Ask, Frame, locale::Locale, respond};
use serde::Deserialize;

use super::{Entrance, Visitor, from_here, retry_after, trouble};

/// What was typed.
#[derive(Default, Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    email: String,
    #[serde(default)]
    workspace: String,
}

#[derive(Template)]
#[template(path = "members/forgotten_password.html")]
struct Page<'a> {
    locale: &'a Locale,
    email: &'a str,
    workspace: &'a str,
    sent: bool,
    error: Option<&'static str>,
}

impl Page<'_> {
    fn answer(&self, status: StatusCode) -> Response {
        let title = self.locale.t("forgotten-title");
        respond(
            Ask::Page,
            status,
            &Frame::alone(self.locale.clone(), title),
            self,
        )
    }
}

/// `GET /forgotten-password`.
pub(crate) async fn show(visitor: Visitor) -> Response {
    let page = Page {
        locale: &visitor.locale,
        email: "",
        workspace: "",
        sent: false,
        error: None,
    };
    page.answer(StatusCode::OK)
}

/// `POST /forgotten-password`.
pub(crate) async fn submit(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    uri: Uri,
    headers: HeaderMap,
    typed: Result<Form<Typed>, FormRejection>,
) -> Response {
    let typed = typed.map(|Form(typed)| typed).unwrap_or_default();
    let page = Page {
        locale: &visitor.locale,
        email: &typed.email,
        workspace: &typed.workspace,
        sent: false,
        error: None,
    };
    if typed.email.trim().is_empty() {
        return Page {
            error: Some("forgotten-email-missing"),
            ..page
        }
        .answer(StatusCode::UNPROCESSABLE_ENTITY);
    }
    let asked = match from_here(&uri, &headers) {
        Ok(()) => {
            let now = entrance.clock.now();
            let workspace = Some(typed.workspace.as_str());
            entrance
                .sign_in
                .ask_password_reset(&typed.email, workspace, visitor.address, now)
                .await
        }
        Err(error) => Err(error),
    };
    match asked {
        Ok(()) => Page { sent: true, ..page }.answer(StatusCode::OK),
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
