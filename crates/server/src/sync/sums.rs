//! What a scope adds up to: how many rows there are to come, and the figures that prove a device up to date.

use std::collections::BTreeMap;

use fieldstone_protocol::{
    conflict,
    digest::{Digest, Sum},
    tag::Tag,
};
use fieldstone_store::StoreError;

use super::{
    SyncError,
    keys::number,
    reading::{Reading, Statement, column},
};

impl Reading<'_> {
    /// How many rows the whole scope has, by object.
    pub(super) async fn totals(&mut self) -> Result<BTreeMap<String, u64>, SyncError> {
        let mut names: Vec<String> = self
            .scope
            .objects()
            .into_iter()
            .map(|object| object.name.to_string())
            .collect();
        names.push(conflict::OBJECT.to_owned());
        let (mut counted, mut statements) = (Vec::new(), Vec::new());
        for name in names {
            if let Some((scope, _, params)) = self.in_scope(&name)? {
                let text = format!("SELECT count(DISTINCT s.id) FROM ({scope}) s");
                statements.push(Statement { text, params });
                counted.push(name);
            }
        }
        let results = self.run(&statements).await?;
        let mut totals = BTreeMap::new();
        for (name, rows) in counted.into_iter().zip(&results) {
            if let Some(row) = rows.first() {
                totals.insert(name, number(row, 0)?);
            }
        }
        totals.retain(|_, count| *count > 0);
        Ok(totals)
    }

    /// What the whole scope adds up to.
    pub(super) async fn digest(&mut self) -> Result<Digest, SyncError> {
        let mut names: Vec<String> = self
            .scope
            .objects()
            .into_iter()
            .map(|object| object.name.to_string())
            .collect();
        names.push(conflict::OBJECT.to_owned());
        let (mut counted, mut statements) = (Vec::new(), Vec::new());
        for name in &names {
            let Some((scope, table, params)) = self.in_scope(name)? else {
                continue;
            };
            counted.push(name);
            // Of a conflict, what is kept from the reader depends on the record.
            let text = if name == conflict::OBJECT {
                format!(
                    "SELECT int8send(t.row_tag), t.object FROM {table} t WHERE t.id IN ({scope})"
                )
            } else {
                format!(
                    "SELECT string_agg(int8send(t.row_tag), ''::bytea) FROM {table} t WHERE t.id IN ({scope})"
                )
            };
            statements.push(Statement { text, params });
        }
        let results = self.run(&statements).await?;
        let mut digest = Digest::default();
        for (name, rows) in counted.into_iter().zip(&results) {
            let mut sum = Sum::default();
            for row in rows {
                let of = match row.len() {
                    1 => self.withheld(name),
                    _ => self.withheld(column(row, 1)?),
                };
                let tags: Option<&[u8]> = column(row, 0)?;
                for bytes in tags.unwrap_or_default().chunks_exact(8) {
                    let bytes: [u8; 8] = bytes.try_into().map_err(StoreError::internal)?;
                    sum.count += 1;
                    sum.tags = Tag(sum.tags.0 ^ Tag::new(i64::from_be_bytes(bytes), of).0);
                }
            }
            digest.add_sum(name, sum);
        }
        Ok(digest)
    }
}
