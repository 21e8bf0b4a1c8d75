//! Changes: as the store is asked for them, as the API is, and as plain SQL writes the same rows.

use anyhow::Context as _;
use deadpool_postgres::Object;
use fieldstone_model::{Change, Value, Values};
use fieldstone_server::store::PgStore;
use fieldstone_store::Store as _;
use futures_util::future::join_all;
use tokio_postgres::types::ToSql;

use super::layers::{Layers, Question, plain_connection};

/// A new amount for a deal that is there.
pub(crate) fn update(question: &Question, number: u64) -> Change {
    let values = Values::new().with("amount", Value::Int(amount(number)));
    Change::Update {
        object: "deal".to_owned(),
        id: question.deal.id,
        expected: None,
        values,
    }
}

/// A new deal.
pub(crate) fn create(store: &PgStore, question: &Question, number: u64) -> anyhow::Result<Change> {
    let id = store.new_id("deal").context("no deals")?;
    let values = Values::new()
        .with("name", Value::Text(name(number)))
        .with("amount", Value::Int(amount(number)))
        .with("score", Value::Int(question.deal.score));
    Ok(Change::Create {
        object: "deal".to_owned(),
        id,
        values,
    })
}

/// The rest of a request that changes a deal.
pub(crate) fn update_request(head: &[u8], number: u64) -> Vec<u8> {
    with_body(head, &format!("{{\"amount\":{}}}", amount(number) / 100))
}

/// The rest of a request that makes a deal.
pub(crate) fn create_request(head: &[u8], number: u64) -> Vec<u8> {
    with_body(
        head,
        &format!(
            "{{\"name\":\"{}\",\"amount\":{},\"score\":17}}",
            name(number),
            amount(number) / 100
        ),
    )
}

fn with_body(head: &[u8], body: &str) -> Vec<u8> {
    let mut request = head.to_vec();
    request.extend_from_slice(
        format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
    request
}

fn amount(number: u64) -> i64 {
    i64::try_from(number % 10_000_000).unwrap_or_default() * 100 + 100
}

fn name(number: u64) -> String {
    format!("Falcon Plus renewal {}", 10_000_000 + number)
}

/// What [`update`] writes, in two flights: locked and read, then written.
pub(crate) async fn plain_update(
    layers: &Layers,
    question: &Question,
    number: u64,
) -> anyhow::Result<()> {
    const READ: &str =
        "SELECT * FROM app.deal t WHERE t.tenant_id = $1 AND t.id = $2 FOR NO KEY UPDATE";
    const WRITE: &str = "UPDATE app.deal t SET amount = $3, version = t.version + 1, updated_at = now(), updated_by_id = $4 WHERE t.tenant_id = $1 AND t.id = $2";
    const KEEP: &str = "INSERT INTO app.history (tenant_id, record_id, version, at, by_id, action, changes) \
        SELECT $1, $2, t.version, now(), $3, 'updated', $4::text::jsonb FROM app.deal t WHERE t.tenant_id = $1 AND t.id = $2";
    let client = plain_connection(&layers.plain).await?;
    let (tenant, id, user) = (
        question.actor.tenant.as_str(),
        question.deal.id.as_str(),
        question.actor.user.as_str(),
    );
    let change = format!(
        "{{\"amount\":[{},{}]}}",
        question.deal.amount,
        amount(number)
    );
    let amount = amount(number);
    flight(&client, &[(BEGIN, &[]), (READ, &[&tenant, &id])]).await?;
    flight(
        &client,
        &[
            (WRITE, &[&tenant, &id, &amount, &user]),
            (KEEP, &[&tenant, &id, &user, &change]),
            (COMMIT, &[]),
        ],
    )
    .await
}

/// What [`create`] writes, in two flights.
pub(crate) async fn plain_create(
    layers: &Layers,
    question: &Question,
    number: u64,
) -> anyhow::Result<()> {
    const READ: &str =
        "SELECT * FROM app.deal t WHERE t.tenant_id = $1 AND t.id = $2 FOR NO KEY UPDATE";
    const WRITE: &str = "INSERT INTO app.deal (tenant_id, id, version, created_at, created_by_id, updated_at, updated_by_id, owner_id, name, name_key, \
            stage_id, pipeline_id, status, amount, probability, custom) \
        SELECT $1, $2, 1, now(), $3, now(), $3, $3, $4, lower($4), s.id, s.pipeline_id, s.kind, $5, s.probability, jsonb_build_object('1000', $6::bigint) \
        FROM app.stage s WHERE s.tenant_id = $1 AND s.position = 1";
    const FIND: &str = "INSERT INTO app.search_token (tenant_id, record_id, token, object) \
        SELECT $1, $2, w, 'deal' FROM string_to_table(lower($3::text), ' ') AS w ON CONFLICT DO NOTHING";
    const INDEX: &str = "INSERT INTO app.field_value (tenant_id, record_id, field, ordinal, object, key_int, is_unique, living) VALUES ($1, $2, 1000, 0, 'deal', $3, false, true)";
    const KEEP: &str = "INSERT INTO app.history (tenant_id, record_id, version, at, by_id, action) VALUES ($1, $2, 1, now(), $3, 'created')";
    let id = layers
        .store(&question.actor)
        .await?
        .new_id("deal")
        .context("no deals")?;
    let client = plain_connection(&layers.plain).await?;
    let (tenant, id, user) = (
        question.actor.tenant.as_str(),
        id.as_str(),
        question.actor.user.as_str(),
    );
    let (name, amount, score) = (name(number), amount(number), question.deal.score);
    flight(&client, &[(BEGIN, &[]), (READ, &[&tenant, &id])]).await?;
    flight(
        &client,
        &[
            (WRITE, &[&tenant, &id, &user, &name, &amount, &score]),
            (FIND, &[&tenant, &id, &name]),
            (INDEX, &[&tenant, &id, &score]),
            (KEEP, &[&tenant, &id, &user]),
            (COMMIT, &[]),
        ],
    )
    .await
}

const BEGIN: &str = "BEGIN";
const COMMIT: &str = "COMMIT";

/// A statement and its values.
type Step<'a> = (&'a str, &'a [&'a (dyn ToSql + Sync)]);

/// Sends the statements together and waits for all of them.
async fn flight(client: &Object, steps: &[Step<'_>]) -> anyhow::Result<()> {
    let mut statements = Vec::with_capacity(steps.len());
    for (sql, _) in steps {
        statements.push(client.prepare_cached(sql).await?);
    }
    let running = statements
        .iter()
        .zip(steps)
        .map(|(statement, (_, params))| client.query(statement, params));
    for outcome in join_all(running).await {
        outcome?;
    }
    Ok(())
}
