//! Every column in which something sealed lies.

use fieldstone_vault::{Place, Purpose};

use super::{Change, KeyError, Sealed};
use crate::identity::totp;
use crate::sync::{device, keys, sealed};
use crate::webhooks;

/// Values sealed anew before others may have their turn.
const AT_ONCE: i64 = 200;

/// One column.
pub(super) struct Column {
    /// The table and the column.
    pub(super) name: (&'static str, &'static str),
    purpose: Purpose,
    /// What of workspace `$1` isn't sealed under the version `$2` (two bytes), at most `$3`: two parts of a name and the value.
    select: &'static str,
    /// Puts `$4` in the place of `$5` for the name `$2`, `$3` of workspace `$1`.
    update: &'static str,
    place: for<'a> fn(&'a str, &'a str, i64) -> Place<'a>,
}

pub(super) const ALL: [&Column; 5] = [
    &Column {
        name: ("totp", "seed"),
        purpose: totp::SEEDS,
        select: "SELECT user_id, 0::bigint, seed FROM app.totp WHERE tenant_id = $1 AND substr(seed, 2, 2) <> $2 LIMIT $3",
        update: "UPDATE app.totp SET seed = $4 WHERE tenant_id = $1 AND user_id = $2 AND 0 = $3::bigint AND seed = $5",
        place: |tenant, user, _| totp::seed_place(tenant, user),
    },
    &Column {
        name: ("workspace_key", "private_key"),
        purpose: keys::PRIVATE,
        select: "SELECT purpose, kid::bigint, private_key FROM app.workspace_key WHERE tenant_id = $1 AND substr(private_key, 2, 2) <> $2 LIMIT $3",
        update: "UPDATE app.workspace_key SET private_key = $4 WHERE tenant_id = $1 AND purpose = $2 AND kid = $3::bigint AND private_key = $5",
        place: keys::private_place,
    },
    &Column {
        name: ("sync_sealed", "content"),
        purpose: sealed::WAITING,
        select: "SELECT device_id, sequence, content FROM app.sync_sealed WHERE tenant_id = $1 AND substr(content, 2, 2) <> $2 LIMIT $3",
        update: "UPDATE app.sync_sealed SET content = $4 WHERE tenant_id = $1 AND device_id = $2 AND sequence = $3 AND content = $5",
        place: |tenant, id, sequence| sealed::waiting_place(tenant, id, sequence.unsigned_abs()),
    },
    &Column {
        name: ("sync_standing", "wipe_receipt"),
        purpose: device::RECEIPTS,
        select: "SELECT id, 0::bigint, wipe_receipt FROM app.sync_standing WHERE tenant_id = $1 AND substr(wipe_receipt, 2, 2) <> $2 LIMIT $3",
        update: "UPDATE app.sync_standing SET wipe_receipt = $4 WHERE tenant_id = $1 AND id = $2 AND 0 = $3::bigint AND wipe_receipt = $5",
        place: |tenant, id, _| device::receipt_place(tenant, id),
    },
    &Column {
        name: ("webhook", "sealed"),
        purpose: webhooks::SECRETS,
        select: "SELECT id, secret_no, sealed FROM app.webhook WHERE tenant_id = $1 AND substr(sealed, 2, 2) <> $2 LIMIT $3",
        update: "UPDATE app.webhook SET sealed = $4 WHERE tenant_id = $1 AND id = $2 AND secret_no = $3 AND sealed = $5",
        place: webhooks::secret_place,
    },
];

impl Change<'_> {
    /// Seals the values of one column anew. A value that somebody changes meanwhile is left to them: they seal with the keys of today.
    pub(super) async fn seal_values(
        &self,
        column: &Column,
        sealed: &mut Sealed,
        progress: &mut (dyn FnMut(Sealed) + Send),
    ) -> Result<(), KeyError> {
        let tenant = self.tenant.as_str();
        let version = self.vault.state(tenant)?.current.to_be_bytes();
        let select = self.owner.prepare(column.select).await?;
        let update = self.owner.prepare(column.update).await?;
        loop {
            let rows = self
                .owner
                .query(&select, &[&tenant, &version.as_slice(), &AT_ONCE])
                .await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in rows {
                let (record, number): (&str, i64) = (row.try_get(0)?, row.try_get(1)?);
                let old: &[u8] = row.try_get(2)?;
                let place = (column.place)(tenant, record, number);
                let Some(anew) = self.vault.seal_anew(column.purpose, &place, old)? else {
                    continue;
                };
                self.owner
                    .execute(&update, &[&tenant, &record, &number, &anew, &old])
                    .await?;
                sealed.values += 1;
            }
            progress(*sealed);
        }
    }
}

#[cfg(test)]
pub(super) fn names() -> Vec<(&'static str, &'static str)> {
    ALL.iter().map(|column| column.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns of bytes that hold no sealed value: hashes, public keys, signatures, keys of the database itself, pieces of uploads.
    const OTHERS: [&str; 13] = [
        "blind_key",
        "body",
        "data",
        "half",
        "hash",
        "inner_pad",
        "outer_pad",
        "pad_in",
        "pad_out",
        "public_key",
        "salt",
        "wipe_signature",
        "signature",
    ];

    /// What is asked before keys are made has to know every place, too.
    #[test]
    fn keys_are_not_made_beside_any_of_them() {
        let migration = newest_with("FUNCTION app.has_sealed(");
        for (table, column) in names() {
            let ask = format!(
                "FROM app.{table} s WHERE s.tenant_id = of_tenant AND s.{column} IS NOT NULL)"
            );
            assert!(migration.contains(&ask), "{table}.{column}");
        }
        // What lies in the object store.
        for objects in [
            "FROM app.content_part s WHERE s.tenant_id = of_tenant)",
            "FROM app.import_part s WHERE s.tenant_id = of_tenant AND s.object IS NOT NULL)",
        ] {
            assert!(migration.contains(objects), "{objects}");
        }
    }

    /// The migrations, the oldest first.
    fn migrations() -> Vec<String> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|kind| kind == "sql"))
            .collect();
        files.sort();
        let read = |path| std::fs::read_to_string(path).unwrap();
        files.into_iter().map(read).collect()
    }

    fn newest_with(text: &str) -> String {
        let newest = migrations().into_iter().rfind(|sql| sql.contains(text));
        newest.expect(text)
    }

    /// A migration that adds a sealed column has to add it here.
    #[test]
    fn every_column_of_bytes_is_listed_or_known_to_hold_nothing_sealed() {
        let mut found = Vec::new();
        for text in migrations() {
            for line in text.lines() {
                let mut words = line
                    .split_whitespace()
                    .skip_while(|word| ["ADD", "COLUMN"].contains(word));
                let (Some(name), Some(kind)) = (words.next(), words.next()) else {
                    continue;
                };
                if kind.trim_end_matches(',') == "bytea"
                    && name
                        .chars()
                        .all(|letter| letter.is_ascii_lowercase() || letter == '_')
                {
                    found.push(name.to_owned());
                }
            }
        }
        assert!(found.len() > 8, "{found:?}");
        let listed: Vec<&str> = names().iter().map(|(_, column)| *column).collect();
        for name in found {
            let harmless = OTHERS.contains(&name.as_str()) || name.ends_with("_hash");
            assert!(
                listed.contains(&name.as_str()) || harmless,
                "is {name} sealed?"
            );
        }
    }
}
