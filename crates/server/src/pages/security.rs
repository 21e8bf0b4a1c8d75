//! `/security`: what this installation claims of itself, in plain words, and what was seen when that was last checked. Public.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use fieldstone_ui::locale::Locale;
use tokio::sync::Mutex;
use tokio::time::{Duration, Instant, timeout};
use tokio_postgres::{Client, Config};

use super::{Visitor, letter_link};
use crate::database::{DatabaseError, connect};
use crate::platform::Platform;
use crate::verify::{Check, Report, Status, last_report};

/// How long the database may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// For how long an answer of the database is good.
const FRESH: Duration = Duration::from_secs(10);

/// The last report, which anybody may ask for as often as they like: the database is asked now and then, over one connection. Whoever holds
/// the lock asks for all.
pub(crate) struct LastReport {
    database: Config,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    client: Option<Client>,
    read_at: Option<Instant>,
    report: Option<Arc<Report>>,
}

impl LastReport {
    /// In the platform's database.
    pub(crate) fn new(platform: &Platform) -> Self {
        Self {
            database: platform.databases.app.clone(),
            last: Mutex::default(),
        }
    }

    async fn read(&self) -> Option<Arc<Report>> {
        let mut last = self.last.lock().await;
        if last.read_at.is_none_or(|at| at.elapsed() >= FRESH) {
            let kept = last.client.take();
            match timeout(PATIENCE, self.ask(kept)).await {
                Ok(Ok((client, report))) => {
                    last.client = Some(client);
                    last.report = report.map(Arc::new);
                }
                Ok(Err(error)) => tracing::warn!(%error, "the last report can't be read"),
                Err(_) => tracing::warn!("the last report can't be read in time"),
            }
            last.read_at = Some(Instant::now());
        }
        last.report.clone()
    }

    async fn ask(&self, kept: Option<Client>) -> Result<(Client, Option<Report>), DatabaseError> {
        let client = match kept {
            Some(client) if !client.is_closed() => client,
            _ => connect(&self.database).await?,
        };
        let report = last_report(&client).await?;
        Ok((client, report))
    }
}

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
pub(crate) async fn show(
    State(platform): State<Platform>,
    State(last): State<Arc<LastReport>>,
    visitor: Visitor,
) -> Response {
    let report = last.read().await;
    let locale = &visitor.locale;
    let content = Page {
        locale,
        report: report.as_deref(),
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
