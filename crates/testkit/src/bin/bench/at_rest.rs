//! What keeping everything encrypted costs, and how long it takes to come back: sealing alone, files end to end against the same bytes on the
//! disk, the same transactions on plain and on encrypted storage, and a restore against copying the database's files.
//!
//! Each part has a server and data of its own.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use fieldstone_server::cluster::admin_config;
use fieldstone_server::data_dir::DataDir;
use fieldstone_testkit::{Person, Server, ServerOptions, binary};
use fieldstone_vault::stream::SEGMENT_LEN;
use fieldstone_vault::{SecretKey, Stream};
use futures_util::future::try_join_all;
use nix::unistd::geteuid;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio_postgres::NoTls;

/// Bytes of a part of a file on its way to the platform.
const PART: usize = 4 << 20;
/// Connections that write at the same time.
const WRITERS: usize = 8;
/// Turns of each kind of storage, so that a disturbance of the machine meets both.
const TURNS: u32 = 3;
const MB: f64 = 1e6;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    /// For sealing, and for each turn of transactions.
    pub(crate) turn: Duration,
    /// Bytes of the file.
    pub(crate) file: usize,
    /// Rows of the database that is restored, of about a kilobyte each.
    pub(crate) rows: u32,
}

impl Amount {
    /// A file of 256 MiB and a database of a gigabyte.
    pub(crate) const FULL: Self = Self {
        turn: Duration::from_secs(4),
        file: 256 << 20,
        rows: 1_000_000,
    };
    /// Enough to see that it runs.
    pub(crate) const QUICK: Self = Self {
        turn: Duration::from_millis(500),
        file: 16 << 20,
        rows: 20_000,
    };
}

/// What it showed.
#[derive(Debug)]
pub(crate) struct AtRest {
    /// Megabytes per second that one core seals, and opens.
    sealed: f64,
    opened: f64,
    file: Files,
    /// Transactions per second: plain, encrypted; nothing where the kernel's encryption can't be set up.
    transactions: Option<(f64, f64)>,
    restore: Restored,
}

/// A file end to end, in megabytes per second.
#[derive(Debug)]
struct Files {
    bytes: usize,
    up: f64,
    down: f64,
    /// The same bytes into a file and out of it.
    written: f64,
    read: f64,
}

/// A database, restored.
#[derive(Debug)]
struct Restored {
    bytes: f64,
    /// From the start of `fieldstone restore` to its end: a database that has answered.
    took: Duration,
    /// The same folder copied by `cp`, until it is on the disk.
    copied: Duration,
}

/// Measures all of it.
pub(crate) async fn measure(scratch: &Path, amount: Amount) -> anyhow::Result<AtRest> {
    let (sealed, opened) = sealing(amount.turn)?;
    eprintln!("at rest: one core seals {sealed:.0} MB/s and opens {opened:.0} MB/s");
    let file = files(&scratch.join("files"), amount.file).await?;
    eprintln!(
        "at rest: a file goes up with {:.0} MB/s and down with {:.0} MB/s",
        file.up, file.down
    );
    let transactions = transactions(scratch, amount.turn).await?;
    let restore = restore(scratch, amount.rows).await?;
    Ok(AtRest {
        sealed,
        opened,
        file,
        transactions,
        restore,
    })
}

/// Segments of a stream on one thread, as files are kept.
fn sealing(turn: Duration) -> anyhow::Result<(f64, f64)> {
    let stream = Stream::begin(&SecretKey::generate()?, 1, b"bench")?;
    let mut segment = Vec::with_capacity(SEGMENT_LEN + 64);
    segment.resize(SEGMENT_LEN, 7);
    stream.seal(0, false, &mut segment)?;
    let sealed = segment.clone();
    let sealing = rate(turn, |number| {
        segment.truncate(SEGMENT_LEN);
        Ok(stream.seal(number, false, &mut segment)?)
    })?;
    let opening = rate(turn, |_| {
        // What is opened in place has to be brought there first; a file's bytes are, too.
        segment.clone_from(&sealed);
        stream.open(0, false, &mut segment)?;
        Ok(())
    })?;
    Ok((sealing, opening))
}

/// Megabytes per second of something that is done to one segment at a time.
fn rate(turn: Duration, mut each: impl FnMut(u32) -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let begun = Instant::now();
    let mut segments = 0_u32;
    while begun.elapsed() < turn {
        for _ in 0..64 {
            segments += 1;
            each(segments)?;
        }
    }
    Ok(f64::from(segments) * megabytes(SEGMENT_LEN) / begun.elapsed().as_secs_f64())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / MB
}

/// Uploads and downloads a file over the API, and writes and reads the same bytes beside it.
async fn files(folder: &Path, bytes: usize) -> anyhow::Result<Files> {
    let server = Server::start(&ServerOptions::demo().on(folder));
    let caller = Caller::sign_in(&server).await?;
    // Nothing that a disk or a network could make smaller.
    let mut content = vec![0; bytes];
    File::open("/dev/urandom")?.read_exact(&mut content)?;

    let values = json!({ "name": "Survey" });
    let account = caller.json("records/account", &values).await?;
    let about = account.get("id").context("an id")?;
    let values = json!({ "name": "film.bin", "about_id": about });
    let file = caller.json("records/attachment", &values).await?;
    let id = file.get("id").and_then(Value::as_str).context("an id")?;
    let path = format!("records/attachment/{id}/upload");
    let begun = Instant::now();
    let announced = json!({ "content_type": "application/octet-stream", "size": bytes });
    caller.json(&path, &announced).await?;
    for (number, part) in content.chunks(PART).enumerate() {
        let request = caller.request(Method::PUT, &format!("{path}/parts/{number}"));
        request
            .body(part.to_vec())
            .send()
            .await?
            .error_for_status()?;
    }
    caller
        .json(&format!("{path}/completion"), &json!({}))
        .await?;
    let up = megabytes(bytes) / begun.elapsed().as_secs_f64();

    let begun = Instant::now();
    let address = format!("records/attachment/{id}/content");
    let answer = caller.request(Method::GET, &address).send().await?;
    let back = answer.error_for_status()?.bytes().await?;
    let down = megabytes(bytes) / begun.elapsed().as_secs_f64();
    ensure!(back == content, "the file came back as another one");

    let plain = folder.join("plain");
    let begun = Instant::now();
    let mut copy = File::create(&plain)?;
    copy.write_all(&content)?;
    copy.sync_all()?;
    let written = megabytes(bytes) / begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    ensure!(
        fs::read(&plain)? == content,
        "the disk gave back something else"
    );
    let read = megabytes(bytes) / begun.elapsed().as_secs_f64();
    Ok(Files {
        bytes,
        up,
        down,
        written,
        read,
    })
}

/// Somebody of the demo, with a session.
struct Caller {
    client: Client,
    url: String,
}

impl Caller {
    async fn sign_in(server: &Server) -> anyhow::Result<Self> {
        let person = Person::of_demo(server, "member");
        let caller = Self {
            client: server.client(),
            url: server.url().to_owned(),
        };
        let credentials = json!({ "email": person.email, "password": person.password, "workspace": person.workspace });
        caller.json("session", &credentials).await?;
        Ok(caller)
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let address = format!("{}/api/v1/{path}", self.url);
        self.client
            .request(method, address)
            .header("origin", &self.url)
    }

    async fn json(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = self.request(Method::POST, path).json(body).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{path}: {status} {text}");
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }
}

/// Transactions of one changed row each, in turns on plain and on encrypted storage.
async fn transactions(scratch: &Path, turn: Duration) -> anyhow::Result<Option<(f64, f64)>> {
    if !geteuid().is_root() {
        eprintln!("at rest: transactions on encrypted storage are measured by root");
        return Ok(None);
    }
    let start = |name: &str, encryption: &str| {
        let options = ServerOptions::empty().on(&scratch.join(name));
        Server::start(&options.with(&["--storage-encryption", encryption]))
    };
    let (plain, encrypted) = (start("plain", "none"), start("encrypted", "fscrypt"));
    let servers = [&plain, &encrypted];
    for server in servers {
        let sql = "CREATE TABLE counter (id int PRIMARY KEY, value bigint NOT NULL); INSERT INTO counter SELECT n, 0 FROM generate_series(1, 10000) n; CHECKPOINT";
        superuser(server).await?.batch_execute(sql).await?;
    }
    let mut rates = [0.0; 2];
    for _ in 0..TURNS {
        for (server, rate) in servers.into_iter().zip(&mut rates) {
            *rate += write_rows(server, turn).await? / f64::from(TURNS);
        }
    }
    let [plain, encrypted] = rates;
    eprintln!("at rest: {plain:.0} transactions/s on plain storage, {encrypted:.0} on encrypted");
    Ok(Some((plain, encrypted)))
}

/// Transactions per second of all writers.
async fn write_rows(server: &Server, turn: Duration) -> anyhow::Result<f64> {
    let mut clients = Vec::new();
    for _ in 0..WRITERS {
        clients.push(superuser(server).await?);
    }
    let begun = Instant::now();
    let writers = clients.iter().zip(0_i32..).map(async |(client, writer)| {
        let update = client
            .prepare("UPDATE counter SET value = value + 1 WHERE id = $1")
            .await?;
        let (mut id, mut done) = (writer * 1_000, 0_u32);
        while begun.elapsed() < turn {
            id = id % 10_000 + 1;
            ensure!(client.execute(&update, &[&id]).await? == 1, "no such row");
            done += 1;
        }
        Ok(done)
    });
    let done: u32 = try_join_all(writers).await?.iter().sum();
    Ok(f64::from(done) / begun.elapsed().as_secs_f64())
}

async fn superuser(server: &Server) -> anyhow::Result<tokio_postgres::Client> {
    let config = admin_config(&DataDir::open(server.data())?)?;
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Restores a database of so many rows from its backup, and copies its folder beside.
async fn restore(scratch: &Path, rows: u32) -> anyhow::Result<Restored> {
    let data = scratch.join("backed-up");
    let (repository, into, copy) = (
        scratch.join("repository"),
        scratch.join("restored"),
        scratch.join("copied"),
    );
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let options = ServerOptions::empty().on(&data);
    let server = Server::start(&options.with(&["--backups", &text(&repository)]));
    let client = superuser(&server).await?;
    client
        .batch_execute("CREATE TABLE ballast (number int PRIMARY KEY, text text NOT NULL)")
        .await?;
    let fill = "INSERT INTO ballast SELECT n, (SELECT string_agg(md5(n || '.' || part), '') FROM generate_series(1, 29) part) FROM generate_series(1, $1::int) n";
    client.execute(fill, &[&i32::try_from(rows)?]).await?;
    let data_text = text(&data);
    // The server makes its first backup, and practises, by itself.
    let deadline = Instant::now() + Duration::from_mins(5);
    while let Err(error) = fieldstone(&["backup", "now", "--data", &data_text]) {
        let is_busy = error.to_string().contains("under way already");
        ensure!(is_busy && Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    drop(client);
    drop(server);

    let begun = Instant::now();
    fieldstone(&[
        "restore",
        "--into",
        &text(&into),
        "--data",
        &data_text,
        "--storage-encryption",
        "none",
    ])?;
    let took = begun.elapsed();
    let database = into.join("postgres");
    let begun = Instant::now();
    let copied = Command::new("cp")
        .arg("-a")
        .arg(&database)
        .arg(&copy)
        .status()?;
    ensure!(copied.success(), "the database's folder can't be copied");
    ensure!(
        Command::new("sync")
            .arg("-f")
            .arg(&copy)
            .status()?
            .success(),
        "no sync"
    );
    let copied = begun.elapsed();
    let restored = Restored {
        bytes: size_of(&database)?,
        took,
        copied,
    };
    eprintln!(
        "at rest: {:.0} MB restored in {:.1?}, copied in {copied:.1?}",
        restored.bytes / MB,
        took
    );
    Ok(restored)
}

fn fieldstone(arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new(binary()).args(arguments).output()?;
    if !output.status.success() {
        bail!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn size_of(folder: &Path) -> anyhow::Result<f64> {
    let mut bytes = 0.0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let facts = entry.metadata()?;
        bytes += if facts.is_dir() {
            size_of(&entry.path())?
        } else {
            facts.len() as f64
        };
    }
    Ok(bytes)
}

impl AtRest {
    /// Its part of the document.
    pub(crate) fn write(&self, out: &mut String) -> std::fmt::Result {
        use std::fmt::Write as _;
        let Self { file, restore, .. } = self;
        let seconds = |time: Duration| time.as_secs_f64();
        let each = |time: Duration| restore.bytes / MB / seconds(time);
        writeln!(
            out,
            "## Encryption at rest, and the way back\n\n| what | |\n|---|---:|"
        )?;
        let mut lines = vec![
            (
                "sealing on one core (AES-256-GCM in segments of 64 KiB), MB/s",
                format!("{:.0}", self.sealed),
            ),
            ("opening on one core, MB/s", format!("{:.0}", self.opened)),
            (
                "bytes of the file below",
                format!("{} MiB", file.bytes >> 20),
            ),
            (
                "sent to the platform until it is complete, MB/s",
                format!("{:.0}", file.up),
            ),
            (
                "the same bytes written to the disk and synced, MB/s",
                format!("{:.0}", file.written),
            ),
            ("sent ÷ written", format!("{:.2}", file.up / file.written)),
            (
                "fetched from the platform, MB/s",
                format!("{:.0}", file.down),
            ),
            (
                "the same bytes read from a file, MB/s",
                format!("{:.0}", file.read),
            ),
            ("fetched ÷ read", format!("{:.2}", file.down / file.read)),
        ];
        if let Some((plain, encrypted)) = self.transactions {
            lines.extend([
                (
                    "transactions/s of 8 writers, plain storage",
                    format!("{plain:.0}"),
                ),
                (
                    "transactions/s of 8 writers, encrypted storage (fscrypt)",
                    format!("{encrypted:.0}"),
                ),
                ("encrypted ÷ plain", format!("{:.2}", encrypted / plain)),
            ]);
        }
        lines.extend([
            (
                "bytes of the restored database's folder",
                format!("{:.0} MB", restore.bytes / MB),
            ),
            (
                "restored from the backup until the database answers",
                format!(
                    "{:.1} s, {:.0} MB/s",
                    seconds(restore.took),
                    each(restore.took)
                ),
            ),
            (
                "the same folder copied by `cp` and synced",
                format!(
                    "{:.1} s, {:.0} MB/s",
                    seconds(restore.copied),
                    each(restore.copied)
                ),
            ),
        ]);
        for (what, figure) in lines {
            writeln!(out, "| {what} | {figure} |")?;
        }
        writeln!(out)
    }
}
