//! The promises of `Store`, as tests that every implementation runs.
//!
//! An implementation gives a [`Fixture`] and calls [`conformance!`](crate::conformance!) once; each promise then is a test of its
//! own. A promise never looks at how an implementation works, only at what it answers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a broken promise must fail its test loudly"
)]

pub mod aggregates;
pub mod custom;
pub mod errors;
pub mod figures;
pub mod filters;
pub mod history;
pub mod isolation;
pub mod paging;
pub mod random;
pub mod reading;
pub mod references;
pub mod rules;
pub mod schema;
pub mod search;
pub mod uniqueness;
pub mod writing;

use fieldstone_model::{Change, FieldError, Query, Record, RecordId, Value, Values};

use crate::{ChangeError, Page, Store, StoreError};

/// How a test gets at an implementation.
pub trait Fixture: Sync {
    /// The implementation.
    type Store: Store + Clone;

    /// A fresh workspace without records besides its users and the pipeline of [`schema`], with the objects and fields of [`schema`].
    ///
    /// Two calls give two tenants.
    fn workspace(&self) -> impl Future<Output = Team<Self::Store>> + Send;
}

/// One workspace as a user of each role has it.
#[derive(Debug, Clone)]
pub struct Team<S> {
    /// The store of its owner.
    pub owner: S,
    /// The store of an admin.
    pub admin: S,
    /// The store of a member.
    pub member: S,
    /// The store of a viewer.
    pub viewer: S,
}

/// Makes one `#[tokio::test]` of each promise. The argument is an expression that gives a [`Fixture`]; it may await.
#[macro_export]
macro_rules! conformance {
    ($fixture:expr) => {
        $crate::conformance! { @ $fixture;
            reading: a_record_has_the_columns_asked_for,
            reading: a_record_without_columns_named_has_all_fields,
            reading: dotted_columns_read_through_relations,
            reading: a_deleted_record_is_still_read,
            reading: a_list_shows_living_records_unless_asked,
            reading: without_an_order_the_newest_come_first,
            reading: names_are_found_for_any_object,
            reading: ids_differ_by_case,
            reading: every_value_comes_back_as_written,
            reading: changes_since_a_mark_are_all_and_only_those,
            paging: every_sortable_field_pages_both_ways,
            paging: several_keys_with_ties_page_both_ways,
            paging: custom_and_dotted_orders_page_both_ways,
            paging: records_without_a_value_come_last_either_way,
            paging: text_sorts_without_case_and_accents,
            paging: pages_stay_whole_while_records_are_added,
            paging: cursors_survive_the_loss_of_their_record,
            paging: filters_and_search_hold_on_every_page,
            paging: an_exactly_full_page_has_no_next,
            filters: numbers_compare,
            filters: text_compares_folded,
            filters: dates_and_times_compare,
            filters: choices_and_booleans_compare,
            filters: ids_and_relations_compare,
            filters: records_without_a_value_match_only_not_equal,
            filters: not_is_the_exact_complement,
            filters: in_or_and_empty_groups,
            filters: dotted_filters_follow_relations,
            filters: parts_of_text_are_taken_literally,
            filters: multiple_choices_contain_their_options,
            filters: system_fields_are_filtered_by,
            filters: counts_agree_with_lists,
            writing: a_new_record_gets_its_system_fields,
            writing: a_change_of_nothing_writes_nothing,
            writing: an_update_moves_the_version_and_keeps_the_rest,
            writing: a_stale_version_is_refused,
            writing: a_batch_applies_all_or_nothing,
            writing: changes_of_one_batch_see_each_other,
            writing: a_batch_leaves_no_trace_of_states_between,
            writing: deleted_records_come_back_whole,
            writing: a_deleted_record_is_not_changed,
            writing: taken_ids_and_wrong_objects_are_refused,
            writing: missing_records_are_not_found,
            writing: empty_batches_are_fine,
            writing: large_batches_keep_their_order,
            errors: unknown_names_are_refused,
            errors: wrong_values_name_every_field,
            errors: system_and_derived_fields_are_read_only,
            errors: long_and_dirty_texts_are_refused,
            errors: queries_outside_the_limits_are_refused,
            errors: cursors_of_other_queries_are_refused,
            errors: filters_on_long_or_unindexed_fields_are_refused,
            errors: the_failing_change_is_named,
            rules: a_deal_follows_its_stage,
            rules: people_are_named_from_their_parts,
            rules: tasks_and_cases_remember_when_they_ended,
            rules: deal_lines_add_up,
            rules: defaults_fill_only_what_is_empty,
            rules: a_lead_is_converted_in_one_step,
            rules: a_lead_is_converted_once,
            rules: a_failed_conversion_leaves_nothing,
            rules: viewers_change_nothing,
            rules: settings_are_for_admins,
            rules: a_stage_keeps_its_pipeline_and_its_kind,
            rules: users_are_not_written_here,
            uniqueness: no_two_living_records_share_a_unique_value,
            uniqueness: unique_values_compare_folded,
            uniqueness: a_deleted_record_frees_its_value_and_may_not_take_it_back,
            uniqueness: a_batch_sees_its_own_duplicates,
            uniqueness: empty_values_are_never_duplicates,
            references: a_reference_needs_a_living_record_of_the_right_object,
            references: references_to_several_objects_are_checked,
            references: a_reference_outlives_the_deletion_of_its_target,
            references: custom_relations_are_checked,
            references: a_batch_may_refer_to_what_it_makes,
            history: every_change_is_remembered_newest_first,
            history: a_refused_batch_leaves_no_history,
            history: history_pages_by_sequence,
            search: words_are_found_by_their_beginnings,
            search: search_ignores_case_and_accents,
            search: telephone_numbers_are_found_by_their_digits,
            search: addresses_are_found_whole_or_in_part,
            search: search_follows_changes,
            search: codes_with_punctuation_are_found,
            aggregates: figures_over_everything,
            aggregates: figures_over_nothing,
            aggregates: groups_by_choice_relation_and_month,
            aggregates: groups_without_a_value_come_last,
            aggregates: figures_leave_deleted_records_out,
            aggregates: sums_beyond_the_range_stop_at_its_end,
            aggregates: unfit_figures_are_refused,
            figures: figures_follow_every_change,
            custom: custom_fields_are_written_and_read,
            custom: custom_objects_behave_like_standard_ones,
            custom: unique_custom_fields_are_unique,
            custom: multiple_choices_keep_the_order_of_the_field,
            custom: emptied_fields_are_found_empty,
            isolation: another_tenant_sees_nothing,
            isolation: another_tenant_changes_nothing,
            isolation: the_same_id_and_value_live_in_two_tenants,
            random: random_queries_agree_with_memory,
        }
    };
    (@ $fixture:expr; $($theme:ident: $promise:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $promise() {
                $crate::conformance::$theme::$promise(&$fixture).await;
            }
        )*
    };
}

pub(super) fn text(text: impl Into<String>) -> Value {
    Value::Text(text.into())
}

pub(super) fn day(text: &str) -> Value {
    Value::Date(text.parse().unwrap())
}

pub(super) fn instant(text: &str) -> Value {
    Value::DateTime(text.parse().unwrap())
}

pub(super) fn values<'a>(pairs: impl IntoIterator<Item = (&'a str, Value)>) -> Values {
    pairs
        .into_iter()
        .map(|(field, value)| (field.to_owned(), value))
        .collect()
}

/// The change that makes a record.
pub(super) fn creation<'a, S: Store>(
    store: &S,
    object: &str,
    pairs: impl IntoIterator<Item = (&'a str, Value)>,
) -> Change {
    Change::Create {
        object: object.to_owned(),
        id: store.new_id(object).unwrap(),
        values: values(pairs),
    }
}

/// The change that updates a record whatever its version is.
pub(super) fn revision<'a>(
    object: &str,
    id: RecordId,
    pairs: impl IntoIterator<Item = (&'a str, Value)>,
) -> Change {
    Change::Update {
        object: object.to_owned(),
        id,
        expected: None,
        values: values(pairs),
    }
}

pub(super) fn deletion(object: &str, id: RecordId) -> Change {
    Change::Delete {
        object: object.to_owned(),
        id,
        expected: None,
    }
}

pub(super) fn restoration(object: &str, id: RecordId) -> Change {
    Change::Restore {
        object: object.to_owned(),
        id,
    }
}

pub(super) async fn make<'a, S: Store>(
    store: &S,
    object: &str,
    pairs: impl IntoIterator<Item = (&'a str, Value)>,
) -> RecordId {
    let change = creation(store, object, pairs);
    let id = change.id();
    store.apply(&[change]).await.unwrap();
    id
}

pub(super) async fn fetch<S: Store>(store: &S, object: &str, id: RecordId) -> Record {
    store.get(object, id, &[]).await.unwrap()
}

pub(super) async fn list<S: Store>(store: &S, query: &Query) -> Page {
    store.list(query).await.unwrap()
}

/// The names of the records on the first page, in order.
pub(super) async fn listed<S: Store>(store: &S, query: Query) -> Vec<String> {
    let page = list(store, &query.columns(["name"]).limit(200)).await;
    page.records
        .iter()
        .map(|record| record.get("name").as_text().unwrap_or_default().to_owned())
        .collect()
}

/// The change that was refused, and why.
#[track_caller]
pub(super) fn refusal<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> (usize, ChangeError) {
    match answer {
        Err(StoreError::Change(index, error)) => (index, error),
        other => panic!("a refused change was expected, not {other:?}"),
    }
}

/// Fields and codes of a refusal, in order of field.
#[track_caller]
pub(super) fn complaints<T: std::fmt::Debug>(
    answer: Result<T, StoreError>,
) -> Vec<(String, &'static str)> {
    match refusal(answer) {
        (_, ChangeError::Invalid(errors)) => {
            let mut codes: Vec<_> = errors
                .iter()
                .map(|FieldError { field, problem }| (field.clone(), problem.code()))
                .collect();
            codes.sort();
            codes
        }
        (_, other) => panic!("field errors were expected, not {other:?}"),
    }
}

#[track_caller]
pub(super) fn assert_complains<T: std::fmt::Debug>(
    answer: Result<T, StoreError>,
    expected: &[(&str, &str)],
) {
    let codes = complaints(answer);
    let codes: Vec<(&str, &str)> = codes
        .iter()
        .map(|(field, code)| (field.as_str(), *code))
        .collect();
    assert_eq!(codes, expected);
}

#[cfg(test)]
mod tests {
    use super::schema::MemoryFixture;

    crate::conformance!(MemoryFixture);

    /// A promise that stands in a file but not on the list above would never run.
    #[test]
    fn every_promise_is_on_the_list() {
        let list = include_str!("mod.rs");
        let files = [
            ("aggregates", include_str!("aggregates.rs")),
            ("custom", include_str!("custom.rs")),
            ("errors", include_str!("errors.rs")),
            ("figures", include_str!("figures.rs")),
            ("filters", include_str!("filters.rs")),
            ("history", include_str!("history.rs")),
            ("isolation", include_str!("isolation.rs")),
            ("paging", include_str!("paging.rs")),
            ("random", include_str!("random.rs")),
            ("reading", include_str!("reading.rs")),
            ("references", include_str!("references.rs")),
            ("rules", include_str!("rules.rs")),
            ("search", include_str!("search.rs")),
            ("uniqueness", include_str!("uniqueness.rs")),
            ("writing", include_str!("writing.rs")),
        ];
        for (theme, source) in files {
            for line in source.lines() {
                if let Some(rest) = line.strip_prefix("pub async fn ") {
                    let promise = rest.split('<').next().unwrap();
                    assert!(
                        list.contains(&format!("            {theme}: {promise},\n")),
                        "{theme}: {promise} is not on the list"
                    );
                }
            }
        }
    }
}
