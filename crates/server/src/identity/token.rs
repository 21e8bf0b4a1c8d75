//! API tokens: `fst_` and 256 random bits, shown once, kept as a SHA-256.

use fieldstone_model::{IdSource, RecordId};
use http::{HeaderMap, header};
use jiff::Timestamp;
use tokio_postgres::GenericClient;
use zeroize::Zeroizing;

use super::{API_TOKEN_PREFIX, IdentityError, random};

/// What every token starts with, so that scanners for leaked secrets know it.
pub const TOKEN_PREFIX: &str = "fst_";
/// How much of a token a list shows.
const SHOWN: usize = 8;

/// The secret of a program.
#[derive(Clone)]
pub struct ApiToken(Zeroizing<String>);

impl std::fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiToken({}…)", self.shown())
    }
}

impl ApiToken {
    /// A fresh one.
    pub fn generate() -> Result<Self, IdentityError> {
        Ok(Self(Zeroizing::new(format!(
            "{TOKEN_PREFIX}{}",
            random::secret()?
        ))))
    }

    /// The one in a request's `Authorization: Bearer`.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let token = bearer(headers)?;
        token
            .strip_prefix(TOKEN_PREFIX)
            .is_some_and(random::is_secret)
            .then(|| Self(Zeroizing::new(token.to_owned())))
    }

    /// The whole secret, to be shown once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn hash(&self) -> [u8; 32] {
        random::hash(&self.0)
    }

    pub(crate) fn shown(&self) -> &str {
        self.0.get(..SHOWN).unwrap_or_default()
    }
}

/// What stands in a request's `Authorization: Bearer`. Two such headers are none: somebody is playing.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let (line, None) = (lines.next()?, lines.next()) else {
        return None;
    };
    let (scheme, token) = line.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A token as its owner sees it in a list.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ApiTokenSummary {
    /// Its id, to end it by.
    pub id: RecordId,
    /// What its owner calls it.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// What it may do; empty means everything its owner may.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it was last used.
    pub last_seen_at: Option<Timestamp>,
}

impl ApiTokenSummary {
    /// Reads a row of `app.api_tokens_of()`: `id, name, prefix, scopes, created_at, expires_at, last_seen_at`.
    pub(crate) fn read(row: &tokio_postgres::Row) -> Result<Self, IdentityError> {
        let id = row.try_get::<_, &str>(0)?.parse();
        Ok(Self {
            id: id.map_err(|_| IdentityError::Crypto)?,
            name: row.try_get(1)?,
            prefix: row.try_get(2)?,
            scopes: row.try_get(3)?,
            created_at: row.try_get(4)?,
            expires_at: row.try_get(5)?,
            last_seen_at: row.try_get(6)?,
        })
    }
}

/// Adds a token for the person whose context the transaction has entered.
pub async fn add<C: GenericClient>(
    client: &C,
    ids: &IdSource,
    name: &str,
    scopes: &[&str],
    expires_at: Timestamp,
    now: Timestamp,
) -> Result<(RecordId, ApiToken), IdentityError> {
    let token = ApiToken::generate()?;
    let id = random::id(ids, API_TOKEN_PREFIX, now)?;
    client
        .execute(
            "SELECT app.add_api_token($1, $2, $3, $4, $5, $6)",
            &[
                &id.as_str(),
                &name,
                &token.shown(),
                &token.hash().as_slice(),
                &scopes,
                &expires_at,
            ],
        )
        .await?;
    Ok((id, token))
}

/// The living tokens of the person whose context the transaction has entered.
pub async fn list<C: GenericClient>(client: &C) -> Result<Vec<ApiTokenSummary>, IdentityError> {
    let rows = client
        .query(
            "SELECT id, name, prefix, scopes, created_at, expires_at, last_seen_at FROM app.api_tokens_of(app.user_id())",
            &[],
        )
        .await?;
    rows.iter().map(ApiTokenSummary::read).collect()
}

/// Ends one of the caller's own tokens; false when there is no such living token.
pub async fn end<C: GenericClient>(client: &C, id: RecordId) -> Result<bool, IdentityError> {
    Ok(client
        .query_one("SELECT app.end_api_token($1)", &[&id.as_str()])
        .await?
        .try_get(0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_is_read_and_anything_else_is_not() {
        let token = ApiToken::generate().unwrap();
        let read = |value: &str| {
            ApiToken::from_headers(&HeaderMap::from_iter([(
                header::AUTHORIZATION,
                value.parse().unwrap(),
            )]))
        };
        assert_eq!(
            read(&format!("bearer {}", token.expose())).unwrap().hash(),
            token.hash()
        );
        for value in [
            "Bearer",
            "Bearer ",
            "Bearer fst_",
            "Basic Zm9v",
            &format!("Bearer {}x", token.expose()),
            &token.expose()[..20],
        ] {
            assert!(read(value).is_none(), "{value}");
        }
        assert!(!format!("{token:?}").contains(&token.expose()[9..]));
    }
}
