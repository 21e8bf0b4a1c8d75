//! What a scope adds up to: the figures that prove a device up to date.

use fieldstone_protocol::{
    conflict,
    digest::{Digest, Sum},
    tag::Tag,
};
use fieldstone_store::StoreError;

use super::{
    SyncError,
    reading::{Reading, Statement, column},
    recall::{CursorKey, Recall},
};

impl Reading<'_> {
    /// Names what the scope adds up to for whoever has this cursor.
    pub(super) fn cursor_key(&self, cursor: &str) -> CursorKey {
        CursorKey {
            tenant: self.tenant,
            epoch: self.epoch.clone(),
            cursor: cursor.to_owned(),
        }
    }

    /// What the whole scope adds up to for a device of whose scope nothing has changed since `cursor`.
    pub(super) async fn digest_at(
        &mut self,
        recall: &Recall,
        cursor: &str,
    ) -> Result<Digest, SyncError> {
        let key = self.cursor_key(cursor);
        if let Some(digest) = recall.digest(&key) {
            return Ok(digest);
        }
        let digest = self.digest().await?;
        recall.keep_digest(key, &digest);
        Ok(digest)
    }

    /// What the whole scope adds up to.
    pub(super) async fn digest(&mut self) -> Result<Digest, SyncError> {
        let names = self.object_names();
        let (mut counted, mut statements) = (Vec::new(), Vec::new());
        for name in &names {
            let Some((scope, params)) = self.in_scope(name)? else {
                continue;
            };
            counted.push(name);
            // Of a conflict, what is kept from the reader depends on the record.
            let text = if name == conflict::OBJECT {
                format!("SELECT int8send(s.row_tag), s.object FROM ({scope}) s")
            } else {
                // One value for each object: a row for each tag would take ten times the memory.
                format!("SELECT string_agg(int8send(s.row_tag), ''::bytea) FROM ({scope}) s")
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
