//! The rows of a page: which statements are run until it is full.
//!
//! PostgreSQL's planner takes every tenant for one of average size, so how a search is done isn't left to it.

use fieldstone_model::{Query, Registry};
use fieldstone_store::{
    StoreError,
    compile::{Dialect, Select, Shown, Words, compile_word_counts, phases},
    write::search_words,
};
use tokio_postgres::Row;

use super::PgStore;

/// A word with fewer entries in the index is looked up there first, and its records tested for everything else.
const RARE: u32 = 5_000;
/// Of common words, so many records are tested in the page's order before all records of all words are gathered.
const WINDOW: u32 = 20_000;

impl PgStore {
    /// The rows of the page, and one more if there is another page.
    pub(super) async fn page_rows(
        &self,
        registry: &Registry,
        query: &Query,
        shown: &Shown,
    ) -> Result<Vec<Row>, StoreError> {
        let words = query
            .search
            .as_deref()
            .map(search_words)
            .unwrap_or_default();
        if words.is_empty() {
            return self.rows_by(registry, query, shown, Words::Tested).await;
        }
        let counts = compile_word_counts(Dialect::Postgres, registry, query, RARE)?;
        let counts = self.run_one(registry, &counts).await?;
        let counts = counts
            .first()
            .ok_or_else(|| StoreError::internal("a count without a row"))?;
        let mut rarest = (0, i64::MAX);
        for at in 0..words.len() {
            let count: i64 = counts.try_get(at).map_err(StoreError::internal)?;
            if count < rarest.1 {
                rarest = (at, count);
            }
        }
        if rarest.1 < i64::from(RARE) {
            return self
                .rows_by(registry, query, shown, Words::Gathered(vec![rarest.0]))
                .await;
        }
        let rows = self
            .rows_by(registry, query, shown, Words::Window(WINDOW))
            .await?;
        if rows.len() > query.limit as usize {
            return Ok(rows);
        }
        // The window had too few of them: they are further down, or there are no more.
        self.rows_by(
            registry,
            query,
            shown,
            Words::Gathered((0..words.len()).collect()),
        )
        .await
    }

    async fn rows_by(
        &self,
        registry: &Registry,
        query: &Query,
        shown: &Shown,
        words: Words,
    ) -> Result<Vec<Row>, StoreError> {
        // A window that doesn't fill the page says nothing about what comes after it, such as the records without a value.
        let whole = !matches!(words, Words::Window(_));
        let select = Select::new(Dialect::Postgres, registry, query, shown.paths())
            .within(&self.scope)
            .with_words(words);
        let mut rows = Vec::new();
        for phase in phases(registry, query)? {
            let sql = select.compile(&phase, query.limit + 1)?;
            rows.extend(self.run_one(registry, &sql).await?);
            if rows.len() > query.limit as usize || !whole {
                break;
            }
        }
        Ok(rows)
    }
}
