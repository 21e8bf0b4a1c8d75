//! `/support-entry?link=…`: an operator comes in whom an owner has let in, through a link that works once.

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
    welcome,
};
use crate::identity::{IdentityError, support::Entering};

/// What to do about a link that opens nothing any more.
const SPENT: &str = "support-entry-spent";

/// What was sent.
#[derive(Deserialize)]
pub(crate) struct Sent {
    #[serde(default)]
    link: String,
}

#[derive(Template)]
#[template(path = "identity/support_entry.html")]
struct Page<'a> {
    locale: &'a Locale,
    link: &'a str,
    who: String,
    ends: String,
}

/// `GET /support-entry?link=…`.
pub(crate) async fn show(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Response {
    let link = letter_link::secret(parameters);
    let locale = &visitor.locale;
    match entrance.sign_in.support_entering(&link).await {
        Ok(entering) => {
            let title = locale.t("support-entry-title");
            let content = Page {
                locale,
                link: &link,
                who: who(locale, &entering),
                ends: locale.instant(entering.ends_at),
            };
            letter_link::page(locale, StatusCode::OK, &title, &content)
        }
        Err(error) => letter_link::refused(locale, &error, SPENT),
    }
}

fn who(locale: &Locale, entering: &Entering) -> String {
    locale.t2(
        "support-entry-who",
        ("name", entering.operator.clone()),
        ("workspace", entering.workspace.clone()),
    )
}

/// `POST /support-entry`.
pub(crate) async fn submit(
    State(entrance): State<Entrance>,
    visitor: Visitor,
    uri: Uri,
    headers: HeaderMap,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let entered = match (sent, from_here(&uri, &headers)) {
        (Ok(Form(sent)), Ok(())) => {
            let now = entrance.clock.now();
            entrance
                .sign_in
                .enter_support(&sent.link, visitor.address, &visitor.user_agent, now)
                .await
        }
        (_, Err(error)) => Err(error),
        (Err(_), _) => Err(IdentityError::LinkSpent),
    };
    match entered {
        Ok(begun) => welcome(&begun, "/"),
        Err(error) => letter_link::refused(&visitor.locale, &error, SPENT),
    }
}
