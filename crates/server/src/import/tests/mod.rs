//! Tests of the whole engine over the memory store, with the dirt that real files have.

mod dirt;
mod flaky;
mod going_on;
mod setup;
mod undo;
mod workspace;

use std::path::Path;

use fieldstone_model::{Query, Record, clock::FixedClock};
use fieldstone_store::Store as _;
use tokio_util::sync::CancellationToken;

use super::*;
use workspace::Fake;

const NOW: &str = "2026-03-01T12:00:00Z";

fn clock() -> FixedClock {
    FixedClock(NOW.parse().unwrap())
}

/// A file in a folder of its own, and what an import of it reports.
struct Tried {
    report: Report,
    folder: tempfile::TempDir,
}

impl Tried {
    /// The file of failed rows: its cells.
    fn errors(&self) -> Vec<Vec<String>> {
        let Some(path) = &self.report.errors else {
            return Vec::new();
        };
        assert_eq!(*path, self.folder.path().join("rows.errors.csv"));
        cells(path)
    }
}

fn cells(path: &Path) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_path(path)
        .unwrap();
    let records = reader.records().map(|record| record.unwrap());
    records
        .map(|record| record.iter().map(str::to_owned).collect())
        .collect()
}

async fn import(fake: &Fake, object: &str, file: impl AsRef<[u8]>, mapping: &str) -> Tried {
    try_import(fake, object, file, mapping, |_| {})
        .await
        .unwrap()
}

async fn try_import(
    fake: &Fake,
    object: &str,
    file: impl AsRef<[u8]>,
    mapping: &str,
    change: impl FnOnce(&mut Request),
) -> Result<Tried, ImportError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    std::fs::write(&path, file).unwrap();
    let mut request = Request::new(object, path);
    request.chunk = 4;
    request.mapping = Mapping::from_toml(mapping)?;
    change(&mut request);
    let cancel = CancellationToken::new();
    let mut last = Progress::default();
    let report = run(fake, &request, &clock(), &cancel, &mut |progress| {
        last = *progress;
    })
    .await?;
    assert_eq!(
        last.settled, report.progress.settled,
        "the last progress is the report's"
    );
    Ok(Tried { report, folder })
}

/// Created, updated, skipped, failed.
fn counts(tried: &Tried) -> [u64; 4] {
    let progress = tried.report.progress;
    [
        progress.created,
        progress.updated,
        progress.skipped,
        progress.failed,
    ]
}

async fn all(fake: &Fake, object: &str) -> Vec<Record> {
    let store = fake.store().await.unwrap();
    let fields = store.registry().object(object).unwrap().fields.clone();
    let mut query = Query::new(object)
        .columns(fields.iter().map(|field| field.name.as_ref()))
        .order("id", false)
        .limit(200);
    let mut records = Vec::new();
    loop {
        let page = store.list(&query).await.unwrap();
        records.extend(page.records);
        query.cursor = page.next;
        if query.cursor.is_none() {
            return records;
        }
    }
}

fn text<'a>(record: &'a Record, field: &str) -> &'a str {
    record.get(field).as_text().unwrap_or("")
}

#[tokio::test]
async fn columns_find_their_fields_by_name() {
    let fake = Fake::new();
    let file = "\u{feff}Name;City;Industry;Mystery\r\nAcme;Köln;Retail;x\r\nBeta;;;y\r\n";
    let tried = import(&fake, "account", file, "").await;
    assert_eq!(counts(&tried), [2, 0, 0, 0]);
    assert_eq!(tried.report.ignored, ["Mystery"]);
    assert!(tried.report.is_clean() && tried.report.errors.is_none());
    let accounts = all(&fake, "account").await;
    assert_eq!(text(&accounts[0], "city"), "Köln");
    assert_eq!(text(&accounts[0], "industry"), "retail");
    assert_eq!(tried.report.progress.bytes, file.len() as u64);
}

#[tokio::test]
async fn relations_are_found_corrected_and_made() {
    let fake = Fake::new();
    let products = "product,series,price\nGTX Pro,GTX,4821\nMG Special,MG,55\n";
    import(
        &fake,
        "product",
        products,
        "[map]\nname = \"product\"\nfamily = \"series\"\nprice = \"price\"",
    )
    .await;
    let mapping = r#"
        [columns.product]
        values = { "GTXPro" = "GTX Pro" }
        [map]
        external_id = "id"
        name = { template = "{account} – {product}" }
        account_id = { column = "account", find = "account.name", create = true }
        stage_id = { column = "stage", find = "stage.name", values = { "Open" = "Prospecting" } }
        close_date = { column = "closed", formats = ["%m/%d/%Y"] }
        amount = { column = "value", number = { thousands = "," } }
        owner_id = { column = "agent", find = ["user.email", "user.name"], fallback = "Olga Owner" }
        lost_reason = { constant = "unknown" }
    "#;
    let file = "id,account,product,stage,closed,value,agent\n\
        A1,Isdom,GTXPro,Won,03/11/2017,\"$4,514.00\",nobody\n\
        A2, ISDOM ,MG Special,Open,,55,Mia Member\n\
        A3,Isdom,GTXPro,Mystery,,1,mia@fake.example\n\
        A4,Cancity,GTXPro,Lost,13/11/2017,1,\n\
        A1,Cancity,GTXPro,Lost,,1,\n";
    let tried = import(&fake, "deal", file, mapping).await;
    assert_eq!(counts(&tried), [2, 0, 0, 3]);
    assert_eq!(
        tried.report.progress.related, 1,
        "Cancity comes only with rows that fail"
    );
    let deals = all(&fake, "deal").await;
    assert_eq!(text(&deals[0], "name"), "Isdom – GTX Pro");
    assert_eq!(text(&deals[0], "status"), "won");
    assert_eq!(deals[0].get("amount").as_int(), Some(451_400));
    assert_eq!(deals[0].get("account_id"), deals[1].get("account_id"));
    assert_ne!(deals[0].get("owner_id"), deals[1].get("owner_id"));
    let errors = tried.errors();
    assert_eq!(errors[0].last().unwrap(), "error");
    let problems: Vec<&str> = errors[1..].iter().map(|row| row[7].as_str()).collect();
    for (problem, parts) in problems.iter().zip([
        ["Line 4", "stage_id “Mystery”"],
        ["Line 5", "close_date “13/11/2017”"],
        ["Line 6", "external_id “A1”"],
    ]) {
        assert!(parts.iter().all(|part| problem.contains(part)), "{problem}");
    }
    assert_eq!(all(&fake, "account").await.len(), 1);
}

#[tokio::test]
async fn parents_may_come_later_in_the_file() {
    let fake = Fake::new();
    let file = "name,parent\nD,C\nC,B\nB,A\nE,nowhere\nF,F2\nF2,F\nA,\nG,A\n";
    let mapping =
        "[map]\nname = \"name\"\nparent_id = { column = \"parent\", find = \"account.name\" }";
    let tried = import(&fake, "account", file, mapping).await;
    assert_eq!(counts(&tried), [5, 0, 0, 3]);
    let accounts = all(&fake, "account").await;
    let id = |name: &str| {
        accounts
            .iter()
            .find(|account| text(account, "name") == name)
            .unwrap()
    };
    assert_eq!(id("D").get("parent_id").as_id(), Some(id("C").id));
    assert_eq!(id("B").get("parent_id").as_id(), Some(id("A").id));
    let failed: Vec<_> = tried.errors()[1..]
        .iter()
        .map(|row| row[0].clone())
        .collect();
    assert_eq!(failed, ["E", "F", "F2"]);
}

#[tokio::test]
async fn rows_whose_record_exists_are_skipped_updated_or_made_again() {
    let mapping = |rule: &str| {
        format!(
            "[dedupe]\nby = \"external_id\"\nrule = \"{rule}\"\n[map]\nexternal_id = \"id\"\nname = \"name\"\ncity = \"city\""
        )
    };
    let first = "id,name,city\n1,One,Rome\n2,Two,Oslo\n2,Two again,Bern\n3,Three,\n";
    let again = "id,name,city\n1,One,Rome\n2,Zwei,\n4,Four,Lima\n";
    for (rule, of_first, of_again) in [
        ("skip", [3, 0, 1, 0], [1, 0, 2, 0]),
        ("update", [3, 1, 0, 0], [1, 1, 1, 0]),
        ("create", [3, 0, 0, 1], [1, 0, 0, 2]),
    ] {
        let fake = Fake::new();
        assert_eq!(
            counts(&import(&fake, "account", first, &mapping(rule)).await),
            of_first,
            "{rule}"
        );
        assert_eq!(
            counts(&import(&fake, "account", again, &mapping(rule)).await),
            of_again,
            "{rule}"
        );
        let accounts = all(&fake, "account").await;
        assert_eq!(accounts.len(), 4);
        let two = accounts
            .iter()
            .find(|account| text(account, "external_id") == "2")
            .unwrap();
        match rule {
            "update" => assert_eq!((text(two, "name"), text(two, "city")), ("Zwei", "Bern")),
            _ => assert_eq!((text(two, "name"), text(two, "city")), ("Two", "Oslo")),
        }
    }
}

#[tokio::test]
async fn empty_cells_clear_fields_only_when_told_to() {
    let fake = Fake::new();
    let mapping = "[dedupe]\nby = \"name\"\nrule = \"update\"\nclear = true\n[map]\nname = \"name\"\ncity = \"city\"";
    import(&fake, "account", "name,city\nAcme,Rome\n", mapping).await;
    let tried = import(&fake, "account", "name,city\nACME,\n", mapping).await;
    assert_eq!(counts(&tried), [0, 1, 0, 0]);
    let accounts = all(&fake, "account").await;
    assert!(accounts[0].get("city").is_null());
    assert_eq!(text(&accounts[0], "name"), "ACME");
}

#[tokio::test]
async fn records_are_updated_by_their_ids() {
    let fake = Fake::new();
    import(&fake, "account", "name\nAcme\n", "").await;
    let id = all(&fake, "account").await[0].id;
    let mapping = "[dedupe]\nby = \"id\"\nrule = \"update\"\n[map]\nid = \"Id\"\nname = \"Name\"";
    let file = format!("Id,Name\n{id},Acme Ltd\n001000000000000,Gone\nnonsense,No\n");
    let tried = import(&fake, "account", file, mapping).await;
    assert_eq!(counts(&tried), [0, 1, 0, 2]);
    assert_eq!(text(&all(&fake, "account").await[0], "name"), "Acme Ltd");
}

#[tokio::test]
async fn an_ambiguous_name_is_an_error() {
    let fake = Fake::new();
    import(&fake, "account", "name\nTwin\ntwin\n", "").await;
    let tried = import(&fake, "contact", "last name,account\nX,Twin\n", "").await;
    assert_eq!(counts(&tried), [0, 0, 0, 1]);
    assert!(tried.errors()[1][2].contains("Several records"));
}

#[tokio::test]
async fn a_trial_run_changes_nothing_and_counts_the_same() {
    let fake = Fake::new();
    let file = "name,parent,city\nB,A,x\nA,,y\n,,z\nC,nobody,\n";
    let mapping = "[[fields]]\nname = \"rank\"\ntype = \"integer\"\n[map]\nname = \"name\"\ncity = \"city\"\nrank = { constant = \"3\" }\nparent_id = { column = \"parent\", find = \"account.name\" }";
    let tried = try_import(&fake, "account", file, mapping, |request| {
        request.trial = true;
    })
    .await
    .unwrap();
    assert_eq!(counts(&tried), [2, 0, 0, 2]);
    assert_eq!(tried.report.made, ["field rank"]);
    assert!(all(&fake, "account").await.is_empty());
    assert!(
        fake.store()
            .await
            .unwrap()
            .registry()
            .object("account")
            .unwrap()
            .field("rank")
            .is_none()
    );
    let real = import(&fake, "account", file, mapping).await;
    assert_eq!(counts(&real), counts(&tried));
    assert_eq!(all(&fake, "account").await.len(), 2);
}

#[tokio::test]
async fn cancelling_keeps_what_is_applied_and_says_how_far() {
    let fake = Fake::new();
    let rows: Vec<String> = (1..=40).map(|row| format!("Account {row}")).collect();
    let rows = rows.join("\n");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    std::fs::write(&path, format!("name\n{rows}")).unwrap();
    let mut request = Request::new("account", path);
    request.chunk = 4;
    let cancel = CancellationToken::new();
    let report = run(&fake, &request, &clock(), &cancel, &mut |progress| {
        if progress.created >= 10 {
            cancel.cancel();
        }
    })
    .await
    .unwrap();
    assert_eq!(report.end, End::Cancelled);
    assert_eq!(report.up_to_row, 12);
    assert_eq!(report.progress.created, 12);
    assert_eq!(all(&fake, "account").await.len(), 12);
}

#[tokio::test]
async fn failed_rows_can_be_corrected_and_imported_again() {
    let fake = Fake::new();
    let file = "name,email,phone\n=cmd|' /C calc'!A0,broken,+49 30 1234\nFine,a@b.example,\n";
    let tried = import(&fake, "account", file, "").await;
    assert_eq!(counts(&tried), [1, 0, 0, 1]);
    let path = tried.report.errors.clone().unwrap();
    let written = std::fs::read_to_string(&path).unwrap();
    assert!(
        written.lines().nth(1).unwrap().starts_with("'=cmd|"),
        "{written}"
    );
    let corrected = written
        .replace("broken", "ok@b.example")
        .replacen("Line 2", "-Line 2", 1);
    let again = import(&fake, "account", corrected, "").await;
    assert_eq!(counts(&again), [1, 0, 0, 0]);
    let accounts = all(&fake, "account").await;
    assert_eq!(
        text(&accounts[1], "name"),
        "=cmd|' /C calc'!A0",
        "a formula is just text"
    );
    assert_eq!(text(&accounts[1], "phone"), "+49 30 1234");
}

#[tokio::test]
async fn mistakes_are_told_before_the_first_row() {
    let fake = Fake::new();
    for (object, file, mapping, part) in [
        ("account", "", "", "empty"),
        ("planet", "name\nx\n", "", "planet"),
        ("account", "city\nRome\n", "", "needs the field “name”"),
        ("account", "name\nx\n", "encoding = \"klingon\"", "klingon"),
        ("account", "name\nx\n", "delimiter = \"ab\"", "delimiter"),
        ("account", "a,b\nx,y\n", "", "none of the columns"),
    ] {
        let error = try_import(&fake, object, file, mapping, |_| {})
            .await
            .err()
            .unwrap();
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(all(&fake, "account").await.is_empty());
}

#[tokio::test]
async fn failed_rows_never_overwrite_the_file() {
    let fake = Fake::new();
    let over = |request: &mut Request| request.errors = Some(request.input.path().to_owned());
    let error = try_import(&fake, "account", "name,email\nx,bad\n", "", over)
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("over the file"), "{error}");
}

#[tokio::test]
async fn a_viewer_imports_nothing() {
    let fake = Fake::as_viewer();
    let error = try_import(&fake, "account", "name\nx\n", "", |_| {})
        .await
        .err()
        .unwrap();
    assert!(matches!(error, ImportError::Store(StoreError::Denied)));
}
