//! The OAuth 2.1 authorization server: applications, what people allow them, and the tokens that come of it.
//!
//! Authorization code with PKCE, refresh tokens that are replaced at each use, revocation. No implicit and no password grant, and no
//! token, code or secret is kept as anything but a hash. `V008__integrations.sql` holds the rules that have to be atomic;
//! docs/adr/0008 says how a refresh token survives a lost answer.

pub mod application;
mod exchange;
mod grant;
pub mod pkce;
pub mod redirect;
pub mod request;
pub mod scope;
pub mod secret;

pub use self::application::{Application, NewApplication};
pub use self::exchange::{AuthorizationServer, ClientProof, Exchange, TokenSet};
pub use self::grant::{GrantSummary, NewGrant};

/// Prefix of application ids.
pub const CLIENT_PREFIX: [u8; 3] = *b"0OC";
/// Prefix of authorization code ids.
pub const CODE_PREFIX: [u8; 3] = *b"0OD";
/// Prefix of grant ids.
pub const GRANT_PREFIX: [u8; 3] = *b"0OG";
/// Prefix of token ids; `app.enter()` tells an application's credential by it.
pub const TOKEN_PREFIX: [u8; 3] = *b"0OT";

/// What the field app calls itself.
pub const DEVICE_CLIENT: &str = "fieldstone-device";

/// Why a token request is refused: the codes of RFC 6749, 5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OAuthRefusal {
    /// A parameter is missing, there twice, or can't be read.
    #[error("a parameter is missing, there twice, or can't be read")]
    InvalidRequest,
    /// The application is unknown or didn't prove itself.
    #[error("the application is unknown or didn't prove itself")]
    InvalidClient,
    /// Code or refresh token are no good, or not this application's.
    #[error("the code or token is no good here, or no longer")]
    InvalidGrant,
    /// Another grant type than this server has.
    #[error("this grant type isn't supported")]
    UnsupportedGrantType,
    /// More than was granted.
    #[error("this is more than was granted")]
    InvalidScope,
}

impl OAuthRefusal {
    /// The standard's name.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
        }
    }
}
