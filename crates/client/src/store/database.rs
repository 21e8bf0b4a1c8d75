//! The database as threads: one that writes, a few that read. SQLite allows one writer; a queue makes that a fact and not an error.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::{
    connection::{self, Use},
    error::DatabaseError,
    schema,
    seal::Kept,
};
use crate::keys::LoginKey;

/// How many threads read.
const READERS: usize = 2;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The open database. When the last handle goes, its threads end and its connections close.
#[derive(Debug)]
pub struct Database {
    path: PathBuf,
    writer: Option<mpsc::Sender<Job>>,
    readers: Option<mpsc::Sender<Job>>,
    /// The writer, then the readers.
    threads: Vec<thread::JoinHandle<()>>,
}

impl Database {
    /// Opens the database at `path`, making it if it isn't there, and brings its tables to this version.
    ///
    /// With `check`, every page is read and verified first: after a process that didn't end by itself.
    pub fn open(path: &Path, key: &LoginKey, check: bool) -> Result<Self, DatabaseError> {
        let mut writing = connection::open(path, key, Use::Write)?;
        if check {
            connection::check(&writing)?;
        }
        schema::upgrade(&mut writing)?;
        schema::note_mutations(&writing)?;
        let mut threads = Vec::with_capacity(READERS + 1);
        let (writer, queue) = mpsc::channel::<Job>();
        threads.push(spawn("store-write", writing, move || queue.recv().ok())?);
        let (readers, queue) = mpsc::channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..READERS {
            let reading = connection::open(path, key, Use::Read)?;
            let queue = queue.clone();
            let next = move || {
                let queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
                queue.recv().ok()
            };
            threads.push(spawn("store-read", reading, next)?);
        }
        Ok(Self {
            path: path.to_owned(),
            writer: Some(writer),
            readers: Some(readers),
            threads,
        })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs `job` on a reading connection, in one read transaction: everything it reads is of one moment.
    pub async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        run(self.readers.as_ref(), move |connection| {
            let transaction = connection.transaction()?;
            job(&transaction)
        })?
        .await
        .unwrap_or(Err(DatabaseError::Closed))
    }

    /// Runs `job` in a write transaction, which is committed if it succeeds. What it makes of the outbox is sealed first.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        kept: Arc<Mutex<Kept>>,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        self.maintain(move |connection| write(connection, &kept, job))
            .await
    }

    /// Runs `job` on the writing connection outside a transaction.
    pub(crate) async fn maintain<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, DatabaseError> {
        run(self.writer.as_ref(), job)?
            .await
            .unwrap_or(Err(DatabaseError::Closed))
    }

    /// Ends all threads and waits until every connection is closed.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // The writer goes last: only a connection that may write takes the log back into the file when it is the last one.
        self.readers = None;
        let mut threads = self.threads.drain(..);
        let writer = threads.next();
        for thread in threads {
            // A thread that panicked has closed its connection as well.
            let _ = thread.join();
        }
        self.writer = None;
        if let Some(writer) = writer {
            let _ = writer.join();
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs `job` in a write transaction, seals what it makes of the outbox, and commits.
pub(super) fn write<T>(
    connection: &mut Connection,
    kept: &Mutex<Kept>,
    job: impl FnOnce(&Transaction<'_>) -> Result<T, DatabaseError>,
) -> Result<T, DatabaseError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let answer = job(&transaction)?;
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.seal(&transaction)?;
    transaction.commit()?;
    kept.committed();
    Ok(answer)
}

fn run<T: Send + 'static>(
    queue: Option<&mpsc::Sender<Job>>,
    job: impl FnOnce(&mut Connection) -> Result<T, DatabaseError> + Send + 'static,
) -> Result<oneshot::Receiver<Result<T, DatabaseError>>, DatabaseError> {
    let (answer, receiver) = oneshot::channel();
    let job: Job = Box::new(move |connection| {
        // Whoever asked may have gone away; the work is done all the same.
        let _ = answer.send(job(connection));
    });
    queue
        .ok_or(DatabaseError::Closed)?
        .send(job)
        .map_err(|_| DatabaseError::Closed)?;
    Ok(receiver)
}

fn spawn(
    name: &str,
    mut connection: Connection,
    next: impl Fn() -> Option<Job> + Send + 'static,
) -> Result<thread::JoinHandle<()>, DatabaseError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            while let Some(job) = next() {
                job(&mut connection);
            }
        })
        .map_err(|_| DatabaseError::Closed)
}
