//! Letters, from the queue to a real mail server, and the jobs that carry them.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};

use fieldstone_model::{IdSource, RecordId, Role, SystemClock};
use fieldstone_server::database::{connect, serving};
use fieldstone_server::identity::workspace::{self, NewUser, NewWorkspace};
use fieldstone_server::jobs::{Job, Jobs, Purge, Work};
use fieldstone_server::mail::{MailSettings, Mailer, SmtpSecurity, SmtpSettings};
use fieldstone_server::secrets::Place;
use fieldstone_server::tls::{CertificateSource, LocalAuthority, Names, Tls};
use fieldstone_testkit::{MailServer, TestDatabase};
use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use mail_parser::MessageParser;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_postgres::Client;

use crate::tenancy::workspaces::now;

/// A database with a workspace and a person in it.
struct Office {
    database: TestDatabase,
    owner: Client,
    tenant: RecordId,
    person: RecordId,
    folder: TempDir,
}

impl Office {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let mut owner = connect(&database.owner()).await.unwrap();
        let new = NewWorkspace {
            name: "North & Co",
            slug: "north",
            owner: NewUser {
                email: "ann@north.example",
                name: "Ann Müller",
                role: Role::Owner,
                password_phc: None,
                locale: "de",
                time_zone: "Europe/Berlin",
            },
        };
        let (tenant, person) = workspace::create(&mut owner, &IdSource::default(), &new, now())
            .await
            .unwrap();
        Self {
            database,
            owner,
            tenant,
            person,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    async fn queue(&self, kind: &str) {
        let content = json!({ "kind": kind });
        self.owner
            .execute(
                "SELECT app.queue_letter($1, $2, $3)",
                &[&self.tenant.as_str(), &self.person.as_str(), &content],
            )
            .await
            .unwrap();
    }

    /// Queues a letter with a link.
    async fn queue_reset(&self) {
        self.owner
            .execute(
                "SELECT app.queue_letter_to($1, 'ann@north.example', 'Ann', 'en', 'UTC', '{\"kind\": \"password_reset\"}',
                     app.make_mail_link($1, 'password_reset', $2, now() + interval '1 hour'), now() + interval '1 hour')",
                &[&self.tenant.as_str(), &self.person.as_str()],
            )
            .await
            .unwrap();
    }

    async fn worker(&self) -> Client {
        connect(&serving(self.database.worker())).await.unwrap()
    }

    async fn text(&self, sql: &str) -> String {
        let row = self.owner.query_one(sql, &[]).await.unwrap();
        row.get::<_, Option<String>>(0).unwrap_or_default()
    }

    fn outbox(&self) -> std::path::PathBuf {
        self.folder.path().join("outbox")
    }

    /// A mailer that puts letters into the folder.
    fn filing(&self) -> Mailer {
        mailer(&MailSettings::into_outbox(self.outbox()))
    }
}

fn mailer(settings: &MailSettings) -> Mailer {
    let url = "https://crm.example".to_owned();
    Mailer::new(settings.open().unwrap(), url, Arc::new(SystemClock))
}

fn settings(port: u16, security: SmtpSecurity) -> MailSettings {
    MailSettings {
        from: "Fieldstone <crm@crm.example>".to_owned(),
        smtp: Some(SmtpSettings {
            host: "127.0.0.1".to_owned(),
            port: Some(port),
            security,
            user: None,
            password_file: None,
            ca_file: None,
        }),
        outbox: None,
    }
}

/// A certificate for 127.0.0.1 and its authority, in files.
fn certificate(folder: &Path) -> (String, String, std::path::PathBuf) {
    let authority = LocalAuthority::new(
        folder.join("tls"),
        Names::of_this_machine([127, 0, 0, 1].into()),
    );
    let ca = authority.ca_file();
    Tls::load(CertificateSource::Local(authority), now()).unwrap();
    let file = |name: &str| folder.join("tls").join(name).display().to_string();
    (file("server.pem"), file("server-key.pem"), ca)
}

#[tokio::test]
async fn letters_leave_over_tls_with_a_password_from_a_file() {
    let office = Office::new().await;
    let (certificate, key, ca) = certificate(office.folder.path());
    let password_file = office.folder.path().join("password");
    fs::write(&password_file, "open sesame\n").unwrap();
    fs::set_permissions(&password_file, fs::Permissions::from_mode(0o600)).unwrap();
    let client = office.worker().await;
    for (implicit, security) in [(false, SmtpSecurity::Starttls), (true, SmtpSecurity::Tls)] {
        let server = MailServer::start(&json!({
            "certificate": certificate, "key": key, "implicit": implicit, "user": "crm", "password": "open sesame",
        }));
        let mut settings = settings(server.port(), security);
        let smtp = settings.smtp.as_mut().unwrap();
        smtp.user = Some("crm".to_owned());
        smtp.password_file = Some(Place::File(password_file.clone()));
        smtp.ca_file = Some(ca.clone());

        office.queue("password_changed").await;
        assert!(mailer(&settings).send_one(&client).await.unwrap());
        let letter = server.next();
        assert!(letter.tls && letter.user.as_deref() == Some("crm"));
        assert_eq!(
            (letter.from.as_str(), letter.to.as_slice()),
            (
                "crm@crm.example",
                ["ann@north.example".to_owned()].as_slice()
            )
        );
        let read = MessageParser::default()
            .parse(letter.content.as_bytes())
            .unwrap();
        assert_eq!(read.subject(), Some("Ihr Passwort wurde geändert"));
        assert_eq!(
            read.to().unwrap().first().unwrap().name(),
            Some("Ann Müller")
        );
        assert!(read.body_text(0).unwrap().contains("North & Co"));
        assert!(
            !mailer(&settings).send_one(&client).await.unwrap(),
            "it was sent once"
        );
    }
    assert_eq!(
        office
            .text("SELECT count(*)::text FROM app.letter WHERE sent_at IS NOT NULL")
            .await,
        "2"
    );
}

#[tokio::test]
async fn nothing_leaves_without_tls_or_to_a_stranger() {
    let office = Office::new().await;
    let client = office.worker().await;
    office.queue("password_changed").await;
    let plain = MailServer::plain();
    let (certificate, key, _) = certificate(office.folder.path());
    let stranger = MailServer::start(&json!({ "certificate": certificate, "key": key }));
    for (server, security) in [
        (&plain, SmtpSecurity::Starttls),
        (&plain, SmtpSecurity::Tls),
        (&stranger, SmtpSecurity::Starttls),
    ] {
        assert!(
            mailer(&settings(server.port(), security))
                .send_one(&client)
                .await
                .unwrap()
        );
        assert!(server.is_idle());
        office
            .text("UPDATE app.letter SET due_at = now() RETURNING id")
            .await;
    }
    assert_eq!(
        office
            .text("SELECT attempts::text FROM app.letter WHERE sent_at IS NULL")
            .await,
        "3"
    );
    // On this machine, and when the settings say so, it may do without.
    assert!(
        mailer(&settings(plain.port(), SmtpSecurity::None))
            .send_one(&client)
            .await
            .unwrap()
    );
    assert!(!plain.next().tls);
}

#[tokio::test]
async fn a_busy_server_is_asked_again_later_and_later() {
    let office = Office::new().await;
    let client = office.worker().await;
    office.queue("password_changed").await;
    let server = MailServer::start(&json!({ "answers": ["451 later", "451 later"] }));
    let mailer = mailer(&settings(server.port(), SmtpSecurity::None));
    for seconds in [60, 120] {
        assert!(mailer.send_one(&client).await.unwrap());
        assert!(!mailer.send_one(&client).await.unwrap(), "not at once");
        let wait = office
            .text("SELECT round(extract(epoch FROM due_at - now()))::text FROM app.letter")
            .await;
        assert!(
            (seconds - 5..=seconds).contains(&wait.parse::<i32>().unwrap()),
            "{wait}"
        );
        office
            .text("UPDATE app.letter SET due_at = now() RETURNING id")
            .await;
    }
    assert!(mailer.send_one(&client).await.unwrap());
    assert_eq!(server.next().to, ["ann@north.example"]);
    assert!(!mailer.send_one(&client).await.unwrap());
}

#[tokio::test]
async fn what_nobody_takes_is_given_up_and_the_workspace_learns_it() {
    const EVENT: &str = "SELECT string_agg(detail ->> 'kind' || ' ' || (detail ->> 'reason'), '; ' ORDER BY seq) FROM app.audit_event WHERE action = 'letter.give_up'";
    let office = Office::new().await;
    let client = office.worker().await;
    office.queue("password_changed").await;
    let server = MailServer::start(&json!({ "answers": ["550 no such mailbox"] }));
    let mailer = mailer(&settings(server.port(), SmtpSecurity::None));
    assert!(mailer.send_one(&client).await.unwrap());
    assert!(!mailer.send_one(&client).await.unwrap());
    assert_eq!(
        office.text(EVENT).await,
        "password_changed the mail server answered 550"
    );

    office.queue("second_factor_reset").await;
    office
        .text("UPDATE app.letter SET expires_at = now() WHERE given_up_at IS NULL RETURNING id")
        .await;
    assert!(!mailer.send_one(&client).await.unwrap(), "a day has passed");
    purge(&office).await;
    assert!(
        office
            .text(EVENT)
            .await
            .ends_with("second_factor_reset not accepted in time")
    );
    assert!(server.is_idle());
}

/// Runs the purge once, as a server does.
async fn purge(office: &Office) {
    let (told, mut done) = mpsc::channel(1);
    let jobs = Jobs::start(&office.database.worker(), vec![Box::new(Told(Purge, told))]);
    done.recv().await.unwrap();
    jobs.stop().await;
}

/// A job that tells of each run.
struct Told<J>(J, mpsc::Sender<()>);

impl<J: Job> Job for Told<J> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn every(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn run<'a>(&'a self, work: &'a Work<'a>) -> BoxFuture<'a, anyhow::Result<()>> {
        async move {
            self.0.run(work).await?;
            let _ = self.1.send(()).await;
            Ok(())
        }
        .boxed()
    }
}

#[tokio::test]
async fn several_servers_send_each_letter_once() {
    let office = Office::new().await;
    for _ in 0..30 {
        office.queue("password_changed").await;
    }
    // Even without a leader: each claims what no other has claimed.
    let senders = (0..4).map(|_| async {
        let (client, mailer) = (office.worker().await, office.filing());
        let mut sent = 0;
        while mailer.send_one(&client).await.unwrap() {
            sent += 1;
        }
        sent
    });
    let sent: Vec<i32> = join_all(senders).await;
    assert_eq!(sent.iter().sum::<i32>(), 30, "{sent:?}");
    assert_eq!(fs::read_dir(office.outbox()).unwrap().count(), 30);
}

#[tokio::test]
async fn one_server_leads_and_another_takes_over() {
    let office = Office::new().await;
    let (first_told, mut first) = mpsc::channel(1);
    let (second_told, mut second) = mpsc::channel(1);
    let config = office.database.worker();
    let leading = Jobs::start(&config, vec![Box::new(Told(Purge, first_told))]);
    first.recv().await.unwrap();
    let waiting = Jobs::start(&config, vec![Box::new(Told(Purge, second_told))]);
    for _ in 0..20 {
        first.recv().await.unwrap();
    }
    assert!(second.try_recv().is_err(), "both lead");
    drop(first);
    leading.stop().await;
    second.recv().await.unwrap();
    waiting.stop().await;
}

#[tokio::test]
async fn the_secret_of_a_link_stands_in_the_letter_and_nowhere_else() {
    let office = Office::new().await;
    let client = office.worker().await;
    office.queue_reset().await;
    assert_eq!(
        office
            .text("SELECT token_hash::text FROM app.mail_link")
            .await,
        "",
        "nothing opens before the letter is sent"
    );
    assert!(office.filing().send_one(&client).await.unwrap());
    let file = fs::read_dir(office.outbox())
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        fs::metadata(office.outbox()).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let bytes = fs::read(file).unwrap();
    let read = MessageParser::default().parse(&bytes).unwrap();
    let text = read.body_text(0).unwrap().into_owned();
    let link = text
        .lines()
        .find(|line| line.starts_with("https://"))
        .unwrap();
    let secret = link
        .strip_prefix("https://crm.example/password-reset?link=")
        .unwrap();
    assert_eq!(secret.len(), 43);
    let fits = format!("SELECT (token_hash = sha256('{secret}'))::text FROM app.mail_link");
    assert_eq!(office.text(&fits).await, "true");
    let everything = "SELECT string_agg(t::text, '') FROM (SELECT l::text FROM app.letter l UNION ALL SELECT m::text FROM app.mail_link m UNION ALL SELECT e::text FROM app.audit_event e) x(t)";
    assert!(!office.text(everything).await.contains(secret));
}

#[tokio::test]
async fn answers_to_repeated_requests_are_forgotten_after_a_day() {
    let office = Office::new().await;
    for (key, age) in [("old", "25 hours"), ("new", "23 hours")] {
        office
            .owner
            .execute(
                "INSERT INTO app.idempotency_key (tenant_id, user_id, key, request_hash, status, created_at) VALUES ($1, $2, $3, '', 201, now() - $4::text::interval)",
                &[&office.tenant.as_str(), &office.person.as_str(), &key, &age],
            )
            .await
            .unwrap();
    }
    purge(&office).await;
    assert_eq!(
        office
            .text("SELECT string_agg(key, ',') FROM app.idempotency_key")
            .await,
        "new"
    );
}

#[tokio::test]
async fn serving_roles_neither_read_nor_fill_the_queue() {
    let office = Office::new().await;
    office.queue_reset().await;
    for role in [
        office.database.app(),
        office.database.auth(),
        office.database.worker(),
    ] {
        let client = connect(&serving(role)).await.unwrap();
        for sql in [
            "SELECT * FROM app.letter",
            "SELECT * FROM app.mail_link",
            "SELECT app.queue_letter('00D', '005', '{\"kind\": \"x\"}')",
            "SELECT app.make_mail_link('00D', 'password_reset', '005', now())",
            "SELECT app.add_event('00D', 'forged.event', 'somebody', '', '{}')",
        ] {
            let refused = client.execute(sql, &[]).await.unwrap_err();
            assert_eq!(refused.code().unwrap().code(), "42501", "{sql}");
        }
    }
    for role in [office.database.app(), office.database.auth()] {
        let client = connect(&serving(role)).await.unwrap();
        for sql in [
            "SELECT app.claim_letter('x', '', 1)",
            "SELECT app.lead_job('mail')",
            "SELECT app.purge_idempotency_keys(0, 1)",
            "SELECT app.tidy_letters()",
        ] {
            let refused = client.execute(sql, &[]).await.unwrap_err();
            assert_eq!(refused.code().unwrap().code(), "42501", "{sql}");
        }
    }
}
