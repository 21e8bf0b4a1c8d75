//! Importing into PostgreSQL: the whole path with validation, policies, history, search, and the journal.

mod route;

use std::fmt::Write as _;

use fieldstone_model::{Clock as _, Query, RecordId, Role, SystemClock, Value};
use fieldstone_server::database::connect;
use fieldstone_server::import::{
    End, ImportError, Mapping, PgWorkspace, Report, Request, Workspace as _, run,
};
use fieldstone_server::quotas::{self, Quota};
use fieldstone_server::schema::create_default_pipeline;
use fieldstone_server::store::PgStore;
use fieldstone_store::{Action, Store as _};
use fieldstone_testkit::TestStores;
use tokio_util::sync::CancellationToken;

const DEALS: &str = r#"
    [dedupe]
    by = "external_id"
    rule = "update"
    [[fields]]
    name = "sales_agent"
    type = "text"
    indexed = true
    [columns.product]
    values = { "GTXPro" = "GTX Pro" }
    [map]
    external_id = "id"
    name = { template = "{account} – {product}" }
    account_id = { column = "account", find = "account.name", create = true }
    stage_id = { column = "stage", find = "stage.name" }
    open_date = { column = "opened", formats = "%m/%d/%Y" }
    amount = "value"
    sales_agent = "agent"
    owner_id = { column = "agent", find = "user.name", optional = true }
"#;

/// Rows in the shape of a sales pipeline; every fiftieth is wrong.
fn deals(rows: usize) -> String {
    let mut file = "id,account,product,stage,opened,value,agent\n".to_owned();
    for row in 0..rows {
        let date = if row % 50 == 7 {
            "31/12/2025"
        } else {
            "12/31/2025"
        };
        let stage = ["Won", "Lost", "Prospecting"][row % 3];
        let _ = writeln!(
            file,
            "D{row},Account {},GTXPro,{stage},{date},{}.50,Agent {}",
            row % 37,
            row * 3,
            row % 5
        );
    }
    file
}

async fn import(
    store: &PgStore,
    database: &TestStores,
    object: &str,
    file: &str,
    mapping: &str,
) -> Result<Report, ImportError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.csv");
    std::fs::write(&path, file).unwrap();
    let mut request = Request::new(object, path);
    request.mapping = Mapping::from_toml(mapping)?;
    request.chunk = 300;
    import_as_asked(store, database, &request).await
}

async fn import_as_asked(
    store: &PgStore,
    database: &TestStores,
    request: &Request,
) -> Result<Report, ImportError> {
    let owner = connect(&database.database.owner()).await.unwrap();
    let workspace = PgWorkspace::new(database.stores.clone(), store.actor().clone(), Some(owner));
    run(
        &workspace,
        request,
        &SystemClock,
        &CancellationToken::new(),
        &mut |_| {},
    )
    .await
}

fn counts(report: &Report) -> [u64; 5] {
    let progress = report.progress;
    [
        progress.created,
        progress.updated,
        progress.skipped,
        progress.failed,
        progress.related,
    ]
}

#[tokio::test]
async fn deals_arrive_with_their_accounts_history_and_journal() {
    let database = TestStores::new().await;
    let (tenant, store) = database.workspace("importing").await;
    create_default_pipeline(&store).await.unwrap();
    let began = SystemClock.now();
    let report = import(&store, &database, "deal", &deals(1_000), DEALS)
        .await
        .unwrap();
    assert_eq!(counts(&report), [980, 0, 0, 20, 37]);

    let workspace = PgWorkspace::new(database.stores.clone(), store.actor().clone(), None);
    let store = workspace.store().await.unwrap();
    let query = Query::new("deal")
        .columns(["name", "account.name", "sales_agent", "amount", "status"])
        .filter(fieldstone_model::Filter::equal(
            "sales_agent",
            Value::Text("agent 3".to_owned()),
        ))
        .order("amount", false)
        .limit(5);
    let page = store.list(&query).await.unwrap();
    let first = &page.records[0];
    assert_eq!(
        first.get("name"),
        &Value::Text("Account 3 – GTX Pro".to_owned())
    );
    assert_eq!(
        first.get("account.name"),
        &Value::Text("Account 3".to_owned())
    );
    assert_eq!(first.get("amount"), &Value::Int(950));
    let history = store.history(first.id, None, 10).await.unwrap();
    assert_eq!(history.len(), 1);
    assert!(history[0].action == Action::Created && history[0].at >= began);
    let mut found = Query::new("deal").column("name");
    found.search = Some("d103".to_owned());
    assert_eq!(
        store.list(&found).await.unwrap().records.len(),
        1,
        "search finds an imported record"
    );

    let again = import(
        &store,
        &database,
        "deal",
        &deals(1_000).replace("Won", "Lost"),
        DEALS,
    )
    .await
    .unwrap();
    let [created, updated, skipped, failed, related] = counts(&again);
    assert_eq!((created, failed, related), (0, 20, 0));
    assert!(
        updated > 300 && updated + skipped == 980,
        "{updated} {skipped}"
    );

    let owner = connect(&database.database.owner()).await.unwrap();
    let runs = "SELECT outcome, created, updated, failed FROM app.import_run WHERE tenant_id = $1 ORDER BY id";
    let runs = owner.query(runs, &[&tenant.as_str()]).await.unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!(runs[0].get::<_, &str>(0), "complete");
    assert_eq!(runs[0].get::<_, i64>(1), 980);
    let ids = "SELECT unnest(b.created) FROM app.import_batch b JOIN app.import_run r ON r.tenant_id = b.tenant_id AND r.id = b.run_id WHERE b.tenant_id = $1 AND r.created > 0";
    let ids = owner.query(ids, &[&tenant.as_str()]).await.unwrap();
    assert_eq!(
        ids.len(),
        980 + 37,
        "the journal names every record made, related ones too"
    );
    for row in ids.iter().take(3) {
        let id: RecordId = row.get::<_, &str>(0).parse().unwrap();
        let object = store.registry().object_of(id).unwrap().name.clone();
        store.get(&object, id, &[]).await.unwrap();
    }
}

#[tokio::test]
async fn a_custom_object_is_made_with_its_fields() {
    let database = TestStores::new().await;
    let (tenant, store) = database.workspace("inspecting").await;
    let mapping = r#"
        [object]
        label = "Inspection"
        plural_label = "Inspections"
        [[fields]]
        name = "longitude"
        type = "decimal"
        scale = 7
        [[fields]]
        name = "kind"
        type = "choice"
        options = ["Routine", "Follow-up"]
        indexed = true
        [map]
        name = "place"
        external_id = { template = "inspection-{#}" }
        longitude = { column = "lon", number = { round = true } }
        kind = "type"
    "#;
    let file = "place,lon,type\nCafé Central,-75.55271309999999,Routine\nDiner,-75.5,follow up\nBad,-75.5,Surprise\n";
    let member = database.user(tenant, Role::Member).await;
    let refused = import(&member, &database, "inspection", file, mapping).await;
    assert!(
        matches!(refused, Err(ImportError::Mapping(_))),
        "a member makes no objects"
    );
    let report = import(&store, &database, "inspection", file, mapping)
        .await
        .unwrap();
    assert_eq!(counts(&report), [2, 0, 0, 1, 0]);
    assert_eq!(report.made.len(), 3);
    let report = import(&member, &database, "inspection", file, mapping)
        .await
        .unwrap();
    assert_eq!(counts(&report), [0, 0, 0, 3, 0], "external ids are taken");

    let workspace = PgWorkspace::new(database.stores.clone(), store.actor().clone(), None);
    let store = workspace.store().await.unwrap();
    let query = Query::new("inspection")
        .columns(["name", "longitude", "kind"])
        .order("name", false);
    let page = store.list(&query).await.unwrap();
    assert_eq!(page.records[0].get("longitude"), &Value::Int(-755_527_131));
    assert_eq!(
        page.records[1].get("kind"),
        &Value::Text("follow_up".to_owned())
    );
}

/// Every twentieth row is wrong, each in one of four ways.
fn contacts(rows: usize) -> String {
    let mut file = "first_name,last_name,email,phone\n".to_owned();
    for row in 0..rows {
        let (last, email, phone) = match (row % 20, row % 80) {
            (0, 0) => (
                String::new(),
                format!("p{row}@example.com"),
                "030 1234".to_owned(),
            ),
            (0, 20) => (
                format!("Ray {row}"),
                "no address".to_owned(),
                "030 1234".to_owned(),
            ),
            (0, 40) => (format!("Ray {row}"), String::new(), "no number".to_owned()),
            (0, _) => ("x".repeat(300), String::new(), String::new()),
            _ => (
                format!("Ray {row}"),
                format!("p{row}@example.com"),
                format!("030 {row:07}"),
            ),
        };
        writeln!(file, "Ada,{last},{email},{phone}").unwrap();
    }
    file
}

/// Takes a minute or more: `./x long`.
#[tokio::test]
#[ignore = "imports two hundred thousand rows; run by ./x long"]
async fn long_two_hundred_thousand_rows_of_which_one_in_twenty_is_wrong() {
    const ROWS: usize = 200_000;
    let database = TestStores::new().await;
    let (_, store) = database.workspace("importing").await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contacts.csv");
    std::fs::write(&path, contacts(ROWS)).unwrap();
    let request = Request::new("contact", &path);
    let began = SystemClock.now();
    let report = import_as_asked(&store, &database, &request).await.unwrap();
    let took = SystemClock.now().duration_since(began);
    eprintln!("{ROWS} rows in {took:#}");
    assert_eq!(counts(&report), [190_000, 0, 0, 10_000, 0]);
    assert_eq!(store.count(&Query::new("contact")).await.unwrap(), 190_000);

    // The failed rows come back as they were, each with what is wrong; corrected, they arrive.
    let failed = std::fs::read_to_string(path.with_extension("errors.csv")).unwrap();
    assert_eq!(failed.lines().count(), 10_001);
    assert!(
        failed.starts_with("first_name,last_name,email,phone,error\n"),
        "{}",
        &failed[..80]
    );
    let mut reader = csv::ReaderBuilder::new().from_reader(failed.as_bytes());
    let mut corrected = csv::Writer::from_writer(Vec::new());
    corrected.write_record(reader.headers().unwrap()).unwrap();
    for row in reader.records() {
        let row = row.unwrap();
        assert!(row[4].starts_with("Line "), "{row:?}");
        corrected
            .write_record([&row[0], "Mended", "mended@example.com", "030 1", &row[4]])
            .unwrap();
    }
    let again = folder.path().join("again.csv");
    std::fs::write(&again, corrected.into_inner().unwrap()).unwrap();
    let request = Request::new("contact", &again);
    let report = import_as_asked(&store, &database, &request).await.unwrap();
    assert_eq!(counts(&report), [10_000, 0, 0, 0, 0]);
}

#[tokio::test]
async fn an_import_into_a_full_workspace_stops_and_says_why() {
    let database = TestStores::new().await;
    let (tenant, store) = database.workspace("full").await;
    create_default_pipeline(&store).await.unwrap();
    let mut owner = connect(&database.database.owner()).await.unwrap();
    let before = quotas::of(&owner, tenant).await.unwrap();
    let quota = Quota {
        records: Some(before.records + 500),
        ..Quota::default()
    };
    quotas::set(&mut owner, tenant, &quota, SystemClock.now())
        .await
        .unwrap();
    let report = import(&store, &database, "deal", &deals(1_000), DEALS)
        .await
        .unwrap();
    let End::Stopped(why) = &report.end else {
        panic!("{:?}", report.end);
    };
    assert!(why.contains("The workspace is full"), "{why}");
    let used = quotas::of(&owner, tenant).await.unwrap().records;
    assert!(
        used > before.records + 200 && used <= before.records + 500,
        "what was in by then stays: {used}"
    );
}

#[tokio::test]
async fn an_import_is_abandoned_by_whoever_has_its_claim_and_leaves_nothing_behind() {
    let database = TestStores::new().await;
    let (_, store) = database.workspace("importing").await;
    let (tenant, user) = (store.actor().tenant, store.user().id);
    let owner = connect(&database.database.owner()).await.unwrap();
    let worker = connect(&database.database.worker()).await.unwrap();
    let (tenant, user) = (tenant.as_str(), user.as_str());
    let upload = "INSERT INTO app.import_upload (tenant_id, user_id, id, object, file, bytes, state, created_at, in_parts)
        VALUES ($1, $2, '0IU000000000001', 'account', 'a.csv', 10, 'queued', now(), true)";
    owner.execute(upload, &[&tenant, &user]).await.unwrap();
    let claim = async || -> i32 {
        let sql = "SELECT claims FROM app.claim_import_job(20)";
        worker.query_one(sql, &[]).await.unwrap().get(0)
    };
    let state = async || -> String {
        let sql = "SELECT state FROM app.import_upload";
        owner.query_one(sql, &[]).await.unwrap().get(0)
    };
    let abandon = async |claim: i32| {
        let sql = "SELECT app.abandon_import('import', $1, '0IU000000000001', 'gone', $2)";
        worker.execute(sql, &[&tenant, &claim]).await.unwrap();
    };
    let slow = claim().await;
    // The slow server's time is over, and another one goes on with it.
    let over = "UPDATE app.import_upload SET claimed_until = now() - interval '1 second'";
    owner.execute(over, &[]).await.unwrap();
    let other = claim().await;
    abandon(slow).await;
    assert_eq!(state().await, "running");
    abandon(other).await;
    assert_eq!(state().await, "ended");

    // Removed, it is swept up once nobody can be putting parts of it into the object store any more.
    let forget = "DELETE FROM app.import_upload";
    assert_eq!(owner.execute(forget, &[]).await.unwrap(), 1);
    let due = async || -> i64 {
        let sql =
            "SELECT count(*) FROM app.orphaned_contents(7, 100) o WHERE o.id = '0IU000000000001'";
        worker.query_one(sql, &[]).await.unwrap().get(0)
    };
    assert_eq!(due().await, 0);
    let older = "UPDATE app.content_orphan SET since = since - interval '61 minutes'";
    owner.execute(older, &[]).await.unwrap();
    assert_eq!(due().await, 1);
}
