//! The outbox in the sealed journal: what a transaction makes of the outbox is in the journal before the transaction is committed.
//!
//! So an edit that was confirmed can be delivered even if the database is never opened again, or has lost its latest changes. Killed in
//! between, the journal has a change that nobody was told is saved. Which of the two it was, nobody can tell: the next start sets what it
//! finds apart, to be delivered.

use std::collections::BTreeSet;

use fieldstone_model::Registry;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{
    base,
    error::DatabaseError,
    meta::{self, Numbers},
    outbox::{self, State},
};
use crate::journal::Journal;

/// Where the journal's last number is in `meta`.
const SEQUENCE: &str = "journal.sequence";

/// The journal of the open login, if changes may be kept sealed.
#[derive(Default)]
pub(super) struct Kept {
    journal: Option<Journal>,
    /// Whether something was sealed by a transaction that may not have been committed.
    uncertain: bool,
}

impl Kept {
    pub(super) fn new(journal: Option<Journal>) -> Self {
        Self {
            journal,
            uncertain: true,
        }
    }

    pub(super) fn take(&mut self) -> Option<Journal> {
        self.journal.take()
    }

    pub(super) fn is_kept(&self) -> bool {
        self.journal.is_some()
    }

    /// Brings the journal to what the transaction has made of the outbox. Its last step before the commit.
    pub(super) fn seal(&mut self, transaction: &Transaction<'_>) -> Result<(), DatabaseError> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        let touched = if self.uncertain {
            everything(transaction, journal)?
        } else {
            touched(transaction)?
        };
        if touched.is_empty() {
            return Ok(());
        }
        let (mut fresh, mut gone) = (Vec::new(), Vec::new());
        for uuid in touched {
            let pending = outbox::one(transaction, &uuid)?;
            match pending.filter(|pending| !matches!(pending.state, State::Acknowledged { .. })) {
                Some(pending) => fresh.push(pending.mutation),
                None => gone.push(uuid),
            }
        }
        let known: BTreeSet<&str> = journal.mutations().collect();
        gone.retain(|uuid| known.contains(uuid.as_str()));
        self.uncertain = true;
        let numbers = journal.write(&fresh, &gone)?;
        for (mutation, number) in fresh.iter().zip(numbers) {
            transaction
                .prepare_cached("UPDATE mutation SET sealed = ?2 WHERE uuid = ?1")?
                .execute(params![
                    mutation.uuid,
                    i64::try_from(number).unwrap_or(i64::MAX)
                ])?;
        }
        if !fresh.is_empty() {
            set_sequence(transaction, journal.sequence())?;
        }
        transaction.execute_batch("DELETE FROM touched_mutation")?;
        Ok(())
    }

    /// To be called when the transaction was committed.
    pub(super) fn committed(&mut self) {
        self.uncertain = false;
    }
}

/// The mutations that the transaction has made, changed or removed.
fn touched(connection: &Connection) -> Result<Vec<String>, DatabaseError> {
    let mut statement = connection.prepare_cached("SELECT uuid FROM touched_mutation")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Every mutation whose entry isn't the one that the database knows of, and every entry without a mutation.
pub(super) fn everything(
    connection: &Connection,
    journal: &Journal,
) -> Result<Vec<String>, DatabaseError> {
    let mut statement =
        connection.prepare_cached("SELECT uuid, sealed FROM mutation WHERE state <> 3")?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?))
    })?;
    let mut waiting = BTreeSet::new();
    let mut found: BTreeSet<String> = touched(connection)?.into_iter().collect();
    for row in rows {
        let (uuid, sealed) = row?;
        if !journal.has(&uuid, sealed.map(i64::unsigned_abs)) {
            found.insert(uuid.clone());
        }
        waiting.insert(uuid);
    }
    let left = journal
        .mutations()
        .filter(|uuid| !waiting.contains(*uuid))
        .map(str::to_owned);
    found.extend(left);
    Ok(found.into_iter().collect())
}

/// What the journal has and the database has lost.
#[derive(Default)]
pub(super) struct Lost {
    /// The mutations.
    pub(super) mutations: Vec<String>,
    /// Those among them of which the database has an earlier form: a later change had joined them.
    pub(super) outdated: Vec<String>,
}

/// Finds what is in the journal and was never in this database, or isn't any more.
pub(super) fn lost(connection: &Connection, journal: &Journal) -> Result<Lost, DatabaseError> {
    let mut statement = connection.prepare_cached("SELECT state FROM mutation WHERE uuid = ?1")?;
    let mut lost = Lost::default();
    for uuid in journal.later_than(sequence(connection)?) {
        let state: Option<i64> = statement.query_row([&uuid], |row| row.get(0)).optional()?;
        match state {
            None => {}
            // Nothing joins what may be on its way.
            Some(state) if state != outbox::NEW => continue,
            Some(_) => lost.outdated.push(uuid.clone()),
        }
        lost.mutations.push(uuid);
    }
    Ok(lost)
}

/// Removes mutations of which the journal has a later form.
pub(super) fn forget(
    transaction: &Transaction<'_>,
    registry: &Registry,
    outdated: &[String],
) -> Result<(), DatabaseError> {
    let mut numbers = Numbers::begin(transaction)?;
    for uuid in outdated {
        if let Some(pending) = outbox::one(transaction, uuid)? {
            outbox::remove(transaction, uuid)?;
            base::rebuild(transaction, registry, &mut numbers, pending.mutation.record)?;
        }
    }
    numbers.finish(transaction)
}

/// The last number that the journal has given out, as far as the database knows.
pub(super) fn sequence(connection: &Connection) -> Result<u64, DatabaseError> {
    let number: Option<i64> = meta::get(connection, SEQUENCE)?;
    Ok(number.unwrap_or(0).unsigned_abs())
}

fn set_sequence(connection: &Connection, number: u64) -> Result<(), DatabaseError> {
    meta::set(
        connection,
        SEQUENCE,
        i64::try_from(number).unwrap_or(i64::MAX),
    )
}
