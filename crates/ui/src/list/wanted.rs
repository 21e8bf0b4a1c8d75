//! What a list's address asks for: filters, words, order, place.

use fieldstone_model::{
    Filter, Query,
    query::{Environment, Presence, parse_filter, parse_order},
};
use fieldstone_store::{Store, decode_cursor};

use super::table;
use crate::request::{AtObject, Pairs};

/// Records on a page of a list.
const PAGE_SIZE: u32 = 50;

/// The list that an address asks for.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) query: Query,
    /// The filters as text, each with what it means; `None` for one that doesn't work (any more).
    pub(crate) filters: Vec<(String, Option<Filter>)>,
    pub(crate) words: String,
    pub(crate) sort: String,
    /// Fields shown after the name.
    pub(crate) columns: Vec<String>,
    /// The address's parameters without cursor and passing ones.
    pub(crate) parameters: Pairs,
}

impl Wanted {
    pub(super) fn read<S: Store>(at: &AtObject<S>, deleted: bool) -> Self {
        let environment = Environment {
            me: at.viewer.user_id,
            today: at.viewer.today(),
        };
        let filters: Vec<(String, Option<Filter>)> = at
            .parameters
            .all("filter")
            .map(|text| {
                let filter = parse_filter(at.registry(), &at.object, environment, text).ok();
                let filter =
                    filter.filter(|filter| filter.check(at.registry(), &at.object).is_ok());
                (text.to_owned(), filter)
            })
            .collect();
        let words = at.parameters.filled("q").unwrap_or_default().to_owned();
        let sort = at
            .parameters
            .filled("sort")
            .unwrap_or(&at.layout.order)
            .to_owned();

        let columns = super::columns::wanted(at);
        let mut query = Query::new(at.object.name.clone())
            .columns(table::paths(&at.object, &columns))
            .limit(PAGE_SIZE);
        query = filters
            .iter()
            .filter_map(|(_, filter)| filter.clone())
            .fold(query, Query::filter);
        query.search = (!words.is_empty() && at.object.searchable_fields().next().is_some())
            .then(|| words.clone());
        query.order = parse_order(&sort);
        query.presence = if deleted {
            Presence::Deleted
        } else {
            Presence::Living
        };
        if query.order.iter().any(|order| {
            !at.registry()
                .resolve(&at.object, &order.path)
                .is_some_and(|it| it.field.is_sortable())
        }) {
            query.order.clear();
        }
        query.cursor = at
            .parameters
            .get("cursor")
            .and_then(|text| decode_cursor(text).ok());
        let parameters = [
            "cursor",
            "notice",
            "about",
            "count",
            "deleted",
            "or",
            super::widths::WERE,
        ]
        .iter()
        .fold(at.parameters.clone(), |pairs, name| pairs.without(name));
        Self {
            query,
            filters,
            words,
            sort,
            columns,
            parameters,
        }
    }

    /// Whether a filter doesn't work: showing everything instead would mislead.
    pub(crate) fn is_broken(&self) -> bool {
        self.filters.iter().any(|(_, filter)| filter.is_none())
            || self.query.filter.terms() > fieldstone_model::query::TERMS_MAX
    }

    /// The address's parameters but `name`, for a form that sets it.
    pub(crate) fn rest(&self, name: &str) -> Vec<(String, String)> {
        self.parameters
            .without(name)
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// Whether the list is narrowed at all.
    pub(crate) fn is_narrowed(&self) -> bool {
        !self.filters.is_empty() || !self.words.is_empty()
    }
}
