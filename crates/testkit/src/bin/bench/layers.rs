//! The four depths at which the same question is asked.
//!
//! *plain*: the compiled SQL with the tenant as a condition, by a role that policies don't bind, in `BEGIN … COMMIT`, pipelined.
//! *context*: the compiled SQL by the serving role, under its signed context. *store*: `PgStore`. *API*: HTTP over TLS to the server.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use bytes::BytesMut;
use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod};
use fieldstone_model::clock::SystemClock;
use fieldstone_model::{Clock as _, Path, Query, Registry};
use fieldstone_server::cluster::admin_config;
use fieldstone_server::data_dir::DataDir;
use fieldstone_server::database::pool::{Pool, Sign, Step};
use fieldstone_server::database::{Actor, DEFAULT_DATABASE};
use fieldstone_server::platform::ContextKeys;
use fieldstone_server::store::{PgStore, Stores};
use fieldstone_store::compile::{
    Dialect, Param, Select, Sql, Words, compile_count, compile_word_counts, phases,
};
use fieldstone_store::write::search_words;
use fieldstone_store::{Scope, Store as _, encode_cursor};
use fieldstone_testkit::Server;
use secrecy::ExposeSecret as _;
use tokio_postgres::NoTls;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::cases::{Among, Ask, Case, Way};
use super::http::Client;
use super::sample::{Deal, Random, Tenant, askers, tenants};
use super::writes;

/// As many connections as the server keeps.
const CONNECTIONS: usize = 24;
/// What the store calls a rare word, and how many records it tests for common ones.
const RARE: u32 = 5_000;
const WINDOW: u32 = 20_000;
/// Different requests made ready for each case.
const QUESTIONS: usize = 500;

/// How deep a question is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    /// SQL without policies.
    Plain,
    /// SQL under the signed context.
    Context,
    /// The store, in this process.
    Store,
    /// The API of the server.
    Api,
}

/// One request in every form.
#[derive(Debug)]
pub(crate) struct Question {
    /// Who asks.
    pub(crate) actor: Actor,
    /// The deal it is about.
    pub(crate) deal: Deal,
    /// What is asked of the store.
    pub(crate) query: Option<Query>,
    /// How many rows fill the page.
    full: usize,
    /// The statements, run until the page is full.
    context: Vec<Sql>,
    plain: Vec<Sql>,
    /// The whole request.
    request: Vec<u8>,
}

/// Connections of every layer.
pub(crate) struct Layers {
    pub(crate) plain: deadpool_postgres::Pool,
    pub(crate) context: Pool,
    stores: Stores,
    pub(crate) client: Client,
    tenants: Vec<Tenant>,
    /// Of the large tenant, who sees less than all.
    askers: Vec<(String, Tenant)>,
}

impl Layers {
    /// Connects to the server's database beside the server, and to the server.
    pub(crate) async fn connect(data_dir: &DataDir, server: &Server) -> anyhow::Result<Self> {
        let mut admin = admin_config(data_dir)?;
        admin.dbname(DEFAULT_DATABASE);
        // Planned once, like what the policies are part of: with a tenant to look at, the planner would plan some statements every time.
        let mut planned_once = admin.clone();
        planned_once.options("-c plan_cache_mode=force_generic_plan -c jit=off");
        let manager = Manager::from_config(
            planned_once,
            NoTls,
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let plain = deadpool_postgres::Pool::builder(manager)
            .max_size(CONNECTIONS)
            .build()?;
        let mut app = admin;
        app.user("fieldstone_app")
            .password(data_dir.role_passwords()?.app.expose_secret());
        let clock = Arc::new(SystemClock);
        let keys = ContextKeys::own(data_dir.context_key(), clock.now())?;
        let sign: Sign = Arc::new(move |actor, backend, now| keys.sign(actor, backend, now));
        let context = Pool::new(app, CONNECTIONS, sign, clock.clone())?;
        let admin = plain_connection(&plain).await?;
        let tenants = tenants(&admin).await?;
        let deals = tenants.first().map(|large| large.deals.as_slice());
        let askers = askers(&admin, deals.unwrap_or_default()).await?;
        drop(admin);
        Ok(Self {
            plain,
            stores: Stores::new(context.clone(), clock, None),
            context,
            client: Client::new(&server.ca(), server.port())?,
            tenants,
            askers,
        })
    }

    /// What the database calls itself.
    pub(crate) async fn database_version(&self) -> anyhow::Result<String> {
        let row = plain_connection(&self.plain)
            .await?
            .query_one("SHOW server_version", &[])
            .await?;
        let text: String = row.try_get(0)?;
        Ok(text.split(' ').next().unwrap_or_default().to_owned())
    }

    /// The store of whoever asks.
    pub(crate) async fn store(&self, actor: &Actor) -> anyhow::Result<PgStore> {
        Ok(self.stores.open(actor.clone()).await?)
    }

    /// The tenant with the most deals.
    pub(crate) fn large(&self) -> anyhow::Result<&Tenant> {
        self.tenants.first().context("nothing is loaded")
    }

    /// The requests of a case.
    pub(crate) async fn questions(&self, case: &Case) -> anyhow::Result<Vec<Question>> {
        let mut random = Random(7);
        let among = match case.among {
            Among::Large => self.tenants.get(..1),
            Among::Small(count) => self.tenants.get(1..=count.min(self.tenants.len() - 1)),
            Among::Seeing(name) => {
                let asker = self.askers.iter().find(|(known, _)| known == name);
                asker.map(|(_, tenant)| std::slice::from_ref(tenant))
            }
        };
        let registry = self.store(&self.large()?.actor).await?.registry().clone();
        let mut questions = Vec::with_capacity(QUESTIONS);
        while questions.len() < QUESTIONS {
            let tenant = random.pick(among.context("too few tenants")?)?;
            let deal = random.pick(&tenant.deals)?;
            questions.push(Question::new(&registry, tenant, *deal, case.ask)?);
        }
        Ok(questions)
    }

    /// Asks once, at one depth. `number` tells this asking from all others.
    pub(crate) async fn ask(
        &self,
        layer: Layer,
        case: &Case,
        question: &Question,
        connection: &mut Option<super::http::Connection>,
        number: u64,
    ) -> anyhow::Result<()> {
        match (layer, case.ask) {
            (Layer::Plain, Ask::Update) => writes::plain_update(self, question, number).await,
            (Layer::Plain, Ask::Create) => writes::plain_create(self, question, number).await,
            (Layer::Plain, _) => self.ask_plain(question).await,
            (Layer::Context, _) => self.ask_context(question).await,
            (Layer::Store, ask) => self.ask_store(ask, question, number).await,
            (Layer::Api, ask) => {
                let made;
                let (request, expected) = match ask {
                    Ask::Update => {
                        made = writes::update_request(&question.request, number);
                        (&made, 200)
                    }
                    Ask::Create => {
                        made = writes::create_request(&question.request, number);
                        (&made, 201)
                    }
                    _ => (&question.request, 200),
                };
                let connection = match connection {
                    Some(connection) => connection,
                    None => connection.insert(self.client.connect().await?),
                };
                let answer = connection.ask(request).await?;
                if answer.status != expected {
                    bail!(
                        "{}: {} {}",
                        case.name,
                        answer.status,
                        String::from_utf8_lossy(&answer.body)
                    );
                }
                Ok(())
            }
        }
    }

    async fn ask_plain(&self, question: &Question) -> anyhow::Result<()> {
        let mut rows = 0;
        for sql in &question.plain {
            let sent: Vec<Bound<'_>> = sql.params.iter().map(Bound).collect();
            let params: Vec<&(dyn ToSql + Sync)> = sent.iter().map(|param| param as _).collect();
            let client = plain_connection(&self.plain).await?;
            let begin = client.prepare_cached("BEGIN").await?;
            let commit = client.prepare_cached("COMMIT").await?;
            let statement = client.prepare_cached(&sql.text).await?;
            let (started, found, ended) = tokio::join!(biased; client.execute(&begin, &[]), client.query(&statement, &params), client.execute(&commit, &[]));
            started?;
            rows += found?.len();
            ended?;
            if rows >= question.full {
                break;
            }
        }
        Ok(())
    }

    async fn ask_context(&self, question: &Question) -> anyhow::Result<()> {
        let mut rows = 0;
        for sql in &question.context {
            let sent: Vec<Bound<'_>> = sql.params.iter().map(Bound).collect();
            let params: Vec<&(dyn ToSql + Sync)> = sent.iter().map(|param| param as _).collect();
            let found = self
                .context
                .flight(
                    &question.actor,
                    None,
                    &[Step {
                        sql: &sql.text,
                        params: &params,
                    }],
                )
                .await?;
            rows += found.first().map_or(0, Vec::len);
            if rows >= question.full {
                break;
            }
        }
        Ok(())
    }

    async fn ask_store(&self, ask: Ask, question: &Question, number: u64) -> anyhow::Result<()> {
        let store = self.store(&question.actor).await?;
        match (ask, &question.query) {
            (Ask::List(_) | Ask::Search(..), Some(query)) => drop(store.list(query).await?),
            (Ask::Count(_), Some(query)) => drop(store.count(query).await?),
            (Ask::Update, _) => drop(store.apply(&[writes::update(question, number)]).await?),
            (Ask::Create, _) => drop(
                store
                    .apply(&[writes::create(&store, question, number)?])
                    .await?,
            ),
            _ => drop(store.get("deal", question.deal.id, &[]).await?),
        }
        Ok(())
    }
}

/// A connection that policies don't bind.
#[expect(
    clippy::disallowed_methods,
    reason = "the baseline is exactly what has no tenant"
)]
pub(crate) async fn plain_connection(
    pool: &deadpool_postgres::Pool,
) -> anyhow::Result<deadpool_postgres::Object> {
    Ok(pool.get().await?)
}

impl Question {
    fn new(registry: &Registry, tenant: &Tenant, deal: Deal, ask: Ask) -> anyhow::Result<Self> {
        let one = deal.id;
        let (query, address) = match ask {
            Ask::Get | Ask::Update => (None, format!("/api/v1/records/deal/{one}")),
            Ask::Create => (None, "/api/v1/records/deal".to_owned()),
            Ask::List(make) | Ask::Search(make, _) => {
                let query = make(&deal);
                let address = format!("/api/v1/records/deal?{}", parameters(&query));
                (Some(query), address)
            }
            Ask::Count(make) => {
                let query = make(&deal);
                let address = format!("/api/v1/records/deal/count?{}", parameters(&query));
                (Some(query), address)
            }
        };
        let method = match ask {
            Ask::Update => "PATCH",
            Ask::Create => "POST",
            _ => "GET",
        };
        let request = format!(
            "{method} {address} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n",
            tenant.token
        );
        let (context, full) = statements(registry, ask, query.as_ref(), one)?;
        let plain = context
            .iter()
            .map(|sql| with_tenant(sql, tenant.actor.tenant.as_str()))
            .collect();
        let mut request = request.into_bytes();
        if method == "GET" {
            request.extend_from_slice(b"\r\n");
        }
        Ok(Self {
            actor: tenant.actor.clone(),
            deal,
            query,
            full,
            context,
            plain,
            request,
        })
    }
}

/// What the store would send.
fn statements(
    registry: &Registry,
    ask: Ask,
    query: Option<&Query>,
    id: fieldstone_model::RecordId,
) -> anyhow::Result<(Vec<Sql>, usize)> {
    match (ask, query) {
        (Ask::Get, _) => {
            let object = registry.object("deal").context("no deals")?;
            let columns: Vec<Path> = object
                .fields
                .iter()
                .map(|field| Path::from_text(&field.name))
                .collect();
            let mut query = Query::new("deal").limit(1);
            query.presence = fieldstone_model::query::Presence::All;
            query.filter = fieldstone_model::Filter::equal("id", fieldstone_model::Value::Id(id));
            Ok((compile(registry, &query, &columns, (1, Words::Tested))?, 1))
        }
        (Ask::List(_), Some(query)) => {
            let limit = query.limit + 1;
            let statements = compile(registry, query, &query.columns, (limit, Words::Tested))?;
            Ok((statements, usize::try_from(limit)?))
        }
        (Ask::Search(_, ways), Some(query)) => {
            let limit = query.limit + 1;
            let words = query
                .search
                .as_deref()
                .map(search_words)
                .unwrap_or_default()
                .len();
            let counts = compile_word_counts(Dialect::Postgres, registry, query, RARE)?;
            let mut statements = vec![counts];
            for way in ways {
                let way = match way {
                    Way::LastWord => Words::Gathered(vec![words.saturating_sub(1)]),
                    Way::Newest => Words::Window(WINDOW),
                    Way::AllWords => Words::Gathered((0..words).collect()),
                };
                statements.extend(compile(registry, query, &query.columns, (limit, way))?);
            }
            // The counts are a row too.
            Ok((statements, usize::try_from(limit)? + 1))
        }
        (Ask::Count(_), Some(query)) => Ok((
            vec![compile_count(
                Dialect::Postgres,
                registry,
                query,
                &Scope::Everything,
            )?],
            1,
        )),
        _ => Ok((Vec::new(), 0)),
    }
}

fn compile(
    registry: &Registry,
    query: &Query,
    columns: &[Path],
    (limit, words): (u32, Words),
) -> anyhow::Result<Vec<Sql>> {
    let select = Select::new(Dialect::Postgres, registry, query, columns).with_words(words);
    let statements = phases(registry, query)?
        .iter()
        .map(|phase| select.compile(phase, limit))
        .collect::<Result<_, _>>()?;
    Ok(statements)
}

/// The statement with the conditions that the policies would add.
fn with_tenant(sql: &Sql, tenant: &str) -> Sql {
    let mut params = sql.params.clone();
    params.push(Param::Text(tenant.to_owned()));
    let number = params.len();
    let mut text = sql.text.replace(
        "WHERE s.object",
        &format!("WHERE s.tenant_id = ${number} AND s.object"),
    );
    // The table that is read first; what is looked up after it takes the tenant from there.
    let first = if text.contains(") w CROSS JOIN") {
        None
    } else if text.contains("\"field_value\" k0 CROSS JOIN") {
        Some("k0")
    } else {
        Some("t")
    };
    if let Some(first) = first {
        for main in ["WHERE t.deleted_at", "WHERE TRUE"] {
            let condition = main.replacen(
                "WHERE ",
                &format!("WHERE {first}.tenant_id = ${number} AND "),
                1,
            );
            text = text.replacen(main, &condition, 1);
        }
    }
    Sql { text, params }
}

fn parameters(query: &Query) -> String {
    let mut parameters = Vec::new();
    if !query.columns.is_empty() {
        parameters.push(("limit", query.limit.to_string()));
    }
    let list = |paths: &[Path]| {
        paths
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")
    };
    if !query.columns.is_empty() {
        parameters.push(("columns", list(&query.columns)));
    }
    let order: Vec<String> = query
        .order
        .iter()
        .map(|order| format!("{}{}", if order.descending { "-" } else { "" }, order.path))
        .collect();
    if !order.is_empty() {
        parameters.push(("order", order.join(",")));
    }
    if let Some(search) = &query.search {
        parameters.push(("search", search.clone()));
    }
    if let Some(cursor) = &query.cursor {
        parameters.push(("cursor", encode_cursor(cursor)));
    }
    if let Some(filter) = filter_text(&query.filter) {
        parameters.push(("filter", filter));
    }
    let pairs: Vec<String> = parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", percent(value)))
        .collect();
    pairs.join("&")
}

/// The filters of the cases as texts.
fn filter_text(filter: &fieldstone_model::Filter) -> Option<String> {
    use fieldstone_model::{Filter, Value};
    match filter {
        Filter::And(parts) => Some(
            parts
                .iter()
                .filter_map(filter_text)
                .collect::<Vec<_>>()
                .join(" and "),
        ),
        Filter::Compare {
            path,
            comparison,
            value,
        } => {
            let value = match value {
                Value::Int(cents) => (cents / 100).to_string(),
                Value::Text(text) => format!("\"{text}\""),
                _ => return None,
            };
            Some(format!("{path} {} {value}", comparison.operator()))
        }
        _ => None,
    }
}

fn percent(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b',' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// A compiled parameter, sent as what the statement declares.
#[derive(Debug)]
struct Bound<'a>(&'a Param);

impl ToSql for Bound<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.0 {
            Param::Int(number) => number.to_sql(kind, out),
            Param::Text(text) => text.to_sql(kind, out),
            Param::Ints(numbers) => numbers.to_sql(kind, out),
            Param::Texts(texts) => texts.to_sql(kind, out),
        }
    }

    fn accepts(kind: &Type) -> bool {
        matches!(
            *kind,
            Type::INT8 | Type::TEXT | Type::INT8_ARRAY | Type::TEXT_ARRAY
        )
    }

    to_sql_checked!();
}
