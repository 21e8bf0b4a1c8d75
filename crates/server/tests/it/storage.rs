//! The encrypted storage of `fieldstone up`: real file systems, real keys, real kills.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use fieldstone_server::cluster::admin_config;
use fieldstone_server::data_dir::DataDir;
use fieldstone_server::storage::{Encryption, Seen, Storage, StorageError, StorageKey, observe};
use fieldstone_testkit::{Server, ServerOptions, binary, free_port};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, Whence, chown, geteuid, lseek};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

const AUTO: [&str; 2] = ["--storage-encryption", "auto"];

/// A folder whose mounts are taken off with it, whatever a test has done.
pub(crate) struct Folder(pub(crate) TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("fieldstone-storage-")
            .tempdir_in("/tmp")
            .unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        Self(folder)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The deepest first.
        for point in mounts_below(self.0.path()).iter().rev() {
            let _ = Command::new("umount").arg("-l").arg(point).status();
        }
    }
}

fn mounts_below(folder: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    points
        .map(PathBuf::from)
        .filter(|point| point.starts_with(folder))
        .collect()
}

/// Whether these bytes stand in the file, or in any below the folder, as it lies on the disk. Holes are passed over.
pub(crate) fn holds(place: &Path, text: &str) -> bool {
    if place.is_dir() && !place.is_symlink() {
        return fs::read_dir(place)
            .unwrap()
            .flatten()
            .any(|entry| holds(&entry.path(), text));
    }
    if !place.is_file() {
        return false;
    }
    let mut search = Command::new("grep")
        .args(["-qaF", "--", text])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = search.stdin.take().unwrap();
    let mut file = fs::File::open(place).unwrap();
    let mut at = 0;
    while let Ok(data) = lseek(&file, at, Whence::SeekData) {
        at = lseek(&file, data, Whence::SeekHole).unwrap();
        lseek(&file, data, Whence::SeekSet).unwrap();
        let length = u64::try_from(at - data).unwrap();
        // It stops reading when it has found something.
        if std::io::copy(&mut (&mut file).take(length), &mut input).is_err() {
            break;
        }
    }
    drop(input);
    match search.wait().unwrap().code() {
        Some(0) => true,
        Some(1) => false,
        other => panic!("grep ended with {other:?}"),
    }
}

/// The database's superuser, whom nothing holds back.
pub(crate) async fn superuser(data: &Path) -> Client {
    let data_dir = DataDir::open(data).unwrap();
    let (client, connection) = admin_config(&data_dir)
        .unwrap()
        .connect(NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

/// Writes lines that are easy to find, in the table, compressed and not, and in the log of changes.
async fn plant(data: &Path, canary: &str) {
    let client = superuser(data).await;
    client
        .batch_execute(
            "CREATE TABLE canary (line text); ALTER TABLE canary ALTER line SET STORAGE EXTERNAL",
        )
        .await
        .unwrap();
    client
        .execute(
            "INSERT INTO canary SELECT $1 || n FROM generate_series(1, 1000) AS n",
            &[&canary],
        )
        .await
        .unwrap();
    client
        .execute(
            "INSERT INTO canary SELECT string_agg($1 || n, ' ') FROM generate_series(1, 5000) AS n",
            &[&canary],
        )
        .await
        .unwrap();
    client.batch_execute("CHECKPOINT").await.unwrap();
}

async fn lines(data: &Path) -> i64 {
    superuser(data)
        .await
        .query_one("SELECT count(*) FROM canary", &[])
        .await
        .unwrap()
        .get(0)
}

/// Starts `up` where it should be refused, and answers its one sentence.
fn refused(data: &Path, arguments: &[&str]) -> String {
    let Output { status, stderr, .. } = ServerOptions::empty()
        .with(arguments)
        .command(data, free_port())
        .output()
        .unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{stderr}");
    let sentences: Vec<_> = stderr
        .lines()
        .filter(|line| line.starts_with("fieldstone: "))
        .collect();
    assert_eq!(sentences.len(), 1, "{stderr}");
    sentences[0].to_owned()
}

fn encrypted() -> ServerOptions {
    ServerOptions::empty().with(&AUTO)
}

/// What encrypts by default: root mounts an image, everybody else asks gocryptfs, unless the file system itself can.
fn expected_record() -> &'static str {
    if geteuid().is_root() {
        "fscrypt-image"
    } else {
        "gocryptfs"
    }
}

#[tokio::test]
async fn nothing_readable_lies_on_the_disk_and_everything_is_there_again_at_the_next_start() {
    let folder = Folder::new();
    let data = folder.data();
    let server = Server::start(&encrypted().on(&data));
    let record = fs::read_to_string(data.join("storage.json")).unwrap();
    assert!(record.contains(expected_record()), "{record}");
    let canary = format!("canary-{}-", std::process::id());
    plant(&data, &canary).await;
    for part in [
        "postgres",
        "postgres/pg_wal",
        "postgres/base",
        "log",
        "outbox",
    ] {
        let seen = observe(&data.join("storage/encrypted").join(part));
        assert!(seen.is_encrypted(), "{part}: {seen:?}");
    }
    assert!(
        holds(&data.join("storage/encrypted/postgres"), &canary),
        "the search finds what is there"
    );
    let started = Instant::now();
    assert!(server.end(Signal::SIGTERM).success());
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    assert!(mounts_below(&data).is_empty(), "{:?}", mounts_below(&data));
    assert!(!data.join("storage/encrypted/postgres").exists());
    // All of the folder: the image or the encrypted files, and whatever else lies beside them.
    assert!(!holds(&data, &canary), "the canary lies on the disk");

    // The control: the same without encryption is found.
    let plain = folder.0.path().join("plain");
    let server = Server::start(&ServerOptions::empty().on(&plain));
    plant(&plain, &canary).await;
    assert!(server.end(Signal::SIGTERM).success());
    assert!(holds(&plain, &canary));
    assert!(!observe(&plain.join("postgres")).is_encrypted());

    let started = Instant::now();
    let server = Server::start(&encrypted().on(&data));
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(lines(&data).await, 1001);
    drop(server);
}

#[tokio::test]
async fn what_a_killed_server_left_mounted_is_taken_over() {
    let folder = Folder::new();
    let data = folder.data();
    let server = Server::start(&encrypted().on(&data));
    plant(&data, "kept").await;
    for _ in 0..2 {
        let pid = Pid::from_raw(i32::try_from(server.pid()).unwrap());
        let _ = kill(pid, Signal::SIGKILL);
    }
    server.end(Signal::SIGKILL);
    assert!(!mounts_below(&data).is_empty(), "it was left mounted");
    let server = Server::start(&encrypted().on(&data));
    assert_eq!(lines(&data).await, 1001);
    assert_eq!(mounts_below(&data).len(), 1, "mounted once");
    assert!(server.end(Signal::SIGTERM).success());
    assert!(mounts_below(&data).is_empty());
}

#[tokio::test]
async fn a_wrong_or_missing_key_is_named_and_nothing_is_touched() {
    let folder = Folder::new();
    let data = folder.data();
    assert!(
        Server::start(&encrypted().on(&data))
            .end(Signal::SIGTERM)
            .success()
    );
    let key = data.join("secrets/storage");
    let good = fs::read(&key).unwrap();
    let changed = || -> Vec<_> {
        [
            "storage.json",
            "storage.img",
            "storage.gocryptfs",
            "storage",
        ]
        .iter()
        .map(|name| {
            fs::metadata(data.join(name))
                .and_then(|facts| facts.modified())
                .ok()
        })
        .collect()
    };
    let before = changed();

    fs::remove_file(&key).unwrap();
    let sentence = refused(&data, &AUTO);
    assert!(
        sentence.contains("is missing") && sentence.contains(&*key.to_string_lossy()),
        "{sentence}"
    );
    assert!(!key.exists(), "no other key is made in its place");

    fs::write(&key, "x".repeat(43)).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let sentence = refused(&data, &AUTO);
    assert!(sentence.contains("is not the one"), "{sentence}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let sentence = refused(&data, &AUTO);
    assert!(
        sentence.contains("can be read by other users"),
        "{sentence}"
    );
    assert_eq!(changed(), before);
    assert!(mounts_below(&data).is_empty());

    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, good).unwrap();
    let sentence = refused(&data, &["--storage-encryption", "none"]);
    assert!(sentence.contains("is encrypted by"), "{sentence}");
    drop(Server::start(&encrypted().on(&data)));
}

#[tokio::test]
async fn a_key_of_a_secrets_manager_is_used_and_never_made() {
    let folder = Folder::new();
    let data = folder.data();
    let key = folder.0.path().join("key");
    let arguments = [
        "--storage-encryption",
        "auto",
        "--storage-key",
        key.to_str().unwrap(),
    ];
    let sentence = refused(&data, &arguments);
    assert!(sentence.contains(&*key.to_string_lossy()), "{sentence}");
    fs::write(&key, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGH").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let server = Server::start(&ServerOptions::empty().on(&data).with(&arguments));
    assert!(!data.join("secrets/storage").exists());
    drop(server);
    assert!(refused(&data, &AUTO).contains("is missing"));
}

#[tokio::test]
async fn data_that_was_not_encrypted_is_refused_by_default_and_encrypted_when_asked() {
    let folder = Folder::new();
    let data = folder.data();
    let server = Server::start(&ServerOptions::empty().on(&data));
    plant(&data, "found-everywhere").await;
    assert!(server.end(Signal::SIGTERM).success());
    let sentence = refused(&data, &AUTO);
    assert!(
        sentence.contains("is not encrypted") && sentence.contains("fieldstone storage encrypt"),
        "{sentence}"
    );
    assert!(!data.join("storage.json").exists());

    // An attempt that was interrupted while it copied leaves the data where it was.
    fs::rename(data.join("postgres"), data.join("postgres.plain")).unwrap();
    let server = Server::start(&ServerOptions::empty().on(&data));
    assert_eq!(lines(&data).await, 1001);
    assert!(server.end(Signal::SIGTERM).success());

    let answer = Command::new(binary())
        .args(["storage", "encrypt", "--data"])
        .arg(&data)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert!(
        answer.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&answer.stderr)
    );
    assert!(
        said.contains("is now encrypted by") && said.contains("Keep a copy"),
        "{said}"
    );
    assert!(!data.join("postgres").exists() && !data.join("postgres.plain").exists());
    assert!(mounts_below(&data).is_empty());
    assert!(!holds(&data, "found-everywhere"));
    let server = Server::start(&encrypted().on(&data));
    assert_eq!(lines(&data).await, 1001);
    assert!(server.end(Signal::SIGTERM).success());

    let again = Command::new(binary())
        .args(["storage", "encrypt", "--data"])
        .arg(&data)
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&again.stderr).contains("encrypted already"));
}

#[test]
fn external_is_believed_only_when_it_is_seen() {
    let folder = Folder::new();
    let data = folder.data();
    let sentence = refused(&data, &["--storage-encryption", "external"]);
    assert!(sentence.contains("Nothing that encrypts"), "{sentence}");
    assert!(!data.join("postgres").exists());
}

#[test]
fn an_image_grows_while_it_is_in_use_and_locks_when_it_is_closed() {
    assert!(
        geteuid().is_root(),
        "an image is mounted by root: run this test as root"
    );
    let folder = Folder::new();
    let data_dir = DataDir::open(&folder.data()).unwrap();
    let key = StorageKey::new(&data_dir, None);
    let storage = Storage::open(&data_dir, Encryption::Fscrypt, &key).unwrap();
    let file = data_dir.inside().join("file");
    fs::write(&file, "readable").unwrap();
    let growth = storage.growth().unwrap();
    assert!(!growth.grow_if_needed().unwrap(), "there is room");
    let image = folder.data().join("storage.img");
    let room = || {
        nix::sys::statvfs::statvfs(&data_dir.inside())
            .map(|facts| facts.blocks() * facts.fragment_size())
            .unwrap()
    };
    let (length, room_before) = (fs::metadata(&image).unwrap().len(), room());
    if length <= 4 << 30 {
        growth.grow(256 << 20).unwrap();
        assert_eq!(fs::metadata(&image).unwrap().len(), length + (256 << 20));
        assert!(
            room() >= room_before + (250 << 20),
            "{room_before} {}",
            room()
        );
    } else {
        // Without the capability to resize it, it has been made as large as the disk, and takes from that what is written.
        assert!(room_before > length / 2, "{length} {room_before}");
        let taken = || fs::metadata(&image).unwrap().blocks() * 512;
        let before = taken();
        assert!(before < 1 << 30, "{before}");
        let large = data_dir.inside().join("large");
        fs::write(&large, vec![7; 64 << 20]).unwrap();
        fs::File::open(&large).unwrap().sync_all().unwrap();
        assert!(taken() >= before + (64 << 20));
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "readable");
    storage.close();
    assert!(mounts_below(&folder.data()).is_empty());
    let loops = Command::new("losetup").arg("-a").output().unwrap();
    assert!(
        !String::from_utf8_lossy(&loops.stdout).contains(&*image.to_string_lossy()),
        "the loop device is free again"
    );

    // Without the key the kernel shows that there is something, and not what.
    let mount = folder.0.path().join("look");
    fs::create_dir(&mount).unwrap();
    let mounted = Command::new("mount")
        .args(["-o", "loop,ro"])
        .arg(&image)
        .arg(&mount)
        .status()
        .unwrap();
    assert!(mounted.success());
    let names: Vec<_> = fs::read_dir(mount.join("encrypted"))
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().is_file())
        .collect();
    assert_ne!(names[0].file_name(), "file");
    assert_eq!(
        fs::read(names[0].path()).unwrap_err().raw_os_error(),
        Some(nix::libc::ENOKEY)
    );
    assert!(
        matches!(observe(&mount.join("encrypted")), Seen::Encrypted { .. }),
        "the policy is seen all the same"
    );
    assert!(!observe(&mount).is_encrypted());
}

#[test]
fn another_file_system_in_its_place_is_left_alone() {
    assert!(
        geteuid().is_root(),
        "mounts are root's: run this test as root"
    );
    let folder = Folder::new();
    let data_dir = DataDir::open(&folder.data()).unwrap();
    let key = StorageKey::new(&data_dir, None);
    Storage::open(&data_dir, Encryption::Fscrypt, &key)
        .unwrap()
        .close();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "none"])
        .arg(folder.data().join("storage"))
        .status()
        .unwrap();
    assert!(mounted.success());
    assert!(matches!(
        Storage::open(&data_dir, Encryption::Auto, &key),
        Err(StorageError::Occupied(_))
    ));
    assert_eq!(mounts_below(&folder.data()).len(), 1);
}

/// A server of a user who is nobody in particular.
struct Ordinary {
    child: Child,
}

impl Ordinary {
    /// Starts `up` as that user and waits until it is ready.
    fn start(folder: &Path, data: &Path) -> Self {
        use std::io::{BufRead as _, BufReader};
        let mut child = Self::command(folder, data)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(line.starts_with("ready "), "{line}");
        Self { child }
    }

    fn command(folder: &Path, data: &Path) -> Command {
        let program = folder.join("fieldstone");
        if !program.exists() {
            // Where the tests are built only root may look.
            fs::hard_link(binary(), &program)
                .or_else(|_| fs::copy(binary(), &program).map(drop))
                .unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut command = Command::new(program);
        command
            .args(["up", "--data"])
            .arg(data)
            .args(["--listen", &format!("127.0.0.1:{}", free_port())])
            .args(AUTO);
        command.stdin(Stdio::null()).current_dir("/");
        if geteuid().is_root() {
            let nobody = User::from_name("nobody").unwrap().unwrap();
            command.uid(nobody.uid.as_raw()).gid(nobody.gid.as_raw());
        }
        command
    }

    fn end(mut self) {
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            Signal::SIGTERM,
        )
        .unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

fn given_to_nobody(folder: &Path) -> PathBuf {
    let home = folder.join("home");
    fs::create_dir(&home).unwrap();
    if geteuid().is_root() {
        let nobody = User::from_name("nobody").unwrap().unwrap();
        chown(&home, Some(nobody.uid), Some(nobody.gid)).unwrap();
    }
    home.join("data")
}

#[test]
fn an_ordinary_user_is_helped_by_gocryptfs_and_told_what_it_is_not() {
    let folder = Folder::new();
    let data = given_to_nobody(folder.0.path());
    Ordinary::start(folder.0.path(), &data).end();
    assert!(
        fs::read_to_string(data.join("storage.json"))
            .unwrap()
            .contains("gocryptfs")
    );
    assert!(mounts_below(folder.0.path()).is_empty());
    let started = Instant::now();
    let server = Ordinary::start(folder.0.path(), &data);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(mounts_below(folder.0.path()).len(), 1);
    server.end();
    assert!(mounts_below(folder.0.path()).is_empty());
}

#[test]
fn an_ordinary_user_on_a_file_system_that_encrypts_needs_nothing_else() {
    assert!(
        geteuid().is_root(),
        "the file system is mounted by root: run this test as root"
    );
    let folder = Folder::new();
    let (image, mount) = (folder.0.path().join("image"), folder.0.path().join("mount"));
    fs::create_dir(&mount).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        assert!(
            Command::new(program)
                .args(arguments)
                .status()
                .unwrap()
                .success(),
            "{program}"
        );
    };
    let (image, point) = (image.to_str().unwrap(), mount.to_str().unwrap());
    run("truncate", &["-s", "1G", image]);
    run("mkfs.ext4", &["-q", "-O", "encrypt", image]);
    run("mount", &["-o", "loop", image, point]);
    let data = given_to_nobody(&mount);
    Ordinary::start(folder.0.path(), &data).end();
    assert!(
        fs::read_to_string(data.join("storage.json"))
            .unwrap()
            .contains("\"fscrypt\"")
    );
    let names = |folder: &Path| -> Vec<_> {
        fs::read_dir(folder)
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name())
            .collect()
    };
    let locked = names(&data.join("storage/encrypted"));
    assert!(
        !locked.is_empty() && !locked.iter().any(|name| name == "postgres"),
        "{locked:?}"
    );
    let server = Ordinary::start(folder.0.path(), &data);
    assert!(
        names(&data.join("storage/encrypted"))
            .iter()
            .any(|name| name == "postgres")
    );
    server.end();
}
