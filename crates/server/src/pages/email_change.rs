//! `/email-change?link=…`: confirming a change of address from one of its two sides, or stopping it from the present one.

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
use fieldstone_ui::locale::Locale;
use serde::Deserialize;

use super::{
    Entrance, Visitor, from_here,
    letter_link::{self, Parameters},
};
use crate::identity::{
    IdentityError,
    email_change::{EmailAnswer, EmailChange},
};

const ADVICE: &str = "email-spent";

/// What was pressed.
#[derive(Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    link: String,
    #[serde(default)]
    answer: String,
}

#[derive(Template)]
#[template(path = "members/email_change.html")]
struct Page<'a> {
    locale: &'a Locale,
    link: &'a str,
    change: &'a EmailChange,
    /// Which text says what is left to do.
    left: &'static str,
}

#[derive(Template)]
#[template(path = "members/email_answered.html")]
struct Answered<'a> {
    locale: &'a Locale,
    text: String,
}

/// `GET /email-change?link=…`.
pub(crate) async fn show(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Response {
    let (locale, link) = (&visitor.locale, letter_link::secret(parameters));
    let change = match entrance.sign_in.email_change(&link).await {
        Ok(change) => change,
        Err(error) => return letter_link::refused(locale, &error, ADVICE),
    };
    let left = match (change.is_new_side, change.other_confirmed) {
        (_, true) => "email-change-last",
        (true, false) => "email-change-old-too",
        (false, false) => "email-change-new-too",
    };
    let content = Page {
        locale,
        link: &link,
        change: &change,
        left,
    };
    letter_link::page(
        locale,
        StatusCode::OK,
        &locale.t("email-change-title"),
        &content,
    )
}

/// `POST /email-change`.
pub(crate) async fn submit(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    uri: Uri,
    headers: HeaderMap,
    typed: Result<Form<Typed>, FormRejection>,
) -> Response {
    let locale = &visitor.locale;
    let Ok(Form(typed)) = typed else {
        return letter_link::refused(locale, &IdentityError::LinkSpent, ADVICE);
    };
    let answered = async {
        from_here(&uri, &headers)?;
        let change = entrance.sign_in.email_change(&typed.link).await?;
        let stop = match typed.answer.as_str() {
            "confirm" => false,
            "stop" => true,
            _ => return Err(IdentityError::LinkSpent),
        };
        let answer = entrance
            .sign_in
            .answer_email_change(&typed.link, stop)
            .await?;
        Ok::<_, IdentityError>((change, answer))
    };
    let (change, answer) = match answered.await {
        Ok(answered) => answered,
        Err(error) => return letter_link::refused(locale, &error, ADVICE),
    };
    let (status, text) = match answer {
        EmailAnswer::Done => (StatusCode::OK, "email-change-done"),
        EmailAnswer::Stopped => (StatusCode::OK, "email-change-stopped"),
        EmailAnswer::Taken => (StatusCode::CONFLICT, "email-change-taken"),
        EmailAnswer::Waiting if change.is_new_side => (StatusCode::OK, "email-change-waits-old"),
        EmailAnswer::Waiting => (StatusCode::OK, "email-change-waits-new"),
    };
    let facts = [("old", change.old), ("new", change.new)];
    let content = Answered {
        locale,
        text: locale.t_with(text, &facts),
    };
    letter_link::page(locale, status, &locale.t("email-change-title"), &content)
}
