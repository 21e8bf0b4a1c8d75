//! The outbox in the sealed journal: what a transaction makes of the outbox is in the journal before the transaction is committed.
//!
//! So an edit that was confirmed can be delivered even if the database is never opened again, or has lost its latest changes. Killed in
//! between, the journal has a change that nobody was told is saved. Which of the two it was, nobody can tell: the next start sets what it
//! finds apart, to be delivered.

use std::collections::BTreeSet;

use rusqlite::{Connection, Transaction, params};

use super::{
    error::DatabaseError,
    meta,
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
fn everything(connection: &Connection, journal: &Journal) -> Result<Vec<String>, DatabaseError> {
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

/// Sets apart what is in the journal and was never in this database, or isn't any more.
pub(super) fn set_lost_apart(
    connection: &Connection,
    journal: &mut Journal,
) -> Result<(), DatabaseError> {
    let mut lost = journal.later_than(sequence(connection)?);
    let mut statement = connection.prepare_cached("SELECT 1 FROM mutation WHERE uuid = ?1")?;
    let mut known = Ok(());
    lost.retain(|uuid| match statement.exists([uuid]) {
        Ok(found) => !found,
        Err(error) => {
            known = Err(error);
            true
        }
    });
    known?;
    Ok(journal.set_apart(&lost)?)
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
