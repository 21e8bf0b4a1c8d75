//! A hot standby: a second PostgreSQL that follows a running one, as in an installation with a replica to fail over to.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use fieldstone_server::cluster::admin_config;
use fieldstone_server::data_dir::DataDir;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio_postgres::{Config, config::Host};

/// A database that follows another one until it is dropped.
#[derive(Debug)]
pub struct Standby {
    folder: TempDir,
    programs: PathBuf,
    /// How the superuser reaches the database that is followed.
    primary: Config,
    /// Owner and group of the database that is followed.
    account: (u32, u32),
}

impl Standby {
    /// Follows the running database of `primary`. `port` is where that one listens; `settings` go to the standby.
    pub fn follow(primary: &DataDir, port: u16, settings: &[(&str, &str)]) -> Self {
        let database = primary.postgres();
        let postmaster = postmaster(&database);
        let program =
            fs::read_link(format!("/proc/{postmaster}/exe")).expect("PostgreSQL's program");
        let facts = fs::metadata(&database).expect("the database's folder");
        let folder = tempfile::Builder::new()
            .prefix("fieldstone-standby-")
            .tempdir_in("/tmp")
            .expect("a temporary folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))
            .expect("an open folder");
        let mut admin = admin_config(primary).expect("the administrator's password");
        admin.port(port);
        let standby = Self {
            folder,
            programs: program.parent().expect("a folder of programs").to_owned(),
            primary: admin,
            account: (facts.uid(), facts.gid()),
        };
        Self::admit(primary);
        standby.copy();
        standby.start(settings);
        standby
    }

    /// Lets standbys follow `primary`, which forgets that when it starts anew.
    pub fn admit(primary: &DataDir) {
        let database = primary.postgres();
        fs::OpenOptions::new()
            .append(true)
            .open(database.join("pg_hba.conf"))
            .and_then(|mut file| file.write_all(b"local replication all scram-sha-256\n"))
            .expect("the rules of access");
        kill(Pid::from_raw(postmaster(&database)), Signal::SIGHUP).expect("a running database");
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("database")
    }

    fn copy(&self) {
        let [Host::Unix(socket)] = self.primary.get_hosts() else {
            panic!("the database is reached over a socket");
        };
        let place = self.database();
        self.own_folder(&place);
        let mut copying = self.program("pg_basebackup");
        copying
            .args([
                "--write-recovery-conf",
                "--wal-method=stream",
                "--checkpoint=fast",
                "--no-sync",
            ])
            .arg("--host")
            .arg(socket)
            .args(["--username", self.primary.get_user().expect("a user")])
            .arg(format!(
                "--port={}",
                self.primary.get_ports().first().expect("a port")
            ))
            .arg("--pgdata")
            .arg(&place)
            .env(
                "PGPASSWORD",
                String::from_utf8_lossy(self.primary.get_password().expect("a password")).as_ref(),
            );
        succeed(copying);
    }

    fn start(&self, settings: &[(&str, &str)]) {
        let sockets = self.folder.path().join("socket");
        self.own_folder(&sockets);
        let mut text = format!("unix_socket_directories = '{}'\n", sockets.display());
        // A standby that reports what it reads is the one that a primary notices.
        text.push_str("hot_standby = 'on'\nhot_standby_feedback = 'on'\nlogging_collector = 'off'\narchive_mode = 'off'\n");
        for (name, value) in settings {
            // Writing to a string can't fail.
            let _ = writeln!(text, "{name} = '{value}'");
        }
        let place = self.database();
        fs::OpenOptions::new()
            .append(true)
            .open(place.join("postgresql.auto.conf"))
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .expect("the standby's settings");
        let mut starting = self.program("pg_ctl");
        starting
            .args(["start", "--wait", "--timeout=60", "--log"])
            .arg(place.join("log"))
            .arg("--pgdata")
            .arg(&place);
        succeed(starting);
    }

    fn own_folder(&self, path: &Path) {
        let (user, group) = self.account;
        fs::create_dir(path).expect("a folder for the standby");
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).expect("a private folder");
        chown(path, Some(user), Some(group)).expect("a folder of the database's account");
    }

    fn program(&self, name: &str) -> Command {
        let (user, group) = self.account;
        let mut command = Command::new(self.programs.join(name));
        command
            .uid(user)
            .gid(group)
            .env_clear()
            .env("LC_ALL", "C")
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/")
            .stdin(Stdio::null());
        command
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        let mut stopping = self.program("pg_ctl");
        stopping
            .args(["stop", "--wait", "--mode=immediate", "--pgdata"])
            .arg(self.database());
        // It may have ended by itself.
        let _ = stopping
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

/// The first line of a running database's pid file.
fn postmaster(database: &Path) -> i32 {
    let text = fs::read_to_string(database.join("postmaster.pid")).expect("a running database");
    let pid = text.lines().next().and_then(|pid| pid.trim().parse().ok());
    pid.expect("the database's process")
}

fn succeed(mut command: Command) {
    // What keeps running holds on to what it was started with.
    let log = tempfile::tempfile().expect("a temporary file");
    let copy = log.try_clone().expect("a second handle");
    let status = command.stdout(Stdio::null()).stderr(copy).status();
    if !status.as_ref().is_ok_and(ExitStatus::success) {
        let (mut log, mut said) = (log, String::new());
        let _ = log.rewind().and_then(|()| log.read_to_string(&mut said));
        panic!("{command:?}: {status:?}: {said}");
    }
}
