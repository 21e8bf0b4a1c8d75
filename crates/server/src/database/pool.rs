//! Pooled connections of the serving roles, and transactions that travel in one flight.
//!
//! Nothing runs outside a signed context here: `BEGIN`, `app.enter()`, the statements and `COMMIT` are sent together, and a connection
//! goes back to the pool only after `app.leave()`, freshly parsed, found nothing left behind. That travels in the same flight, but nobody
//! waits for its answer: the caller goes on with the commit's.

use std::{
    collections::HashMap,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use deadpool::managed::{self, Metrics, RecycleResult};
use fieldstone_model::Clock;
use futures_util::future::{join_all, maybe_done};
use jiff::Timestamp;
use tokio_postgres::{Client, Config, Row, Statement, types::ToSql};

use super::{Actor, Backend, DatabaseError, connect, serving, tls};
use crate::telemetry;

/// Prepared statements kept for a connection; beyond it they are all dropped and made again.
///
/// `app.leave()` looks at each of them, about a microsecond each, so more would cost every request.
const STATEMENTS_MAX: usize = 48;

/// How often, and for how long each time, a statement is asked to stop; it has a time limit of its own as well.
const CANCEL_ATTEMPTS: u32 = 5;
const CANCEL_PATIENCE: Duration = Duration::from_secs(1);

const BEGIN: &str = "BEGIN";
/// Everything is read as it was at one moment.
const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ";
const COMMIT: &str = "COMMIT";
const ENTER: &str = "SELECT app.enter($1, $2, $3, $4)";
const LEAVE: &str = "CALL app.leave()";

/// One connection with what it knows of its backend.
#[derive(Debug)]
pub struct Connection {
    client: Arc<Client>,
    config: Arc<Config>,
    backend: Backend,
    statements: HashMap<Box<str>, Prepared>,
    /// Counts uses of statements, to tell old ones from new ones.
    uses: u64,
}

/// A statement that the backend knows.
#[derive(Debug)]
struct Prepared {
    statement: Statement,
    last_use: u64,
}

/// Makes connections for the pool.
#[derive(Debug)]
pub struct Manager {
    config: Arc<Config>,
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = DatabaseError;

    async fn create(&self) -> Result<Connection, DatabaseError> {
        let client = connect(&self.config).await?;
        let backend = Backend::of(&client).await?;
        Ok(Connection {
            client: Arc::new(client),
            config: Arc::clone(&self.config),
            backend,
            statements: HashMap::new(),
            uses: 0,
        })
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        _: &Metrics,
    ) -> RecycleResult<DatabaseError> {
        if connection.client.is_closed() {
            Err(managed::RecycleError::message("the connection is closed"))
        } else {
            Ok(())
        }
    }
}

/// Signs contexts with whatever key is current.
pub type Sign = Arc<dyn Fn(&Actor, &Backend, Timestamp) -> String + Send + Sync>;

/// Connections of one serving role.
#[derive(Clone)]
pub struct Pool {
    connections: managed::Pool<Manager>,
    sign: Sign,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("status", &self.connections.status())
            .finish_non_exhaustive()
    }
}

/// Why a flight failed.
#[derive(Debug, thiserror::Error)]
pub enum FlightError {
    /// No connection could be had in time.
    #[error("no database connection is free")]
    Busy,
    /// The database could not be reached.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// A statement was refused.
    #[error(transparent)]
    Statement(#[from] tokio_postgres::Error),
}

/// One statement of a flight.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// Its text; placeholders from `$1`.
    pub sql: &'a str,
    /// Its values.
    pub params: &'a [&'a (dyn ToSql + Sync)],
}

impl Pool {
    /// Up to `size` connections made with `config` as they are needed.
    pub fn new(
        config: Config,
        size: usize,
        sign: Sign,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, DatabaseError> {
        let connections = managed::Pool::builder(Manager {
            config: Arc::new(serving(config)),
        })
        .max_size(size)
        .runtime(deadpool::Runtime::Tokio1)
        .wait_timeout(Some(Duration::from_secs(5)))
        .create_timeout(Some(Duration::from_secs(10)))
        .build()
        .map_err(|_| DatabaseError::ContextKey("the pool needs a runtime"))?;
        Ok(Self {
            connections,
            sign,
            clock,
        })
    }

    /// Has its connections counted, under this name.
    #[must_use]
    pub fn watched(self, name: &'static str) -> Self {
        telemetry::watch(name, &self.connections);
        self
    }

    /// Runs `steps` as one transaction of `actor`, in one flight: one round trip whatever their number.
    ///
    /// `schema` is the schema version the caller knows; `None` when it is about to read it.
    pub async fn flight(
        &self,
        actor: &Actor,
        schema: Option<i64>,
        steps: &[Step<'_>],
    ) -> Result<Vec<Vec<Row>>, FlightError> {
        let mut transaction = self.transaction(actor, schema).await?;
        transaction.run(steps, true).await
    }

    /// Takes a connection for a transaction of `actor` with several flights.
    pub async fn transaction(
        &self,
        actor: &Actor,
        schema: Option<i64>,
    ) -> Result<Transaction, FlightError> {
        #[allow(
            clippy::disallowed_methods,
            reason = "this is the one place that takes a connection and sees to its context"
        )]
        let connection = self.connections.get().await.map_err(|error| match error {
            managed::PoolError::Backend(error) => FlightError::Database(error),
            _ => FlightError::Busy,
        })?;
        let context = (self.sign)(actor, &connection.backend, self.clock.now());
        let entry = Entry {
            context,
            credential: actor.credential.map(|id| id.to_string()),
            member_version: actor.member_version,
            schema,
        };
        Ok(Transaction {
            begin: BEGIN,
            connection: Some(connection),
            entry: Some(entry),
            untouched: true,
            under_way: false,
        })
    }

    /// Takes a connection for a transaction of `actor` that reads everything as it was at one moment.
    pub async fn snapshot(
        &self,
        actor: &Actor,
        schema: Option<i64>,
    ) -> Result<Transaction, FlightError> {
        let mut transaction = self.transaction(actor, schema).await?;
        transaction.begin = BEGIN_SNAPSHOT;
        Ok(transaction)
    }

    /// How many connections there are, and how many of them are free.
    pub fn status(&self) -> managed::Status {
        self.connections.status()
    }
}

struct Entry {
    context: String,
    credential: Option<String>,
    member_version: i64,
    schema: Option<i64>,
}

/// A transaction under way. Dropped before its last flight, its connection is thrown away, and with it the transaction.
pub struct Transaction {
    begin: &'static str,
    connection: Option<managed::Object<Manager>>,
    entry: Option<Entry>,
    untouched: bool,
    /// Whether the backend is at work on a flight.
    under_way: bool,
}

impl Transaction {
    /// Sends `steps` in one flight, the first with `BEGIN` and the context, the `last` with `COMMIT` and the check of the connection.
    ///
    /// After an error the transaction is over.
    pub async fn run(
        &mut self,
        steps: &[Step<'_>],
        last: bool,
    ) -> Result<Vec<Vec<Row>>, FlightError> {
        let Some(connection) = self.connection.as_mut() else {
            return Err(FlightError::Busy);
        };
        self.untouched = false;
        let entry = self.entry.take();
        let begin = connection.statement(self.begin).await?;
        let enter = connection.statement(ENTER).await?;
        let commit = connection.statement(COMMIT).await?;
        let mut statements = Vec::with_capacity(steps.len());
        for step in steps {
            statements.push(connection.statement(step.sql).await?);
        }
        let client = &connection.client;
        let entering = async {
            let Some(entry) = entry else { return Ok(()) };
            let enter_params: [&(dyn ToSql + Sync); 4] = [
                &entry.context,
                &entry.credential,
                &entry.member_version,
                &entry.schema,
            ];
            let (started, entered) = tokio::join!(biased; client.execute(&begin, &[]), client.execute(&enter, &enter_params));
            started.and(entered).map(drop)
        };
        let running = join_all(
            statements
                .iter()
                .zip(steps)
                .map(|(statement, step)| client.query(statement, step.params)),
        );
        let committing = async {
            if last {
                client.execute(&commit, &[]).await?;
            }
            Ok::<(), tokio_postgres::Error>(())
        };
        let mut verdict = last.then(|| Box::pin(maybe_done(leave(Arc::clone(client)))));
        self.under_way = true;
        let (entered, results, committed, ()) =
            tokio::join!(biased; entering, running, committing, sent(verdict.as_mut()));
        self.under_way = false;
        entered?;
        let rows = results.into_iter().collect::<Result<Vec<_>, _>>()?;
        committed?;
        if let Some(mut verdict) = verdict
            && let Some(connection) = self.connection.take()
        {
            tokio::spawn(async move {
                verdict.as_mut().await;
                if verdict.as_mut().take_output() != Some(true) {
                    drop(managed::Object::take(connection));
                }
            });
        }
        Ok(rows)
    }
}

/// Whether the transaction before left nothing behind. A check that fails is a dirty connection.
async fn leave(client: Arc<Client>) -> bool {
    client.query_typed(LEAVE, &[]).await.is_ok()
}

/// Starts a request, so that it leaves with those before it, and doesn't wait for its answer.
async fn sent<F: Future>(mut request: Option<&mut Pin<Box<F>>>) {
    poll_fn(|context| {
        if let Some(request) = request.take() {
            // Whatever it says, whoever waits for it asks again.
            let _ = request.as_mut().poll(context);
        }
        Poll::Ready(())
    })
    .await;
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        if self.untouched {
            return;
        }
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) if self.under_way => drop(runtime.spawn(stop(connection))),
            // Closing the connection rolls back whatever is open on it.
            _ => drop(managed::Object::take(connection)),
        }
    }
}

/// Ends a connection whose flight nobody waits for any more.
///
/// Closing it would not stop the backend, and clients that come and go could have more backends at work than the pool has places. So the
/// statement is cancelled, and the place stays taken until the backend has noticed.
async fn stop(connection: managed::Object<Manager>) {
    for _ in 0..CANCEL_ATTEMPTS {
        let cancelled = async {
            tls::cancel(&connection.config, &connection.client.cancel_token()).await?;
            // Answered once everything before it is. A cancellation that arrives between two statements stops neither.
            connection.client.batch_execute("").await?;
            Ok::<(), DatabaseError>(())
        };
        if tokio::time::timeout(CANCEL_PATIENCE, cancelled)
            .await
            .is_ok()
        {
            break;
        }
    }
    drop(managed::Object::take(connection));
}

impl Connection {
    async fn statement(&mut self, sql: &str) -> Result<Statement, tokio_postgres::Error> {
        self.uses += 1;
        if let Some(known) = self.statements.get_mut(sql) {
            known.last_use = self.uses;
            return Ok(known.statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        if self.statements.len() >= STATEMENTS_MAX {
            self.forget_oldest();
        }
        let known = Prepared {
            statement: statement.clone(),
            last_use: self.uses,
        };
        self.statements.insert(sql.into(), known);
        Ok(statement)
    }

    fn forget_oldest(&mut self) {
        let oldest = self
            .statements
            .iter()
            .min_by_key(|(_, known)| known.last_use)
            .map(|(sql, _)| sql.clone());
        if let Some(sql) = oldest {
            self.statements.remove(&sql);
        }
    }
}
