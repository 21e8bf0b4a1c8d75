//! Rounds of real crashes: the server, its PostgreSQL and device processes, ended with SIGKILL at random moments, and a database put back
//! from an older copy of its files; in some rounds a standby follows the database. After each round everything is started again, and what was
//! confirmed must be there.
//!
//! What happens is chosen by a seed; when exactly a process dies within what it does is the machine's.

mod ledger;
mod writer;

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use fieldstone_server::cluster::admin_config;
use fieldstone_server::data_dir::DataDir;
use fieldstone_server::database::DEFAULT_DATABASE;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio_postgres::{Client, NoTls};

use self::ledger::Ledger;
use self::writer::{Session, Writer};
use crate::{DeviceProcess, Person, Server, ServerOptions, Standby, free_port, kill_at_once};

/// How often a sync is tried again before a round counts as stuck.
const PATIENCE: usize = 8;

/// Where the embedded database listens, on its socket.
const DEFAULT_PORT: u16 = 5432;

/// What happened in all rounds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    /// Rounds.
    pub rounds: u32,
    /// Device processes killed.
    pub devices_killed: u32,
    /// Servers killed.
    pub servers_killed: u32,
    /// Databases killed.
    pub databases_killed: u32,
    /// Of these, within 200 ms of a transaction that was given up.
    pub after_an_abort: u32,
    /// Databases put back from an older copy.
    pub restored: u32,
    /// Of all rounds, with a standby following the database.
    pub beside_a_standby: u32,
    /// Changes that a device has confirmed.
    pub confirmed: u32,
    /// Changes during which the device was killed.
    pub unconfirmed: u32,
    /// Records that somebody made over the API meanwhile, and that were acknowledged.
    pub posted: u32,
}

/// Random numbers, the same for the same seed (splitmix64).
#[derive(Debug, Clone)]
pub struct Chance(pub u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    fn moment(&mut self, most_ms: u64) -> Duration {
        Duration::from_millis(self.below(most_ms))
    }
}

/// The platform and two devices of one person.
pub struct Rounds {
    folder: tempfile::TempDir,
    data: PathBuf,
    port: u16,
    server: Option<Server>,
    devices: [DeviceProcess; 2],
    /// Follows the database in some of the rounds.
    standby: Option<Standby>,
    ledger: Ledger,
    session: Session,
    /// Records that were acknowledged to that session since the last look.
    posted: Vec<String>,
    chance: Chance,
    /// Whether devices are killed, too.
    devices_die: bool,
    /// What has happened so far.
    pub figures: Figures,
}

/// Something that ends a process or takes away what it has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disaster {
    Device,
    Server,
    Database,
    DatabaseAfterAbort,
    Restore,
}

impl Rounds {
    /// Starts everything and logs both devices in.
    pub fn start(seed: u64) -> Self {
        Self::start_with(seed, true)
    }

    /// The same with faults of the server and its database alone: every change on a device has to be confirmed.
    pub fn of_the_server(seed: u64) -> Self {
        Self::start_with(seed, false)
    }

    fn start_with(seed: u64, devices_die: bool) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("fieldstone-rounds-")
            .tempdir_in("/tmp")
            .expect("a temporary folder");
        std::fs::set_permissions(
            folder.path(),
            std::os::unix::fs::PermissionsExt::from_mode(0o711),
        )
        .expect("an open folder");
        let (data, port) = (folder.path().join("data"), free_port());
        let server = start(&data, port);
        let person = Person::of_demo(&server, "owner");
        let devices = [DeviceProcess::new(), DeviceProcess::new()];
        for device in &devices {
            device.log_in(server.url(), &server.ca(), &person, &[]).ok();
        }
        Self {
            folder,
            data,
            port,
            session: Session::begin(&server, &person),
            server: Some(server),
            devices,
            standby: None,
            ledger: Ledger::default(),
            posted: Vec::new(),
            chance: Chance(seed),
            devices_die,
            figures: Figures::default(),
        }
    }

    fn start_server(&mut self) {
        self.server = None;
        self.server = Some(start(&self.data, self.port));
    }

    /// One round: work, a disaster in the middle of it, and everything found again.
    pub fn round(&mut self) {
        self.figures.rounds += 1;
        self.work();
        let copy = self.copied();
        self.follow();
        let disaster = match self.chance.below(10) {
            0..=3 if self.devices_die => Disaster::Device,
            0..=5 => Disaster::Server,
            6 | 7 => Disaster::DatabaseAfterAbort,
            8 => Disaster::Database,
            _ => Disaster::Restore,
        };
        self.strike(disaster, copy.as_deref());
        self.recover();
    }

    /// Makes and changes records on both devices; sometimes a device is killed while it does.
    fn work(&mut self) {
        for at in 0..self.devices.len() {
            for _ in 0..=self.chance.below(2) {
                let change = self.ledger.next_change(at, &mut self.chance);
                let mut running = self.device(at).start(&change.arguments());
                let is_killed = self.chance.below(5) == 0 && self.devices_die;
                if is_killed {
                    thread::sleep(self.chance.moment(150));
                    kill_at_once(&running);
                }
                let output = finished(&mut running);
                let confirmed = output.code == Some(0);
                if confirmed {
                    self.figures.confirmed += 1;
                } else {
                    self.figures.devices_killed += u32::from(is_killed);
                    self.figures.unconfirmed += 1;
                    assert!(is_killed, "a change failed: {}", output.said);
                }
                self.ledger.note(change, &output, confirmed);
            }
            if self.chance.below(2) == 0 {
                self.sync(at);
            }
        }
    }

    fn device(&self, at: usize) -> &DeviceProcess {
        self.devices.get(at).expect("a device")
    }

    /// A copy of the database's files, taken while it stands still. Only now and then, since it takes a while.
    fn copied(&mut self) -> Option<PathBuf> {
        if self.chance.below(4) != 0 {
            return None;
        }
        for at in 0..self.devices.len() {
            self.sync(at);
        }
        self.stop_server();
        let copy = self.folder.path().join("copy");
        let _ = std::fs::remove_dir_all(&copy);
        copy_files(&self.data.join("postgres"), &copy);
        self.start_server();
        self.ledger.mark();
        Some(copy)
    }

    /// Has a standby follow the database, or lets the one go that does.
    fn follow(&mut self) {
        if self.chance.below(3) == 0 {
            self.standby = match self.standby.take() {
                Some(_) => None,
                None => Some(Standby::follow(&self.data_dir(), DEFAULT_PORT, &[])),
            };
        }
        if self.standby.is_none() {
            return;
        }
        self.figures.beside_a_standby += 1;
        // The database may have been started anew since it let the standby in.
        Standby::admit(&self.data_dir());
        let begun = Instant::now();
        while !self.is_followed() {
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "the standby doesn't follow"
            );
        }
    }

    fn is_followed(&self) -> bool {
        let followed = self.in_database(async |client| {
            let row = client.query_one(
                "SELECT count(*) > 0 FROM pg_stat_replication WHERE application_name = 'walreceiver' AND state = 'streaming'",
                &[],
            );
            row.await.is_ok_and(|row| row.get(0))
        });
        followed == Some(true)
    }

    fn data_dir(&self) -> DataDir {
        DataDir::open(&self.data).expect("the data folder")
    }

    fn kill_server(&mut self) {
        if let Some(server) = self.server.take() {
            server.end(Signal::SIGKILL);
        }
    }

    fn stop_server(&mut self) {
        if let Some(server) = self.server.take() {
            let status = server.end(Signal::SIGTERM);
            assert!(
                status.success(),
                "the server didn't stop cleanly: {status:?}"
            );
        }
    }

    /// Begins to sync on both devices, and strikes in the middle of it.
    fn strike(&mut self, disaster: Disaster, copy: Option<&Path>) {
        if disaster == Disaster::Restore {
            return self.restore(copy);
        }
        let mut running: Vec<Child> = self
            .devices
            .iter()
            .map(|device| device.start(&["sync"]))
            .collect();
        let writer = Writer::start(self.session.clone());
        thread::sleep(self.chance.moment(400));
        match disaster {
            Disaster::Device => {
                self.figures.devices_killed += 1;
                running.first().into_iter().for_each(kill_at_once);
            }
            Disaster::Server => {
                self.figures.servers_killed += 1;
                self.kill_server();
                self.end_database();
            }
            Disaster::Database | Disaster::DatabaseAfterAbort => {
                if disaster == Disaster::DatabaseAfterAbort {
                    self.figures.after_an_abort += 1;
                    self.give_up_transactions();
                    thread::sleep(self.chance.moment(200));
                }
                self.figures.databases_killed += 1;
                self.end_database();
            }
            Disaster::Restore => {}
        }
        for child in &mut running {
            finished(child);
        }
        self.posted = writer.stop();
    }

    /// Puts the older copy back. What was accepted since is gone with it, and nobody else knows: only the devices can tell.
    fn restore(&mut self, copy: Option<&Path>) {
        let Some(copy) = copy else { return };
        self.figures.restored += 1;
        // It has followed further than the copy goes.
        self.standby = None;
        for at in 0..self.devices.len() {
            self.sync(at);
        }
        self.stop_server();
        let database = self.data.join("postgres");
        std::fs::remove_dir_all(&database).expect("the database to be removed");
        copy_files(copy, &database);
        self.ledger.forget_since_mark();
        self.start_server();
    }

    /// Transactions that take numbers and are given up: whose numbers come again after a crash, if nobody has written them down.
    fn give_up_transactions(&self) {
        self.in_database(async |client| {
            for _ in 0..5 {
                let given_up = "BEGIN; SELECT pg_current_xact_id(); ROLLBACK";
                // The database may be gone already.
                if client.batch_execute(given_up).await.is_err() {
                    return;
                }
            }
        });
    }

    fn in_database<T>(&self, work: impl AsyncFnOnce(Client) -> T) -> Option<T> {
        let mut admin = admin_config(&self.data_dir()).expect("the administrator's password");
        admin.dbname(DEFAULT_DATABASE);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let (client, connection) = admin.connect(NoTls).await.ok()?;
            tokio::spawn(connection);
            Some(work(client).await)
        })
    }

    /// Ends the database as a power failure does that spares the disk; waits until all its processes are gone.
    fn end_database(&self) {
        let Ok(text) = std::fs::read_to_string(self.data.join("postgres/postmaster.pid")) else {
            return;
        };
        let Some(pid) = text.lines().next().and_then(|pid| pid.trim().parse().ok()) else {
            return;
        };
        let children = children_of(pid);
        for process in std::iter::once(pid).chain(children) {
            // It may have ended meanwhile.
            let _ = kill(Pid::from_raw(process), Signal::SIGKILL);
        }
        let begun = Instant::now();
        while Path::new(&format!("/proc/{pid}")).exists() {
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "the database doesn't end"
            );
            thread::yield_now();
        }
    }

    /// Whether the server runs, and its database, which it starts again by itself when that was all that was killed.
    fn is_well_again(&mut self) -> bool {
        let begun = Instant::now();
        while self.server.as_mut().is_some_and(Server::is_running) {
            if self.in_database(async |_| ()).is_some() {
                return true;
            }
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "the server doesn't start its database again"
            );
            thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// Starts what has ended, syncs until everything agrees, and looks for everything that was confirmed.
    fn recover(&mut self) {
        if !self.is_well_again() {
            self.kill_server();
            self.end_database();
            self.start_server();
        }
        for turn in [0, 1, 0] {
            self.sync(turn);
        }
        for device in &self.devices {
            let status = device.run(&["status"]).ok();
            assert_eq!(status.get("pending"), Some(&0.into()), "{status}");
            assert_eq!(status.get("proven"), Some(&true.into()), "{status}");
        }
        let found = self
            .in_database(async |client| {
                let rows = client.query(
                    "SELECT id, name, coalesce(city, '') FROM app.account WHERE starts_with(name, 'round ') AND deleted_at IS NULL",
                    &[],
                );
                let rows = rows.await.expect("the accounts");
                rows.iter()
                    .map(|row| (row.get(0), row.get(1), row.get(2)))
                    .collect()
            })
            .expect("a connection to the database");
        self.ledger.check(found);
        self.find_posted();
        // And what the devices show is that.
        for (id, city) in self.ledger.recent() {
            for device in &self.devices {
                let shown = device.run(&["show", &id]).ok();
                let found = shown.get("city").and_then(|city| city.as_str());
                assert_eq!(found.unwrap_or_default(), city, "{id}");
            }
        }
    }

    /// Looks for everything that was acknowledged over the API.
    fn find_posted(&mut self) {
        let posted = std::mem::take(&mut self.posted);
        self.figures.posted += u32::try_from(posted.len()).expect("few records");
        let lost: Option<Vec<String>> = self.in_database(async |client| {
            let lost = "SELECT id FROM unnest($1::text[]) id WHERE NOT EXISTS (SELECT FROM app.account a WHERE a.id = id.id AND a.name = 'posted')";
            let rows = client.query(lost, &[&posted]).await.expect("the accounts");
            rows.iter().map(|row| row.get(0)).collect()
        });
        let lost = lost.expect("a connection to the database");
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    }

    /// Syncs a device until it is up to date. What fails meanwhile must say so and lose nothing.
    fn sync(&self, at: usize) {
        let mut last = None;
        for _ in 0..PATIENCE {
            let answer = self.device(at).run(&["sync"]);
            if answer.code == Some(0) {
                return;
            }
            last = Some(answer);
        }
        panic!("device {at} doesn't get up to date: {last:?}");
    }
}

fn start(data: &Path, port: u16) -> Server {
    Server::start(&ServerOptions::demo().on(data).at_port(port))
}

fn finished(child: &mut Child) -> crate::Answer {
    use std::io::Read as _;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    if let Some(mut stdout) = child.stdout.take() {
        let _ = stdout.read_to_end(&mut out);
    }
    if let Some(mut stderr) = child.stderr.take() {
        let _ = stderr.read_to_end(&mut err);
    }
    let status = child.wait().expect("the device's end");
    crate::Answer::of(&std::process::Output {
        status,
        stdout: out,
        stderr: err,
    })
}

/// The processes whose parent is this one.
fn children_of(parent: i32) -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let is_child = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned());
        let found = after_name.and_then(|rest| rest.split(' ').nth(1)?.parse::<i32>().ok());
        found == Some(parent)
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(is_child)
        .collect()
}

/// Copies files with their owners, as a volume is copied.
fn copy_files(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "copying {}",
        from.display()
    );
}
