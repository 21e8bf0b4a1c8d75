//! What is counted, and what each number means.

use metrics::{describe_counter, describe_gauge, describe_histogram};

pub(super) const REQUESTS: &str = "fieldstone_http_requests_total";
pub(super) const REQUEST_SECONDS: &str = "fieldstone_http_request_seconds";
pub(super) const CONNECTIONS: &str = "fieldstone_database_connections";
pub(super) const SIGN_IN_REFUSALS: &str = "fieldstone_sign_in_refusals_total";
pub(super) const SYNC_PAGES: &str = "fieldstone_sync_pages_total";
pub(super) const SYNC_ROWS: &str = "fieldstone_sync_rows_total";
pub(super) const SYNC_REPAIRS: &str = "fieldstone_sync_repairs_total";
pub(super) const SYNC_CHANGES: &str = "fieldstone_sync_changes_total";
pub(super) const SYNC_CONFLICTS: &str = "fieldstone_sync_conflicts_total";
pub(super) const SYNC_HELD: &str = "fieldstone_sync_horizon_held_seconds";
pub(super) const JOB_RUNS: &str = "fieldstone_job_runs_total";
pub(super) const JOB_SECONDS: &str = "fieldstone_job_seconds";
pub(super) const OBJECT_STORE: &str = "fieldstone_object_store_requests_total";
pub(super) const SPANS_DROPPED: &str = "fieldstone_trace_spans_dropped_total";
pub(super) const READY: &str = "fieldstone_ready";
pub(super) const CHECK: &str = "fieldstone_check";
pub(super) const BACKUP_AGE: &str = "fieldstone_backup_age_seconds";
pub(super) const DRILL_AGE: &str = "fieldstone_restore_drill_age_seconds";
pub(super) const DISK: &str = "fieldstone_disk_bytes";
pub(super) const BUILD: &str = "fieldstone_build_info";

/// Tells the collector what each number means.
pub(super) fn describe() {
    describe_counter!(
        REQUESTS,
        "Requests answered, by method, pattern of the route and status"
    );
    describe_histogram!(
        REQUEST_SECONDS,
        "Time until an answer began, by method and pattern of the route"
    );
    describe_gauge!(
        CONNECTIONS,
        "Connections of each pool, and requests that wait for one"
    );
    describe_counter!(SIGN_IN_REFUSALS, "Sign-ins refused, by what was wrong");
    describe_counter!(SYNC_PAGES, "Pages sent to devices");
    describe_counter!(SYNC_ROWS, "Rows sent to devices");
    describe_counter!(
        SYNC_REPAIRS,
        "Times that a device found it didn't have what it should"
    );
    describe_counter!(SYNC_CHANGES, "Changes that devices sent");
    describe_counter!(SYNC_CONFLICTS, "Changes of devices that met another change");
    describe_gauge!(
        SYNC_HELD,
        "For how long the oldest open transaction has held devices back"
    );
    describe_counter!(JOB_RUNS, "Runs of background jobs, by job and outcome");
    describe_histogram!(JOB_SECONDS, "How long background jobs ran");
    describe_counter!(
        OBJECT_STORE,
        "Uses of the object store, by operation and outcome"
    );
    describe_counter!(
        SPANS_DROPPED,
        "Spans that the collector of traces didn't get"
    );
    describe_gauge!(READY, "Whether this server can serve");
    describe_gauge!(
        CHECK,
        "Whether each thing that /readyz looks at is as it should be"
    );
    describe_gauge!(BACKUP_AGE, "Since the last backup ended");
    describe_gauge!(DRILL_AGE, "Since the last practised restore ended");
    describe_gauge!(DISK, "The folder with the least room");
    describe_gauge!(BUILD, "Always 1; its label is the version that runs");
}
