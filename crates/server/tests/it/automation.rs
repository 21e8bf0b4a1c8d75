//! Rules and webhooks from end to end: a page makes them, a change starts them, another system hears of it and can check who speaks.

use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use fieldstone_model::{Clock as _, SystemClock};
use fieldstone_testkit::{Server, ServerOptions};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::mpsc,
};

/// What a receiver was sent: its head in small letters, and its body.
type Message = (String, String);

/// Another system: answers with the statuses it is given, the last one again and again.
async fn receiver(statuses: Vec<&'static str>) -> (u16, mpsc::UnboundedReceiver<Message>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, messages) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut statuses = statuses.into_iter().peekable();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let mut chunk = [0; 4096];
            let (head, body) = loop {
                let read = stream.read(&mut chunk).await.unwrap();
                bytes.extend_from_slice(&chunk[..read]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else {
                    continue;
                };
                let head = head.to_ascii_lowercase();
                let length: usize = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .unwrap()
                    .parse()
                    .unwrap();
                if body.len() >= length {
                    break (head, body.to_owned());
                }
            };
            let status = *statuses.peek().unwrap();
            if statuses.len() > 1 {
                statuses.next();
            }
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-length: 0\r\nlocation: /elsewhere\r\nconnection: close\r\n\r\n"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = sender.send((head, body));
        }
    });
    (port, messages)
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    head.lines()
        .find_map(|line| line.strip_prefix(&format!("{name}: ")))
        .unwrap_or_else(|| panic!("{name} in {head}"))
}

/// The owner of the demonstration's first workspace.
struct Owner<'a> {
    server: &'a Server,
    client: reqwest::Client,
}

impl<'a> Owner<'a> {
    async fn of(server: &'a Server) -> Self {
        let demo = server.demo();
        let user = &demo["users"][0];
        let client = server.client();
        let credentials = json!({"email": user["email"], "password": user["password"]});
        let answer = client.post(format!("{}/api/v1/session", server.url()));
        assert_eq!(
            answer.json(&credentials).send().await.unwrap().status(),
            201
        );
        Self { server, client }
    }

    /// Sends a form; answers status, address of the page that follows, and its text.
    async fn form(&self, path: &str, fields: &[(&str, &str)]) -> (u16, String, String) {
        let request = self.client.post(format!("{}{path}", self.server.url()));
        let request = request
            .header("origin", self.server.url())
            .header("content-type", "application/x-www-form-urlencoded")
            .body(serde_urlencoded::to_string(fields).unwrap());
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        if status != 303 {
            return (status, path.to_owned(), answer.text().await.unwrap());
        }
        let next = answer.headers()["location"].to_str().unwrap().to_owned();
        let text = self.page(&next).await;
        (200, next.split('?').next().unwrap().to_owned(), text)
    }

    async fn page(&self, path: &str) -> String {
        let request = self.client.get(format!("{}{path}", self.server.url()));
        request.send().await.unwrap().text().await.unwrap()
    }

    async fn api(&self, method: &str, path: &str, body: Value) -> Value {
        let url = format!("{}/api/v1{path}", self.server.url());
        let request = self.client.request(method.parse().unwrap(), url);
        let request = request.header("origin", self.server.url());
        let request = if method == "GET" {
            request
        } else {
            request.json(&body)
        };
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Waits until a list of the API has something.
    async fn found(&self, path: &str) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let found = self.api("GET", path, Value::Null).await;
            let records = found["records"].as_array().unwrap().clone();
            if !records.is_empty() {
                return records;
            }
            assert!(
                began.elapsed() < Duration::from_secs(40),
                "nothing at {path}"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Waits until a page says something.
    async fn says(&self, path: &str, text: &str) -> String {
        let began = Instant::now();
        loop {
            let page = self.page(path).await;
            if page.contains(text) {
                return page;
            }
            assert!(
                began.elapsed() < Duration::from_secs(40),
                "{path} doesn't say {text}:\n{page}"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

async fn next(messages: &mut mpsc::UnboundedReceiver<Message>) -> Message {
    tokio::time::timeout(Duration::from_mins(1), messages.recv())
        .await
        .expect("a message in time")
        .unwrap()
}

/// What stands in a secret's place of a page.
fn secret(page: &str) -> String {
    let start = page.find("fswh_").expect("a secret");
    page[start..]
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .collect()
}

/// What a field of a page holds.
fn held(page: &str, field: &str) -> String {
    let at = page.find(&format!("name=\"{field}\" value=\"")).unwrap();
    let rest = &page[at..].split_once("value=\"").unwrap().1;
    let text = rest.split_once('"').unwrap().0;
    text.replace("&#34;", "\"")
        .replace("&#62;", ">")
        .replace("&#60;", "<")
}

/// A rule's condition, put together beside what is typed: nothing that was typed is lost or rewritten.
async fn conditions(owner: &Owner<'_>, fields: &[(&str, &str)]) {
    const CONDITION: &str = "/settings/automation/condition";
    let with = |text: &'static str, more: &[(&'static str, &'static str)]| {
        let mut all = fields.to_vec();
        all[4] = ("filter", text);
        all.extend_from_slice(more);
        all
    };
    // Typed by hand, with what the builder has no words for.
    let typed = "not amount < 5  and close_date < :today+7";
    let add = [
        ("if-field", "stage_id.name"),
        ("if-test", "contains"),
        ("if-value", "o\"p"),
        ("if-do", "add"),
    ];
    let (status, _, page) = owner.form(CONDITION, &with(typed, &add[..3])).await;
    assert_eq!(status, 200);
    assert_eq!(held(&page, "filter"), typed, "nothing is added unasked");
    assert!(
        page.contains("<span class=\"code\">not amount &#60; 5</span>"),
        "{page}"
    );
    assert!(page.contains("is before today + 7 days"), "{page}");
    assert!(
        page.contains("value=\"Large deals\""),
        "the rest stays typed"
    );
    let (_, _, page) = owner
        .form(CONDITION, &with("amount > 5", &[("if-do", "remove-0")]))
        .await;
    assert_eq!(held(&page, "filter"), "");
    assert!(page.contains("Always."), "{page}");
    let days = [
        ("if-field", "close_date"),
        ("if-test", "last_days"),
        ("if-days", "30"),
        ("if-do", "add"),
    ];
    let (_, _, page) = owner
        .form(CONDITION, &with("amount > 5 or amount < 1", &days))
        .await;
    assert_eq!(
        held(&page, "filter"),
        "(amount > 5 or amount < 1) and (close_date >= :today-30 and close_date < :today+1)"
    );
    assert!(page.contains("is in the last 30 days"), "{page}");
    // Whose "me", and which month? Neither is offered, nor taken.
    assert!(!page.contains("value=\"month\""), "{page}");
    let me = [
        ("if-field", "owner_id"),
        ("if-test", "me"),
        ("if-do", "add"),
    ];
    let (_, _, page) = owner.form(CONDITION, &with("", &me)).await;
    assert!(page.contains("Choose what has to hold"), "{page}");
    assert_eq!(held(&page, "filter"), "");
    // What can't be read is kept as it is, and said.
    let (status, _, page) = owner.form(CONDITION, &with("amount > x", &days)).await;
    assert_eq!(status, 200);
    assert!(page.contains("This condition can’t be read."), "{page}");
    // Saved with a part that is picked and not right yet: the part says what is wrong.
    let wrong = [
        ("if-field", "amount"),
        ("if-test", "greater"),
        ("if-value", "much"),
    ];
    let (status, _, page) = owner.form("/settings/automation", &with("", &wrong)).await;
    assert_eq!(status, 422);
    assert!(page.contains("filter-value-error"), "{page}");
    let (status, _, _) = owner
        .form(CONDITION, &[("object", "nothing"), ("filter", "")])
        .await;
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::too_many_lines, reason = "one story")]
async fn a_rule_sets_fields_makes_a_task_tells_people_and_another_system() {
    let server = Server::start(&ServerOptions::demo().with(&["--webhook-network", "127.0.0.0/8"]));
    let owner = Owner::of(&server).await;
    let (port, mut messages) = receiver(vec!["302 Found", "204 No Content"]).await;

    // A webhook, with a secret that is shown once.
    let url = format!("http://127.0.0.1:{port}/hook");
    let (status, _, page) = owner
        .form("/settings/webhooks", &[("name", "Orders"), ("url", &url)])
        .await;
    assert_eq!(status, 201, "{page}");
    let secret = secret(&page);
    let list = owner.page("/settings/webhooks").await;
    assert!(list.contains("Orders") && !list.contains(&secret));
    let at = list.find("/settings/webhooks/0WH").unwrap();
    let hook = list[at..]
        .chars()
        .skip("/settings/webhooks/".len())
        .take(15);
    let hook: String = hook.collect();
    for inside in [
        "http://10.0.0.1/",
        "https://169.254.169.254/",
        "file:///etc/passwd",
    ] {
        let (status, _, _) = owner
            .form("/settings/webhooks", &[("name", "x"), ("url", inside)])
            .await;
        assert_eq!(status, 422, "{inside}");
    }

    // A rule, with what is wrong with it beside its fields first.
    let mut fields = vec![
        ("object", "deal"),
        ("name", "Large deals"),
        ("starts", "changed"),
        ("fields", "amount"),
        ("filter", "amount > x"),
        ("field-0", "next_step"),
        ("value-0", "Call the customer"),
        ("task", "yes"),
        ("task_subject", "Check the offer"),
        ("task_days", "2"),
        ("task_whom", "owner"),
        ("notify", "yes"),
        ("notify_text", "A large deal"),
        ("notify_whom", "owner"),
        ("webhook", hook.as_str()),
        ("role", "member"),
    ];
    let (status, _, page) = owner.form("/settings/automation", &fields).await;
    assert_eq!(status, 422);
    assert!(page.contains("This condition can’t be read."), "{page}");
    conditions(&owner, &fields).await;
    fields[4] = ("filter", "amount > 5000");
    let (status, rule, page) = owner.form("/settings/automation", &fields).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("switched off"));

    // Tried out: it says what it would do, and does nothing.
    let deal = owner
        .api(
            "POST",
            "/records/deal",
            json!({"name": "Cathedral", "amount": 6000}),
        )
        .await;
    let id = deal["id"].as_str().unwrap();
    let trial = owner.page(&format!("{rule}/trial")).await;
    assert!(trial.contains("Cathedral"), "{trial}");
    assert!(trial.contains("Call the customer"), "{trial}");
    let path = format!("/records/deal/{id}");
    let unchanged = owner.api("GET", &path, Value::Null).await;
    assert_eq!(unchanged["next_step"], Value::Null);

    // Switched on, it acts on what fits, and on nothing else.
    owner
        .form(&format!("{rule}/activation"), &[("active", "yes")])
        .await;
    let small = owner
        .api(
            "POST",
            "/records/deal",
            json!({"name": "Chapel", "amount": 10}),
        )
        .await;
    let small = format!("/records/deal/{}", small["id"].as_str().unwrap());
    owner.api("PATCH", &small, json!({"amount": 20})).await;
    owner.api("PATCH", &path, json!({"amount": 7000})).await;
    let (head, body) = next(&mut messages).await;
    let told: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(told["type"], "record.changed");
    assert_eq!(told["record"]["id"], id);
    assert_eq!(told["record"]["amount"].as_f64(), Some(7000.0));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signed = format!("{}.{body}", header(&head, "fieldstone-timestamp"));
    let expected = format!("v1={}", hex::encode(hmac::sign(&key, signed.as_bytes())));
    assert_eq!(header(&head, "fieldstone-signature"), expected);
    let tasks = owner
        .found(&format!("/records/task?filter=about_id%20%3D%20%22{id}%22"))
        .await;
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    assert_eq!(tasks[0]["subject"], "Check the offer");
    let changed = owner.api("GET", &path, Value::Null).await;
    assert_eq!(changed["next_step"], "Call the customer");
    owner.says("/notifications", "A large deal").await;
    // What it changed started nothing: one run that did something, one that passed.
    let log = owner.says(&rule, "didn’t fit").await;
    assert_eq!(log.matches("tag good").count(), 1, "{log}");

    // A redirect is no success, and isn't followed; sent again by hand, it arrives.
    let hook_page = format!("/settings/webhooks/{hook}");
    let page = owner.says(&hook_page, "Answered with 302").await;
    let at = page.find("/deliveries/").unwrap();
    let delivery: String = page[at + "/deliveries/".len()..].chars().take(36).collect();
    let (status, _, _) = owner
        .form(&format!("{hook_page}/deliveries/{delivery}/replay"), &[])
        .await;
    assert_eq!(status, 200);
    let (_, again) = next(&mut messages).await;
    assert_eq!(again, body);
    owner.says(&hook_page, "Answered with 204").await;

    // Another secret, then off and away.
    let (_, _, page) = owner.form(&format!("{hook_page}/secret"), &[]).await;
    assert_ne!(self::secret(&page), secret);
    let audit = owner.page("/settings/audit").await;
    for event in [
        "made the webhook",
        "switched the rule",
        "made a new secret for the webhook",
    ] {
        assert!(audit.contains(event), "{event}");
    }
    assert!(!audit.contains(&secret));
    owner.form(&format!("{rule}/removal"), &[]).await;
    let (status, url, _) = owner.form(&format!("{hook_page}/removal"), &[]).await;
    assert_eq!((status, url.as_str()), (200, "/settings/webhooks"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_rule_may_not_do_stands_in_its_log() {
    let server = Server::start(&ServerOptions::demo());
    let owner = Owner::of(&server).await;
    let fields = [
        ("object", "task"),
        ("name", "Impossible"),
        ("starts", "created"),
        ("field-0", "subject"),
        ("value-0", ""),
        ("role", "member"),
    ];
    let (status, rule, page) = owner.form("/settings/automation", &fields).await;
    assert_eq!(status, 200, "{page}");
    let trial = owner.page(&format!("{rule}/trial")).await;
    assert!(trial.contains("small error"), "{trial}");
    owner
        .form(&format!("{rule}/activation"), &[("active", "yes")])
        .await;
    owner
        .api("POST", "/records/task", json!({"subject": "Tower"}))
        .await;
    let log = owner.says(&rule, "tag bad").await;
    assert!(log.contains("Tower") && log.contains("failed"), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_calendar_is_read_under_an_address_of_its_own_until_it_ends() {
    let server = Server::start(&ServerOptions::demo());
    let owner = Owner::of(&server).await;
    let day = "2030-01-02T09:00:00Z";
    let event = json!({"subject": "Meet; talk, eat", "starts_at": day});
    owner.api("POST", "/records/event", event).await;
    let soon: String = {
        let soon = SystemClock.now() + jiff::SignedDuration::from_hours(48);
        soon.strftime("%Y-%m-%d").to_string()
    };
    let task = json!({"subject": "Write the offer", "due_date": soon});
    owner.api("POST", "/records/task", task).await;
    let (status, _, page) = owner.form("/settings/calendar", &[]).await;
    assert_eq!(status, 201, "{page}");
    let at = page.find("/calendar.ics?feed=").expect("an address");
    let address: String = page[at..]
        .chars()
        .take("/calendar.ics?feed=".len() + 43)
        .collect();
    // Without any session.
    let read = async || {
        let request = server.client().get(format!("{}{address}", server.url()));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, text) = read().await;
    assert_eq!(status, 200, "{text}");
    assert!(text.starts_with("BEGIN:VCALENDAR\r\n") && text.ends_with("END:VCALENDAR\r\n"));
    let due = format!("DTSTART;VALUE=DATE:{}", soon.replace('-', ""));
    assert!(text.contains(&due), "{text}");
    assert!(text.contains("SUMMARY:Write the offer"), "{text}");
    owner.form("/settings/calendar/end", &[]).await;
    assert_eq!(read().await.0, 404);
}
