//! `fieldstone migrate` and `fieldstone serve` against a database that is reached over a network.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use fieldstone_server::cluster::{Cluster, ClusterOptions};
use fieldstone_server::data_dir::DataDir;
use fieldstone_server::database::connect;
use fieldstone_testkit::{TestAuthority, binary, free_port, workspace_create};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;
use tokio::runtime::{Handle, RuntimeFlavor};

/// A PostgreSQL that listens on a port with TLS, and the certificates around it.
pub(crate) struct External {
    folder: TempDir,
    cluster: Cluster,
    port: u16,
}

impl External {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("fieldstone-external-")
            .tempdir_in("/tmp")
            .unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let data = folder.path().join("data");
        let data_dir = DataDir::open(&data).unwrap();
        let cluster = Cluster::start_with(&data_dir, &ClusterOptions::DISPOSABLE)
            .await
            .unwrap();

        let authority = TestAuthority::new("Authority of the installation");
        fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let certificate = authority.certify(&["localhost", "127.0.0.1"]);
        let database = data_dir.postgres();
        let owner = fs::metadata(&database).unwrap();
        for place in [folder.path(), &database] {
            let [tls, private] = ["tls.pem", "tls-key.pem"].map(|name| place.join(name));
            fs::write(&tls, certificate.pem()).unwrap();
            private_file(&private, &certificate.key_pem());
            if place == database {
                chown(&tls, Some(owner.uid()), Some(owner.gid())).unwrap();
                chown(&private, Some(owner.uid()), Some(owner.gid())).unwrap();
            }
        }

        let port = free_port();
        let admin = connect(&cluster.admin_config()).await.unwrap();
        for (name, value) in [
            ("listen_addresses", "127.0.0.1".to_owned()),
            ("port", port.to_string()),
            ("ssl", "on".to_owned()),
            ("ssl_cert_file", "tls.pem".to_owned()),
            ("ssl_key_file", "tls-key.pem".to_owned()),
        ] {
            admin
                .batch_execute(&format!("ALTER SYSTEM SET {name} = '{value}'"))
                .await
                .unwrap();
        }
        drop(admin);
        cluster.stop().await.unwrap();
        // The socket is named after the port, so the port has to change before the start that looks for it.
        let cluster = Cluster::start_with(&data_dir, &ClusterOptions::DISPOSABLE)
            .await
            .unwrap();
        fs::write(
            database.join("pg_hba.conf"),
            "local all all scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n",
        )
        .unwrap();
        let external = Self {
            folder,
            cluster,
            port,
        };
        external.ask("SELECT pg_reload_conf()::text").await;
        external
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn data_dir(&self) -> DataDir {
        DataDir::open(&self.path("data")).unwrap()
    }

    /// The first value of a superuser's question.
    pub(crate) async fn ask(&self, sql: &str) -> String {
        let mut config = self.cluster.admin_config();
        config.port(self.port);
        let client = connect(&config).await.unwrap();
        client.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// What a superuser says to the database that is served from.
    async fn tell(&self, sql: &str) {
        let mut config = self.cluster.admin_config();
        config.port(self.port).dbname("fieldstone");
        let client = connect(&config).await.unwrap();
        client.batch_execute(sql).await.unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration of a server on `listen`.
    pub(crate) fn configure(&self, listen: u16) -> PathBuf {
        let cluster = self.cluster.admin_config();
        let url = |role: &str, password: &str| {
            format!(
                "postgres://{role}:{password}@localhost:{}/fieldstone?sslmode=require",
                self.port
            )
        };
        let admin = url(
            cluster.get_user().unwrap(),
            str::from_utf8(cluster.get_password().unwrap()).unwrap(),
        );
        let mut text = format!(
            "listen = \"127.0.0.1:{listen}\"\nurl = \"https://127.0.0.1:{listen}\"\n\
             security_contact = \"mailto:security@crm.example\"\ncontext_key_file = \"{}\"\n\
             [tls]\ncertificate = \"{}\"\nkey = \"{}\"\n[database]\nadmin_url = \"{admin}\"\n",
            self.path("context.key").display(),
            self.path("tls.pem").display(),
            self.path("tls-key.pem").display(),
        );
        let secrets = DataDir::open(&self.path("secrets-of-roles")).unwrap();
        for role in ["owner", "app", "auth", "worker"] {
            let password = secrets.secret(role).unwrap();
            let url = url(&format!("fieldstone_{role}"), password.expose_secret());
            writeln!(text, "{role}_url = \"{url}\"").unwrap();
        }
        let path = self.path("config.toml");
        private_file(&path, &text);
        path
    }

    pub(crate) fn command(arguments: &[&str], config: &Path, ca: &Path) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .arg("--config")
            .arg(config)
            .env("SSL_CERT_FILE", ca)
            .stdin(Stdio::null());
        command
    }

    /// What a command came to that trusts the installation's authority. Waits for it without keeping others waiting.
    pub(crate) fn run(&self, arguments: &[&str], config: &Path) -> Output {
        let mut command = Self::command(arguments, config, &self.path("ca.pem"));
        let mut wait = move || command.output().unwrap();
        let flavor = Handle::try_current().map(|handle| handle.runtime_flavor());
        if flavor.is_ok_and(|flavor| flavor == RuntimeFlavor::MultiThread) {
            tokio::task::block_in_place(wait)
        } else {
            wait()
        }
    }

    /// Sets the database up; answers what was said.
    pub(crate) fn migrate(&self, config: &Path) -> String {
        let migrated = self.run(&["migrate"], config);
        assert!(migrated.status.success(), "{}", sentence(&migrated));
        sentence(&migrated)
    }

    /// Makes a workspace; answers the command's output, with the link for its owner.
    pub(crate) fn create_workspace(&self, config: &Path) -> String {
        let owner = ("Owner", "owner@stonefield.example");
        let create = workspace_create("stonefield", "Stonefield", owner);
        let made = self.run(&create, config);
        assert!(made.status.success(), "{}", sentence(&made));
        String::from_utf8(made.stdout).unwrap()
    }

    /// Serves with this configuration; what the server says goes into `log`.
    pub(crate) fn serve(&self, config: &Path) -> Serving {
        let log = fs::File::create(self.path("log")).unwrap();
        Serving(
            Self::command(&["serve"], config, &self.path("ca.pem"))
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap(),
        )
    }

    /// What the server has said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap()
    }

    /// A client that trusts this installation and nobody else.
    pub(crate) fn client(&self) -> reqwest::Client {
        let trusted = fs::read(self.path("ca.pem")).unwrap();
        let trusted = reqwest::Certificate::from_pem(&trusted).unwrap();
        reqwest::Client::builder()
            .tls_certs_only([trusted])
            .build()
            .unwrap()
    }

    /// Waits until the server on `listen` is ready.
    pub(crate) async fn ready(&self, serving: &mut Serving, listen: u16) {
        let (client, begun) = (self.client(), Instant::now());
        let ready = format!("https://127.0.0.1:{listen}/readyz");
        loop {
            let answer = client.get(&ready).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(
                begun.elapsed() < Duration::from_mins(1) && serving.0.try_wait().unwrap().is_none(),
                "{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

pub(crate) fn private_file(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

pub(crate) fn sentence(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) struct Serving(pub(crate) Child);

impl Serving {
    /// Asks it to end, and waits until it has ended well.
    pub(crate) fn end(mut self) {
        let process = Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        kill(process, Signal::SIGTERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn an_external_database_is_set_up_served_from_and_never_spoken_to_in_the_open() {
    let external = External::start().await;
    let listen = free_port();
    let config = external.configure(listen);

    // An authority that nobody knows: no connection, and no other way is tried.
    let stranger = external.path("stranger.pem");
    fs::write(&stranger, TestAuthority::new("A stranger").pem()).unwrap();
    let refused = External::command(&["migrate"], &config, &stranger)
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", sentence(&refused));
    assert!(
        sentence(&refused).contains("invalid peer certificate"),
        "{}",
        sentence(&refused)
    );

    external.migrate(&config);
    let again = external.migrate(&config);
    assert!(again.contains("up to date"), "{again}");
    external.create_workspace(&config);

    // A node whose vault folder nobody shares makes no keys: without the owner's credentials never, with them not beside sealed values.
    let apart = external.path("apart");
    let lone = external.path("lone.toml");
    let text = fs::read_to_string(&config).unwrap();
    let folder = format!("vault_folder = \"{}\"\n", apart.display());
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("owner_url") && !line.starts_with("admin_url"))
        .collect();
    let without_owner = lines.join("\n");
    external
        .tell(
            "INSERT INTO app.totp (tenant_id, user_id, seed, created_at)
             SELECT tenant_id, id, convert_to(repeat('x', 64), 'UTF8'), now() FROM app.\"user\" LIMIT 1",
        )
        .await;
    for text in [&without_owner, &text] {
        private_file(&lone, &format!("{folder}{text}"));
        let refused = external.run(&["serve"], &lone);
        assert_eq!(refused.status.code(), Some(1), "{}", sentence(&refused));
        let said = sentence(&refused);
        assert!(
            said.contains("There are no keys in") && said.contains("fieldstone migrate"),
            "{said}"
        );
        assert!(!apart.exists(), "nothing was made");
    }
    external.tell("DELETE FROM app.totp").await;
    // With the folder that the others have, it serves without the owner's credentials.
    private_file(&config, &without_owner);

    let mut serving = external.serve(&config);
    external.ready(&mut serving, listen).await;
    let page = external
        .client()
        .get(format!("https://127.0.0.1:{listen}/sign-in"))
        .send()
        .await
        .unwrap();
    assert!(page.status().is_success());
    let plain = external
        .ask(
            "SELECT count(*)::text FROM pg_stat_activity a LEFT JOIN pg_stat_ssl s USING (pid)
             WHERE a.usename LIKE 'fieldstone\\_%' AND a.client_addr IS NOT NULL AND (s.ssl, s.version) IS DISTINCT FROM (true, 'TLSv1.3')",
        )
        .await;
    assert_eq!(plain, "0", "every connection is encrypted");
    let all = external
        .ask("SELECT count(*)::text FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE s.ssl AND a.usename <> 'fieldstone_cluster'")
        .await;
    assert_ne!(all, "0", "and there are some");

    serving.end();
}
