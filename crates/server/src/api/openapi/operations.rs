//! What each operation takes and answers.

use fieldstone_model::Needs;
use http::Method;
use serde_json::json;
use utoipa::openapi::{
    Content, ContentBuilder, HeaderBuilder, ObjectBuilder, Ref, RefOr, Required, Response,
    ResponseBuilder, ResponsesBuilder, SecurityRequirement, Type,
    path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
    request_body::RequestBodyBuilder,
};

use crate::api::Route;

/// What is to be said about one operation; the rest follows from its row in `ROUTES`.
struct Doc {
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
    parameters: &'static [Param],
    /// Schema of the body.
    body: Option<&'static str>,
    status: &'static str,
    /// Schema of the answer.
    answer: Option<&'static str>,
    /// Headers of the answer.
    headers: &'static [&'static str],
    /// Refusals besides those that its row says.
    problems: &'static [&'static str],
}

/// A parameter: name, place, JSON type, description.
struct Param(&'static str, Place, Type, &'static str);

#[derive(Clone, Copy)]
enum Place {
    Query,
    RequiredQuery,
    Header,
}

const FILTER: Param = Param(
    "filter",
    Place::Query,
    Type::String,
    "Which records, e.g. `amount >= 1000 and (stage.name = \"Won\" or close_date < :today+14)`. `:me` is the caller, `:month` and `:year` the first day of the current one.",
);
const SEARCH: Param = Param(
    "search",
    Place::Query,
    Type::String,
    "Words that all must be found, by their beginnings.",
);
const DELETED: Param = Param(
    "deleted",
    Place::Query,
    Type::String,
    "Deleted records: `exclude` them (the default), `only` them, or `include` them.",
);
const ORDER: Param = Param(
    "order",
    Place::Query,
    Type::String,
    "Up to three fields, e.g. `-amount,name`; a minus sorts largest first. Records without a value come last. Newest first when nothing is said.",
);
const COLUMNS: Param = Param(
    "columns",
    Place::Query,
    Type::String,
    "Fields to answer, e.g. `name,account.name`; all of the object's own when nothing is said.",
);
const LIMIT: Param = Param(
    "limit",
    Place::Query,
    Type::Integer,
    "Most entries to answer.",
);
const CURSOR: Param = Param(
    "cursor",
    Place::Query,
    Type::String,
    "`next` or `previous` of another page of the same query.",
);
const IF_MATCH: Param = Param(
    "If-Match",
    Place::Header,
    Type::String,
    "The entity tag the caller saw; another version answers 412.",
);
const IF_NONE_MATCH: Param = Param(
    "If-None-Match",
    Place::Header,
    Type::String,
    "The entity tag the caller has; the same version answers 304.",
);
const KEY: Param = Param(
    "Idempotency-Key",
    Place::Header,
    Type::String,
    "Makes repeating the request safe for 24 hours: it has one effect and gets the first answer again.",
);
const PREFER: Param = Param(
    "Prefer",
    Place::Header,
    Type::String,
    "`return=minimal` leaves the record out of the answer.",
);

const AUDIT: &[Param] = &[
    Param(
        "actor",
        Place::Query,
        Type::String,
        "By whom: a user's id, `operator` or `system`.",
    ),
    Param(
        "action",
        Place::Query,
        Type::String,
        "What, e.g. `session.start`.",
    ),
    Param(
        "target",
        Place::Query,
        Type::String,
        "On whom or what: an id.",
    ),
    Param(
        "from",
        Place::Query,
        Type::String,
        "Not before this instant, e.g. `2026-05-01T12:00:00Z`.",
    ),
    Param("until", Place::Query, Type::String, "Before this instant."),
    LIMIT,
    Param(
        "cursor",
        Place::Query,
        Type::String,
        "`next` of the page before.",
    ),
];

const NONE: &[Param] = &[];

#[rustfmt::skip]
const DOCS: &[Doc] = &[
    Doc { id: "showSession", tag: "session", summary: "Who the caller is and what they may do", parameters: NONE, body: None, status: "200", answer: Some("Session"), headers: &[], problems: &[] },
    Doc { id: "createSession", tag: "session", summary: "Sign in with a password", parameters: NONE, body: Some("Credentials"), status: "201", answer: Some("StartedSession"), headers: &["Set-Cookie"], problems: &["NotSignedIn", "Denied", "NotFound", "Conflict", "TooMany"] },
    Doc { id: "deleteSession", tag: "session", summary: "Sign out", parameters: NONE, body: None, status: "204", answer: None, headers: &["Set-Cookie"], problems: &["Conflict"] },
    Doc { id: "proveSession", tag: "session", summary: "Prove that it is you, before something that asks for a recent proof", parameters: NONE, body: Some("Proof"), status: "204", answer: None, headers: &["Set-Cookie"], problems: &["Denied", "NotFound", "TooMany"] },
    Doc { id: "changePassword", tag: "session", summary: "Change one's own password; all other sessions and the sign-ins of applications end", parameters: NONE, body: Some("NewPassword"), status: "204", answer: None, headers: &["Set-Cookie"], problems: &["Denied", "NotFound", "TooMany"] },
    Doc { id: "showSecondFactor", tag: "session", summary: "Whether the caller has a second factor", parameters: NONE, body: None, status: "200", answer: Some("SecondFactor"), headers: &[], problems: &["NotFound"] },
    Doc { id: "startSecondFactor", tag: "session", summary: "Make a seed for a second factor, still to be confirmed", parameters: NONE, body: Some("Nothing"), status: "201", answer: Some("Seed"), headers: &[], problems: &["NotFound", "Conflict"] },
    Doc { id: "confirmSecondFactor", tag: "session", summary: "Confirm the seed with a code; the recovery codes are shown this once", parameters: NONE, body: Some("Code"), status: "200", answer: Some("RecoveryCodes"), headers: &["Set-Cookie"], problems: &["NotFound", "Conflict", "TooMany"] },
    Doc { id: "renewRecoveryCodes", tag: "session", summary: "Make new recovery codes with a code, shown this once", parameters: NONE, body: Some("EitherCode"), status: "200", answer: Some("RecoveryCodes"), headers: &[], problems: &["NotFound", "Conflict", "TooMany"] },
    Doc { id: "removeSecondFactor", tag: "session", summary: "Remove the second factor, with the password and a code", parameters: NONE, body: Some("FactorRemoval"), status: "204", answer: None, headers: &["Set-Cookie"], problems: &["Denied", "NotFound", "Conflict", "TooMany"] },
    Doc { id: "listSessions", tag: "session", summary: "Where the caller is signed in", parameters: NONE, body: None, status: "200", answer: Some("SessionList"), headers: &[], problems: &[] },
    Doc { id: "endOtherSessions", tag: "session", summary: "Sign the caller out everywhere else", parameters: NONE, body: None, status: "200", answer: Some("EndedSessions"), headers: &[], problems: &[] },
    Doc { id: "endSession", tag: "session", summary: "Sign the caller out in one other place", parameters: NONE, body: None, status: "204", answer: None, headers: &[], problems: &[] },
    Doc { id: "resetSecondFactor", tag: "people", summary: "Take the lost second factor from somebody", parameters: NONE, body: Some("Nothing"), status: "204", answer: None, headers: &[], problems: &[] },
    Doc { id: "showSignInPolicy", tag: "workspace", summary: "How the workspace's people sign in", parameters: NONE, body: None, status: "200", answer: Some("SignInPolicy"), headers: &[], problems: &[] },
    Doc { id: "updateSignInPolicy", tag: "workspace", summary: "Change how the workspace's people sign in", parameters: NONE, body: Some("SignInPolicyChange"), status: "200", answer: Some("SignInPolicy"), headers: &[], problems: &["Conflict"] },
    Doc { id: "listTokens", tag: "session", summary: "The caller's API tokens, without their secrets", parameters: NONE, body: None, status: "200", answer: Some("TokenList"), headers: &[], problems: &[] },
    Doc { id: "createToken", tag: "session", summary: "Make an API token; its secret is shown this once", parameters: NONE, body: Some("NewToken"), status: "201", answer: Some("CreatedToken"), headers: &[], problems: &[] },
    Doc { id: "listGrants", tag: "session", summary: "Applications and devices that are signed in for the caller", parameters: NONE, body: None, status: "200", answer: Some("GrantList"), headers: &[], problems: &[] },
    Doc { id: "createGrant", tag: "session", summary: "Sign the field app in on a device without a browser, right after signing in with a password", parameters: NONE, body: Some("NewGrant"), status: "201", answer: Some("CreatedGrant"), headers: &[], problems: &["Conflict"] },
    Doc { id: "deleteGrant", tag: "session", summary: "End what an application or device is signed in with", parameters: NONE, body: None, status: "204", answer: None, headers: &[], problems: &[] },
    Doc { id: "listServiceAccounts", tag: "programs", summary: "The service accounts, by name", parameters: NONE, body: None, status: "200", answer: Some("ServiceAccountList"), headers: &[], problems: &[] },
    Doc { id: "createServiceAccount", tag: "programs", summary: "Make a service account. Asks for a recent proof", parameters: NONE, body: Some("NewServiceAccount"), status: "201", answer: Some("ServiceAccount"), headers: &["Location"], problems: &[] },
    Doc { id: "showServiceAccount", tag: "programs", summary: "One service account", parameters: NONE, body: None, status: "200", answer: Some("ServiceAccount"), headers: &[], problems: &[] },
    Doc { id: "updateServiceAccount", tag: "programs", summary: "Rename a service account, change its role, switch it on or off. Asks for a recent proof", parameters: NONE, body: Some("ServiceAccountChange"), status: "200", answer: Some("ServiceAccount"), headers: &[], problems: &[] },
    Doc { id: "listServiceTokens", tag: "programs", summary: "The tokens of a service account, without their secrets", parameters: NONE, body: None, status: "200", answer: Some("TokenList"), headers: &[], problems: &[] },
    Doc { id: "createServiceToken", tag: "programs", summary: "Make a token for a service account; its secret is shown this once. Asks for a recent proof", parameters: NONE, body: Some("NewToken"), status: "201", answer: Some("CreatedToken"), headers: &[], problems: &["Conflict"] },
    Doc { id: "deleteServiceToken", tag: "programs", summary: "End a token of a service account", parameters: NONE, body: None, status: "204", answer: None, headers: &[], problems: &[] },
    Doc { id: "listApplications", tag: "programs", summary: "Applications that may ask people for access", parameters: NONE, body: None, status: "200", answer: Some("ApplicationList"), headers: &[], problems: &[] },
    Doc { id: "createApplication", tag: "programs", summary: "Register an application; a confidential one's secret is shown this once. Asks for a recent proof", parameters: NONE, body: Some("NewApplication"), status: "201", answer: Some("CreatedApplication"), headers: &["Location"], problems: &[] },
    Doc { id: "showApplication", tag: "programs", summary: "One application", parameters: NONE, body: None, status: "200", answer: Some("Application"), headers: &[], problems: &[] },
    Doc { id: "updateApplication", tag: "programs", summary: "Change an application, switch it on or off. Asks for a recent proof", parameters: NONE, body: Some("ApplicationChange"), status: "200", answer: Some("Application"), headers: &[], problems: &["Conflict"] },
    Doc { id: "deleteApplication", tag: "programs", summary: "Remove an application with all its sign-ins. Asks for a recent proof", parameters: NONE, body: None, status: "204", answer: None, headers: &[], problems: &["Conflict"] },
    Doc { id: "renewClientSecret", tag: "programs", summary: "Give a confidential application another secret, shown this once. Asks for a recent proof", parameters: NONE, body: Some("Nothing"), status: "201", answer: Some("ClientSecret"), headers: &[], problems: &["Conflict"] },
    Doc { id: "showTokenPolicy", tag: "workspace", summary: "How long tokens may live", parameters: NONE, body: None, status: "200", answer: Some("TokenPolicy"), headers: &[], problems: &[] },
    Doc { id: "updateTokenPolicy", tag: "workspace", summary: "Change how long tokens may live, for those made from now on. Asks for a recent proof", parameters: NONE, body: Some("TokenPolicyChange"), status: "200", answer: Some("TokenPolicy"), headers: &[], problems: &[] },
    Doc { id: "listAuditEvents", tag: "audit", summary: "The audit log, newest first", parameters: AUDIT, body: None, status: "200", answer: Some("AuditEventList"), headers: &[], problems: &[] },
    Doc { id: "verifyAuditEvents", tag: "audit", summary: "Check that no event was changed or removed", parameters: NONE, body: None, status: "200", answer: Some("AuditVerdict"), headers: &[], problems: &[] },
    Doc { id: "deleteToken", tag: "session", summary: "End an API token", parameters: NONE, body: None, status: "204", answer: None, headers: &[], problems: &[] },
    Doc { id: "listMembers", tag: "people", summary: "The members of the workspace, by name", parameters: &[
        Param("search", Place::Query, Type::String, "A part of the name or of the e-mail address."),
        LIMIT,
        Param("cursor", Place::Query, Type::String, "`next` of the page before."),
    ], body: None, status: "200", answer: Some("MemberList"), headers: &[], problems: &[] },
    Doc { id: "showMember", tag: "people", summary: "One member", parameters: NONE, body: None, status: "200", answer: Some("Member"), headers: &[], problems: &[] },
    Doc { id: "updateMember", tag: "people", summary: "Change a member's role or access, from their next request on. Asks for a recent proof", parameters: NONE, body: Some("MemberChange"), status: "204", answer: None, headers: &[], problems: &["Conflict"] },
    Doc { id: "listInvitations", tag: "people", summary: "Invitations: the open ones, then the newest", parameters: NONE, body: None, status: "200", answer: Some("InvitationList"), headers: &[], problems: &[] },
    Doc { id: "createInvitations", tag: "people", summary: "Invite people by letters, all of them or nobody. Asks for a recent proof", parameters: NONE, body: Some("NewInvitations"), status: "201", answer: Some("CreatedInvitations"), headers: &[], problems: &["Conflict", "TooMany"] },
    Doc { id: "deleteInvitation", tag: "people", summary: "Withdraw an invitation", parameters: NONE, body: None, status: "204", answer: None, headers: &[], problems: &[] },
    Doc { id: "resendInvitation", tag: "people", summary: "Send an invitation again; the earlier letter's link ends. Asks for a recent proof", parameters: NONE, body: None, status: "202", answer: None, headers: &[], problems: &["TooMany"] },
    Doc { id: "showMembership", tag: "people", summary: "The caller's own role and address", parameters: NONE, body: None, status: "200", answer: Some("Membership"), headers: &[], problems: &[] },
    Doc { id: "deleteMembership", tag: "people", summary: "Leave the workspace; the last owner can't. Asks for a recent proof", parameters: NONE, body: None, status: "204", answer: None, headers: &["Set-Cookie"], problems: &["Conflict"] },
    Doc { id: "changeEmail", tag: "people", summary: "Ask for another address; letters to both addresses have to be answered. Asks for a recent proof", parameters: NONE, body: Some("NewEmail"), status: "202", answer: None, headers: &[], problems: &["Conflict", "TooMany"] },
    Doc { id: "keepEmail", tag: "people", summary: "Stop the caller's change of address", parameters: NONE, body: None, status: "204", answer: None, headers: &[], problems: &["NotFound"] },
    Doc { id: "announceUpload", tag: "files", summary: "Say what content an attachment is to get, or go on with an upload: an equal announcement keeps the parts that have arrived", parameters: NONE, body: Some("Announcement"), status: "200", answer: Some("Upload"), headers: &[], problems: &["Conflict"] },
    Doc { id: "showUpload", tag: "files", summary: "How an upload stands", parameters: NONE, body: None, status: "200", answer: Some("Upload"), headers: &[], problems: &[] },
    Doc { id: "putPart", tag: "files", summary: "Send one part: exactly `part_size` bytes, the last one what is left; parts count from 0 and come in any order", parameters: NONE, body: None, status: "204", answer: None, headers: &[], problems: &["Conflict"] },
    Doc { id: "completeUpload", tag: "files", summary: "Check that everything has arrived as it was announced; from then on the attachment has its content", parameters: NONE, body: Some("Nothing"), status: "200", answer: Some("Upload"), headers: &[], problems: &["Conflict"] },
    Doc { id: "downloadContent", tag: "files", summary: "The content of an attachment, or a range of it", parameters: &[
        Param("Range", Place::Header, Type::String, "One range of bytes, e.g. `bytes=0-1023`."),
        IF_NONE_MATCH,
    ], body: None, status: "200", answer: None, headers: &["ETag"], problems: &[] },
    Doc { id: "listTeams", tag: "teams", summary: "All teams, with the ids of who is in them", parameters: NONE, body: None, status: "200", answer: Some("TeamList"), headers: &[], problems: &[] },
    Doc { id: "createTeam", tag: "teams", summary: "Make a team", parameters: NONE, body: Some("NewTeam"), status: "201", answer: Some("Team"), headers: &["Location"], problems: &["Conflict"] },
    Doc { id: "updateTeam", tag: "teams", summary: "Rename or move a team", parameters: NONE, body: Some("TeamPatch"), status: "200", answer: Some("Team"), headers: &[], problems: &[] },
    Doc { id: "deleteTeam", tag: "teams", summary: "Remove a team; those below it move up", parameters: NONE, body: None, status: "204", answer: None, headers: &[], problems: &[] },
    Doc { id: "joinTeam", tag: "teams", summary: "Put a person into a team", parameters: NONE, body: None, status: "204", answer: None, headers: &[], problems: &[] },
    Doc { id: "leaveTeam", tag: "teams", summary: "Take a person out of a team", parameters: NONE, body: None, status: "204", answer: None, headers: &[], problems: &[] },
    Doc { id: "listWebhooks", tag: "webhooks", summary: "All webhooks, without their secrets", parameters: NONE, body: None, status: "200", answer: Some("WebhookList"), headers: &[], problems: &[] },
    Doc { id: "createWebhook", tag: "webhooks", summary: "Make a webhook; its secret is shown here and never again. Asks for a recent proof", parameters: NONE, body: Some("NewWebhook"), status: "201", answer: Some("CreatedWebhook"), headers: &["Location"], problems: &["Conflict"] },
    Doc { id: "showWebhook", tag: "webhooks", summary: "One webhook", parameters: NONE, body: None, status: "200", answer: Some("Webhook"), headers: &[], problems: &[] },
    Doc { id: "updateWebhook", tag: "webhooks", summary: "Rename a webhook, give it another address, switch it on or off. Asks for a recent proof", parameters: NONE, body: Some("WebhookPatch"), status: "200", answer: Some("Webhook"), headers: &[], problems: &[] },
    Doc { id: "deleteWebhook", tag: "webhooks", summary: "Remove a webhook with its deliveries. Asks for a recent proof", parameters: NONE, body: None, status: "204", answer: None, headers: &[], problems: &[] },
    Doc { id: "renewWebhookSecret", tag: "webhooks", summary: "Give a webhook another secret. Asks for a recent proof", parameters: NONE, body: Some("Nothing"), status: "200", answer: Some("WebhookSecret"), headers: &[], problems: &[] },
    Doc { id: "listDeliveries", tag: "webhooks", summary: "What a webhook was told lately, newest first", parameters: NONE, body: None, status: "200", answer: Some("DeliveryList"), headers: &[], problems: &[] },
    Doc { id: "replayDelivery", tag: "webhooks", summary: "Send something again, as a delivery of its own. Asks for a recent proof", parameters: NONE, body: Some("Nothing"), status: "202", answer: Some("Queued"), headers: &[], problems: &[] },
    Doc { id: "showVisibility", tag: "teams", summary: "Whose records people see", parameters: NONE, body: None, status: "200", answer: Some("VisibilityList"), headers: &[], problems: &[] },
    Doc { id: "setVisibility", tag: "teams", summary: "Set whose records new people see", parameters: NONE, body: Some("DefaultVisibility"), status: "204", answer: None, headers: &[], problems: &[] },
    Doc { id: "setVisibilityOf", tag: "teams", summary: "Set whose records a person sees", parameters: NONE, body: Some("PersonVisibility"), status: "204", answer: None, headers: &[], problems: &[] },
    Doc { id: "listObjects", tag: "objects", summary: "All objects, without their fields", parameters: NONE, body: None, status: "200", answer: Some("ObjectList"), headers: &[], problems: &[] },
    Doc { id: "createObject", tag: "objects", summary: "Make an object of the workspace's own", parameters: NONE, body: Some("NewObject"), status: "201", answer: Some("ObjectDescription"), headers: &["Location"], problems: &["Conflict"] },
    Doc { id: "describeObject", tag: "objects", summary: "One object with its fields", parameters: NONE, body: None, status: "200", answer: Some("ObjectDescription"), headers: &[], problems: &[] },
    Doc { id: "deleteObject", tag: "objects", summary: "Take an object of the workspace's own out of sight, with its records", parameters: NONE, body: None, status: "204", answer: None, headers: &[], problems: &[] },
    Doc { id: "createField", tag: "objects", summary: "Add a field of the workspace's own to an object", parameters: NONE, body: Some("NewField"), status: "201", answer: Some("Field"), headers: &[], problems: &["Conflict"] },
    Doc { id: "updateField", tag: "objects", summary: "Change the label or help of a custom field, or, after a recent proof, who reads and sets a field", parameters: NONE, body: Some("FieldLabels"), status: "200", answer: Some("Field"), headers: &[], problems: &[] },
    Doc { id: "deleteField", tag: "objects", summary: "Take a custom field out of sight, with its values", parameters: NONE, body: None, status: "204", answer: None, headers: &[], problems: &[] },
    Doc { id: "listRecords", tag: "records", summary: "A page of records", parameters: &[FILTER, SEARCH, DELETED, ORDER, COLUMNS, LIMIT, CURSOR], body: None, status: "200", answer: Some("Page"), headers: &[], problems: &[] },
    Doc { id: "createRecord", tag: "records", summary: "Make a record", parameters: &[KEY, PREFER], body: Some("RecordInput"), status: "201", answer: Some("Record"), headers: &["Location", "ETag"], problems: &["Conflict"] },
    Doc { id: "countRecords", tag: "records", summary: "How many records match", parameters: &[FILTER, SEARCH, DELETED], body: None, status: "200", answer: Some("Count"), headers: &[], problems: &[] },
    Doc { id: "aggregateRecords", tag: "records", summary: "Figures over groups of records", parameters: &[
        FILTER,
        Param("group", Place::Query, Type::String, "Up to two fields, e.g. `status` or `close_date:month` (or `:year`)."),
        Param("measures", Place::Query, Type::String, "Up to ten figures, e.g. `count,sum:amount,max:close_date`; a count when nothing is said."),
        LIMIT,
    ], body: None, status: "200", answer: Some("Figures"), headers: &[], problems: &[] },
    Doc { id: "changeRecords", tag: "records", summary: "Up to 200 changes of one object's records, all of them or none", parameters: &[KEY], body: Some("Batch"), status: "200", answer: Some("BatchResults"), headers: &[], problems: &["Conflict"] },
    Doc { id: "showRecord", tag: "records", summary: "One record, deleted or not", parameters: &[COLUMNS, IF_NONE_MATCH], body: None, status: "200", answer: Some("Record"), headers: &["ETag"], problems: &["NotModified"] },
    Doc { id: "updateRecord", tag: "records", summary: "Change some fields of a record (JSON merge patch)", parameters: &[IF_MATCH, PREFER], body: Some("RecordInput"), status: "200", answer: Some("Record"), headers: &["ETag"], problems: &["Conflict", "PreconditionFailed", "NoContent"] },
    Doc { id: "deleteRecord", tag: "records", summary: "Delete a record; it can be restored", parameters: &[IF_MATCH], body: None, status: "204", answer: None, headers: &["ETag"], problems: &["PreconditionFailed"] },
    Doc { id: "restoreRecord", tag: "records", summary: "Bring a deleted record back", parameters: NONE, body: None, status: "200", answer: Some("Record"), headers: &["ETag"], problems: &["Unprocessable"] },
    Doc { id: "showRecordHistory", tag: "records", summary: "What happened to a record, newest first", parameters: &[Param("before", Place::Query, Type::Integer, "`next` of the page before."), LIMIT], body: None, status: "200", answer: Some("History"), headers: &[], problems: &[] },
    Doc { id: "convertLead", tag: "records", summary: "Turn a lead into an account, a contact and a deal", parameters: &[KEY, IF_MATCH], body: Some("LeadConversion"), status: "201", answer: Some("ConvertedLead"), headers: &["Location"], problems: &["Conflict", "PreconditionFailed"] },
    Doc { id: "listConflicts", tag: "sync", summary: "Changes that met another one and wait for a decision, the newest first", parameters: &[
        Param("of", Place::Query, Type::String, "`me` (when nothing is said), or `everybody` for those who manage people."),
        Param("before", Place::Query, Type::String, "`next` of the page before."),
    ], body: None, status: "200", answer: Some("ConflictList"), headers: &[], problems: &[] },
    Doc { id: "showConflict", tag: "sync", summary: "One of them", parameters: NONE, body: None, status: "200", answer: Some("OpenConflict"), headers: &[], problems: &[] },
    Doc { id: "settleConflict", tag: "sync", summary: "Decide it: one side, or a value for each field", parameters: NONE, body: Some("Settlement"), status: "204", answer: None, headers: &[], problems: &["Unprocessable"] },
    Doc { id: "listRecordSets", tag: "sync", summary: "Which records devices carry; none as long as the standard sets hold", parameters: NONE, body: None, status: "200", answer: Some("RecordSetList"), headers: &[], problems: &[] },
    Doc { id: "createRecordSet", tag: "sync", summary: "Publish a record set; with the first one the standard ones become the workspace's own", parameters: NONE, body: Some("NewRecordSet"), status: "201", answer: Some("RecordSet"), headers: &["Location", "ETag"], problems: &[] },
    Doc { id: "previewRecordSet", tag: "sync", summary: "How many records and bytes a record set would bring to a device of the caller", parameters: NONE, body: Some("NewRecordSet"), status: "200", answer: Some("RecordSetFigures"), headers: &[], problems: &["Unprocessable"] },
    Doc { id: "showRecordSet", tag: "sync", summary: "One record set", parameters: NONE, body: None, status: "200", answer: Some("RecordSet"), headers: &["ETag"], problems: &[] },
    Doc { id: "updateRecordSet", tag: "sync", summary: "Publish the next version of a record set", parameters: &[IF_MATCH], body: Some("NewRecordSet"), status: "200", answer: Some("RecordSet"), headers: &["ETag"], problems: &["PreconditionFailed"] },
    Doc { id: "deleteRecordSet", tag: "sync", summary: "Remove a record set; with the last one the standard ones hold again", parameters: NONE, body: None, status: "204", answer: None, headers: &[], problems: &[] },
    Doc { id: "syncHello", tag: "sync", summary: "Find the version of the protocol that a device and the platform both speak", parameters: NONE, body: None, status: "200", answer: None, headers: &[], problems: &[] },
    Doc { id: "syncSchema", tag: "sync", summary: "The workspace's objects as a device needs them", parameters: NONE, body: None, status: "200", answer: None, headers: &[], problems: &[] },
    Doc { id: "listDevices", tag: "sync", summary: "The caller's devices", parameters: NONE, body: None, status: "200", answer: None, headers: &[], problems: &[] },
    Doc { id: "registerDevice", tag: "sync", summary: "Make a device known; what the answer holds is shown this once", parameters: NONE, body: None, status: "201", answer: None, headers: &[], problems: &[] },
    Doc { id: "revokeDevice", tag: "sync", summary: "Take a device off the list", parameters: NONE, body: None, status: "204", answer: None, headers: &[], problems: &[] },
    Doc { id: "wipeDevice", tag: "sync", summary: "Order a device to erase everything, and take it off the list", parameters: NONE, body: None, status: "202", answer: None, headers: &[], problems: &["NotFound", "Conflict"] },
    Doc { id: "showDeviceStanding", tag: "sync", summary: "What a device may still do; asked with the device's secret as a bearer token (compressed JSON lines)", parameters: NONE, body: None, status: "200", answer: None, headers: &[], problems: &[] },
    Doc { id: "noteDeviceErasure", tag: "sync", summary: "Say that an order to erase was carried out; proven by the order's receipt (compressed JSON lines)", parameters: NONE, body: None, status: "204", answer: None, headers: &[], problems: &[] },
    Doc { id: "listAllDevices", tag: "sync", summary: "Everybody's devices", parameters: NONE, body: None, status: "200", answer: None, headers: &[], problems: &[] },
    Doc { id: "showDevicePolicy", tag: "sync", summary: "What the workspace asks of its devices", parameters: NONE, body: None, status: "200", answer: None, headers: &[], problems: &[] },
    Doc { id: "setDevicePolicy", tag: "sync", summary: "Change what the workspace asks of its devices", parameters: NONE, body: None, status: "200", answer: None, headers: &[], problems: &[] },
    Doc { id: "syncSealed", tag: "sync", summary: "Deliver changes that a device had sealed (compressed JSON lines)", parameters: NONE, body: None, status: "200", answer: None, headers: &[], problems: &[] },
    Doc { id: "syncPull", tag: "sync", summary: "One page of what changed for a device (compressed JSON lines)", parameters: NONE, body: None, status: "200", answer: None, headers: &[], problems: &[] },
    Doc { id: "syncPush", tag: "sync", summary: "What was done on a device (compressed JSON lines)", parameters: NONE, body: None, status: "200", answer: None, headers: &[], problems: &[] },
    Doc { id: "syncSightings", tag: "sync", summary: "Tell what a device's guard has seen, for the audit log (compressed JSON lines)", parameters: NONE, body: None, status: "204", answer: None, headers: &[], problems: &[] },
    Doc { id: "search", tag: "records", summary: "Records of any object by their words", parameters: &[
        Param("q", Place::RequiredQuery, Type::String, "The words, each by its beginning."),
        Param("objects", Place::Query, Type::String, "Objects to search, separated by commas; all when nothing is said."),
        Param("limit", Place::Query, Type::Integer, "Most records of each object: 5 when nothing is said, at most 50."),
    ], body: None, status: "200", answer: Some("SearchResults"), headers: &[], problems: &["NotFound"] },
];

/// The operation of a route.
pub(super) fn operation(route: &Route) -> Operation {
    let Some(doc) = DOCS.iter().find(|doc| doc.id == route.operation) else {
        return OperationBuilder::new()
            .operation_id(Some(route.operation))
            .build();
    };
    let mut builder = OperationBuilder::new()
        .operation_id(Some(doc.id))
        .tag(doc.tag)
        .summary(Some(doc.summary))
        .responses(responses(route, doc));
    if let Some(capability) = route.needs.capability() {
        builder = builder.description(Some(format!(
            "Needs the capability `{}`.",
            capability.name()
        )));
    }
    if route.needs.needs_session() {
        builder = builder.security(SecurityRequirement::new("session", [] as [&str; 0]));
    }
    if route.needs == Needs::Nothing {
        builder = builder.security(SecurityRequirement::default());
    }
    for name in path_names(route.path) {
        builder = builder.parameter(path_parameter(name));
    }
    for param in doc.parameters {
        builder = builder.parameter(parameter(param));
    }
    if let Some(schema) = doc.body {
        let media = if route.method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let body = RequestBodyBuilder::new()
            .required(Some(Required::True))
            .content(media, content(schema));
        let body = if route.method == Method::PATCH {
            body.content("application/json", content(schema))
        } else {
            body
        };
        builder = builder.request_body(Some(body.build()));
    }
    builder.build()
}

fn content(schema: &str) -> Content {
    ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(schema)))
        .build()
}

fn path_names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> Parameter {
    let (description, pattern) = match name {
        "object" => ("API name of the object, e.g. `deal`.", "^[a-z][a-z0-9_]*$"),
        "field" => ("API name of the field.", "^[a-z][a-z0-9_]*$"),
        _ => (
            "The record's id: 15 letters and digits.",
            "^[0-9A-Za-z]{15}([0-9A-Za-z]{3})?$",
        ),
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .pattern(Some(pattern))
                .build(),
        ))
        .build()
}

fn parameter(Param(name, place, kind, description): &Param) -> Parameter {
    let (place, required) = match place {
        Place::Query => (ParameterIn::Query, Required::False),
        Place::RequiredQuery => (ParameterIn::Query, Required::True),
        Place::Header => (ParameterIn::Header, Required::False),
    };
    ParameterBuilder::new()
        .name(*name)
        .parameter_in(place)
        .required(required)
        .description(Some(*description))
        .schema(Some(ObjectBuilder::new().schema_type(kind.clone()).build()))
        .build()
}

fn responses(route: &Route, doc: &Doc) -> utoipa::openapi::Responses {
    let mut names = vec!["BadRequest", "Unavailable"];
    if route.needs != Needs::Nothing {
        names.push("NotSignedIn");
        names.push("Denied");
    }
    if route.path.contains('{') {
        names.push("NotFound");
    }
    if doc.body.is_some() {
        names.extend(["TooLarge", "UnsupportedMediaType", "Unprocessable"]);
    }
    if !matches!(route.method, Method::GET | Method::DELETE) {
        names.push("NoRoom");
    }
    names.extend(doc.problems);
    let mut answer = ResponseBuilder::new().description(doc.summary);
    if let Some(schema) = doc.answer {
        answer = answer.content("application/json", content(schema));
    }
    for name in doc.headers {
        let text = ObjectBuilder::new().schema_type(Type::String).build();
        answer = answer.header(*name, HeaderBuilder::new().schema(Some(text)).build());
    }
    let mut responses = ResponsesBuilder::new().response(doc.status, answer.build());
    for name in names {
        if let Some((status, ..)) = PROBLEMS.iter().find(|(_, known, _)| *known == name) {
            responses = responses.response(*status, RefOr::Ref(Ref::from_response_name(name)));
        }
    }
    responses.build()
}

/// Other answers: status, name, description.
const PROBLEMS: &[(&str, &str, &str)] = &[
    (
        "204",
        "NoContent",
        "Done, without a representation, as preferred.",
    ),
    ("304", "NotModified", "The caller has this version."),
    (
        "400",
        "BadRequest",
        "The request can't be read: its address, its parameters or its JSON.",
    ),
    (
        "401",
        "NotSignedIn",
        "Nobody is signed in, or the session has ended.",
    ),
    (
        "403",
        "Denied",
        "The caller's role or token doesn't allow this.",
    ),
    (
        "404",
        "NotFound",
        "There is no such object, or no such record that the caller may see.",
    ),
    (
        "409",
        "Conflict",
        "It doesn't fit what is there: a deleted record, a taken id, a newer version.",
    ),
    (
        "412",
        "PreconditionFailed",
        "Somebody else changed the record; `current_version` is its version now.",
    ),
    ("413", "TooLarge", "The body is too large."),
    (
        "415",
        "UnsupportedMediaType",
        "The body isn't declared as JSON in UTF-8.",
    ),
    (
        "422",
        "Unprocessable",
        "Some values can't be stored; `errors` names each.",
    ),
    (
        "429",
        "TooMany",
        "Too many attempts; Retry-After says when to come back.",
    ),
    (
        "503",
        "Unavailable",
        "The database is busy or out of reach; Retry-After says when to come back.",
    ),
    (
        "507",
        "NoRoom",
        "The installation's disk is full: nothing new is taken, what was saved is safe. Retry-After says when to come back.",
    ),
];

/// Answers that operations share.
pub(super) fn problems() -> impl Iterator<Item = (&'static str, Response)> {
    PROBLEMS.iter().map(|(status, name, description)| {
        let response = ResponseBuilder::new().description(*description);
        let response = if status.starts_with(['4', '5']) {
            let example = json!({ "type": "urn:fieldstone:problem:invalid", "title": "Unprocessable Content", "status": 422,
                "detail": "Some values can't be stored.", "errors": [{ "pointer": "/amount", "code": "not_a_number", "detail": "Enter a number with at most 2 decimals, such as 1234.5." }] });
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
            let content = if *status == "422" { content.example(Some(example)) } else { content };
            response.content("application/problem+json", content.build())
        } else {
            response
        };
        (*name, response.build())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ROUTES;

    #[test]
    fn every_route_is_documented_and_nothing_else() {
        let mut routed: Vec<_> = ROUTES.iter().map(|route| route.operation).collect();
        let mut documented: Vec<_> = DOCS.iter().map(|doc| doc.id).collect();
        routed.sort_unstable();
        documented.sort_unstable();
        assert_eq!(routed, documented);
    }
}
