//! What the engine asks of storage, on the writing connection. The contract is in `engine::local`; every call is one transaction.

use std::{collections::HashSet, sync::Mutex};

use fieldstone_model::{IdSource, Object, RecordId, Registry};
use fieldstone_protocol::{
    digest::{Digest, Sum},
    pull::{Inventory, Row},
    push::{Mutation, MutationResult},
    tag::{BlindKey, Tag},
};
use jiff::Timestamp;
use rusqlite::{Connection, Transaction};

use super::{
    base, database,
    error::DatabaseError,
    meta::{self, Numbers},
    outbox,
    row::table_of,
    seal::Kept,
    stage,
};
use crate::engine::local::{
    Acknowledged, Loaded, Local, LocalError, Publication, Published, StagedPage, Staging,
};

/// Where the engine's values are in `meta`.
const PUBLISHED: &str = "engine.published";
const RESUME: &str = "engine.resume";
const ACKNOWLEDGED: &str = "engine.acknowledged";

/// Storage for the engine, for as long as one call takes.
pub(super) struct SqlLocal<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) registry: Registry,
    pub(super) blind: BlindKey,
    pub(super) ids: &'a IdSource,
    pub(super) now: Timestamp,
    pub(super) kept: &'a Mutex<Kept>,
}

impl SqlLocal<'_> {
    fn transaction<T>(
        &mut self,
        job: impl FnOnce(&Transaction<'_>, &Registry, &BlindKey) -> Result<T, DatabaseError>,
    ) -> Result<T, LocalError> {
        let (registry, blind) = (&self.registry, &self.blind);
        let answer = database::write(self.connection, self.kept, |transaction| {
            job(transaction, registry, blind)
        })?;
        Ok(answer)
    }
}

impl From<DatabaseError> for LocalError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::DiskFull => Self::Full,
            DatabaseError::Damaged | DatabaseError::Unreadable | DatabaseError::Content(_) => {
                Self::Damaged(error.to_string())
            }
            error => Self::Failed(error.to_string()),
        }
    }
}

impl Local for SqlLocal<'_> {
    fn load(&mut self) -> Result<Loaded, LocalError> {
        self.transaction(|transaction, _, _| {
            Ok(Loaded {
                // The home knows of erasing, and finishes it before a database is opened.
                erasing: false,
                published: document(transaction, PUBLISHED)?,
                resume: document(transaction, RESUME)?,
                acknowledged: acknowledged(transaction)?,
            })
        })
    }

    fn stage(&mut self, page: &StagedPage) -> Result<(), LocalError> {
        self.transaction(|transaction, registry, blind| {
            if page.first {
                stage::clear(transaction, registry)?;
                if page.staging == Staging::Generation {
                    stage::begin_generation(transaction, registry)?;
                }
            }
            if page.staging == Staging::Generation {
                stage::generation_page(transaction, registry, blind, page)?;
            } else {
                stage::change_page(transaction, registry, blind, page)?;
            }
            set_document(transaction, RESUME, &page.resume)
        })
    }

    fn inventory(
        &mut self,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Inventory, LocalError> {
        self.transaction(|transaction, registry, _| {
            let mut entries = base_entries(transaction, registry, after, limit + 1)?;
            let more = entries.len() > limit;
            entries.truncate(limit);
            let until = entries.last().map(|(id, _)| *id).filter(|_| more);
            Ok(Inventory {
                after,
                until,
                entries,
            })
        })
    }

    fn publish(&mut self, publication: &Publication) -> Result<Digest, LocalError> {
        self.transaction(|transaction, registry, _| {
            let mut numbers = Numbers::begin(transaction)?;
            let mut settled = outbox::clear_acknowledged(transaction, publication.settles)?;
            match publication.staged {
                Some(Staging::Generation) => {
                    stage::publish_generation(transaction, registry, &mut numbers)?;
                }
                Some(Staging::Delta | Staging::Difference) => {
                    stage::publish_changes(transaction, registry, &mut numbers)?;
                }
                None => stage::clear(transaction, registry)?,
            }
            settled.sort_unstable();
            settled.dedup();
            for id in settled {
                base::rebuild(transaction, registry, &mut numbers, id)?;
            }
            let before: Option<Published> = document(transaction, PUBLISHED)?;
            if before.as_ref() != Some(&publication.published) {
                set_document(transaction, PUBLISHED, &publication.published)?;
            }
            meta::remove(transaction, RESUME)?;
            numbers.finish(transaction)?;
            digest(transaction, registry)
        })
    }

    fn take(&mut self, limit: usize) -> Result<Vec<Mutation>, LocalError> {
        self.transaction(|transaction, _, _| outbox::take(transaction, limit))
    }

    fn acknowledge(&mut self, results: &[MutationResult]) -> Result<Acknowledged, LocalError> {
        let (ids, now) = (self.ids, self.now);
        self.transaction(|transaction, registry, _| {
            let mut numbers = Numbers::begin(transaction)?;
            let counter = acknowledged(transaction)? + 1;
            let fresh = |like: RecordId| {
                let mut random = [0; 8];
                // Another id is all that is needed, not an unguessable one.
                let _ = aws_lc_rs::rand::fill(&mut random);
                let prefix = like.prefix().as_bytes().try_into().unwrap_or(*b"000");
                ids.next(prefix, now, u64::from_le_bytes(random))
            };
            let set_aside =
                outbox::settle(transaction, registry, &mut numbers, results, counter, fresh)?;
            meta::set(
                transaction,
                ACKNOWLEDGED,
                i64::try_from(counter).unwrap_or(i64::MAX),
            )?;
            numbers.finish(transaction)?;
            Ok(Acknowledged {
                counter,
                set_aside,
                more: outbox::has_more(transaction)?,
            })
        })
    }

    fn erase(&mut self) -> Result<(), LocalError> {
        // The file can't remove itself: the driver gives this call to the home.
        Err(LocalError::Failed(
            "the database is asked to erase the home it lies in".to_owned(),
        ))
    }
}

fn acknowledged(connection: &Connection) -> Result<u64, DatabaseError> {
    let counter: Option<i64> = meta::get(connection, ACKNOWLEDGED)?;
    Ok(counter.unwrap_or(0).unsigned_abs())
}

fn document<T: serde::de::DeserializeOwned>(
    connection: &Connection,
    name: &str,
) -> Result<Option<T>, DatabaseError> {
    let Some(text) = meta::get::<String>(connection, name)? else {
        return Ok(None);
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|_| DatabaseError::Content("how far it is in step"))
}

fn set_document(
    connection: &Connection,
    name: &str,
    value: &impl serde::Serialize,
) -> Result<(), DatabaseError> {
    let text = serde_json::to_string(value)
        .map_err(|_| DatabaseError::Content("how far it is in step"))?;
    meta::set(connection, name, text)
}

/// What the published rows are a copy of.
pub(super) fn published(connection: &Connection) -> Result<Option<Published>, DatabaseError> {
    document(connection, PUBLISHED)
}

pub(super) fn parse_id(text: &str) -> Result<RecordId, DatabaseError> {
    text.parse()
        .map_err(|_| DatabaseError::Content("a record's id"))
}

/// The tables with records, each once.
pub(super) fn tables(registry: &Registry) -> Vec<&str> {
    let mut tables: Vec<&str> = registry
        .objects()
        .filter(|object| !object.custom)
        .map(|object| table_of(object))
        .collect();
    tables.push(super::schema::CUSTOM_TABLE);
    tables
}

/// Ids and tags of the base behind `after`, in order.
fn base_entries(
    connection: &Connection,
    registry: &Registry,
    after: Option<RecordId>,
    limit: usize,
) -> Result<Vec<(RecordId, Tag)>, DatabaseError> {
    let mut parts: Vec<String> = tables(registry)
        .into_iter()
        .map(|table| {
            format!("SELECT id, row_tag FROM \"{table}\" WHERE id > ?1 AND row_tag IS NOT NULL")
        })
        .collect();
    parts.push("SELECT id, row_tag FROM other_row WHERE id > ?1".to_owned());
    let sql = format!("{} ORDER BY 1 LIMIT ?2", parts.join(" UNION ALL "));
    let mut statement = connection.prepare_cached(&sql)?;
    let after = after.map_or_else(String::new, |after| after.to_string());
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map(rusqlite::params![after, limit], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
    })?;
    rows.map(|row| {
        let (id, tag) = row?;
        Ok((parse_id(&id)?, Tag(tag.cast_unsigned())))
    })
    .collect()
}

/// The digest of the base, read from the rows that pages show.
pub(super) fn digest(
    connection: &Connection,
    registry: &Registry,
) -> Result<Digest, DatabaseError> {
    let mut digest = Digest::default();
    for object in registry.objects().filter(|object| !object.custom) {
        let sql = format!(
            "SELECT row_tag FROM \"{}\" WHERE row_tag IS NOT NULL",
            table_of(object)
        );
        let mut sum = Sum::default();
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            sum.count += 1;
            sum.tags.0 ^= row.get::<_, i64>(0)?.cast_unsigned();
        }
        digest.add_sum(&object.name, sum);
    }
    for sql in [
        "SELECT object, row_tag FROM custom_record WHERE row_tag IS NOT NULL",
        "SELECT object, row_tag FROM other_row",
    ] {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let tag = Tag(row.get::<_, i64>(1)?.cast_unsigned());
            let object = row.get_ref(0)?;
            digest.add(object.as_str().unwrap_or_default(), tag);
        }
    }
    Ok(digest)
}

/// The ids of the base and of the stage by their blinded names, for those that are asked about.
pub(super) fn unblind(
    connection: &Connection,
    registry: &Registry,
    blind: &BlindKey,
    names: &[fieldstone_protocol::tag::Blind],
    staged: &str,
) -> Result<Vec<RecordId>, DatabaseError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: HashSet<_> = names.iter().copied().collect();
    let mut found: HashSet<RecordId> = HashSet::new();
    let selects = tables(registry)
        .into_iter()
        .map(|table| format!("SELECT id FROM \"{table}\" WHERE row_tag IS NOT NULL"))
        .chain(["SELECT id FROM other_row".to_owned(), staged.to_owned()]);
    for sql in selects.filter(|sql| !sql.is_empty()) {
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let id = parse_id(row.get_ref(0)?.as_str().unwrap_or_default())?;
            if wanted.contains(&blind.blind(id)) {
                found.insert(id);
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// The object of a row by its name, if this version of the app knows it and the id fits.
pub(super) fn object_of<'a>(registry: &'a Registry, row: &Row) -> Option<&'a Object> {
    registry
        .object_of(row.id)
        .filter(|object| object.name == row.object)
        .map(AsRef::as_ref)
}
