//! The words that a write lets records be found by: each record's tokens after the whole batch, written once.

use std::{borrow::Cow, collections::BTreeMap};

use fieldstone_model::{Object, RecordId};
use fieldstone_store::{Action, write::Write};

use super::statements::Params;

/// The search tokens of records after the whole batch.
#[derive(Default)]
pub(super) struct Tokens {
    of_records: BTreeMap<RecordId, NewTokens>,
}

struct NewTokens {
    object: String,
    tokens: Vec<String>,
    /// Whether the record may have tokens from before.
    replaced: bool,
}

impl Tokens {
    pub(super) fn add(&mut self, object: &Object, write: &Write) {
        let Some(tokens) = &write.tokens else { return };
        let before = self.of_records.get(&write.id);
        let replaced = before.map_or(write.action != Action::Created, |before| before.replaced);
        let new = NewTokens {
            object: object.name.to_string(),
            tokens: tokens.clone(),
            replaced,
        };
        self.of_records.insert(write.id, new);
    }

    pub(super) fn statements(self) -> impl Iterator<Item = (Cow<'static, str>, Params)> {
        let (mut replaced, mut record_ids, mut tokens, mut objects) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (id, new) in self.of_records {
            if new.replaced {
                replaced.push(id.to_string());
            }
            for token in new.tokens {
                record_ids.push(id.to_string());
                tokens.push(token);
                objects.push(new.object.clone());
            }
        }
        let remove = (!replaced.is_empty()).then(|| {
            let params: Params = vec![Box::new(replaced)];
            (
                Cow::Borrowed(
                    "DELETE FROM app.search_token s USING unnest($1::text[]) AS v (record_id) WHERE s.record_id = v.record_id",
                ),
                params,
            )
        });
        let add = (!record_ids.is_empty()).then(|| {
            let sql = "INSERT INTO app.search_token (tenant_id, record_id, token, object) \
                SELECT (SELECT app.tenant_id()), v.record_id, v.token, v.object \
                FROM unnest($1::text[], $2::text[], $3::text[]) AS v (record_id, token, object)";
            let params: Params = vec![Box::new(record_ids), Box::new(tokens), Box::new(objects)];
            (Cow::Borrowed(sql), params)
        });
        remove.into_iter().chain(add)
    }
}
