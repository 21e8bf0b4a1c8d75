//! What people wait for: whole pages, asked for by somebody who is signed in, one after the other over a connection that is kept.
//!
//! The time includes TLS, the network of this machine and the client: no page can be faster on the server than it says.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use fieldstone_testkit::{Person, Server};
use serde_json::{Value, json};

use super::layers::{Layers, plain_connection};
use super::sign_in::{PASSWORD, accounts_with_password};

/// Requests for each page, after some that aren't counted.
const TIMES: usize = 400;
const WARM_UP: usize = 20;
/// A report reads what it counts: nobody needs to wait for hundreds.
const SLOW: Duration = Duration::from_millis(300);
const SLOW_TIMES: usize = 20;

/// How long the pages of one workspace took.
#[derive(Debug)]
pub(crate) struct Pages {
    /// Which workspace.
    pub(crate) workspace: String,
    /// Page by page.
    pub(crate) times: Vec<Times>,
}

/// How long one page took.
#[derive(Debug)]
pub(crate) struct Times {
    /// Which page.
    pub(crate) page: &'static str,
    /// Sorted.
    took: Vec<Duration>,
}

impl Times {
    /// The milliseconds that so many of a hundred requests stay within.
    pub(crate) fn ms(&self, percent: usize) -> f64 {
        let at = (self.took.len() * percent / 100).min(self.took.len().saturating_sub(1));
        self.took
            .get(at)
            .map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
    }

    /// How many requests there were.
    pub(crate) fn count(&self) -> usize {
        self.took.len()
    }
}

/// The pages of the demo's first workspace.
pub(crate) async fn of_demo(server: &Server) -> anyhow::Result<Pages> {
    let person = Person::of_demo(server, "owner");
    let signed_in = sign_in(server, &person.email, &person.password).await?;
    pages("demo".to_owned(), server, &signed_in).await
}

/// The pages of the tenant with the most deals.
pub(crate) async fn of_large(
    layers: &Layers,
    server: &Server,
    deals: u32,
) -> anyhow::Result<Pages> {
    accounts_with_password(layers).await?;
    let owner = layers.large()?.actor.user.to_string();
    let row = plain_connection(&layers.plain)
        .await?
        .query_one(
            "SELECT u.email FROM app.\"user\" u WHERE u.id = $1",
            &[&owner],
        )
        .await?;
    let email: String = row.try_get(0)?;
    let signed_in = sign_in(server, &email, PASSWORD).await?;
    pages(format!("{deals} deals"), server, &signed_in).await
}

async fn sign_in(server: &Server, email: &str, password: &str) -> anyhow::Result<reqwest::Client> {
    let client = server.client();
    let credentials = json!({ "email": email, "password": password });
    let request = client
        .post(format!("{}/api/v1/session", server.url()))
        .json(&credentials);
    let status = request.send().await?.status();
    ensure!(
        status == 201,
        "{email} wasn't let in: the answer was {status}"
    );
    Ok(client)
}

async fn pages(
    workspace: String,
    server: &Server,
    client: &reqwest::Client,
) -> anyhow::Result<Pages> {
    let first = client
        .get(format!("{}/api/v1/records/deal?limit=1", server.url()))
        .send()
        .await?;
    let first: Value = first.error_for_status()?.json().await?;
    let deal = first
        .pointer("/records/0/id")
        .and_then(Value::as_str)
        .context("a workspace without deals")?;
    let record = format!("/deals/{deal}");
    let mut times = Vec::new();
    for (page, address) in [
        ("home", "/"),
        ("list", "/deals"),
        ("list by amount", "/deals?sort=-amount"),
        ("record", &record),
        ("kanban", "/deals/board"),
        (
            "report: deals by stage and status, sum of amounts",
            "/reports?object=deal&by=stage_id&then=status&measure=sum:amount",
        ),
        (
            "report: deals by month of closing, average amount",
            "/reports?object=deal&by=close_date&bucket=month&measure=avg:amount",
        ),
    ] {
        let measured = one(page, client, &format!("{}{address}", server.url())).await?;
        eprintln!(
            "{workspace}, {page}: p50 {:.1} ms, p99 {:.1} ms",
            measured.ms(50),
            measured.ms(99)
        );
        times.push(measured);
    }
    Ok(Pages { workspace, times })
}

async fn one(page: &'static str, client: &reqwest::Client, url: &str) -> anyhow::Result<Times> {
    let mut took = Vec::with_capacity(TIMES);
    let mut uncounted = Duration::ZERO;
    for turn in 0..WARM_UP + TIMES {
        let begun = Instant::now();
        let answer = client.get(url).send().await?;
        let status = answer.status();
        let body = answer.bytes().await?;
        let elapsed = begun.elapsed();
        // A page that sends elsewhere, or says that something is wrong, is soon made.
        ensure!(
            status == 200,
            "{url}: the answer was {status}\n{}",
            String::from_utf8_lossy(&body)
        );
        if turn < WARM_UP {
            uncounted += elapsed;
            continue;
        }
        took.push(elapsed);
        let is_slow = uncounted > SLOW * u32::try_from(WARM_UP)?;
        if is_slow && took.len() == SLOW_TIMES {
            break;
        }
    }
    took.sort_unstable();
    Ok(Times { page, took })
}
