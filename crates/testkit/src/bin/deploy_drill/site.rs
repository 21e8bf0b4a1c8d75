//! Where the drill is held: a database, two nodes, and the balancer before them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use fieldstone_server::cluster::{Cluster, ClusterOptions};
use fieldstone_server::data_dir::DataDir;
use fieldstone_server::database::connect;
use fieldstone_testkit::{TestAuthority, free_port, workspace_create};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Certificate, Client};
use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_postgres::Config;

use super::PATIENCE;

/// The database, two nodes, and the balancer before them.
pub(crate) struct Site {
    folder: tempfile::TempDir,
    cluster: Option<Cluster>,
    pub(crate) owner: Config,
    pub(crate) nodes: Vec<Node>,
    balancer: Child,
    pub(crate) url: String,
    pub(crate) client: Client,
    pub(crate) link: String,
}

/// How the balancer is to treat a node.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// It gets no more requests.
    Drain,
    /// It gets requests again, once it is seen to be ready.
    Ready,
}

pub(crate) struct Node {
    config: PathBuf,
    port: u16,
    process: Child,
}

impl Site {
    pub(crate) async fn start(version: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("fieldstone-drill-")
            .tempdir_in("/tmp")?;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711))?;
        let (cluster, database) = database(folder.path()).await?;
        let (ca, client) = certificates(folder.path())?;
        let ports = [free_port(), free_port()];
        let public = free_port();
        let url = format!("https://127.0.0.1:{public}");
        let addresses = addresses(folder.path(), &cluster, database)?;
        let owner = addresses
            .lines()
            .find_map(|line| line.strip_prefix("owner_url = \"")?.strip_suffix('"'))
            .context("the owner's address")?
            .parse()?;
        let mut nodes = Vec::new();
        for port in ports {
            let at = |name: &str| folder.path().join(name).display().to_string();
            let text = format!(
                "listen = \"127.0.0.1:{port}\"\nurl = \"{url}\"\nsecurity_contact = \"mailto:security@crm.example\"\ncontext_key_file = \"{}\"\n\
                 [tls]\ncertificate = \"{}\"\nkey = \"{}\"\n[database]\n{addresses}",
                at("context.key"),
                at("tls.pem"),
                at("tls-key.pem"),
            );
            let config = folder.path().join(format!("node-{port}.toml"));
            fs::write(&config, text)?;
            fs::set_permissions(&config, fs::Permissions::from_mode(0o600))?;
            nodes.push(config);
        }
        let first = nodes.first().context("a node")?;
        run(version, &["migrate"], first, &ca)?;
        let link = run(
            version,
            &workspace_create("drill", "Drill", ("Owner", "owner@drill.example")),
            first,
            &ca,
        )?;
        let started = nodes.iter().zip(ports).map(|(config, port)| {
            Ok(Node {
                config: config.clone(),
                port,
                process: serve(version, config, &ca)?,
            })
        });
        let nodes = started.collect::<anyhow::Result<Vec<_>>>()?;
        let balancer = balance(folder.path(), public, ports)?;
        let link = link
            .split("link=")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next())
            .context("a link")?
            .to_owned();
        let site = Self {
            folder,
            cluster: Some(cluster),
            owner,
            nodes,
            balancer,
            url,
            client,
            link,
        };
        for node in &site.nodes {
            site.until_ready(node).await?;
        }
        // The balancer has to have seen it, too.
        let begun = Instant::now();
        while !site
            .client
            .get(format!("{}/readyz", site.url))
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            ensure!(begun.elapsed() < PATIENCE, "the balancer finds no node");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(site)
    }

    /// Waits for a node to say that it is ready.
    async fn until_ready(&self, node: &Node) -> anyhow::Result<()> {
        let url = format!("https://127.0.0.1:{}/readyz", node.port);
        let begun = Instant::now();
        while !self
            .client
            .get(&url)
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            ensure!(
                begun.elapsed() < PATIENCE,
                "the node on port {} does not get ready",
                node.port
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Stops one node as an upgrade does, and starts another version in its place.
    pub(crate) async fn replace(&mut self, at: usize, version: &Path) -> anyhow::Result<()> {
        let ca = self.folder.path().join("ca.pem");
        let port = self.nodes.get(at).context("a node")?.port;
        self.balance(port, Turn::Drain).await?;
        let node = self.nodes.get_mut(at).context("a node")?;
        terminate(&mut node.process)?;
        node.process = serve(version, &node.config, &ca)?;
        let node = self.nodes.get(at).context("a node")?;
        self.until_ready(node).await?;
        self.balance(port, Turn::Ready).await
    }

    /// Tells the balancer, and waits until it is so: nothing in progress on a node that drains, a ready one seen to be up.
    async fn balance(&self, port: u16, turn: Turn) -> anyhow::Result<()> {
        let state = match turn {
            Turn::Drain => "drain",
            Turn::Ready => "ready",
        };
        self.tell(&format!("set server nodes/node-{port} state {state}"))
            .await?;
        let begun = Instant::now();
        loop {
            let table = self.tell("show stat").await?;
            let line = table
                .lines()
                .find(|line| line.starts_with(&format!("nodes,node-{port},")))
                .context("the node among those of the balancer")?;
            let mut cells = line.split(',');
            // Of the statistics' columns: sessions in progress, and the state.
            let (in_progress, seen) = (cells.nth(4), cells.nth(12));
            let is_so = match turn {
                Turn::Drain => in_progress == Some("0"),
                Turn::Ready => seen == Some("UP"),
            };
            if is_so {
                return Ok(());
            }
            ensure!(begun.elapsed() < PATIENCE, "{state}: {line}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Says one thing to the balancer's own socket; answers what it says.
    async fn tell(&self, command: &str) -> anyhow::Result<String> {
        let mut socket = UnixStream::connect(self.folder.path().join("haproxy.sock")).await?;
        socket.write_all(format!("{command}\n").as_bytes()).await?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        for node in &mut self.nodes {
            terminate(&mut node.process)?;
        }
        terminate(&mut self.balancer)?;
        if let Some(cluster) = self.cluster.take() {
            cluster.stop().await?;
        }
        Ok(())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        for child in self
            .nodes
            .iter_mut()
            .map(|node| &mut node.process)
            .chain([&mut self.balancer])
        {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Asks a process to end, and waits until it has.
fn terminate(process: &mut Child) -> anyhow::Result<()> {
    kill(Pid::from_raw(i32::try_from(process.id())?), Signal::SIGTERM)?;
    process.wait()?;
    Ok(())
}

/// The database's address as each role, as a configuration has them.
fn addresses(folder: &Path, cluster: &Cluster, port: u16) -> anyhow::Result<String> {
    let secrets = DataDir::open(&folder.join("roles"))?;
    let mut lines = Vec::new();
    for role in ["admin", "owner", "app", "auth", "worker"] {
        let (user, password) = if role == "admin" {
            let admin = cluster.admin_config();
            let password = admin
                .get_password()
                .context("the administrator's password")?;
            (
                admin.get_user().unwrap_or_default().to_owned(),
                String::from_utf8(password.to_vec())?,
            )
        } else {
            (
                format!("fieldstone_{role}"),
                secrets.secret(role)?.expose_secret().to_owned(),
            )
        };
        lines.push(format!(
            "{role}_url = \"postgres://{user}:{password}@127.0.0.1:{port}/fieldstone\"\n"
        ));
    }
    Ok(lines.concat())
}

/// A PostgreSQL on a port of this machine.
async fn database(folder: &Path) -> anyhow::Result<(Cluster, u16)> {
    let data_dir = DataDir::open(&folder.join("database"))?;
    let cluster = Cluster::start_with(&data_dir, &ClusterOptions::DISPOSABLE).await?;
    let port = free_port();
    let admin = connect(&cluster.admin_config()).await?;
    for (name, value) in [
        ("listen_addresses", "127.0.0.1".to_owned()),
        ("port", port.to_string()),
    ] {
        admin
            .batch_execute(&format!("ALTER SYSTEM SET {name} = '{value}'"))
            .await?;
    }
    drop(admin);
    cluster.stop().await?;
    let cluster = Cluster::start_with(&data_dir, &ClusterOptions::DISPOSABLE).await?;
    // Written after the start, which writes its own.
    fs::write(
        data_dir.postgres().join("pg_hba.conf"),
        "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\n",
    )?;
    let mut config = cluster.admin_config();
    config.port(port);
    connect(&config)
        .await?
        .batch_execute("SELECT pg_reload_conf()")
        .await?;
    Ok((cluster, port))
}

/// An authority, one certificate for nodes and balancer, and a client that trusts it.
fn certificates(folder: &Path) -> anyhow::Result<(PathBuf, Client)> {
    let authority = TestAuthority::new("Authority of a drill");
    let certificate = authority.certify(&["127.0.0.1"]);
    let ca = folder.join("ca.pem");
    for (name, text) in [
        ("ca.pem", authority.pem()),
        ("tls.pem", certificate.pem()),
        ("tls-key.pem", certificate.key_pem()),
        (
            "balancer.pem",
            format!("{}{}", certificate.pem(), certificate.key_pem()),
        ),
    ] {
        let file = folder.join(name);
        fs::write(&file, text)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    }
    let trusted = Certificate::from_pem(authority.pem().as_bytes())?;
    let client = Client::builder()
        .tls_certs_only([trusted])
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .build()?;
    Ok((ca, client))
}

/// haproxy: takes a node that isn't ready out, and asks another one what a node that ends leaves unanswered.
fn balance(folder: &Path, public: u16, ports: [u16; 2]) -> anyhow::Result<Child> {
    let servers = ports.map(|port| {
        let ca = folder.join("ca.pem");
        format!(
            "    server node-{port} 127.0.0.1:{port} ssl verify required ca-file {} check inter 500ms fall 3 rise 1\n",
            ca.display()
        )
    });
    let servers = servers.concat();
    let text = format!(
        "global\n    stats socket {0}/haproxy.sock mode 600 level admin\ndefaults\n    mode http\n    timeout connect 5s\n    timeout check 5s\n    timeout client 60s\n    timeout server 60s\n    timeout http-request 10s\n    retries 5\n    option redispatch 1\n    \
             retry-on conn-failure empty-response response-timeout\n\
         frontend public\n    bind 127.0.0.1:{public} ssl crt {0}/balancer.pem alpn h2,http/1.1 ssl-min-ver TLSv1.3\n    default_backend nodes\n\
         backend nodes\n    balance roundrobin\n    option httpchk GET /readyz\n    http-check expect status 200\n{servers}",
        folder.display()
    );
    let config = folder.join("haproxy.cfg");
    fs::write(&config, text)?;
    // Where an ordinary user's shell doesn't look.
    let usual = Path::new("/usr/sbin/haproxy");
    let program = if usual.exists() {
        usual
    } else {
        Path::new("haproxy")
    };
    Command::new(program)
        .arg("-db")
        .arg("-f")
        .arg(&config)
        .stdout(Stdio::null())
        .spawn()
        .context("haproxy can't be started; install the package haproxy")
}

fn serve(version: &Path, config: &Path, ca: &Path) -> anyhow::Result<Child> {
    let log = fs::File::create(config.with_extension("log"))?;
    Ok(Command::new(version)
        .args(["serve", "--config"])
        .arg(config)
        .env("SSL_CERT_FILE", ca)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()?)
}

fn run(version: &Path, arguments: &[&str], config: &Path, ca: &Path) -> anyhow::Result<String> {
    let output = Command::new(version)
        .args(arguments)
        .arg("--config")
        .arg(config)
        .env("SSL_CERT_FILE", ca)
        .output()?;
    if !output.status.success() {
        bail!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8(output.stdout)?)
}
