//! Signing in: what it costs beside the hash alone, what its time tells of an account, and what five hundred at once come to.
//!
//! Requests come from many addresses of the loopback network, since one address is soon told to wait; each account is asked for rarely, too.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use fieldstone_server::identity::{PasswordHasher, PasswordPolicy};
use futures_util::future::try_join_all;
use secrecy::SecretString;

use super::http::{Client, Connection};
use super::layers::{Layers, plain_connection};
use super::processes::{Processes, Used};
use super::sample::Random;

/// Everybody's here.
pub(crate) const PASSWORD: &str = "correct horse battery";
/// Askers who keep the queue of hashes filled.
const ASKERS: u8 = 16;
/// Turns of the hash alone and of signing in, so that a disturbance of the machine meets both.
const TURNS: u32 = 4;
/// Tries for an unknown account, and as many with a wrong password.
const TRIES: usize = 200;
/// Sign-ins at the same moment.
const AT_ONCE: usize = 500;

/// What signing in showed.
#[derive(Debug)]
pub(crate) struct SignIns {
    /// Hashes per second on all cores, nothing else running.
    pub(crate) hashes_per_second: f64,
    /// Sign-ins per second through the API.
    pub(crate) per_second: f64,
    /// Processor time of one: load generator, server, database.
    used: Used,
    count: f64,
    /// Median milliseconds of a refusal.
    pub(crate) unknown_ms: f64,
    /// The same for an account that there is.
    pub(crate) wrong_ms: f64,
    /// What many at once came to.
    pub(crate) flood: Flood,
}

/// Many sign-ins at the same moment.
#[derive(Debug)]
pub(crate) struct Flood {
    /// How many were let in, and how many told to come back.
    pub(crate) let_in: usize,
    /// See `let_in`.
    pub(crate) sent_back: usize,
    /// The slowest of both kinds.
    pub(crate) slowest_in: Duration,
    /// See `slowest_in`.
    pub(crate) slowest_back: Duration,
    /// The slowest answer of `/healthz` meanwhile.
    pub(crate) slowest_health: Duration,
    /// The server's memory with all connections open, and the most it had.
    pub(crate) before_kib: u64,
    /// See `before_kib`.
    pub(crate) most_kib: u64,
}

impl SignIns {
    /// Processor milliseconds of one sign-in: load generator + server + database.
    pub(crate) fn processor_ms(&self) -> String {
        let each = |seconds: f64| seconds * 1e3 / self.count.max(1.0);
        format!(
            "{:.1} + {:.1} + {:.1}",
            each(self.used.generator),
            each(self.used.server),
            each(self.used.database)
        )
    }
}

/// Measures all of it. `turn` is how long each turn takes.
pub(crate) async fn measure(
    layers: &Layers,
    processes: &Processes,
    turn: Duration,
) -> anyhow::Result<SignIns> {
    let emails = accounts_with_password(layers).await?;
    let (unknown_ms, wrong_ms) = timing(&layers.client, &emails).await?;
    eprintln!("sign-in: unknown {unknown_ms:.2} ms, wrong {wrong_ms:.2} ms");
    let (mut hashes, mut hashing) = (0, Duration::ZERO);
    let (mut count, mut signing, mut used) = (0, Duration::ZERO, Used::default());
    let mut connections = Vec::new();
    for asker in 0..ASKERS {
        let source = Ipv4Addr::new(127, 0, 1, 1 + asker);
        connections.push(layers.client.connect_from(source).await?);
    }
    for _ in 0..TURNS {
        let (done, took) = hash_alone(turn)?;
        (hashes, hashing) = (hashes + done, hashing + took);
        let before = processes.used()?;
        let (done, took) = sign_in(&mut connections, &emails, turn).await?;
        (count, signing) = (count + done, signing + took);
        used = used.plus(processes.used()?.since(before));
    }
    drop(connections);
    eprintln!("sign-in: {hashes} hashes in {hashing:.1?}, {count} sign-ins in {signing:.1?}");
    let flood = flood(&layers.client, processes, &emails).await?;
    let count = f64::from(count);
    Ok(SignIns {
        hashes_per_second: f64::from(hashes) / hashing.as_secs_f64(),
        per_second: count / signing.as_secs_f64(),
        used,
        count,
        unknown_ms,
        wrong_ms,
        flood,
    })
}

/// Gives everybody `PASSWORD`; answers their addresses.
pub(crate) async fn accounts_with_password(layers: &Layers) -> anyhow::Result<Vec<String>> {
    let phc = PasswordHasher::new(&PasswordPolicy::default())?
        .hash(&SecretString::from(PASSWORD))
        .await?;
    accounts(layers, &phc).await
}

async fn accounts(layers: &Layers, phc: &str) -> anyhow::Result<Vec<String>> {
    let client = plain_connection(&layers.plain).await?;
    client
        .execute("UPDATE app.user_secret SET password_phc = $1", &[&phc])
        .await?;
    // Whoever was told to wait by a run before.
    client.execute("DELETE FROM app.attempt", &[]).await?;
    let rows = client
        .query("SELECT u.email FROM app.\"user\" u ORDER BY u.id", &[])
        .await?;
    let emails = rows.iter().map(|row| row.try_get(0));
    Ok(emails.collect::<Result<_, _>>()?)
}

fn request(email: &str, password: &str) -> Vec<u8> {
    let body = format!(r#"{{"email":"{email}","password":"{password}"}}"#);
    let head = format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.into_bytes(), body.into_bytes()].concat()
}

/// Median milliseconds of a refusal for an unknown address and for a wrong password, asked for in turns of chance.
async fn timing(client: &Client, emails: &[String]) -> anyhow::Result<(f64, f64)> {
    const EACH: usize = 10;
    let mut random = Random(11);
    let (mut unknown, mut wrong) = (Vec::new(), Vec::new());
    let mut known = emails.iter().cycle();
    for round in 0..TRIES.div_ceil(EACH) {
        let source = Ipv4Addr::new(127, 0, 3, u8::try_from(round + 1)?);
        let mut connection = client.connect_from(source).await?;
        let mut tries: Vec<(u64, bool)> = (0..2 * EACH)
            .map(|at| (random.next(), at % 2 == 0))
            .collect();
        tries.sort_unstable();
        for (_, is_known) in tries {
            let email = known.next().context("nobody")?;
            let asked = if is_known {
                request(email, "not the password")
            } else {
                request(&format!("no.{email}"), "not the password")
            };
            let begun = Instant::now();
            let answer = connection.ask(&asked).await?;
            let took = begun.elapsed().as_secs_f64() * 1e3;
            ensure!(answer.status == 401, "{}", answer.status);
            if is_known {
                wrong.push(took);
            } else {
                unknown.push(took);
            }
        }
    }
    Ok((median(unknown)?, median(wrong)?))
}

fn median(mut times: Vec<f64>) -> anyhow::Result<f64> {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().context("no tries")
}

/// As many threads as cores that do nothing but check the password.
fn hash_alone(turn: Duration) -> anyhow::Result<(u32, Duration)> {
    let policy = PasswordPolicy::default();
    let params = Params::new(policy.memory_kib, policy.passes, policy.lanes, None)
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let (count, begun) = (AtomicU32::new(0), Instant::now());
    thread::scope(|scope| {
        for _ in 0..policy.concurrent {
            scope.spawn(|| {
                let mut blocks = vec![Block::default(); argon2.params().block_count()];
                let mut hash = [0; 32];
                while begun.elapsed() < turn {
                    let (word, salt) = (PASSWORD.as_bytes(), b"a salt of 16 byt");
                    let made =
                        argon2.hash_password_into_with_memory(word, salt, &mut hash, &mut blocks);
                    let _ = black_box((made, hash));
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    Ok((count.into_inner(), begun.elapsed()))
}

async fn sign_in(
    connections: &mut [Connection],
    emails: &[String],
    turn: Duration,
) -> anyhow::Result<(u32, Duration)> {
    let next = AtomicU32::new(0);
    let begun = Instant::now();
    let asker = async |connection: &mut Connection| {
        let mut count = 0;
        while begun.elapsed() < turn {
            let at = usize::try_from(next.fetch_add(1, Ordering::Relaxed))?;
            let email = emails.get(at % emails.len()).context("nobody")?;
            let answer = connection.ask(&request(email, PASSWORD)).await?;
            ensure!(answer.status == 201, "{}", answer.status);
            count += 1;
        }
        anyhow::Ok(count)
    };
    let counts = try_join_all(connections.iter_mut().map(asker)).await?;
    Ok((counts.iter().sum(), begun.elapsed()))
}

async fn flood(client: &Client, processes: &Processes, emails: &[String]) -> anyhow::Result<Flood> {
    const OF_ONE_ADDRESS: usize = 20;
    let mut connections = Vec::new();
    for number in 0..AT_ONCE {
        let source = Ipv4Addr::new(127, 0, 4, u8::try_from(1 + number / OF_ONE_ADDRESS)?);
        connections.push(client.connect_from(source).await?);
    }
    let mut health = client.connect().await?;
    let before_kib = processes.server_memory_kib()?;
    let is_over = AtomicBool::new(false);
    let one = async |(number, connection): (usize, &mut Connection)| {
        let email = emails.get(number % emails.len()).context("nobody")?;
        let begun = Instant::now();
        let answer = connection.ask(&request(email, PASSWORD)).await?;
        anyhow::Ok((answer.status, begun.elapsed()))
    };
    let all = async {
        let answers = try_join_all(connections.iter_mut().enumerate().map(one)).await;
        is_over.store(true, Ordering::Relaxed);
        answers
    };
    let watch = async {
        let (mut most_kib, mut slowest) = (before_kib, Duration::ZERO);
        while !is_over.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let answer = health
                .ask(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .await?;
            ensure!(answer.status == 200, "{}", answer.status);
            slowest = slowest.max(begun.elapsed());
            most_kib = most_kib.max(processes.server_memory_kib()?);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        anyhow::Ok((most_kib, slowest))
    };
    let (answers, watched) = tokio::join!(all, watch);
    let (answers, (most_kib, slowest_health)) = (answers?, watched?);
    let of = |status: u16| {
        let times = answers.iter().filter(move |(found, _)| *found == status);
        let slowest = times.clone().map(|(_, took)| *took).max();
        (times.count(), slowest.unwrap_or_default())
    };
    let ((let_in, slowest_in), (sent_back, slowest_back)) = (of(201), of(429));
    ensure!(
        let_in + sent_back == AT_ONCE,
        "some were answered otherwise: {:?}",
        answers
            .iter()
            .find(|(status, _)| ![201, 429].contains(status))
    );
    Ok(Flood {
        let_in,
        sent_back,
        slowest_in,
        slowest_back,
        slowest_health,
        before_kib,
        most_kib,
    })
}
