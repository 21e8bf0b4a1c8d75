//! `/security`: what this installation claims of itself, in plain words, and what was seen when that was last checked. Public.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use fieldstone_ui::locale::Locale;
use tokio::time::{Duration, timeout};

use super::{Visitor, letter_link};
use crate::database::connect;
use crate::platform::Platform;
use crate::verify::{Check, Report, Status, last_report};

/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Template)]
#[template(path = "security.html")]
struct Page<'a> {
    locale: &'a Locale,
    report: Option<&'a Report>,
    contact: &'a str,
}

impl Page<'_> {
    fn claim(&self, check: &Check) -> String {
        self.locale
            .t(&format!("claim-{}", check.id.to_lowercase()))
            .into_owned()
    }

    fn status(&self, check: &Check) -> String {
        let key = match check.status {
            Status::Pass => "security-pass",
            Status::Fail => "security-fail",
            Status::CannotCheck => "security-cannot-check",
        };
        self.locale.t(key).into_owned()
    }
}

/// `GET /security`.
pub(crate) async fn show(State(platform): State<Platform>, visitor: Visitor) -> Response {
    let looked = timeout(PATIENCE, async {
        let client = connect(&platform.databases.app).await?;
        last_report(&client).await
    });
    let report = match looked.await {
        Ok(Ok(report)) => report,
        Ok(Err(error)) => {
            tracing::warn!(%error, "the last report can't be read");
            None
        }
        Err(_) => None,
    };
    let locale = &visitor.locale;
    let content = Page {
        locale,
        report: report.as_ref(),
        contact: &platform.security_contact,
    };
    letter_link::page(
        locale,
        StatusCode::OK,
        &locale.t("security-title"),
        &content,
    )
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn every_claim_has_words_in_every_language() {
        for tag in ["en", "de"] {
            let locale = Locale::new(tag, TimeZone::UTC, "EUR");
            let ids = (1..=16)
                .map(|number| format!("p{number}"))
                .chain((1..=12).map(|number| format!("f{number}")));
            for id in ids {
                assert!(locale.find(&format!("claim-{id}")).is_some(), "{tag}: {id}");
            }
        }
    }
}
