//! Sessions: a `__Host-` cookie of 256 random bits, of which the database keeps the SHA-256.

use std::net::IpAddr;

use deadpool_postgres::Object;
use fieldstone_model::{IdSource, RecordId};
use http::{HeaderMap, HeaderValue, header};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{
    AuthPool, IdentityError, SESSION_PREFIX,
    cookie::{self, Lasting},
    random,
};

/// The cookie's name.
pub const COOKIE: &str = "__Host-fieldstone";

/// The secret in the cookie.
#[derive(Clone)]
pub struct SessionToken(Zeroizing<String>);

impl std::fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionToken(…)")
    }
}

impl SessionToken {
    /// A fresh one.
    pub fn generate() -> Result<Self, IdentityError> {
        Ok(Self(Zeroizing::new(random::secret()?)))
    }

    /// The one in a request's cookies.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        cookie::secret(headers, COOKIE).map(Self)
    }

    pub(super) fn hash(&self) -> [u8; 32] {
        random::hash(&self.0)
    }

    /// The `Set-Cookie` value. A session cookie: the server decides when it ends.
    pub fn set_cookie(&self) -> Zeroizing<String> {
        cookie::set(COOKIE, &self.0, Lasting::Session)
    }
}

/// Takes from the browser what it keeps of whoever signs out or leaves: the cookie, pages it has in its cache, what scripts have stored.
///
/// Not "cookies": that would reach the whole domain that the address is part of, and sign people out of what isn't ours.
pub fn forget_browser(headers: &mut HeaderMap) {
    // Made of plain ASCII: it is always a value.
    if let Ok(cookie) = HeaderValue::from_str(&cookie::clear(COOKIE)) {
        headers.insert(header::SET_COOKIE, cookie);
    }
    headers.insert(
        "clear-site-data",
        HeaderValue::from_static("\"cache\", \"storage\""),
    );
}

/// Starts a session for a person who has proved who they are when their access had the version `seen` (`None`: just now); nothing when it
/// has changed since. Always with a fresh secret, so nobody can plant one.
pub(super) async fn start(
    client: &Object,
    ids: &IdSource,
    ((tenant, user), seen): ((RecordId, RecordId), Option<i64>),
    (address, user_agent): (IpAddr, &str),
    now: Timestamp,
) -> Result<Option<(SessionToken, RecordId)>, IdentityError> {
    let token = SessionToken::generate()?;
    let id = random::id(ids, SESSION_PREFIX, now)?;
    let statement = client
        .prepare_cached("SELECT app.start_session($1, $2, $3, $4, $5, $6, $7)")
        .await?;
    let started: bool = client
        .query_one(
            &statement,
            &[
                &tenant.as_str(),
                &id.as_str(),
                &user.as_str(),
                &seen,
                &token.hash().as_slice(),
                &user_agent.replace('\0', ""),
                &address.to_string(),
            ],
        )
        .await?
        .try_get(0)?;
    Ok(started.then_some((token, id)))
}

/// Ends a session; false when it had ended already.
pub async fn end(
    auth: &AuthPool,
    tenant: RecordId,
    session: RecordId,
) -> Result<bool, IdentityError> {
    let client = auth.get().await?;
    let statement = client
        .prepare_cached("SELECT app.end_session($1, $2)")
        .await?;
    Ok(client
        .query_one(&statement, &[&tenant.as_str(), &session.as_str()])
        .await?
        .try_get(0)?)
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    fn headers(cookies: &[&str]) -> HeaderMap {
        cookies
            .iter()
            .map(|cookie| (header::COOKIE, cookie.parse().unwrap()))
            .collect()
    }

    #[test]
    fn the_cookie_round_trips_and_has_every_attribute() {
        let token = SessionToken::generate().unwrap();
        let set = token.set_cookie();
        let (pair, attributes) = set.split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Lax");
        let read = SessionToken::from_headers(&headers(&[&format!("a=b; {pair}; c=d")])).unwrap();
        assert_eq!(read.hash(), token.hash());
        assert!(!format!("{token:?}").contains(token.0.as_str()));
    }

    #[test]
    fn other_cookies_are_no_session() {
        let good = "A".repeat(43);
        for cookies in [
            vec![],
            vec!["__Host-fieldstone=".to_owned()],
            vec![format!("__Host-fieldstone={good}x")],
            vec![format!("__Host-fieldstone2={good}")],
            vec![format!("__host-fieldstone={good}")],
            vec![format!(
                "__Host-fieldstone={good}; __Host-fieldstone={good}"
            )],
            vec![
                format!("__Host-fieldstone={good}"),
                format!("__Host-fieldstone={good}"),
            ],
            vec![format!("__Host-fieldstone={}", "'".repeat(43))],
        ] {
            let cookies: Vec<&str> = cookies.iter().map(String::as_str).collect();
            assert!(
                SessionToken::from_headers(&headers(&cookies)).is_none(),
                "{cookies:?}"
            );
        }
    }
}
