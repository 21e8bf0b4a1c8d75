//! All routes of the platform, in one place, wrapped in what every answer has in common.
//!
//! `pages` is the one list of the server's own pages; the others are `fieldstone_ui::pages` and `api::ROUTES`.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, FromRef, State};
use axum::middleware;
use axum::{Extension, Router};
use fieldstone_model::{
    Capability::{
        self, RecordsImport, RecordsRead, RecordsWrite, SchemaManage, UsersManage, WorkspaceManage,
        WorkspaceOwn,
    },
    Needs,
};
use fieldstone_ui::page::{Page, get, mount, post};
use http::header::CONTENT_TYPE;
use jiff::{SignedDuration, Timestamp};

use super::health::{self, Readiness};
use super::{Application, Platform, full_disk, gate, replaced_session};
use crate::api;
use crate::http::{HttpLimits, see_through, wrap};
use crate::identity::oauth::AuthorizationServer;
use crate::live::Live;
use crate::oauth::{self, Issuer};
use crate::pages::calendar_feed::{self, Feeds};
use crate::pages::settings::{invitations, members, membership};
use crate::pages::{
    Entrance, attachments, confirm, email_change, exports, forgotten_password, imports, invitation,
    live, notifications, password_reset, second_step,
    security::{self, LastReport},
    set_up, settings, sign_in, sign_out, support_entry,
};
use crate::store::PgStore;

/// How far ahead the contact is vouched for (RFC 9116, 2.5.5: less than a year is recommended).
const SECURITY_EXPIRY: SignedDuration = SignedDuration::from_hours(24 * 180);
/// Most bytes of a form of somebody who has proved nothing yet.
const OPEN_FORM_MAX: usize = 16 * 1024;

/// What the server's own pages are served from. A handler takes the part it needs as its `State`.
#[derive(Clone)]
pub struct Site {
    platform: Platform,
    readiness: Arc<Readiness>,
    report: Arc<LastReport>,
    entrance: Entrance,
    authorization: AuthorizationServer,
    issuer: Issuer,
    live: Live,
    feeds: Feeds,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").finish_non_exhaustive()
    }
}

/// Lets handlers take a part of the [`Site`].
macro_rules! parts {
    ($($field:ident: $part:ty),* $(,)?) => {
        $(impl FromRef<Site> for $part {
            fn from_ref(site: &Site) -> Self {
                site.$field.clone()
            }
        })*
    };
}

parts! {
    platform: Platform,
    readiness: Arc<Readiness>,
    report: Arc<LastReport>,
    entrance: Entrance,
    authorization: AuthorizationServer,
    issuer: Issuer,
    live: Live,
    feeds: Feeds,
}

/// The table of the server's own pages. What needs nothing is served outside the gate, everything else behind it.
///
/// The secret of a set-up link stands in the query, since paths are logged.
pub fn pages() -> Vec<Page<Site>> {
    let mut pages = carrying();
    pages.extend(people());
    pages
}

/// The pages for signing in, and Settings.
#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "one row per page")]
fn people() -> Vec<Page<Site>> {
    vec![
        get("/healthz",                   Needs::Nothing, health::alive),
        get("/readyz",                    Needs::Nothing, health::ready),
        get("/.well-known/security.txt",  Needs::Nothing, security_txt),
        get("/api/openapi.json",          Needs::Nothing, api::show_openapi),
        get("/security",                  Needs::Nothing, security::show),
        get("/sign-in",                   Needs::Nothing, sign_in::show),
        post("/sign-in",                  Needs::Nothing, sign_in::submit),
        get("/sign-in/code",              Needs::Nothing, second_step::show),
        post("/sign-in/code",             Needs::Nothing, second_step::submit),
        post("/sign-out",                 Needs::Nothing, sign_out::submit),
        get("/set-up",                    Needs::Nothing, set_up::show),
        post("/set-up",                   Needs::Nothing, set_up::submit),
        get("/support-entry",             Needs::Nothing, support_entry::show),
        post("/support-entry",            Needs::Nothing, support_entry::submit),
        get("/invitation",                Needs::Nothing, invitation::show),
        post("/invitation",               Needs::Nothing, invitation::submit),
        get("/forgotten-password",        Needs::Nothing, forgotten_password::show),
        post("/forgotten-password",       Needs::Nothing, forgotten_password::submit),
        get("/password-reset",            Needs::Nothing, password_reset::show),
        post("/password-reset",           Needs::Nothing, password_reset::submit),
        get("/email-change",              Needs::Nothing, email_change::show),
        post("/email-change",             Needs::Nothing, email_change::submit),
        get("/.well-known/oauth-authorization-server", Needs::Nothing, oauth::metadata::show),
        post("/oauth/token",              Needs::Nothing, oauth::token::submit),
        post("/oauth/revoke",             Needs::Nothing, oauth::revoke::submit),
        get("/oauth/authorize",           Needs::Session, oauth::authorize::show),
        post("/oauth/authorize",          Needs::Proof,   oauth::authorize::submit),
        get("/confirm",                   Needs::Session, confirm::show),
        post("/confirm",                  Needs::Session, confirm::submit),
        get("/attachments/new",           Needs::Capability(RecordsWrite), attachments::new),
        post("/attachments/new",          Needs::Capability(RecordsWrite), attachments::create),
        get("/attachments/{id}/content",  Needs::Capability(RecordsRead),  attachments::content),
        get("/live",                      Needs::Session, live::show),
        get("/calendar.ics",              Needs::Nothing, calendar_feed::show),
        get("/settings/calendar",         Needs::Session, settings::calendar::show),
        post("/settings/calendar",        Needs::Proof,   settings::calendar::make),
        post("/settings/calendar/end",    Needs::Session, settings::calendar::end),
        get("/notifications",             Needs::Session, notifications::show),
        get("/notifications/count",       Needs::Session, notifications::count),
        get("/settings",                  Needs::Session, settings::show),
        get("/settings/notifications",    Needs::Session, settings::notifications::show),
        post("/settings/notifications",   Needs::Session, settings::notifications::submit),
        get("/settings/profile",          Needs::Session, settings::profile::show),
        post("/settings/profile",         Needs::Session, settings::profile::submit),
        get("/settings/automation",                     needs(WorkspaceManage),  settings::automation::list),
        post("/settings/automation",                    proven(WorkspaceManage), settings::automation::create),
        get("/settings/automation/new",                 needs(WorkspaceManage),  settings::automation::new),
        post("/settings/automation/condition",          needs(WorkspaceManage),  settings::automation::build),
        get("/settings/automation/{id}",                needs(WorkspaceManage),  settings::automation::show),
        post("/settings/automation/{id}",               proven(WorkspaceManage), settings::automation::update),
        get("/settings/automation/{id}/trial",          needs(WorkspaceManage),  settings::automation::trial),
        post("/settings/automation/{id}/activation",    proven(WorkspaceManage), settings::automation::switch),
        post("/settings/automation/{id}/removal",       proven(WorkspaceManage), settings::automation::remove),
        get("/settings/webhooks",                       needs(WorkspaceManage),  settings::webhooks::list),
        post("/settings/webhooks",                      proven(WorkspaceManage), settings::webhooks::create),
        get("/settings/webhooks/{id}",                  needs(WorkspaceManage),  settings::webhooks::show),
        post("/settings/webhooks/{id}",                 proven(WorkspaceManage), settings::webhooks::update),
        post("/settings/webhooks/{id}/secret",          proven(WorkspaceManage), settings::webhooks::renew),
        post("/settings/webhooks/{id}/removal",         proven(WorkspaceManage), settings::webhooks::remove),
        post("/settings/webhooks/{id}/deliveries/{delivery}/replay", proven(WorkspaceManage), settings::webhooks::replay),
        get("/settings/password",         Needs::Session, settings::password::show),
        post("/settings/password",        Needs::Session, settings::password::submit),
        get("/settings/two-step",         Needs::Session, settings::two_step::show),
        get("/settings/two-step/setup",   Needs::Proof,   settings::two_step::show_setup),
        post("/settings/two-step/setup",  Needs::Proof,   settings::two_step::start),
        post("/settings/two-step/confirmation", Needs::Proof, settings::two_step::confirm),
        post("/settings/two-step/codes",  Needs::Proof,   settings::two_step::renew_codes),
        get("/settings/two-step/removal", Needs::Session, settings::two_step::show_removal),
        post("/settings/two-step/removal", Needs::Session, settings::two_step::remove),
        get("/settings/sessions",         Needs::Session, settings::sessions::show),
        post("/settings/sessions/end",    Needs::Session, settings::sessions::end),
        post("/settings/sessions/end-others", Needs::Session, settings::sessions::end_others),
        get("/settings/sign-in",          Needs::ProvenCapability(WorkspaceManage), settings::sign_in::show),
        post("/settings/sign-in",         Needs::ProvenCapability(WorkspaceManage), settings::sign_in::submit),
        get("/settings/membership",       Needs::Session, membership::show),
        get("/settings/membership/email", Needs::Proof, membership::email),
        post("/settings/membership/email", Needs::Proof, membership::ask),
        post("/settings/membership/email/stop", Needs::Session, membership::stop),
        get("/settings/membership/departure", Needs::Proof, membership::departure),
        post("/settings/membership/departure", Needs::Proof, membership::leave),
        get("/settings/devices",                                Needs::Session, settings::devices::show),
        post("/settings/devices/{id}/revocation",               Needs::Session, settings::devices::revoke),
        get("/settings/devices/{id}/wipe",                      Needs::Proof,   settings::devices::ask),
        post("/settings/devices/{id}/wipe",                     Needs::Proof,   settings::devices::wipe),
        get("/settings/device-policy",                          proven(WorkspaceManage), settings::device_policy::show),
        post("/settings/device-policy",                         proven(WorkspaceManage), settings::device_policy::submit),
        post("/settings/device-policy/keys",                    proven(WorkspaceManage), settings::device_policy::replace_key),
        get("/settings/record-sets",                            needs(SchemaManage), settings::record_sets::list),
        post("/settings/record-sets",                           needs(SchemaManage), settings::record_sets::create),
        get("/settings/record-sets/new",                        needs(SchemaManage), settings::record_sets::new),
        post("/settings/record-sets/condition",                 needs(SchemaManage), settings::record_sets::build),
        post("/settings/record-sets/preview",                   needs(SchemaManage), settings::record_sets::preview),
        get("/settings/record-sets/{id}",                       needs(SchemaManage), settings::record_sets::edit),
        post("/settings/record-sets/{id}",                      needs(SchemaManage), settings::record_sets::update),
        post("/settings/record-sets/{id}/deletion",             needs(SchemaManage), settings::record_sets::delete),
        get("/settings/sealed",                                 needs(UsersManage),  settings::sealed::show),
        post("/settings/sealed/{id}/release",                   proven(UsersManage), settings::sealed::release),
        post("/settings/sealed/{id}/dismissal",                 proven(UsersManage), settings::sealed::dismiss),
        get("/settings/members",          Needs::Capability(UsersManage), members::list),
        get("/settings/members/{id}",     Needs::ProvenCapability(UsersManage), members::show),
        post("/settings/members/{id}/role", Needs::ProvenCapability(UsersManage), members::set_role),
        post("/settings/members/{id}/access", Needs::ProvenCapability(UsersManage), members::set_access),
        post("/settings/members/{id}/two-step-reset", Needs::ProvenCapability(UsersManage), members::reset_two_step),
        get("/settings/invitations",      Needs::Capability(UsersManage), invitations::list),
        get("/settings/invitations/new",  Needs::ProvenCapability(UsersManage), invitations::new),
        post("/settings/invitations",     Needs::ProvenCapability(UsersManage), invitations::create),
        post("/settings/invitations/{id}/letter", Needs::ProvenCapability(UsersManage), invitations::resend),
        post("/settings/invitations/{id}/withdrawal", Needs::Capability(UsersManage), invitations::withdraw),
        get("/settings/roles",                                  Needs::Capability(RecordsRead),       settings::roles::show),
        get("/settings/teams",                                  Needs::Capability(UsersManage),       settings::teams::show),
        post("/settings/teams",                                 Needs::ProvenCapability(UsersManage), settings::teams::create),
        post("/settings/teams/visibility",                      Needs::ProvenCapability(UsersManage), settings::teams::see),
        post("/settings/teams/{id}",                            Needs::ProvenCapability(UsersManage), settings::teams::update),
        post("/settings/teams/{id}/deletion",                   Needs::ProvenCapability(UsersManage), settings::teams::delete),
        post("/settings/teams/{id}/members",                    Needs::ProvenCapability(UsersManage), settings::teams::join),
        post("/settings/teams/{id}/members/{user}/removal",     Needs::ProvenCapability(UsersManage), settings::teams::leave),
        get("/settings/tokens",           Needs::Session, settings::tokens::show),
        get("/settings/tokens/new",       Needs::Proof,   settings::tokens::new),
        post("/settings/tokens",          Needs::Proof,   settings::tokens::create),
        post("/settings/tokens/{id}/revocation",                          Needs::Session, settings::tokens::revoke),
        get("/settings/connected",                                        Needs::Session, settings::connected::show),
        post("/settings/connected/grants/{id}/revocation",                Needs::Session, settings::connected::revoke),
        post("/settings/connected/{id}/withdrawal",                       Needs::Session, settings::connected::withdraw),
        get("/settings/applications",                                     needs(WorkspaceManage),  settings::applications::show),
        get("/settings/applications/new",                                 proven(WorkspaceManage), settings::applications::new),
        post("/settings/applications",                                    proven(WorkspaceManage), settings::applications::create),
        get("/settings/applications/{id}",                                needs(WorkspaceManage),  settings::applications::one),
        post("/settings/applications/{id}",                               proven(WorkspaceManage), settings::applications::update),
        post("/settings/applications/{id}/activation",                    proven(WorkspaceManage), settings::applications::switch),
        post("/settings/applications/{id}/secret",                        proven(WorkspaceManage), settings::applications::renew_secret),
        post("/settings/applications/{id}/deletion",                      proven(WorkspaceManage), settings::applications::remove),
        get("/settings/service-accounts",                                 needs(WorkspaceManage),  settings::service_accounts::show),
        get("/settings/service-accounts/new",                             proven(WorkspaceManage), settings::service_accounts::new),
        post("/settings/service-accounts",                                proven(WorkspaceManage), settings::service_accounts::create),
        get("/settings/service-accounts/{id}",                            needs(WorkspaceManage),  settings::service_accounts::one),
        post("/settings/service-accounts/{id}",                           proven(WorkspaceManage), settings::service_accounts::update),
        post("/settings/service-accounts/{id}/activation",                proven(WorkspaceManage), settings::service_accounts::switch),
        get("/settings/service-accounts/{id}/tokens/new",                 proven(WorkspaceManage), settings::service_accounts::new_token),
        post("/settings/service-accounts/{id}/tokens",                    proven(WorkspaceManage), settings::service_accounts::create_token),
        post("/settings/service-accounts/{id}/tokens/{token}/revocation", needs(WorkspaceManage),  settings::service_accounts::revoke_token),
        get("/settings/token-policy",                                     needs(WorkspaceManage),  settings::token_policy::show),
        post("/settings/token-policy",                                    proven(WorkspaceManage), settings::token_policy::submit),
        get("/settings/audit",                                            needs(UsersManage),      settings::audit::show),
        post("/settings/audit/verification",                              needs(UsersManage),      settings::audit::verify),
        get("/settings/personal-data",                                    proven(UsersManage),     settings::personal_data::show),
        post("/settings/personal-data/export",                            proven(UsersManage),     settings::personal_data::export),
        post("/settings/personal-data/erasure",                           proven(UsersManage),     settings::personal_data::erase),
        get("/settings/usage",                                            needs(WorkspaceManage),  settings::usage::show),
        get("/settings/backups",                                          needs(WorkspaceManage),  settings::backups::show),
        get("/settings/support",                                          needs(WorkspaceOwn),     settings::support::show),
        post("/settings/support",                                         proven(WorkspaceOwn),    settings::support::give),
        post("/settings/support/{id}/end",                                needs(WorkspaceOwn),     settings::support::end),
        get("/settings/ending",                                           proven(WorkspaceOwn),    settings::ending::show),
        post("/settings/ending",                                          proven(WorkspaceOwn),    settings::ending::ask),
        post("/settings/ending/withdrawal",                               proven(WorkspaceOwn),    settings::ending::stop),
        post("/settings/audit/export",                                    proven(UsersManage),     settings::audit::export),
    ]
}

/// The pages for bringing records in and taking them away, and for what records are.
#[rustfmt::skip]
fn carrying() -> Vec<Page<Site>> {
    vec![
        get("/imports",                   needs(RecordsImport), imports::list),
        get("/imports/new",               needs(RecordsImport), imports::new),
        post("/imports",                  needs(RecordsImport), imports::create),
        post("/imports/files",            needs(RecordsImport), imports::expect),
        post("/imports/{id}/parts",       needs(RecordsImport), imports::part),
        post("/imports/{id}/arrival",     needs(RecordsImport), imports::arrive),
        get("/imports/{id}",              needs(RecordsImport), imports::show),
        post("/imports/{id}",             needs(RecordsImport), imports::choose),
        get("/imports/{id}/progress",     needs(RecordsImport), imports::progress),
        post("/imports/{id}/cancellation", needs(RecordsImport), imports::cancel),
        post("/imports/{id}/continuation", needs(RecordsImport), imports::go_on),
        post("/imports/{id}/again",       needs(RecordsImport), imports::again),
        post("/imports/{id}/removal",     needs(RecordsImport), imports::discard),
        get("/imports/{id}/failed",       needs(RecordsImport), imports::failed_rows),
        post("/imports/{id}/undo",        needs(RecordsImport), imports::undo),
        get("/settings/objects",                                        needs(SchemaManage),  settings::objects::list),
        post("/settings/objects",                                       needs(SchemaManage),  settings::objects::create),
        get("/settings/objects/{object}",                               needs(SchemaManage),  settings::objects::show),
        post("/settings/objects/{object}/removal",                      proven(SchemaManage), settings::objects::remove_object),
        post("/settings/objects/{object}/fields",                       needs(SchemaManage),  settings::objects::add),
        get("/settings/objects/{object}/order",                         needs(SchemaManage),  settings::objects::show_order),
        post("/settings/objects/{object}/order",                        needs(SchemaManage),  settings::objects::arrange),
        get("/settings/objects/{object}/fields/{field}",                proven(SchemaManage), settings::objects::field),
        post("/settings/objects/{object}/fields/{field}",               proven(SchemaManage), settings::objects::update),
        post("/settings/objects/{object}/fields/{field}/removal",       needs(SchemaManage),  settings::objects::remove),
        post("/settings/objects/{object}/fields/{field}/restoration",   needs(SchemaManage),  settings::objects::restore),
        post("/exports/{objects}",        proven(UsersManage),  exports::submit),
    ]
}

const fn needs(capability: Capability) -> Needs {
    Needs::Capability(capability)
}

const fn proven(capability: Capability) -> Needs {
    Needs::ProvenCapability(capability)
}

/// The router that a server serves.
pub fn routes(platform: &Platform) -> anyhow::Result<Router> {
    let application = Application::new(platform)?;
    let (auth, clock) = (application.auth.clone(), Arc::clone(&application.clock));
    application.requests.settle_through(auth, clock);
    let entrance = Entrance {
        sign_in: application.sign_in.clone(),
        authenticator: application.authenticator.clone(),
        profiles: application.profiles.clone(),
        clock: Arc::clone(&application.clock),
    };
    let site = Site {
        platform: platform.clone(),
        readiness: Arc::new(Readiness::new(platform)),
        report: Arc::new(LastReport::new(platform)),
        entrance: entrance.clone(),
        authorization: application.authorization.clone(),
        issuer: Issuer::new(&platform.url),
        live: application.live.clone(),
        feeds: Feeds::new(
            application.auth.clone(),
            application.stores.clone(),
            Arc::clone(&application.clock),
            platform.url.clone(),
        ),
    };
    let everywhere = application.clone();
    let own = mount::<PgStore, Site>(pages());
    let gated = fieldstone_ui::router::<PgStore>(own.gated.with_state(site.clone()))
        .merge(
            api::router::<PgStore>()
                .layer(Extension(entrance))
                .layer(Extension(site.platform.webhook_networks.clone()))
                .layer(Extension(application.standings.clone())),
        )
        .layer(middleware::from_fn_with_state(application, gate::admit));
    let router = own
        .open
        .layer(DefaultBodyLimit::max(OPEN_FORM_MAX))
        .with_state(site)
        .merge(fieldstone_ui::assets::<PgStore>())
        .merge(gated)
        .layer(middleware::from_fn_with_state(
            everywhere.clone(),
            replaced_session::end,
        ))
        .layer(middleware::from_fn_with_state(
            everywhere.stores,
            full_disk::tell,
        ));
    let router = wrap(router, HttpLimits::default());
    let proxies = platform.accounts.proxies.clone();
    Ok(router.layer(middleware::from_fn_with_state(proxies, see_through)))
}

/// RFC 9116.
async fn security_txt(
    State(platform): State<Platform>,
) -> ([(http::HeaderName, &'static str); 1], String) {
    (
        [(CONTENT_TYPE, "text/plain; charset=utf-8")],
        security_text(
            &platform.security_contact,
            &platform.url,
            platform.clock.now(),
        ),
    )
}

fn security_text(contact: &str, url: &str, now: Timestamp) -> String {
    let url = url.trim_end_matches('/');
    let expires = now.saturating_add(SECURITY_EXPIRY).unwrap_or(now);
    format!(
        "Contact: {contact}\nExpires: {expires:.0}\nPreferred-Languages: en, de\nCanonical: {url}/.well-known/security.txt\nPolicy: {url}/security\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What each page needs was looked at by somebody: a page that asks for less than before shows here.
    #[test]
    fn every_page_needs_what_it_did() {
        let line =
            |method: &http::Method, path: &str, needs: Needs| format!("{method} {path}: {needs:?}");
        let mut rows: Vec<String> = pages()
            .iter()
            .map(|page| line(&page.method, page.path, page.needs))
            .collect();
        let shared = fieldstone_ui::pages::<PgStore>();
        rows.extend(
            shared
                .iter()
                .map(|page| line(&page.method, page.path, page.needs)),
        );
        rows.sort();
        insta::assert_snapshot!(rows.join("\n"));
    }

    #[test]
    fn security_txt_has_what_the_standard_requires() {
        let text = security_text(
            "mailto:security@crm.example",
            "https://crm.example/",
            "2026-05-01T12:00:00.25Z".parse().unwrap(),
        );
        assert!(
            text.starts_with("Contact: mailto:security@crm.example\n"),
            "{text}"
        );
        assert!(text.contains("Expires: 2026-10-28T12:00:00Z\n"), "{text}");
        assert!(
            text.contains("Canonical: https://crm.example/.well-known/security.txt\n"),
            "{text}"
        );
    }
}
