//! From a request's headers to the person behind it.
//!
//! Answers are remembered for a moment. That is safe because `app.enter()` checks credential and membership again in
//! every transaction; a caller that is told FS001 there calls [`Authenticator::renew`].

use std::{sync::Arc, time::Duration};

use fieldstone_model::RecordId;
use http::{HeaderMap, Method, Uri, header};
use jiff::{SignedDuration, Timestamp};
use moka::sync::Cache;

use super::{
    AuthPool, IdentityError,
    oauth::secret::{Kind, Secret},
    session::SessionToken,
    token::ApiToken,
};
use crate::database::Actor;

/// How long an answer is remembered; also how often a session's idle limit moves.
const REMEMBERED: Duration = Duration::from_mins(1);
/// Most answers remembered.
const CAPACITY: u64 = 50_000;

/// Who asks, and what the server knows of their workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// For the tenant context.
    pub actor: Actor,
    /// The workspace's schema version when it was looked up.
    pub schema_version: i64,
    /// By what they proved it.
    pub credential: Credential,
    /// When the person of a session last proved that it is them; never, where they may do more than when they did.
    pub proved_at: Option<Timestamp>,
    /// Whether the workspace asks for a second factor that the person lacks: then they may set one up and nothing else.
    pub must_enrol: bool,
    /// SHA-256 of the secret: what the answer is remembered under.
    pub(super) key: [u8; 32],
}

/// What a request proved itself with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A browser's cookie.
    Session,
    /// A program's token, and what it may do; empty means everything its owner may.
    ApiToken {
        /// Names of capabilities.
        scopes: Vec<String>,
    },
    /// An application's access token, and what the person allowed it; never empty.
    AccessToken {
        /// Names of capabilities.
        scopes: Vec<String>,
        /// The sign-in that it belongs to.
        grant: RecordId,
    },
}

impl Credential {
    /// Whether a person is there, rather than a program that acts for one.
    pub fn is_session(&self) -> bool {
        matches!(self, Self::Session)
    }

    /// What narrows the person's rights; empty where nothing does.
    pub fn scopes(&self) -> &[String] {
        match self {
            Self::Session => &[],
            Self::ApiToken { scopes } | Self::AccessToken { scopes, .. } => scopes,
        }
    }

    fn means(&self) -> Means {
        match self {
            Self::Session => Means::Session,
            Self::ApiToken { .. } => Means::ApiToken,
            Self::AccessToken { .. } => Means::AccessToken,
        }
    }
}

/// Where a secret is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Means {
    Session,
    ApiToken,
    AccessToken,
}

/// Finds out who asks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Authenticator {
    auth: AuthPool,
    known: Cache<[u8; 32], Arc<Identity>>,
}

impl Authenticator {
    /// `auth` is the pool of `fieldstone_auth`.
    pub fn new(auth: AuthPool) -> Self {
        let known = Cache::builder()
            .max_capacity(CAPACITY)
            .time_to_live(REMEMBERED)
            .build();
        Self { auth, known }
    }

    /// Who sent a request with these headers.
    ///
    /// A token in `Authorization` counts before a cookie. A request with a cookie that changes something has to come from
    /// a page of this site.
    pub async fn authenticate(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Result<Arc<Identity>, IdentityError> {
        if headers.contains_key(header::AUTHORIZATION) {
            let (hash, means) = bearer(headers).ok_or(IdentityError::Unauthenticated)?;
            return self.identify(hash, means, now).await;
        }
        let token = SessionToken::from_headers(headers).ok_or(IdentityError::Unauthenticated)?;
        if !method.is_safe() {
            check_same_origin(uri, headers)?;
        }
        self.identify(token.hash(), Means::Session, now).await
    }

    /// Looks a person up again after the database said that their access has changed.
    pub async fn renew(
        &self,
        identity: &Identity,
        now: Timestamp,
    ) -> Result<Arc<Identity>, IdentityError> {
        self.forget(identity);
        self.identify(identity.key, identity.credential.means(), now)
            .await
    }

    /// Forgets an answer, as at sign-out.
    pub fn forget(&self, identity: &Identity) {
        self.known.invalidate(&identity.key);
    }

    /// Forgets whose session this was.
    pub(crate) fn forget_session(&self, token: &SessionToken) {
        self.known.invalidate(&token.hash());
    }

    async fn identify(
        &self,
        key: [u8; 32],
        means: Means,
        now: Timestamp,
    ) -> Result<Arc<Identity>, IdentityError> {
        if let Some(identity) = self.known.get(&key)
            && identity.credential.means() == means
        {
            return Ok(identity);
        }
        let mut identity = match means {
            Means::Session => self.find_session(key, now).await?,
            Means::ApiToken => self.find_token(key, now).await?,
            Means::AccessToken => self.find_access_token(key, now).await?,
        };
        identity.must_enrol = self.must_enrol(&identity.actor).await?;
        let identity = Arc::new(identity);
        self.known.insert(key, identity.clone());
        Ok(identity)
    }

    async fn must_enrol(&self, actor: &Actor) -> Result<bool, IdentityError> {
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached("SELECT app.must_enrol($1, $2, false)")
            .await?;
        let row = client
            .query_one(&statement, &[&actor.tenant.as_str(), &actor.user.as_str()])
            .await?;
        Ok(row.try_get(0)?)
    }

    async fn find_session(&self, key: [u8; 32], now: Timestamp) -> Result<Identity, IdentityError> {
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached("SELECT tenant_id, id, user_id, role, member_version, schema_version, last_seen_at, proved_at FROM app.find_session($1)")
            .await?;
        let row = client
            .query_opt(&statement, &[&key.as_slice()])
            .await?
            .ok_or(IdentityError::Unauthenticated)?;
        let mut identity = identity(&row, Credential::Session, key)?;
        identity.proved_at = proved_at(&row)?;
        let seen: Timestamp = row.try_get(6)?;
        if let Some(session) = identity.actor.credential
            && now.duration_since(seen) >= SignedDuration::from_secs(60)
        {
            let touch = client
                .prepare_cached("SELECT app.touch_session($1, $2)")
                .await?;
            client
                .execute(
                    &touch,
                    &[&identity.actor.tenant.as_str(), &session.as_str()],
                )
                .await?;
        }
        Ok(identity)
    }

    async fn find_token(&self, key: [u8; 32], now: Timestamp) -> Result<Identity, IdentityError> {
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached("SELECT tenant_id, id, user_id, role, member_version, schema_version, scopes, last_seen_at FROM app.find_api_token($1)")
            .await?;
        let row = client
            .query_opt(&statement, &[&key.as_slice()])
            .await?
            .ok_or(IdentityError::Unauthenticated)?;
        let credential = Credential::ApiToken {
            scopes: row.try_get(6)?,
        };
        let identity = identity(&row, credential, key)?;
        note_use(&client, &identity, row.try_get(7)?, now).await?;
        Ok(identity)
    }

    async fn find_access_token(
        &self,
        key: [u8; 32],
        now: Timestamp,
    ) -> Result<Identity, IdentityError> {
        let client = self.auth.get().await?;
        let statement = client
            .prepare_cached("SELECT tenant_id, id, user_id, role, member_version, schema_version, scopes, last_seen_at, grant_id FROM app.find_access_token($1)")
            .await?;
        let row = client
            .query_opt(&statement, &[&key.as_slice()])
            .await?
            .ok_or(IdentityError::Unauthenticated)?;
        let scopes: Vec<String> = row.try_get(6)?;
        let grant = row.try_get::<_, &str>(8)?.parse();
        let (false, Ok(grant)) = (scopes.is_empty(), grant) else {
            return Err(IdentityError::Crypto);
        };
        let identity = identity(&row, Credential::AccessToken { scopes, grant }, key)?;
        note_use(&client, &identity, row.try_get(7)?, now).await?;
        Ok(identity)
    }
}

/// Notes that a program's token was used: the first time at once, since it tells whether an answer arrived, later once a minute.
async fn note_use(
    client: &deadpool_postgres::Object,
    identity: &Identity,
    seen: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), IdentityError> {
    let is_recent =
        seen.is_some_and(|seen| now.duration_since(seen) < SignedDuration::from_secs(60));
    if let Some(token) = identity.actor.credential
        && !is_recent
    {
        let touch = client
            .prepare_cached("SELECT app.touch_token($1, $2)")
            .await?;
        client
            .execute(&touch, &[&identity.actor.tenant.as_str(), &token.as_str()])
            .await?;
    }
    Ok(())
}

/// The token in `Authorization: Bearer`, by what it starts with.
fn bearer(headers: &HeaderMap) -> Option<([u8; 32], Means)> {
    if let Some(token) = ApiToken::from_headers(headers) {
        return Some((token.hash(), Means::ApiToken));
    }
    let token = super::token::bearer(headers)?;
    let token = Secret::read(Kind::Access, token)?;
    Some((token.hash(), Means::AccessToken))
}

fn identity(
    row: &tokio_postgres::Row,
    credential: Credential,
    key: [u8; 32],
) -> Result<Identity, IdentityError> {
    let id = |at: usize| -> Result<RecordId, IdentityError> {
        row.try_get::<_, &str>(at)?
            .parse()
            .map_err(|_| IdentityError::Crypto)
    };
    Ok(Identity {
        actor: Actor {
            tenant: id(0)?,
            user: id(2)?,
            role: row
                .try_get::<_, &str>(3)?
                .parse()
                .map_err(|_| IdentityError::Crypto)?,
            member_version: row.try_get(4)?,
            credential: Some(id(1)?),
        },
        schema_version: row.try_get(5)?,
        credential,
        proved_at: None,
        // Until it is known otherwise.
        must_enrol: true,
        key,
    })
}

/// When a session was proven; never, for one whose person has been given more rights since.
fn proved_at(row: &tokio_postgres::Row) -> Result<Option<Timestamp>, IdentityError> {
    use postgres_types::Timestamp as Moment;
    Ok(match row.try_get::<_, Moment<Timestamp>>("proved_at")? {
        Moment::Value(at) => Some(at),
        Moment::PosInfinity | Moment::NegInfinity => None,
    })
}

/// Refuses a request that a page of another origin made the browser send (ASVS 5.0, 3.5.1).
///
/// `Sec-Fetch-Site` is what browsers say today; `Origin` is for those that don't. A request with a cookie and neither
/// comes from no browser: a program may call the API that way, with a content type that no form can send.
pub fn check_same_origin(uri: &Uri, headers: &HeaderMap) -> Result<(), IdentityError> {
    if let Some(site) = headers.get("sec-fetch-site") {
        return if site == "same-origin" {
            Ok(())
        } else {
            Err(IdentityError::CrossSite)
        };
    }
    if !headers.contains_key(header::ORIGIN) && is_api_call(uri, headers) {
        return Ok(());
    }
    // HTTP/2 names the host in the request target.
    let host = uri
        .authority()
        .map(http::uri::Authority::as_str)
        .or_else(|| headers.get(header::HOST)?.to_str().ok());
    let origin = headers
        .get(header::ORIGIN)
        .and_then(|origin| origin.to_str().ok())
        .and_then(|origin| origin.strip_prefix("https://"));
    match (host, origin) {
        (Some(host), Some(origin)) if host.eq_ignore_ascii_case(origin) => Ok(()),
        _ => Err(IdentityError::CrossSite),
    }
}

/// Whether a request is one that a form of another site couldn't make, even in a browser that says nothing of itself.
fn is_api_call(uri: &Uri, headers: &HeaderMap) -> bool {
    const OF_FORMS: [&str; 3] = [
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/plain",
    ];
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    uri.path().starts_with("/api/") && !OF_FORMS.iter().any(|form| content_type.starts_with(form))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_call_the_api_with_their_cookie() {
        let check = |path: &str, pairs: &[(&'static str, &str)]| {
            let headers = pairs
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
                .collect();
            check_same_origin(&path.parse().unwrap(), &headers).is_ok()
        };
        let json = ("content-type", "application/json");
        assert!(check("/api/v1/records/deal", &[json]));
        assert!(!check("/deals", &[json]));
        assert!(!check(
            "/api/v1/records/deal",
            &[("content-type", "text/plain;charset=UTF-8")]
        ));
        assert!(!check(
            "/api/v1/records/deal",
            &[json, ("origin", "https://evil.example")]
        ));
        assert!(!check(
            "/api/v1/records/deal",
            &[json, ("sec-fetch-site", "cross-site")]
        ));
    }

    #[test]
    fn only_this_sites_pages_change_something() {
        let uri: Uri = "/deals".parse().unwrap();
        let ask = |pairs: &[(&'static str, &str)]| {
            let headers: HeaderMap = pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect();
            check_same_origin(&uri, &headers).is_ok()
        };
        assert!(ask(&[("sec-fetch-site", "same-origin")]));
        assert!(ask(&[
            ("host", "crm.example:8443"),
            ("origin", "https://crm.example:8443")
        ]));
        for refused in [
            vec![],
            vec![("host", "crm.example")],
            vec![("sec-fetch-site", "same-site")],
            vec![("sec-fetch-site", "none")],
            vec![
                ("sec-fetch-site", "cross-site"),
                ("host", "crm.example"),
                ("origin", "https://crm.example"),
            ],
            vec![("host", "crm.example"), ("origin", "http://crm.example")],
            vec![
                ("host", "crm.example"),
                ("origin", "https://crm.example.evil"),
            ],
            vec![("host", "crm.example"), ("origin", "null")],
        ] {
            assert!(!ask(&refused), "{refused:?}");
        }
    }
}
