//! A list as something else takes it away: its query, its columns, and its values as plain texts.

use std::sync::Arc;

use fieldstone_model::{Field, Object, Query, Record};
use fieldstone_store::{Store, StoreError};

use super::{columns, table, wanted::Wanted};
use crate::{
    layout,
    request::{AtObject, Pairs, Session},
    shown::{Names, names_in},
};

/// What a list's address shows.
#[derive(Debug)]
pub struct Listed {
    /// The object.
    pub object: Arc<Object>,
    /// Everything it shows, from the first record on; set a cursor to go on.
    pub query: Query,
    /// API names and labels of the columns, the record's id first.
    pub columns: Vec<(String, String)>,
}

/// Reads a list's address: the object by its plural, and what stands after the question mark. Nothing when a filter of it doesn't work.
pub fn listed<S: Store + Clone + Send + Sync + 'static>(
    session: &Session<S>,
    plural: &str,
    query: &str,
) -> Option<Listed> {
    let object = Arc::clone(
        session
            .registry()
            .by_plural(plural)
            .filter(|object| layout::has_pages(object))?,
    );
    let mut session = session.clone();
    session.parameters = Pairs::parse(query.trim_start_matches('?'))?.without("cursor");
    let at = AtObject::new(session, Arc::clone(&object));
    let wanted = Wanted::read(&at, false);
    if wanted.is_broken() {
        return None;
    }
    let names = std::iter::once(object.name_field.to_string()).chain(columns::wanted(&at));
    let fields: Vec<&Field> = names.filter_map(|name| object.field(&name)).collect();
    let mut columns = vec![("id".to_owned(), "ID".to_owned())];
    columns.extend(fields.iter().map(|field| {
        (
            field.name.to_string(),
            at.viewer.locale.field(&object, field),
        )
    }));
    let mut query = wanted.query;
    query.limit = fieldstone_model::query::LIMIT_MAX;
    query.columns.clear();
    let paths: Vec<String> = fields.iter().map(|field| field.name.to_string()).collect();
    query = query.columns(table::paths(&object, &paths));
    Some(Listed {
        object,
        query,
        columns,
    })
}

impl Listed {
    /// Rows of plain texts: what a person would type, with names instead of ids.
    pub async fn rows<S: Store>(
        &self,
        store: &S,
        records: &[Record],
    ) -> Result<Vec<Vec<String>>, StoreError> {
        let names = names_in(store, &records.iter().collect::<Vec<_>>()).await?;
        Ok(records
            .iter()
            .map(|record| self.row(record, &names))
            .collect())
    }

    fn row(&self, record: &Record, names: &Names) -> Vec<String> {
        let cell = |(name, _): &(String, String)| {
            if name == "id" {
                return record.id.to_string();
            }
            let value = record.get(name);
            match (value.as_id(), self.object.field(name)) {
                (Some(id), _) => names.get(&id).cloned().unwrap_or_else(|| id.to_string()),
                (None, Some(field)) => value.to_plain(&field.kind),
                (None, None) => String::new(),
            }
        };
        self.columns.iter().map(cell).collect()
    }
}
