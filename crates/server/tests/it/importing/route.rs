//! Importing the way a browser does it, from a real server process: a large file in parts, a server that is killed in the middle, what isn't a
//! table at all.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use fieldstone_testkit::{Server, ServerOptions};
use nix::sys::signal::Signal;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value as Json, json};

/// Bytes of a part, as the server says them.
const PART: usize = 4 << 20;

/// Somebody at the demo's first workspace, as their browser.
struct Person {
    client: Client,
    url: String,
}

impl Person {
    async fn at(server: &Server) -> Self {
        let demo = server.demo();
        let users = demo["users"].as_array().unwrap();
        let owner = users.iter().find(|user| user["role"] == "owner").unwrap();
        let person = Self {
            client: server.client(),
            url: server.url().to_owned(),
        };
        let body = json!({ "email": owner["email"], "password": owner["password"], "workspace": owner["workspace"] });
        let answer = person
            .request(reqwest::Method::POST, "/api/v1/session")
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        person
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        request.header("origin", &self.url)
    }

    async fn get(&self, path: &str) -> Response {
        let request = self.request(reqwest::Method::GET, path);
        request.send().await.unwrap()
    }

    async fn text(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.text().await.unwrap()
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = self.request(reqwest::Method::POST, path);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.body(body).send().await.unwrap()
    }

    async fn contacts(&self) -> u64 {
        let answer = self.get("/api/v1/records/contact/count").await;
        answer.json::<Json>().await.unwrap()["count"]
            .as_u64()
            .unwrap()
    }

    /// Reads the pages in another language from now on.
    async fn speak(&self, locale: &str) {
        let profile = [
            ("name", "Olga Owner"),
            ("locale", locale),
            ("time_zone", "UTC"),
        ];
        let answer = self.post("/settings/profile", &profile).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    }

    /// Announces a file and answers with the status and what is said.
    async fn announce(&self, name: &str, size: usize) -> (StatusCode, Json) {
        let size = size.to_string();
        let form = [("object", "contact"), ("name", name), ("size", &size)];
        let answer = self.post("/imports/files", &form).await;
        (answer.status(), answer.json().await.unwrap())
    }

    async fn part(&self, id: &str, number: usize, content: Vec<u8>) -> StatusCode {
        let path = format!("/imports/{id}/parts?number={number}");
        let request = self.request(reqwest::Method::POST, &path).body(content);
        request.send().await.unwrap().status()
    }

    /// Sends a file in parts; answers its page, or what is said against it.
    async fn bring(&self, name: &str, file: &[u8]) -> Result<String, String> {
        let (status, announced) = self.announce(name, file.len()).await;
        if status != StatusCode::CREATED {
            return Err(announced["text"].as_str().unwrap().to_owned());
        }
        assert_eq!(announced["part_size"], PART);
        let id = announced["id"].as_str().unwrap();
        // In any order, and one of them twice: the answer to it was lost.
        let parts: Vec<&[u8]> = file.chunks(PART).collect();
        for (number, part) in parts.iter().enumerate().rev() {
            let status = self.part(id, number, part.to_vec()).await;
            assert_eq!(status, StatusCode::NO_CONTENT);
        }
        assert_eq!(
            self.part(id, 0, parts[0].to_vec()).await,
            StatusCode::NO_CONTENT
        );
        // Three times at once: the answers to the first two are taken for lost.
        let arrival = format!("/imports/{id}/arrival");
        let arrived = || self.post(&arrival, &[]);
        let (first, second, third) = tokio::join!(arrived(), arrived(), arrived());
        let (heard, gone): (Vec<_>, Vec<_>) = [first, second, third]
            .into_iter()
            .partition(|answer| answer.status() != StatusCode::NOT_FOUND);
        // A file that was refused is gone: one of the three was told why.
        assert_eq!(heard.len(), if gone.is_empty() { 3 } else { 1 });
        let status = heard[0].status();
        assert!(heard.iter().all(|answer| answer.status() == status));
        let answer = heard.into_iter().next().unwrap();
        let said: Json = answer.json().await.unwrap();
        if status != StatusCode::OK {
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
            assert_eq!(said["field"], "file");
            return Err(said["text"].as_str().unwrap().to_owned());
        }
        Ok(said["location"].as_str().unwrap().to_owned())
    }

    /// Lets an import begin, with what each column becomes.
    async fn start(&self, page: &str, columns: &[&str]) {
        let names: Vec<String> = (0..columns.len())
            .map(|at| format!("column-{at}"))
            .collect();
        let mut form: Vec<(&str, &str)> = names
            .iter()
            .map(String::as_str)
            .zip(columns.iter().copied())
            .collect();
        form.push(("then", "start"));
        let answer = self.post(page, &form).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    }

    /// The page of an import once it has ended.
    async fn ended(&self, page: &str) -> String {
        for _ in 0..2_400 {
            let answer = self.get(&format!("{page}/progress")).await;
            if answer.status() == StatusCode::SEE_OTHER {
                return self.text(page).await;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        panic!("the import doesn't come to its end");
    }
}

/// Contacts with something heavy beside them; every twentieth has no address that can be.
fn contacts(rows: usize, ballast: usize) -> Vec<u8> {
    let ballast = "b".repeat(ballast);
    let mut file = "first_name,last_name,email,ballast\n".to_owned();
    for row in 0..rows {
        let email = if row % 20 == 7 {
            "no address".to_owned()
        } else {
            format!("p{row}@import.example")
        };
        writeln!(file, "Ada,Ray {row},{email},{ballast}").unwrap();
    }
    file.into_bytes()
}

const COLUMNS: [&str; 4] = ["first_name", "last_name", "email", ""];

/// The numbers of the lines that the file of failed rows names, in order.
fn failed_lines(file: &str) -> Vec<u64> {
    let mut reader = csv::ReaderBuilder::new().from_reader(file.as_bytes());
    let mut lines: Vec<u64> = reader
        .records()
        .map(|row| {
            let row = row.unwrap();
            let told = row.iter().next_back().unwrap();
            let told = told.strip_prefix("Line ").unwrap();
            told.split_once(':').unwrap().0.parse().unwrap()
        })
        .collect();
    lines.sort_unstable();
    lines
}

fn id_of(page: &str) -> &str {
    page.rsplit('/').next().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_goes_on_after_its_server_was_killed_and_can_be_undone() {
    const ROWS: usize = 24_000;
    let folder = tempfile::Builder::new()
        .prefix("fieldstone-import-")
        .tempdir_in("/tmp")
        .unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let options = ServerOptions::demo().on(&folder.path().join("data"));
    let server = Server::start(&options);
    let person = Person::at(&server).await;
    let before = person.contacts().await;
    let file = contacts(ROWS, 300);
    assert!(file.len() > PART);
    let page = person.bring("contacts.csv", &file).await.unwrap();
    assert!(person.text(&page).await.contains("Ray 3"));
    // Nothing of it lies anywhere as it was sent: the page was made of what is sealed.
    let objects = folder.path().join("data/objects");
    assert!(holds(&objects, b"") && !holds(&objects, b"p3@import.example"));
    person.start(&page, &COLUMNS).await;
    while person.contacts().await < before + 3_000 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::task::spawn_blocking(move || server.end(Signal::SIGKILL))
        .await
        .unwrap();

    let server = Server::start(&options);
    let person = Person::at(&server).await;
    let came = person.contacts().await - before;
    assert!(
        came > 0 && came < ROWS as u64 * 19 / 20,
        "it was interrupted in the middle: {came}"
    );
    let ended = person.ended(&page).await;
    assert!(ended.contains("Complete"), "{ended}");
    assert!(ended.contains("The server was interrupted once"), "{ended}");
    assert!(ended.contains("<dd>22,800</dd>"), "{ended}");
    assert!(ended.contains("<dd>1,200</dd>"), "{ended}");
    assert_eq!(person.contacts().await, before + 22_800);
    // Every failed row is there once, those from before the interruption too.
    let failed = person
        .text(&format!("/imports/{}/failed", id_of(&page)))
        .await;
    assert_eq!(failed.matches("first_name,last_name").count(), 1);
    let expected: Vec<u64> = (0..ROWS as u64)
        .filter(|row| row % 20 == 7)
        .map(|row| row + 2)
        .collect();
    assert_eq!(failed_lines(&failed), expected);
    // Whoever reads German reads the same in German: on the page, and in the file.
    person.speak("de").await;
    let told = "Zeile 9: E-Mail „no address“: Geben Sie eine E-Mail-Adresse ein";
    assert!(person.text(&page).await.contains(told));
    let german = person
        .text(&format!("/imports/{}/failed", id_of(&page)))
        .await;
    assert!(german.starts_with("first_name,last_name,email,ballast,error\n"));
    assert!(german.contains(told));
    assert_eq!(german.matches("Zeile ").count(), expected.len());
    person.speak("en-US").await;

    let run = ended
        .split("/undo\"")
        .next()
        .and_then(|text| text.rsplit('/').next())
        .unwrap();
    let run = format!("/imports/{run}");
    person.post(&format!("{run}/undo"), &[]).await;
    for _ in 0..1_200 {
        if person
            .text(&run)
            .await
            .contains("This import was taken back")
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let undone = person.text(&run).await;
    assert!(
        undone.contains("This import was taken back: 22,800 records deleted, 0 set back."),
        "{undone}"
    );
    assert_eq!(person.contacts().await, before);
}

/// Whether any file of a folder has these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        let content = std::fs::read(path).unwrap();
        bytes.is_empty() || content.windows(bytes.len()).any(|part| part == bytes)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_import_goes_on_and_is_not_taken_back_meanwhile() {
    const ROWS: usize = 12_000;
    let server = Server::start(&ServerOptions::demo());
    let person = Person::at(&server).await;
    let before = person.contacts().await;
    let page = person.bring("contacts.csv", &contacts(ROWS, 30)).await;
    let page = page.unwrap();
    person.start(&page, &COLUMNS).await;
    while person.contacts().await == before {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    person.post(&format!("{page}/cancellation"), &[]).await;
    let cancelled = person.ended(&page).await;
    assert!(person.contacts().await < before + 11_400, "{cancelled}");
    let run = cancelled
        .split("/undo\"")
        .next()
        .and_then(|text| text.rsplit('/').next())
        .unwrap();
    let again = person.post(&format!("{page}/continuation"), &[]).await;
    assert_eq!(again.status(), StatusCode::SEE_OTHER);
    // From a page that was open: it has begun again by now.
    person.post(&format!("/imports/{run}/undo"), &[]).await;
    let ended = person.ended(&page).await;
    assert!(ended.contains("Complete"), "{ended}");
    assert_eq!(person.contacts().await, before + 11_400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_table_is_told_at_the_edge() {
    let server = Server::start(&ServerOptions::demo());
    let person = Person::at(&server).await;
    for (name, size, part) in [
        (
            "large.csv",
            (512 << 20) + 1,
            "too large. Split it into files of at most",
        ),
        (
            "large.xlsx",
            (32 << 20) + 1,
            "too large: an .xlsx file may have",
        ),
        ("empty.csv", 0, "empty"),
        ("", 5, "Choose a file"),
    ] {
        let (status, said) = person.announce(name, size).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{name}");
        assert!(said["text"].as_str().unwrap().contains(part), "{said}");
    }
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (column, name) in (0_u16..).zip(["first_name", "last_name"]) {
        sheet.write(0, column, name).unwrap();
        sheet.write(1, column, "Ada").unwrap();
    }
    let book = book.save_to_buffer().unwrap();
    let truncated = &book[..book.len() - 200];
    for (name, content, part) in [
        ("book.xlsx", truncated, "damaged or not complete"),
        (
            "picture.csv",
            &b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..],
            "no table",
        ),
        (
            "old.xls",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0",
            "old .xls format",
        ),
        ("blank.csv", b"\n\n\n", "empty"),
    ] {
        let said = person.bring(name, content).await.unwrap_err();
        assert!(said.contains(part), "{name}: {said}");
    }
    // What was refused leaves nothing behind.
    assert!(!person.text("/imports").await.contains("book.xlsx"));
    // A workbook is one, whatever it is called.
    let page = person.bring("people.csv", &book).await.unwrap();
    assert!(person.text(&page).await.contains("last_name"));
    // Parts that don't fit what was announced.
    let (_, announced) = person.announce("short.csv", 10).await;
    let id = announced["id"].as_str().unwrap();
    assert_eq!(
        person.part(id, 0, vec![b'a'; 9]).await,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        person.part(id, 1, vec![b'a'; 10]).await,
        StatusCode::BAD_REQUEST
    );
    let answer = person.post(&format!("/imports/{id}/arrival"), &[]).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let said: Json = answer.json().await.unwrap();
    assert!(
        said["text"]
            .as_str()
            .unwrap()
            .starts_with("Not all of this file")
    );
}

/// The most memory that a process has had, in kilobytes.
fn peak_kb(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Takes minutes: `./x long`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "sends and imports two hundred megabytes; run by ./x long"]
async fn long_two_hundred_thousand_rows_are_sent_and_imported_in_bounded_memory() {
    const ROWS: usize = 200_000;
    let server = Server::start(&ServerOptions::demo());
    let person = Person::at(&server).await;
    let before = person.contacts().await;
    let file = contacts(ROWS, 1_100);
    assert!(file.len() > 200 << 20);
    let idle = peak_kb(&server);
    let page = person.bring("contacts.csv", &file).await.unwrap();
    let sent = peak_kb(&server);
    person.start(&page, &COLUMNS).await;
    let ended = person.ended(&page).await;
    let imported = peak_kb(&server);
    eprintln!("peak memory: idle {idle} kB, sent {sent} kB, imported {imported} kB");
    assert!(ended.contains("<dd>190,000</dd>"), "{ended}");
    assert_eq!(person.contacts().await, before + 190_000);
    let failed = person
        .text(&format!("/imports/{}/failed", id_of(&page)))
        .await;
    assert_eq!(failed_lines(&failed).len(), 10_000);
    // Far less than the file, though everything has passed through.
    assert!(imported - idle < 150 << 10, "{idle} kB, then {imported} kB");
}
