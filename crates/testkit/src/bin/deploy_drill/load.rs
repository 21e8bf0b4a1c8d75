//! People who work while nodes are replaced, and what became of their requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use reqwest::Client;
use serde_json::{Value, json};

use super::PATIENCE;
use super::site::Site;

/// What the drill's owner signs in with.
const PASSWORD: &str = "a password of nobody 58";

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) answered: AtomicU64,
    refused: AtomicU64,
    broken: AtomicU64,
    /// Records that were acknowledged.
    pub(crate) made: AtomicU64,
    pub(crate) slowest_ms: AtomicU64,
}

impl Counts {
    pub(crate) fn lost(&self) -> u64 {
        self.refused.load(Ordering::Relaxed) + self.broken.load(Ordering::Relaxed)
    }
}

/// People who make and read records without a pause.
pub(crate) struct Load {
    pub(crate) counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    people: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    pub(crate) async fn start(site: &Site, people: u32) -> anyhow::Result<Self> {
        let set_up = site
            .client
            .post(format!("{}/set-up", site.url))
            .header("origin", &site.url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!(
                "link={0}&password={1}&repeat={1}",
                site.link,
                PASSWORD.replace(' ', "+")
            ))
            .send()
            .await?;
        ensure!(
            set_up.status().is_redirection(),
            "the owner can't be set up: {}",
            set_up.status()
        );
        let credentials = json!({"email": "owner@drill.example", "password": PASSWORD});
        let session = site
            .client
            .post(format!("{}/api/v1/session", site.url))
            .json(&credentials)
            .send()
            .await?;
        let cookie = session
            .headers()
            .get("set-cookie")
            .and_then(|value| value.to_str().ok())
            .context("a session")?
            .to_owned();
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let token: Value = site
            .client
            .post(format!("{}/api/v1/tokens", site.url))
            .header("origin", &site.url)
            .header("cookie", cookie)
            .json(&json!({"name": "drill"}))
            .send()
            .await?
            .json()
            .await?;
        let token = token
            .get("token")
            .and_then(Value::as_str)
            .context("a token")?
            .to_owned();
        let (counts, stop) = (
            Arc::new(Counts::default()),
            Arc::new(AtomicBool::new(false)),
        );
        let people = (0..people)
            .map(|person| {
                let (client, url, token) = (site.client.clone(), site.url.clone(), token.clone());
                let (counts, stop) = (Arc::clone(&counts), Arc::clone(&stop));
                tokio::spawn(async move {
                    let mut number = 0_u64;
                    while !stop.load(Ordering::Relaxed) {
                        number += 1;
                        work(
                            &client,
                            &url,
                            &token,
                            &counts,
                            &format!("{person}-{number}"),
                        )
                        .await;
                    }
                })
            })
            .collect();
        Ok(Self {
            counts,
            stop,
            people,
        })
    }

    /// Waits until so many more requests are answered.
    pub(crate) async fn work_for(&self, more: u64) -> anyhow::Result<()> {
        let until = self.counts.answered.load(Ordering::Relaxed) + more;
        let begun = Instant::now();
        while self.counts.answered.load(Ordering::Relaxed) < until {
            ensure!(
                begun.elapsed() < PATIENCE,
                "too few requests were answered within a minute"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    pub(crate) async fn stop(self) -> Arc<Counts> {
        self.stop.store(true, Ordering::Relaxed);
        for person in self.people {
            let _ = person.await;
        }
        self.counts
    }
}

/// Makes a record and reads the list. A change carries a key, so that asking twice makes one record.
async fn work(client: &Client, url: &str, token: &str, counts: &Counts, name: &str) {
    let records = format!("{url}/api/v1/records/account");
    let make = client
        .post(&records)
        .bearer_auth(token)
        .header("idempotency-key", format!("drill-{name}"))
        .json(&json!({"name": format!("Drill {name}")}));
    if count(counts, make).await {
        counts.made.fetch_add(1, Ordering::Relaxed);
    }
    count(
        counts,
        client.get(format!("{records}?limit=5")).bearer_auth(token),
    )
    .await;
}

async fn count(counts: &Counts, request: reqwest::RequestBuilder) -> bool {
    let begun = Instant::now();
    let answer = request.send().await;
    let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    counts.slowest_ms.fetch_max(took, Ordering::Relaxed);
    match answer {
        Ok(answer) if answer.status().is_success() => {
            counts.answered.fetch_add(1, Ordering::Relaxed);
            true
        }
        Ok(answer) => {
            println!("refused: {}", answer.status());
            counts.refused.fetch_add(1, Ordering::Relaxed);
            false
        }
        Err(error) => {
            println!("broken: {error:?}");
            counts.broken.fetch_add(1, Ordering::Relaxed);
            false
        }
    }
}
