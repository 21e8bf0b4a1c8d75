//! The field app: `fieldstone-device` as a process against the real server, and its library for what is too short to measure from outside.
//!
//! The server has data of its own: one person with 100,000 contacts, imported as anybody would.

mod raw;
mod wire;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use fieldstone_client::device::Device;
use fieldstone_client::drive::Ending;
use fieldstone_client::keystore::Keystore;
use fieldstone_model::clock::SystemClock;
use fieldstone_model::{Change, Filter, Query, Value, Values};
use fieldstone_store::Store as _;
use fieldstone_testkit::{DeviceProcess, Person, Server, ServerOptions};

use self::wire::Wire;
use super::processes::{Family, Processes};

/// How often what takes milliseconds is measured.
const TIMES: usize = 200;
/// How often nothing new is asked for.
const EMPTY_TIMES: usize = 20;
/// Edits of one record each that are pushed.
const EDITS: usize = 4_000;

/// What the field app showed.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Records on the device.
    pub(crate) rows: u32,
    /// The same rows into a table without indexes, one transaction for each 2,000.
    pub(crate) raw_rows_per_second: f64,
    /// `fieldstone-device sync` of a device that has nothing, from its start to its end.
    pub(crate) sync_rows_per_second: f64,
    /// Processor microseconds of a row: on the device, in the server, in the database.
    pub(crate) row_us: [f64; 3],
    /// Most memory that the process which syncs had, and all of the device's together.
    pub(crate) memory_kib: (u64, u64),
    /// The records as the API answers them, in bytes each.
    pub(crate) json_bytes: f64,
    /// Bytes both ways on the wire for a record of the first sync.
    pub(crate) wire_bytes: f64,
    /// An empty delta on an open connection: bytes on the wire both ways, round trips, milliseconds.
    pub(crate) empty: (u64, u64, f64),
    /// `fieldstone-device sync` that finds nothing new, from its start to its end.
    pub(crate) empty_process_ms: f64,
    /// Edits of as many records, from the outbox into the platform's database and back.
    pub(crate) edits_per_second: f64,
    /// 50 of all records, filtered and sorted, in milliseconds.
    pub(crate) lists: Vec<(&'static str, f64)>,
}

/// Measures everything about the field app. `rows` is how many records its user has.
pub(crate) async fn measure(scratch: &Path, rows: u32) -> anyhow::Result<Figures> {
    let folder = scratch.join("field");
    let server = Server::start(&ServerOptions::demo().on(&folder));
    let person = Person::of_demo(&server, "member");
    import(&folder, scratch, &person, rows)?;
    let processes = Processes::of(server.pid(), &folder)?;

    let process = DeviceProcess::at(&scratch.join("home"));
    // A bench ends by the clock, and a folder that is thrown away needs no farewell: `process` logs out when it goes.
    process
        .log_in(server.url(), &server.ca(), &person, &["--no-sync"])
        .ok();
    let before = processes.used()?;
    let begun = Instant::now();
    let mut child = process.start(&["sync"]);
    let family = Family::watch(&mut child)?;
    let took = begun.elapsed();
    ensure!(family.succeeded, "the first sync failed");
    let used = processes.used()?.since(before);
    let begun_empty = Instant::now();
    process.run(&["sync"]).ok();
    let empty_process_ms = begun_empty.elapsed().as_secs_f64() * 1e3;

    let mut device = open(process.home()).await?;
    let counted: u64 = device.local().counts().await?.values().sum();
    let counted = u32::try_from(counted)?;
    ensure!(counted >= rows, "{counted} records arrived");
    let raw_rows_per_second = raw::insert(&device, scratch).await?;
    let lists = lists(&device).await?;
    let edits_per_second = push(&mut device).await?;
    device.close()?;
    let per_row = |seconds: f64| seconds * 1e6 / f64::from(counted);

    // Again, this time by a way that counts; it takes processor time from the others.
    let wire = Wire::to(server.port()).await?;
    let counting = DeviceProcess::at(&scratch.join("counting"));
    let url = format!("https://127.0.0.1:{}", wire.port());
    counting
        .log_in(&url, &server.ca(), &person, &["--no-sync"])
        .ok();
    let before = wire.seen();
    let child = counting.start(&["sync"]);
    let output = tokio::task::spawn_blocking(move || child.wait_with_output()).await??;
    ensure!(
        output.status.success(),
        "the counted sync failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let synced = wire.seen().since(before);
    let mut device = open(counting.home()).await?;
    let (empty, empty_ms) = empty(&mut device, &wire).await?;
    device.close()?;
    Ok(Figures {
        rows: counted,
        raw_rows_per_second,
        sync_rows_per_second: f64::from(counted) / took.as_secs_f64(),
        row_us: [family.seconds, used.server, used.database].map(per_row),
        memory_kib: (family.largest_kib, family.memory_kib),
        json_bytes: json_bytes(&server, &person).await?,
        #[expect(clippy::cast_precision_loss, reason = "an average for people")]
        wire_bytes: synced.bytes as f64 / f64::from(counted),
        empty: (empty.bytes, empty.turns, empty_ms),
        empty_process_ms,
        edits_per_second,
        lists,
    })
}

async fn open(home: &Path) -> anyhow::Result<Device> {
    Ok(Device::open(home, &Keystore::open, Arc::new(SystemClock)).await?)
}

async fn sync(device: &mut Device) -> anyhow::Result<()> {
    match device.sync(|_| ()).await? {
        Ending::UpToDate { proven: true } => Ok(()),
        ending => bail!("a sync ended with {ending:?}"),
    }
}

/// What goes over the wire when there is nothing new, and how long that takes.
async fn empty(device: &mut Device, wire: &Wire) -> anyhow::Result<(wire::Seen, f64)> {
    // The first makes the connection.
    sync(device).await?;
    let before = wire.seen();
    sync(device).await?;
    let seen = wire.seen().since(before);
    let mut times = Vec::with_capacity(EMPTY_TIMES);
    for _ in 0..EMPTY_TIMES {
        let begun = Instant::now();
        sync(device).await?;
        times.push(begun.elapsed());
    }
    Ok((seen, median_ms(times)))
}

/// Lists as pages ask for them.
async fn lists(device: &Device) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let in_leipzig = || Filter::equal("city", Value::Text("Leipzig".to_owned()));
    let base = || Query::new("contact").limit(50);
    let mut searched = base().order("name", false);
    searched.search = Some("tomasz".to_owned());
    let cases = [
        (
            "filtered by an unindexed field, sorted by name",
            base().filter(in_leipzig()).order("name", false),
        ),
        (
            "filtered by an unindexed field, newest first",
            base().filter(in_leipzig()).order("created_at", true),
        ),
        ("searched for a word, sorted by name", searched),
    ];
    let store = device.store();
    let mut figures = Vec::new();
    for (name, query) in cases {
        ensure!(
            store.list(&query).await?.records.len() == 50,
            "{name}: too few"
        );
        let mut times = Vec::with_capacity(TIMES);
        for _ in 0..TIMES {
            let begun = Instant::now();
            store.list(&query).await?;
            times.push(begun.elapsed());
        }
        figures.push((name, median_ms(times)));
    }
    Ok(figures)
}

/// Edits one field of many records, and sends them.
async fn push(device: &mut Device) -> anyhow::Result<f64> {
    let store = device.store();
    let mut query = Query::new("contact").limit(200);
    let mut ids = Vec::new();
    while ids.len() < EDITS {
        let page = store.list(&query).await?;
        ids.extend(page.records.iter().map(|record| record.id));
        query.cursor = Some(page.next.context("too few records to edit")?);
    }
    ids.truncate(EDITS);
    for chunk in ids.chunks(200) {
        let changes: Vec<Change> = chunk
            .iter()
            .map(|id| Change::Update {
                object: "contact".to_owned(),
                id: *id,
                expected: None,
                values: Values::new().with("job_title", Value::Text("Regional lead".to_owned())),
            })
            .collect();
        store.apply(&changes).await?;
    }
    ensure!(
        device.local().pending_count().await? >= EDITS as u64,
        "edits went missing"
    );
    let begun = Instant::now();
    sync(device).await?;
    let took = begun.elapsed();
    ensure!(
        device.local().pending_count().await? == 0,
        "edits were not sent"
    );
    Ok(f64::from(u32::try_from(EDITS)?) / took.as_secs_f64())
}

/// Bytes of a record as the API answers it.
async fn json_bytes(server: &Server, person: &Person) -> anyhow::Result<f64> {
    let client = server.client();
    let credentials = serde_json::json!({"email": person.email, "password": person.password, "workspace": person.workspace});
    let address = format!("{}/api/v1/session", server.url());
    client
        .post(address)
        .json(&credentials)
        .send()
        .await?
        .error_for_status()?;
    let address = format!(
        "{}/api/v1/records/contact?limit=200&filter=city%20%3D%20%22Leipzig%22",
        server.url()
    );
    let text = client
        .get(address)
        .send()
        .await?
        .error_for_status()?
        .text()
        .await?;
    let value: serde_json::Value = serde_json::from_str(&text)?;
    let records = value
        .get("records")
        .and_then(serde_json::Value::as_array)
        .context("no records")?;
    let bytes: usize = records.iter().map(|record| record.to_string().len()).sum();
    Ok(f64::from(u32::try_from(bytes)?) / f64::from(u32::try_from(records.len().max(1))?))
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times
        .get(times.len() / 2)
        .map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

fn import(data: &Path, scratch: &Path, person: &Person, rows: u32) -> anyhow::Result<()> {
    let file = scratch.join("contacts.csv");
    fs::write(&file, contacts(rows)?)?;
    let output = Command::new(fieldstone_testkit::binary())
        .arg("import")
        .arg("--data")
        .arg(data)
        .args(["--as", &person.email, &person.workspace, "contact"])
        .arg(&file)
        .stdin(Stdio::null())
        .output()?;
    ensure!(
        output.status.success(),
        "the import failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// People who don't exist, with about 300 bytes of facts each.
fn contacts(rows: u32) -> anyhow::Result<String> {
    const FIRST: [&str; 12] = [
        "Anneke", "Tomasz", "Ingrid", "Mateo", "Yuki", "Fatima", "Oskar", "Leila", "Bram", "Sofie",
        "Emre", "Chloe",
    ];
    const LAST: [&str; 10] = [
        "Vandermeer",
        "Kowalska",
        "Lindqvist",
        "Aguilar",
        "Tanaka",
        "Haddad",
        "Brandt",
        "Moreau",
        "Okafor",
        "Novak",
    ];
    const CITY: [(&str, &str); 7] = [
        ("Leipzig", "04109"),
        ("Rotterdam", "3011"),
        ("Gdansk", "80-831"),
        ("Lyon", "69002"),
        ("Malmo", "211 20"),
        ("Porto", "4050"),
        ("Graz", "8010"),
    ];
    const WORK: [&str; 5] = [
        "Plant manager",
        "Head of purchasing",
        "Site engineer",
        "Facility lead",
        "Operations director",
    ];
    let pick = |list: &[&'static str], at: u32| {
        list.get(at as usize % list.len().max(1))
            .copied()
            .unwrap_or_default()
    };
    let mut text =
        "first_name,last_name,job_title,email,phone,street,city,postal_code,country,description\n"
            .to_owned();
    for row in 0..rows {
        let mixed = row.wrapping_mul(2_654_435_761);
        let (first, last) = (pick(&FIRST, mixed >> 7), pick(&LAST, mixed >> 13));
        let (city, code) = CITY
            .get((mixed >> 19) as usize % CITY.len())
            .copied()
            .unwrap_or_default();
        writeln!(
            text,
            "{first},{last} {row},{},{}.{row}@{}.example,+49 341 {:07},{} {} Street,{city},{code},Europe,\
            Met at the trade fair; prefers calls before noon and asks about spare parts for line {}.",
            pick(&WORK, mixed >> 5),
            first.to_lowercase(),
            last.to_lowercase(),
            mixed % 10_000_000,
            mixed % 240 + 1,
            pick(&LAST, mixed >> 23),
            mixed % 17,
        )?;
    }
    Ok(text)
}
