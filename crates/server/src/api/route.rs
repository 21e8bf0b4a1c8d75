//! The one list of routes, with what each needs.

use axum::{
    Router,
    extract::Request,
    response::Response,
    routing::{MethodFilter, on},
};
use fieldstone_model::{
    Capability::{
        self, RecordsDelete, RecordsRead, RecordsWrite, SchemaManage, UsersManage, WorkspaceManage,
    },
    Needs,
};
use http::Method;

use super::{
    ApiStore, account, application, attachment, audit,
    call::Call,
    conflict,
    error::{ApiError, ApiResult},
    field, grant, invitation, member, membership, object, record, record_set, search,
    service_account, session, sync, team, token, token_policy, visibility,
};

/// One row of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path below [`super::ROOT`].
    pub path: &'static str,
    /// Who may call it. The store checks its own rights again.
    pub needs: Needs,
    /// Its name in the OpenAPI document.
    pub operation: &'static str,
}

/// Makes the list, and the router from the same rows.
macro_rules! routes {
    ($($method:ident $path:literal ($needs:expr) $operation:literal => $handler:path;)*) => {
        /// Every route of the API.
        pub const ROUTES: &[Route] = &[
            $(Route { method: Method::$method, path: $path, needs: $needs, operation: $operation }),*
        ];

        /// Adds every row of [`ROUTES`] to `router`.
        #[expect(clippy::disallowed_methods, reason = "the one place where rows become routes")]
        pub(super) fn attach<S: ApiStore>(router: Router) -> Router {
            $(let router = router.route(
                $path,
                on(MethodFilter::$method, |request: Request| admit::<S, _, _>($needs, request, $handler)),
            );)*
            router
        }
    };
}

const fn needs(capability: Capability) -> Needs {
    Needs::Capability(capability)
}

/// The same with a recent proof that it is them.
const fn proven(capability: Capability) -> Needs {
    Needs::ProvenCapability(capability)
}

routes! {
    GET    "/session"                               (Needs::SignedIn)       "showSession"       => session::show::show;
    POST   "/session"                               (Needs::Nothing)        "createSession"     => session::create::create;
    DELETE "/session"                               (Needs::Session)        "deleteSession"     => session::delete::delete;
    POST   "/session/proof"                         (Needs::Session)        "proveSession"      => session::proof::create;
    POST   "/session/password"                      (Needs::Session)        "changePassword"    => session::password::change;
    GET    "/session/totp"                          (Needs::Session)        "showSecondFactor"  => session::totp::show;
    POST   "/session/totp"                          (Needs::Proof)          "startSecondFactor" => session::totp::start;
    POST   "/session/totp/confirmation"             (Needs::Proof)          "confirmSecondFactor" => session::totp::confirm;
    POST   "/session/totp/recovery-codes"           (Needs::Proof)          "renewRecoveryCodes" => session::totp::renew_codes;
    POST   "/session/totp/removal"                  (Needs::Session)        "removeSecondFactor" => session::totp::remove;
    GET    "/sessions"                              (Needs::Session)        "listSessions"      => account::sessions::list;
    DELETE "/sessions"                              (Needs::Session)        "endOtherSessions"  => account::sessions::delete_others;
    DELETE "/sessions/{id}"                         (Needs::Session)        "endSession"        => account::sessions::delete;
    POST   "/users/{id}/totp-reset"                 (Needs::ProvenCapability(UsersManage)) "resetSecondFactor" => account::reset::create;
    GET    "/workspace/sign-in-policy"              (needs(WorkspaceManage)) "showSignInPolicy" => account::policy::show;
    PATCH  "/workspace/sign-in-policy"              (Needs::ProvenCapability(WorkspaceManage)) "updateSignInPolicy" => account::policy::update;
    GET    "/tokens"                                (Needs::Session)        "listTokens"        => token::list::list;
    POST   "/tokens"                                (Needs::Proof)          "createToken"       => token::create::create;
    DELETE "/tokens/{id}"                           (Needs::Session)        "deleteToken"       => token::delete::delete;
    GET    "/members"                               (needs(UsersManage))    "listMembers"       => member::list::list;
    GET    "/members/{id}"                          (needs(UsersManage))    "showMember"        => member::show::show;
    PATCH  "/members/{id}"                          (proven(UsersManage))   "updateMember"      => member::update::update;
    GET    "/invitations"                           (needs(UsersManage))    "listInvitations"   => invitation::list::list;
    POST   "/invitations"                           (proven(UsersManage))   "createInvitations" => invitation::create::create;
    DELETE "/invitations/{id}"                      (needs(UsersManage))    "deleteInvitation"  => invitation::delete::delete;
    POST   "/invitations/{id}/letter"               (proven(UsersManage))   "resendInvitation"  => invitation::resend::resend;
    GET    "/membership"                            (Needs::Session)        "showMembership"    => membership::show::show;
    DELETE "/membership"                            (Needs::Proof)          "deleteMembership"  => membership::delete::delete;
    POST   "/membership/email-change"               (Needs::Proof)          "changeEmail"       => membership::email::create;
    DELETE "/membership/email-change"               (Needs::Session)        "keepEmail"         => membership::email::delete;
    GET    "/oauth/grants"                          (Needs::Session)        "listGrants"        => grant::list::list;
    POST   "/oauth/grants"                          (Needs::Proof)          "createGrant"       => grant::create::create;
    DELETE "/oauth/grants/{id}"                     (Needs::Session)        "deleteGrant"       => grant::delete::delete;
    GET    "/service-accounts"                      (needs(WorkspaceManage)) "listServiceAccounts" => service_account::list;
    POST   "/service-accounts"                      (proven(WorkspaceManage)) "createServiceAccount" => service_account::create;
    GET    "/service-accounts/{id}"                 (needs(WorkspaceManage)) "showServiceAccount" => service_account::show;
    PATCH  "/service-accounts/{id}"                 (proven(WorkspaceManage)) "updateServiceAccount" => service_account::update;
    GET    "/service-accounts/{id}/tokens"          (needs(WorkspaceManage)) "listServiceTokens" => service_account::tokens;
    POST   "/service-accounts/{id}/tokens"          (proven(WorkspaceManage)) "createServiceToken" => service_account::create_token;
    DELETE "/service-accounts/{id}/tokens/{token}"  (needs(WorkspaceManage)) "deleteServiceToken" => service_account::delete_token;
    GET    "/oauth/applications"                    (needs(WorkspaceManage)) "listApplications" => application::list;
    POST   "/oauth/applications"                    (proven(WorkspaceManage)) "createApplication" => application::create;
    GET    "/oauth/applications/{id}"               (needs(WorkspaceManage)) "showApplication"  => application::show;
    PATCH  "/oauth/applications/{id}"               (proven(WorkspaceManage)) "updateApplication" => application::update;
    DELETE "/oauth/applications/{id}"               (proven(WorkspaceManage)) "deleteApplication" => application::delete;
    POST   "/oauth/applications/{id}/secret"        (proven(WorkspaceManage)) "renewClientSecret" => application::renew_secret;
    GET    "/workspace/token-policy"                (needs(WorkspaceManage)) "showTokenPolicy"  => token_policy::show;
    PATCH  "/workspace/token-policy"                (proven(WorkspaceManage)) "updateTokenPolicy" => token_policy::update;
    GET    "/audit-events"                          (needs(UsersManage))    "listAuditEvents"   => audit::list::list;
    POST   "/audit-events/verification"             (needs(UsersManage))    "verifyAuditEvents" => audit::verification::create;
    GET    "/objects"                               (needs(RecordsRead))    "listObjects"       => object::list::list;
    POST   "/objects"                               (needs(SchemaManage))   "createObject"      => object::create::create;
    GET    "/objects/{object}"                      (needs(RecordsRead))    "describeObject"    => object::show::show;
    DELETE "/objects/{object}"                      (proven(SchemaManage))  "deleteObject"      => object::delete::delete;
    POST   "/objects/{object}/fields"               (needs(SchemaManage))   "createField"       => field::create::create;
    PATCH  "/objects/{object}/fields/{field}"       (needs(SchemaManage))   "updateField"       => field::update::update;
    DELETE "/objects/{object}/fields/{field}"       (needs(SchemaManage))   "deleteField"       => field::delete::delete;
    GET    "/records/{object}"                      (needs(RecordsRead))    "listRecords"       => record::list::list;
    POST   "/records/{object}"                      (needs(RecordsWrite))   "createRecord"      => record::create::create;
    GET    "/records/{object}/count"                (needs(RecordsRead))    "countRecords"      => record::count::count;
    GET    "/records/{object}/aggregate"            (needs(RecordsRead))    "aggregateRecords"  => record::aggregate::aggregate;
    POST   "/records/{object}/batch"                (needs(RecordsWrite))   "changeRecords"     => record::batch::batch;
    GET    "/records/{object}/{id}"                 (needs(RecordsRead))    "showRecord"        => record::show::show;
    PATCH  "/records/{object}/{id}"                 (needs(RecordsWrite))   "updateRecord"      => record::update::update;
    DELETE "/records/{object}/{id}"                 (needs(RecordsDelete))  "deleteRecord"      => record::delete::delete;
    POST   "/records/{object}/{id}/restoration"     (needs(RecordsDelete))  "restoreRecord"     => record::restore::restore;
    GET    "/records/{object}/{id}/history"         (needs(RecordsRead))    "showRecordHistory" => record::history::history;
    POST   "/records/lead/{id}/conversion"          (needs(RecordsWrite))   "convertLead"       => record::convert::convert;
    POST   "/records/attachment/{id}/upload"        (needs(RecordsWrite))   "announceUpload"    => attachment::announce;
    GET    "/records/attachment/{id}/upload"        (needs(RecordsWrite))   "showUpload"        => attachment::show;
    PUT    "/records/attachment/{id}/upload/parts/{number}" (needs(RecordsWrite)) "putPart"     => attachment::put;
    POST   "/records/attachment/{id}/upload/completion" (needs(RecordsWrite)) "completeUpload"  => attachment::complete;
    GET    "/records/attachment/{id}/content"       (needs(RecordsRead))    "downloadContent"   => attachment::content;
    GET    "/teams"                                 (needs(RecordsRead))    "listTeams"         => team::list;
    POST   "/teams"                                 (proven(UsersManage))   "createTeam"        => team::create;
    PATCH  "/teams/{id}"                            (proven(UsersManage))   "updateTeam"        => team::update;
    DELETE "/teams/{id}"                            (proven(UsersManage))   "deleteTeam"        => team::delete;
    PUT    "/teams/{id}/members/{user}"             (proven(UsersManage))   "joinTeam"          => team::join;
    DELETE "/teams/{id}/members/{user}"             (proven(UsersManage))   "leaveTeam"         => team::leave;
    GET    "/visibility"                            (needs(UsersManage))    "showVisibility"    => visibility::list;
    PATCH  "/visibility"                            (proven(UsersManage))   "setVisibility"     => visibility::set_default;
    PATCH  "/visibility/{user}"                     (proven(UsersManage))   "setVisibilityOf"   => visibility::set;
    GET    "/conflicts"                             (needs(RecordsRead))    "listConflicts"     => conflict::list;
    GET    "/conflicts/{id}"                        (needs(RecordsRead))    "showConflict"      => conflict::show;
    POST   "/conflicts/{id}/settlement"             (needs(RecordsWrite))   "settleConflict"    => conflict::settle;
    GET    "/record-sets"                           (needs(SchemaManage))   "listRecordSets"    => record_set::list;
    POST   "/record-sets"                           (needs(SchemaManage))   "createRecordSet"   => record_set::create;
    POST   "/record-sets/preview"                   (needs(SchemaManage))   "previewRecordSet"  => record_set::preview;
    GET    "/record-sets/{id}"                      (needs(SchemaManage))   "showRecordSet"     => record_set::show;
    PUT    "/record-sets/{id}"                      (needs(SchemaManage))   "updateRecordSet"   => record_set::update;
    DELETE "/record-sets/{id}"                      (needs(SchemaManage))   "deleteRecordSet"   => record_set::delete;
    POST   "/sync/hello"                            (needs(RecordsRead))    "syncHello"         => sync::hello;
    GET    "/sync/schema"                           (needs(RecordsRead))    "syncSchema"        => sync::schema;
    GET    "/sync/devices"                          (Needs::Session)        "listDevices"       => sync::devices;
    POST   "/sync/devices"                          (Needs::Session)        "registerDevice"    => sync::register;
    DELETE "/sync/devices/{id}"                     (Needs::Session)        "revokeDevice"      => sync::revoke;
    POST   "/sync/devices/{id}/wipe"                (Needs::Proof)          "wipeDevice"        => sync::wipe;
    GET    "/sync/devices/{id}/standing"            (Needs::Nothing)        "showDeviceStanding" => sync::standing;
    POST   "/sync/devices/{id}/erasure"             (Needs::Nothing)        "noteDeviceErasure" => sync::erasure;
    GET    "/devices"                               (needs(UsersManage))    "listAllDevices"    => sync::all_devices;
    GET    "/workspace/device-policy"               (needs(WorkspaceManage)) "showDevicePolicy" => sync::rules;
    PUT    "/workspace/device-policy"               (proven(WorkspaceManage)) "setDevicePolicy" => sync::set_rules;
    POST   "/sync/sealed"                           (Needs::Session)        "syncSealed"        => sync::deliver;
    POST   "/sync/pull"                             (needs(RecordsRead))    "syncPull"          => sync::pull;
    POST   "/sync/push"                             (needs(RecordsRead))    "syncPush"          => sync::push;
    POST   "/sync/sightings"                        (Needs::Session)        "syncSightings"     => sync::sightings;
    GET    "/search"                                (needs(RecordsRead))    "search"            => search::search;
}

/// Lets a call through to its handler if its caller may make it, and turns a refusal into an answer.
async fn admit<S, H, F>(needs: Needs, request: Request, handler: H) -> Response
where
    S: ApiStore,
    H: FnOnce(Call<S>) -> F + Send,
    F: Future<Output = ApiResult> + Send,
{
    let (parts, body) = request.into_parts();
    // Copied, since the call takes the parts along; it only names the request.
    let name = parts.extensions.get::<crate::http::RequestId>().cloned();
    let outcome = match Call::open(needs, parts, body).await {
        Ok(call) => handler(call).await,
        Err(error) => Err(error),
    };
    outcome.unwrap_or_else(|error: ApiError| error.respond_to(name.as_ref()))
}
