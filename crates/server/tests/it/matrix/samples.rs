//! One sample request for every route: what the matrix sends. A route without one fails it, and so does a sample without a route.
//!
//! Words that begin with a colon stand for something of the workspace north: `:account` and `:lead` for a living record that no other
//! request touches, `:team` for a team, `:deleted` for a deleted account, `:object` and `:field` for a custom object and a custom field of accounts, `:email`
//! for the address of somebody of north who can sign in.

use http::StatusCode;

/// A request, and how it is answered when it is let through.
pub(super) struct Sample {
    pub(super) method: &'static str,
    /// The route's path in its table; of the API with its root.
    pub(super) route: &'static str,
    /// What stands in the path for its parameters, and the query.
    pub(super) path: &'static str,
    pub(super) body: Body,
    /// The status for whoever may; `None` when any success or redirection is right.
    pub(super) status: Option<StatusCode>,
}

#[derive(Clone, Copy)]
pub(super) enum Body {
    None,
    Form(&'static str),
    Json(&'static str),
}

const fn get(route: &'static str, path: &'static str) -> Sample {
    Sample {
        method: "GET",
        route,
        path,
        body: Body::None,
        status: None,
    }
}

const fn delete(route: &'static str, path: &'static str) -> Sample {
    Sample {
        method: "DELETE",
        ..get(route, path)
    }
}

const fn put(route: &'static str, path: &'static str) -> Sample {
    Sample {
        method: "PUT",
        ..get(route, path)
    }
}

const fn put_json(route: &'static str, path: &'static str, body: &'static str) -> Sample {
    Sample {
        method: "PUT",
        ..post(route, path, body)
    }
}

const fn form(route: &'static str, path: &'static str, body: &'static str) -> Sample {
    Sample {
        method: "POST",
        body: Body::Form(body),
        ..get(route, path)
    }
}

const fn post(route: &'static str, path: &'static str, body: &'static str) -> Sample {
    Sample {
        method: "POST",
        body: Body::Json(body),
        ..get(route, path)
    }
}

const fn patch(route: &'static str, path: &'static str, body: &'static str) -> Sample {
    Sample {
        method: "PATCH",
        ..post(route, path, body)
    }
}

impl Sample {
    /// The sample of a route whose success can't be had here, with how it fails instead.
    const fn but(self, status: StatusCode) -> Self {
        Self {
            status: Some(status),
            ..self
        }
    }
}

#[rustfmt::skip]
pub(super) const SAMPLES: &[Sample] = &[
    // Pages of the server.
    get("/healthz", "/healthz"),
    get("/readyz", "/readyz"),
    get("/.well-known/security.txt", "/.well-known/security.txt"),
    get("/security", "/security"),
    get("/api/openapi.json", "/api/openapi.json"),
    get("/sign-in", "/sign-in?to=%2Fdeals"),
    form("/sign-in", "/sign-in", "email=:email&password=correct+horse+battery"),
    form("/sign-out", "/sign-out", ""),
    get("/set-up", "/set-up?link=none").but(StatusCode::GONE),
    form("/set-up", "/set-up", "link=none&password=x&repeat=x").but(StatusCode::GONE),
    get("/confirm", "/confirm?return_to=%2Fdeals"),
    form("/confirm", "/confirm", "return_to=%2Fdeals&password=wrong").but(StatusCode::UNPROCESSABLE_ENTITY),
    get("/imports", "/imports"),
    get("/settings/objects", "/settings/objects"),
    form("/settings/objects", "/settings/objects", "label=&plural_label=").but(StatusCode::UNPROCESSABLE_ENTITY),
    get("/settings/objects/{object}", "/settings/objects/account"),
    form("/settings/objects/{object}/removal", "/settings/objects/account/removal", "").but(StatusCode::NOT_FOUND),
    form("/settings/objects/{object}/fields", "/settings/objects/account/fields", "label=&kind=text").but(StatusCode::UNPROCESSABLE_ENTITY),
    get("/settings/objects/{object}/order", "/settings/objects/account/order"),
    form("/settings/objects/{object}/order", "/settings/objects/account/order", "reset=yes"),
    get("/settings/objects/{object}/fields/{field}", "/settings/objects/account/fields/city"),
    form("/settings/objects/{object}/fields/{field}", "/settings/objects/account/fields/city", ""),
    form("/settings/objects/{object}/fields/{field}/removal", "/settings/objects/account/fields/nothing/removal", "").but(StatusCode::NOT_FOUND),
    form("/settings/objects/{object}/fields/{field}/restoration", "/settings/objects/account/fields/9999/restoration", "").but(StatusCode::NOT_FOUND),
    form("/exports/{objects}", "/exports/accounts", "format=csv&query="),
    get("/imports/new", "/imports/new?object=account"),
    form("/imports", "/imports", "object=account").but(StatusCode::BAD_REQUEST),
    get("/imports/{id}", "/imports/0IU0000000000zz").but(StatusCode::NOT_FOUND),
    form("/imports/{id}", "/imports/0IU0000000000zz", "by=").but(StatusCode::NOT_FOUND),
    get("/imports/{id}/progress", "/imports/0IU0000000000zz/progress").but(StatusCode::NOT_FOUND),
    form("/imports/files", "/imports/files", "object=account&name=a.csv&size=0").but(StatusCode::UNPROCESSABLE_ENTITY),
    form("/imports/{id}/parts", "/imports/0IU0000000000zz/parts?number=0", "x").but(StatusCode::NOT_FOUND),
    form("/imports/{id}/arrival", "/imports/0IU0000000000zz/arrival", "").but(StatusCode::NOT_FOUND),
    form("/imports/{id}/cancellation", "/imports/0IU0000000000zz/cancellation", "").but(StatusCode::NOT_FOUND),
    form("/imports/{id}/continuation", "/imports/0IU0000000000zz/continuation", "").but(StatusCode::NOT_FOUND),
    form("/imports/{id}/again", "/imports/0IU0000000000zz/again", "").but(StatusCode::NOT_FOUND),
    form("/imports/{id}/removal", "/imports/0IU0000000000zz/removal", "").but(StatusCode::NOT_FOUND),
    get("/imports/{id}/failed", "/imports/0IU0000000000zz/failed").but(StatusCode::NOT_FOUND),
    form("/imports/{id}/undo", "/imports/0IM0000000000zz/undo", "").but(StatusCode::NOT_FOUND),
    get("/calendar.ics", "/calendar.ics?feed=none").but(StatusCode::NOT_FOUND),
    get("/settings/calendar", "/settings/calendar"),
    form("/settings/calendar", "/settings/calendar", ""),
    form("/settings/calendar/end", "/settings/calendar/end", ""),
    get("/forecast", "/forecast?whose=mine"),
    get("/settings/automation", "/settings/automation"),
    form("/settings/automation", "/settings/automation", "object=deal&name=").but(StatusCode::UNPROCESSABLE_ENTITY),
    get("/settings/automation/new", "/settings/automation/new?object=deal"),
    form("/{objects}/widths", "/deals/widths", "widths=name:200&back=/deals"),
    form("/settings/automation/condition", "/settings/automation/condition", "object=deal&if-field=name&if-do=add"),
    get("/settings/automation/{id}", "/settings/automation/0AR0000000000zz").but(StatusCode::NOT_FOUND),
    form("/settings/automation/{id}", "/settings/automation/0AR0000000000zz", "name=x").but(StatusCode::NOT_FOUND),
    get("/settings/automation/{id}/trial", "/settings/automation/0AR0000000000zz/trial").but(StatusCode::NOT_FOUND),
    form("/settings/automation/{id}/activation", "/settings/automation/0AR0000000000zz/activation", "active=yes").but(StatusCode::NOT_FOUND),
    form("/settings/automation/{id}/removal", "/settings/automation/0AR0000000000zz/removal", "").but(StatusCode::NOT_FOUND),
    get("/settings/webhooks", "/settings/webhooks"),
    form("/settings/webhooks", "/settings/webhooks", "name=x&url=http%3A%2F%2F127.0.0.1%2F").but(StatusCode::UNPROCESSABLE_ENTITY),
    get("/settings/webhooks/{id}", "/settings/webhooks/0WH0000000000zz").but(StatusCode::NOT_FOUND),
    form("/settings/webhooks/{id}", "/settings/webhooks/0WH0000000000zz", "name=x&url=x").but(StatusCode::NOT_FOUND),
    form("/settings/webhooks/{id}/secret", "/settings/webhooks/0WH0000000000zz/secret", "").but(StatusCode::NOT_FOUND),
    form("/settings/webhooks/{id}/removal", "/settings/webhooks/0WH0000000000zz/removal", "").but(StatusCode::NOT_FOUND),
    form("/settings/webhooks/{id}/deliveries/{delivery}/replay", "/settings/webhooks/0WH0000000000zz/deliveries/none/replay", "").but(StatusCode::NOT_FOUND),
    get("/settings", "/settings"),
    get("/live", "/live?record=none").but(StatusCode::BAD_REQUEST),
    get("/notifications", "/notifications"),
    get("/notifications/count", "/notifications/count"),
    get("/settings/notifications", "/settings/notifications"),
    form("/settings/notifications", "/settings/notifications", "kind=mention&daily=yes"),
    get("/settings/profile", "/settings/profile"),
    form("/settings/profile", "/settings/profile", "name=Somebody&locale=en&time_zone=UTC"),
    get("/support-entry", "/support-entry?link=none").but(StatusCode::GONE),
    form("/support-entry", "/support-entry", "link=none").but(StatusCode::GONE),
    get("/invitation", "/invitation?link=none").but(StatusCode::GONE),
    form("/invitation", "/invitation", "link=none&name=x&password=x&repeat=x").but(StatusCode::GONE),
    get("/forgotten-password", "/forgotten-password"),
    form("/forgotten-password", "/forgotten-password", "email=:email"),
    get("/password-reset", "/password-reset?link=none").but(StatusCode::GONE),
    form("/password-reset", "/password-reset", "link=none&password=x&repeat=x").but(StatusCode::GONE),
    get("/email-change", "/email-change?link=none").but(StatusCode::GONE),
    form("/email-change", "/email-change", "link=none&answer=confirm").but(StatusCode::GONE),
    get("/settings/membership", "/settings/membership"),
    get("/settings/membership/email", "/settings/membership/email"),
    form("/settings/membership/email", "/settings/membership/email", "email=page-:email"),
    form("/settings/membership/email/stop", "/settings/membership/email/stop", ""),
    get("/settings/membership/departure", "/settings/membership/departure"),
    // Nobody leaves who has more to ask.
    form("/settings/membership/departure", "/settings/membership/departure", "leave=no").but(StatusCode::BAD_REQUEST),
    get("/settings/members", "/settings/members?q=nort"),
    get("/settings/members/{id}", "/settings/members/005000000000000").but(StatusCode::NOT_FOUND),
    form("/settings/members/{id}/role", "/settings/members/005000000000000/role", "role=viewer").but(StatusCode::NOT_FOUND),
    form("/settings/members/{id}/access", "/settings/members/005000000000000/access", "active=no").but(StatusCode::NOT_FOUND),
    form("/settings/members/{id}/two-step-reset", "/settings/members/005000000000000/two-step-reset", "").but(StatusCode::NOT_FOUND),
    get("/settings/invitations", "/settings/invitations"),
    get("/settings/invitations/new", "/settings/invitations/new"),
    form("/settings/invitations", "/settings/invitations", "emails=page-:email&role=viewer&language=en"),
    form("/settings/invitations/{id}/letter", "/settings/invitations/0IV000000000000/letter", "").but(StatusCode::UNPROCESSABLE_ENTITY),
    form("/settings/invitations/{id}/withdrawal", "/settings/invitations/0IV000000000000/withdrawal", "").but(StatusCode::UNPROCESSABLE_ENTITY),

    get("/settings/devices", "/settings/devices"),
    form("/settings/devices/{id}/revocation", "/settings/devices/fD0000000000000/revocation", "").but(StatusCode::NOT_FOUND),
    get("/settings/devices/{id}/wipe", "/settings/devices/fD0000000000000/wipe").but(StatusCode::NOT_FOUND),
    form("/settings/devices/{id}/wipe", "/settings/devices/fD0000000000000/wipe", "").but(StatusCode::NOT_FOUND),
    get("/settings/personal-data", "/settings/personal-data?q=nort"),
    // Records that aren't there: those that are have other requests to answer, and belong to one workspace.
    form("/settings/personal-data/export", "/settings/personal-data/export", "id=001000000000000").but(StatusCode::NOT_FOUND),
    form("/settings/personal-data/erasure", "/settings/personal-data/erasure", "id=001000000000000").but(StatusCode::NOT_FOUND),
    get("/settings/usage", "/settings/usage"),
    get("/settings/backups", "/settings/backups"),
    get("/settings/support", "/settings/support"),
    form("/settings/support", "/settings/support", "operator=&hours=4").but(StatusCode::UNPROCESSABLE_ENTITY),
    form("/settings/support/{id}/end", "/settings/support/0SA000000000000/end", "").but(StatusCode::NOT_FOUND),
    get("/settings/ending", "/settings/ending"),
    // Other requests need the workspace.
    form("/settings/ending", "/settings/ending", "workspace=something+else").but(StatusCode::UNPROCESSABLE_ENTITY),
    form("/settings/ending/withdrawal", "/settings/ending/withdrawal", ""),
    get("/settings/device-policy", "/settings/device-policy"),
    form("/settings/device-policy", "/settings/device-policy", "interval=300&offline=&storage=&sealed=yes"),
    form("/settings/device-policy/keys", "/settings/device-policy/keys", ""),
    get("/settings/record-sets", "/settings/record-sets"),
    form("/settings/record-sets", "/settings/record-sets", "name=").but(StatusCode::UNPROCESSABLE_ENTITY),
    get("/settings/record-sets/new", "/settings/record-sets/new"),
    form("/settings/record-sets/condition", "/settings/record-sets/condition", "root=account&if-field=name&if-do=add"),
    form("/settings/record-sets/preview", "/settings/record-sets/preview", "root=account&filter=&via=contact.account_id"),
    get("/settings/record-sets/{id}", "/settings/record-sets/fR0000000000000").but(StatusCode::NOT_FOUND),
    form("/settings/record-sets/{id}", "/settings/record-sets/fR0000000000000", "version=1&name=x&root=account").but(StatusCode::NOT_FOUND),
    form("/settings/record-sets/{id}/deletion", "/settings/record-sets/fR0000000000000/deletion", "").but(StatusCode::NOT_FOUND),
    get("/settings/sealed", "/settings/sealed"),
    form("/settings/sealed/{id}/release", "/settings/sealed/fD0000000000000.1/release", "").but(StatusCode::NOT_FOUND),
    form("/settings/sealed/{id}/dismissal", "/settings/sealed/fD0000000000000.1/dismissal", "").but(StatusCode::NOT_FOUND),
    get("/conflicts", "/conflicts"),
    get("/conflicts/count", "/conflicts/count"),
    get("/conflicts/{id}", "/conflicts/fX0000000000000").but(StatusCode::NOT_FOUND),
    form("/conflicts/{id}", "/conflicts/fX0000000000000", "side=theirs").but(StatusCode::NOT_FOUND),
    form("/conflicts/{id}/dismissal", "/conflicts/fD0000000000000.1/dismissal", "").but(StatusCode::NOT_FOUND),

    get("/settings/teams", "/settings/teams"),
    form("/settings/teams", "/settings/teams", "name=").but(StatusCode::UNPROCESSABLE_ENTITY),
    form("/settings/teams/{id}", "/settings/teams/:team", "name=Moved&parent="),
    form("/settings/teams/{id}/deletion", "/settings/teams/:team0/deletion", "").but(StatusCode::NOT_FOUND),
    form("/settings/teams/{id}/members", "/settings/teams/:team/members", "user=nobody").but(StatusCode::NOT_FOUND),
    form("/settings/teams/{id}/members/{user}/removal", "/settings/teams/:team/members/0050000000000zz/removal", "").but(StatusCode::NOT_FOUND),
    form("/settings/teams/visibility", "/settings/teams/visibility", "user=&visibility=all"),
    get("/settings/roles", "/settings/roles"),


    // Settings: passwords, sessions and second factors.
    get("/sign-in/code", "/sign-in/code"),
    form("/sign-in/code", "/sign-in/code", "code=000000"),
    get("/settings/password", "/settings/password"),
    form("/settings/password", "/settings/password", "present=wrong&new=x&repeat=x").but(StatusCode::UNPROCESSABLE_ENTITY),
    get("/settings/two-step", "/settings/two-step"),
    get("/settings/two-step/setup", "/settings/two-step/setup"),
    form("/settings/two-step/setup", "/settings/two-step/setup", ""),
    form("/settings/two-step/confirmation", "/settings/two-step/confirmation", "code=1&code=2").but(StatusCode::BAD_REQUEST),
    form("/settings/two-step/codes", "/settings/two-step/codes", ""),
    get("/settings/two-step/removal", "/settings/two-step/removal"),
    form("/settings/two-step/removal", "/settings/two-step/removal", "password=wrong&code=x"),
    get("/settings/sessions", "/settings/sessions"),
    form("/settings/sessions/end", "/settings/sessions/end", "id=0SS000000000000"),
    // It would end the sessions of other requests here.
    form("/settings/sessions/end-others", "/settings/sessions/end-others", "stay=yes").but(StatusCode::BAD_REQUEST),
    get("/settings/sign-in", "/settings/sign-in"),
    form("/settings/sign-in", "/settings/sign-in", "idle_minutes=none&absolute_minutes=none").but(StatusCode::BAD_REQUEST),

    // The authorization server.
    get("/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server"),
    form("/oauth/token", "/oauth/token", "grant_type=refresh_token&client_id=none&refresh_token=x").but(StatusCode::UNAUTHORIZED),
    form("/oauth/revoke", "/oauth/revoke", "client_id=none&token=x").but(StatusCode::UNAUTHORIZED),
    get("/oauth/authorize", "/oauth/authorize?client_id=none").but(StatusCode::BAD_REQUEST),
    form("/oauth/authorize", "/oauth/authorize", "client_id=none&decision=allow").but(StatusCode::BAD_REQUEST),

    // Settings: programs and the audit log.
    get("/settings/tokens", "/settings/tokens"),
    get("/settings/tokens/new", "/settings/tokens/new"),
    form("/settings/tokens", "/settings/tokens", "name=nightly&scope=records.read&days=30"),
    form("/settings/tokens/{id}/revocation", "/settings/tokens/0AT000000000000/revocation", "").but(StatusCode::NOT_FOUND),
    get("/settings/connected", "/settings/connected"),
    form("/settings/connected/grants/{id}/revocation", "/settings/connected/grants/0OG000000000000/revocation", "").but(StatusCode::NOT_FOUND),
    form("/settings/connected/{id}/withdrawal", "/settings/connected/0OC000000000000/withdrawal", "").but(StatusCode::NOT_FOUND),
    get("/settings/service-accounts", "/settings/service-accounts"),
    get("/settings/service-accounts/new", "/settings/service-accounts/new"),
    form("/settings/service-accounts", "/settings/service-accounts", "name=Nightly&role=viewer"),
    get("/settings/service-accounts/{id}", "/settings/service-accounts/005000000000000").but(StatusCode::NOT_FOUND),
    form("/settings/service-accounts/{id}", "/settings/service-accounts/005000000000000", "name=Nightly&role=viewer").but(StatusCode::NOT_FOUND),
    form("/settings/service-accounts/{id}/activation", "/settings/service-accounts/005000000000000/activation", "active=no").but(StatusCode::NOT_FOUND),
    get("/settings/service-accounts/{id}/tokens/new", "/settings/service-accounts/005000000000000/tokens/new").but(StatusCode::NOT_FOUND),
    form("/settings/service-accounts/{id}/tokens", "/settings/service-accounts/005000000000000/tokens", "name=x&scope=records.read&days=30").but(StatusCode::NOT_FOUND),
    form("/settings/service-accounts/{id}/tokens/{token}/revocation", "/settings/service-accounts/005000000000000/tokens/0AT000000000000/revocation", "").but(StatusCode::NOT_FOUND),
    get("/settings/applications", "/settings/applications"),
    get("/settings/applications/new", "/settings/applications/new"),
    form("/settings/applications", "/settings/applications", "name=Reports&kind=public&redirect_uris=https%3A%2F%2Fapp.example%2Fcb&scope=records.read"),
    get("/settings/applications/{id}", "/settings/applications/0OC000000device"),
    form("/settings/applications/{id}", "/settings/applications/0OC000000000000", "name=x&redirect_uris=https%3A%2F%2Fapp.example%2Fcb&scope=records.read").but(StatusCode::NOT_FOUND),
    form("/settings/applications/{id}/activation", "/settings/applications/0OC000000000000/activation", "active=no").but(StatusCode::NOT_FOUND),
    form("/settings/applications/{id}/secret", "/settings/applications/0OC000000000000/secret", "").but(StatusCode::NOT_FOUND),
    form("/settings/applications/{id}/deletion", "/settings/applications/0OC000000000000/deletion", "").but(StatusCode::NOT_FOUND),
    get("/settings/token-policy", "/settings/token-policy"),
    form("/settings/token-policy", "/settings/token-policy", "days=90&minutes=30"),
    get("/settings/audit", "/settings/audit"),
    form("/settings/audit/verification", "/settings/audit/verification", ""),
    form("/settings/audit/export", "/settings/audit/export", "format=csv"),

    // Files.
    get("/attachments/new", "/attachments/new?about_id=:account"),
    form("/attachments/new", "/attachments/new", "about_id=:account").but(StatusCode::BAD_REQUEST),
    get("/attachments/{id}/content", "/attachments/00P000000000000/content").but(StatusCode::NOT_FOUND),

    // Pages of records.
    get("/assets/{name}", "/assets/none.css").but(StatusCode::NOT_FOUND),
    get("/", "/"),
    get("/search", "/search?q=quarr"),
    get("/{objects}", "/accounts"),
    form("/{objects}", "/accounts", "name=Made"),
    get("/{objects}/new", "/accounts/new"),
    get("/{objects}/board", "/deals/board"),
    get("/{objects}/deleted", "/accounts/deleted"),
    get("/{objects}/count", "/accounts/count"),
    get("/{objects}/tests", "/accounts/tests?field=name"),
    form("/{objects}/bulk", "/accounts/bulk", "do=edit&id=001000000000zzz"),
    get("/{objects}/bulk/field", "/accounts/bulk/field?field=city"),
    form("/{objects}/bulk/reversal", "/accounts/bulk/reversal", "what=change"),
    form("/{objects}/views", "/accounts/views", "name=Mine&query=q%3Dx"),
    form("/{objects}/views/change", "/accounts/views/change", "id=0VW0000000000zz&do=remove").but(StatusCode::NOT_FOUND),
    get("/calendar", "/calendar?reach=week&whose=all"),
    form("/calendar", "/calendar", "record=00T000000000zzz&version=1&was=&day=x").but(StatusCode::BAD_REQUEST),
    get("/palette", "/palette?q=quarr"),
    get("/reports", "/reports?object=account&by=city"),
    get("/dashboards", "/dashboards"),
    form("/dashboards", "/dashboards", "do=make&name=Mine"),
    form("/reports", "/reports", "name=Mine&query=by%3Dcity"),
    get("/{objects}/quick", "/contacts/quick?account_id=001000000000zzz"),
    get("/{objects}/alike", "/accounts/alike?q=x"),
    get("/{objects}/{id}/field", "/accounts/:account/field?name=city"),
    get("/{objects}/{id}/merge", "/accounts/:account/merge"),
    form("/{objects}/{id}/merge", "/accounts/:account/merge", "with=:account&version=1&other_version=1"),
    get("/{objects}/options/{field}", "/contacts/options/account_id?q=quarr"),
    get("/{objects}/{id}", "/accounts/:account"),
    form("/{objects}/{id}", "/accounts/:account", "version=1&name=Changed&was%3Aname=Quarrystone"),
    get("/{objects}/{id}/edit", "/accounts/:account/edit"),
    get("/{objects}/{id}/history", "/accounts/:account/history"),
    form("/{objects}/{id}/deletion", "/accounts/:account/deletion", ""),
    form("/{objects}/{id}/restoration", "/accounts/:deleted/restoration", ""),
    form("/{objects}/{id}/move", "/deals/006000000000zzz/move", "stage_id=01J0000000000zz&was=01J0000000000zy&version=1").but(StatusCode::UNPROCESSABLE_ENTITY),
    form("/{objects}/{id}/follow", "/accounts/:account/follow", "follow=no"),
    form("/{objects}/{id}/reversal", "/accounts/:account/reversal", "version=7").but(StatusCode::CONFLICT),
    get("/{objects}/{id}/conversion", "/leads/:lead/conversion"),
    form("/{objects}/{id}/conversion", "/leads/:lead/conversion", "version=1&account=new"),

    // The API.
    get("/api/v1/session", "/api/v1/session"),
    post("/api/v1/session", "/api/v1/session", r#"{"email":":email","password":"correct horse battery"}"#),
    delete("/api/v1/session", "/api/v1/session"),
    post("/api/v1/session/proof", "/api/v1/session/proof", r#"{"password":"wrong"}"#).but(StatusCode::FORBIDDEN),
    get("/api/v1/tokens", "/api/v1/tokens"),
    post("/api/v1/tokens", "/api/v1/tokens", r#"{"name":"nightly"}"#),
    delete("/api/v1/tokens/{id}", "/api/v1/tokens/0AT000000000000").but(StatusCode::NOT_FOUND),
    get("/api/v1/members", "/api/v1/members"),
    get("/api/v1/members/{id}", "/api/v1/members/005000000000000").but(StatusCode::NOT_FOUND),
    patch("/api/v1/members/{id}", "/api/v1/members/005000000000000", r#"{"role":"viewer"}"#).but(StatusCode::NOT_FOUND),
    get("/api/v1/invitations", "/api/v1/invitations"),
    post("/api/v1/invitations", "/api/v1/invitations", r#"{"emails":["api-:email"],"role":"viewer"}"#),
    delete("/api/v1/invitations/{id}", "/api/v1/invitations/0IV000000000000").but(StatusCode::NOT_FOUND),
    post("/api/v1/invitations/{id}/letter", "/api/v1/invitations/0IV000000000000/letter", "{}").but(StatusCode::NOT_FOUND),
    get("/api/v1/membership", "/api/v1/membership"),
    delete("/api/v1/membership", "/api/v1/membership?stay=yes").but(StatusCode::BAD_REQUEST),
    post("/api/v1/membership/email-change", "/api/v1/membership/email-change", r#"{"email":"api-:email"}"#),
    delete("/api/v1/membership/email-change", "/api/v1/membership/email-change?stay=yes").but(StatusCode::BAD_REQUEST),
    post("/api/v1/session/password", "/api/v1/session/password", r#"{"present":"wrong"}"#).but(StatusCode::UNPROCESSABLE_ENTITY),
    get("/api/v1/session/totp", "/api/v1/session/totp"),
    post("/api/v1/session/totp", "/api/v1/session/totp", "{}"),
    post("/api/v1/session/totp/confirmation", "/api/v1/session/totp/confirmation", r#"{"code":"x"}"#).but(StatusCode::UNPROCESSABLE_ENTITY),
    post("/api/v1/session/totp/recovery-codes", "/api/v1/session/totp/recovery-codes", r#"{"code":"x"}"#).but(StatusCode::UNPROCESSABLE_ENTITY),
    post("/api/v1/session/totp/removal", "/api/v1/session/totp/removal", "{}").but(StatusCode::UNPROCESSABLE_ENTITY),
    get("/api/v1/sessions", "/api/v1/sessions"),
    // It would end the sessions of other requests here.
    delete("/api/v1/sessions", "/api/v1/sessions?stay=yes").but(StatusCode::BAD_REQUEST),
    delete("/api/v1/sessions/{id}", "/api/v1/sessions/0SS000000000000").but(StatusCode::NOT_FOUND),
    post("/api/v1/users/{id}/totp-reset", "/api/v1/users/005000000000000/totp-reset", "{}").but(StatusCode::NOT_FOUND),
    get("/api/v1/workspace/sign-in-policy", "/api/v1/workspace/sign-in-policy"),
    patch("/api/v1/workspace/sign-in-policy", "/api/v1/workspace/sign-in-policy", r#"{"idle_minutes":0}"#).but(StatusCode::UNPROCESSABLE_ENTITY),
    get("/api/v1/conflicts", "/api/v1/conflicts"),
    get("/api/v1/conflicts/{id}", "/api/v1/conflicts/fX0000000000000").but(StatusCode::NOT_FOUND),
    post("/api/v1/conflicts/{id}/settlement", "/api/v1/conflicts/fX0000000000000/settlement", r#"{"choose":"mine"}"#).but(StatusCode::NOT_FOUND),
    get("/api/v1/record-sets", "/api/v1/record-sets"),
    post("/api/v1/record-sets", "/api/v1/record-sets", r#"{"name":"","root":"deal"}"#).but(StatusCode::UNPROCESSABLE_ENTITY),
    post("/api/v1/record-sets/preview", "/api/v1/record-sets/preview", r#"{"root":"deal","filter":"owner_id = :me"}"#),
    get("/api/v1/record-sets/{id}", "/api/v1/record-sets/fR0000000000000").but(StatusCode::NOT_FOUND),
    put_json("/api/v1/record-sets/{id}", "/api/v1/record-sets/fR0000000000000", r#"{"name":"x","root":"deal"}"#).but(StatusCode::NOT_FOUND),
    delete("/api/v1/record-sets/{id}", "/api/v1/record-sets/fR0000000000000").but(StatusCode::NOT_FOUND),
    post("/api/v1/sync/hello", "/api/v1/sync/hello", "{}").but(StatusCode::BAD_REQUEST),
    get("/api/v1/sync/schema", "/api/v1/sync/schema"),
    get("/api/v1/sync/devices", "/api/v1/sync/devices"),
    post("/api/v1/sync/devices", "/api/v1/sync/devices", "{}").but(StatusCode::BAD_REQUEST),
    delete("/api/v1/sync/devices/{id}", "/api/v1/sync/devices/0DV000000000000").but(StatusCode::NOT_FOUND),
    post("/api/v1/sync/devices/{id}/wipe", "/api/v1/sync/devices/fD0000000000000/wipe", "{}").but(StatusCode::NOT_FOUND),
    get("/api/v1/sync/devices/{id}/standing", "/api/v1/sync/devices/fD0000000000000/standing").but(StatusCode::UNAUTHORIZED),
    post("/api/v1/sync/devices/{id}/erasure", "/api/v1/sync/devices/fD0000000000000/erasure", "{}").but(StatusCode::BAD_REQUEST),
    get("/api/v1/devices", "/api/v1/devices"),
    get("/api/v1/workspace/device-policy", "/api/v1/workspace/device-policy"),
    put_json("/api/v1/workspace/device-policy", "/api/v1/workspace/device-policy", r#"{"interval_s":300,"may_keep_sealed":true}"#),
    post("/api/v1/sync/sealed", "/api/v1/sync/sealed", "{}").but(StatusCode::BAD_REQUEST),
    post("/api/v1/sync/pull", "/api/v1/sync/pull", "{}").but(StatusCode::BAD_REQUEST),
    post("/api/v1/sync/push", "/api/v1/sync/push", "{}").but(StatusCode::BAD_REQUEST),
    post("/api/v1/sync/sightings", "/api/v1/sync/sightings", "{}").but(StatusCode::BAD_REQUEST),
    get("/api/v1/oauth/grants", "/api/v1/oauth/grants"),
    post("/api/v1/oauth/grants", "/api/v1/oauth/grants", r#"{"client_id":"fieldstone-device"}"#),
    delete("/api/v1/oauth/grants/{id}", "/api/v1/oauth/grants/0OG000000000000").but(StatusCode::NOT_FOUND),
    get("/api/v1/service-accounts", "/api/v1/service-accounts"),
    post("/api/v1/service-accounts", "/api/v1/service-accounts", r#"{"name":"Nightly","role":"viewer"}"#),
    get("/api/v1/service-accounts/{id}", "/api/v1/service-accounts/005000000000000").but(StatusCode::NOT_FOUND),
    patch("/api/v1/service-accounts/{id}", "/api/v1/service-accounts/005000000000000", r#"{"active":false}"#).but(StatusCode::NOT_FOUND),
    get("/api/v1/service-accounts/{id}/tokens", "/api/v1/service-accounts/005000000000000/tokens").but(StatusCode::NOT_FOUND),
    post("/api/v1/service-accounts/{id}/tokens", "/api/v1/service-accounts/005000000000000/tokens", r#"{"name":"x"}"#).but(StatusCode::NOT_FOUND),
    delete("/api/v1/service-accounts/{id}/tokens/{token}", "/api/v1/service-accounts/005000000000000/tokens/0AT000000000000").but(StatusCode::NOT_FOUND),
    get("/api/v1/oauth/applications", "/api/v1/oauth/applications"),
    post("/api/v1/oauth/applications", "/api/v1/oauth/applications", r#"{"name":"Reports","redirect_uris":["https://app.example/cb"],"scopes":["records.read"]}"#),
    get("/api/v1/oauth/applications/{id}", "/api/v1/oauth/applications/0OC000000device"),
    patch("/api/v1/oauth/applications/{id}", "/api/v1/oauth/applications/0OC000000000000", r#"{"active":false}"#).but(StatusCode::NOT_FOUND),
    delete("/api/v1/oauth/applications/{id}", "/api/v1/oauth/applications/0OC000000000000").but(StatusCode::NOT_FOUND),
    post("/api/v1/oauth/applications/{id}/secret", "/api/v1/oauth/applications/0OC000000000000/secret", "{}").but(StatusCode::NOT_FOUND),
    get("/api/v1/workspace/token-policy", "/api/v1/workspace/token-policy"),
    patch("/api/v1/workspace/token-policy", "/api/v1/workspace/token-policy", r#"{"api_token_days_max":90}"#),
    get("/api/v1/audit-events", "/api/v1/audit-events?limit=5"),
    post("/api/v1/audit-events/verification", "/api/v1/audit-events/verification", "{}"),
    get("/api/v1/objects", "/api/v1/objects"),
    post("/api/v1/objects", "/api/v1/objects", r#"{"name":"boat","plural":"boats"}"#).but(StatusCode::UNPROCESSABLE_ENTITY),
    get("/api/v1/objects/{object}", "/api/v1/objects/:object"),
    delete("/api/v1/objects/{object}", "/api/v1/objects/:object"),
    post("/api/v1/objects/{object}/fields", "/api/v1/objects/:object/fields", r#"{"name":"made","type":"text","max":40,"label":"Made"}"#),
    patch("/api/v1/objects/{object}/fields/{field}", "/api/v1/objects/:object/fields/depth", r#"{"label":"Depth"}"#),
    delete("/api/v1/objects/{object}/fields/{field}", "/api/v1/objects/:object/fields/depth"),
    get("/api/v1/records/{object}", "/api/v1/records/account"),
    post("/api/v1/records/{object}", "/api/v1/records/account", r#"{"name":"Made"}"#),
    get("/api/v1/records/{object}/count", "/api/v1/records/account/count"),
    get("/api/v1/records/{object}/aggregate", "/api/v1/records/account/aggregate?measures=count"),
    post("/api/v1/records/{object}/batch", "/api/v1/records/account/batch", r#"{"changes":[{"action":"create","values":{"name":"Made"}}]}"#),
    get("/api/v1/records/{object}/{id}", "/api/v1/records/account/:account"),
    patch("/api/v1/records/{object}/{id}", "/api/v1/records/account/:account", r#"{"name":"Changed"}"#),
    delete("/api/v1/records/{object}/{id}", "/api/v1/records/account/:account"),
    post("/api/v1/records/{object}/{id}/restoration", "/api/v1/records/account/:deleted/restoration", "{}"),
    get("/api/v1/records/{object}/{id}/history", "/api/v1/records/account/:account/history"),
    post("/api/v1/records/lead/{id}/conversion", "/api/v1/records/lead/:lead/conversion", "{}"),
    post("/api/v1/records/attachment/{id}/upload", "/api/v1/records/attachment/00P000000000000/upload", r#"{"content_type":"text/plain","size":1}"#).but(StatusCode::NOT_FOUND),
    get("/api/v1/records/attachment/{id}/upload", "/api/v1/records/attachment/00P000000000000/upload").but(StatusCode::NOT_FOUND),
    put("/api/v1/records/attachment/{id}/upload/parts/{number}", "/api/v1/records/attachment/00P000000000000/upload/parts/0").but(StatusCode::NOT_FOUND),
    post("/api/v1/records/attachment/{id}/upload/completion", "/api/v1/records/attachment/00P000000000000/upload/completion", "{}").but(StatusCode::NOT_FOUND),
    get("/api/v1/records/attachment/{id}/content", "/api/v1/records/attachment/00P000000000000/content").but(StatusCode::NOT_FOUND),
    get("/api/v1/webhooks", "/api/v1/webhooks"),
    post("/api/v1/webhooks", "/api/v1/webhooks", r#"{"name":"","url":""}"#).but(StatusCode::UNPROCESSABLE_ENTITY),
    get("/api/v1/webhooks/{id}", "/api/v1/webhooks/0WH0000000000zz").but(StatusCode::NOT_FOUND),
    patch("/api/v1/webhooks/{id}", "/api/v1/webhooks/0WH0000000000zz", "{}").but(StatusCode::NOT_FOUND),
    delete("/api/v1/webhooks/{id}", "/api/v1/webhooks/0WH0000000000zz").but(StatusCode::NOT_FOUND),
    post("/api/v1/webhooks/{id}/secret", "/api/v1/webhooks/0WH0000000000zz/secret", "{}").but(StatusCode::NOT_FOUND),
    get("/api/v1/webhooks/{id}/deliveries", "/api/v1/webhooks/0WH0000000000zz/deliveries").but(StatusCode::NOT_FOUND),
    post("/api/v1/webhooks/{id}/deliveries/{delivery}/replay", "/api/v1/webhooks/0WH0000000000zz/deliveries/00000000-0000-0000-0000-000000000000/replay", "{}").but(StatusCode::NOT_FOUND),
    get("/api/v1/teams", "/api/v1/teams"),
    post("/api/v1/teams", "/api/v1/teams", r#"{"name":""}"#).but(StatusCode::UNPROCESSABLE_ENTITY),
    patch("/api/v1/teams/{id}", "/api/v1/teams/:team", "{}"),
    delete("/api/v1/teams/{id}", "/api/v1/teams/0TE000000000000").but(StatusCode::NOT_FOUND),
    put("/api/v1/teams/{id}/members/{user}", "/api/v1/teams/:team/members/0050000000000zz").but(StatusCode::NOT_FOUND),
    delete("/api/v1/teams/{id}/members/{user}", "/api/v1/teams/:team/members/0050000000000zz").but(StatusCode::NOT_FOUND),
    get("/api/v1/visibility", "/api/v1/visibility"),
    patch("/api/v1/visibility", "/api/v1/visibility", r#"{"default":"all"}"#),
    patch("/api/v1/visibility/{user}", "/api/v1/visibility/0050000000000zz", r#"{"visibility":"own"}"#).but(StatusCode::NOT_FOUND),
    get("/api/v1/search", "/api/v1/search?q=quarr"),
];
