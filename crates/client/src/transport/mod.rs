//! The way to the platform: one origin, TLS 1.3, nothing else.
//!
//! No redirects, no proxies, no cookie jar. An answer counts only if it is what was asked for: of the right type, whole, within limits.

mod failure;
mod files;
mod guard;

use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use fieldstone_model::RecordId;
use fieldstone_protocol::{
    MEDIA_TYPE,
    device::{Erasure, Registered, Registration, Standing, WipeOrder},
    frame::{Limits, encode, one_line},
    hello::{Hello, Schema, Versions, Welcome},
    pull::PullAnswer,
    push::PushAnswer,
    sealed::{DeliveryAnswer, DeliveryRequest},
};
use reqwest::{
    Method, Response, StatusCode, Url,
    header::{
        ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, COOKIE, HeaderValue, ORIGIN, RETRY_AFTER,
        SET_COOKIE,
    },
    redirect, tls,
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::engine::{Answer, Failure, Request};
pub use failure::TransportError;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(15);
/// How long nothing may arrive in the middle of an answer.
const STALL: Duration = Duration::from_mins(1);
/// Most bytes of an answer, compressed.
const BYTES_MAX: usize = 16 << 20;
/// The limits of an answer that is one line.
const LINE: Limits = Limits {
    lines: 1,
    bytes: 4 << 20,
};

/// Where the platform answers, below its origin.
mod address {
    pub(super) const SESSION: &str = "/api/v1/session";
    pub(super) const HELLO: &str = "/api/v1/sync/hello";
    pub(super) const SCHEMA: &str = "/api/v1/sync/schema";
    pub(super) const DEVICES: &str = "/api/v1/sync/devices";
    pub(super) const PULL: &str = "/api/v1/sync/pull";
    pub(super) const PUSH: &str = "/api/v1/sync/push";
    pub(super) const SEALED: &str = "/api/v1/sync/sealed";
    pub(super) const SIGHTINGS: &str = "/api/v1/sync/sightings";
}

/// A connection to one platform.
#[derive(Clone)]
pub struct Transport {
    client: reqwest::Client,
    origin: Url,
    session: Option<HeaderValue>,
    /// The device's secret and the key that wipe orders are signed with.
    device: Option<(Zeroizing<String>, Vec<u8>)>,
}

/// Who signs in.
#[derive(Clone, Serialize)]
pub struct Credentials<'a> {
    /// E-mail address.
    pub email: &'a str,
    /// Password.
    pub password: &'a str,
    /// The workspace, where the address has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<&'a str>,
    /// The code of the second factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub totp: Option<&'a str>,
}

#[derive(Deserialize)]
struct SignedIn {
    user: SignedInUser,
}

#[derive(Deserialize)]
struct SignedInUser {
    id: RecordId,
}

/// What the API says about a request that it refuses (RFC 9457).
#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    detail: String,
}

impl Transport {
    /// A connection to the platform at `url`, whose certificate is checked against the system's authorities and, if given, `ca`.
    pub fn new(url: &str, ca: Option<&str>) -> Result<Self, TransportError> {
        let url = Url::parse(url).map_err(|_| TransportError::NotAnAddress)?;
        let origin = Url::parse(&url.origin().ascii_serialization())
            .map_err(|_| TransportError::NotAnAddress)?;
        if origin.scheme() != "https" {
            return Err(TransportError::NotHttps);
        }
        let mut builder = reqwest::Client::builder()
            .https_only(true)
            .tls_version_min(tls::Version::TLS_1_3)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            .read_timeout(STALL)
            .user_agent(concat!("fieldstone-device/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = ca {
            let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes())
                .ok()
                .filter(|found| !found.is_empty())
                .ok_or(TransportError::NotACertificate)?;
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(TransportError::Setup)?;
        Ok(Self {
            client,
            origin,
            session: None,
            device: None,
        })
    }

    /// The only origin that is ever connected to.
    pub fn origin(&self) -> String {
        self.origin.origin().ascii_serialization()
    }

    /// Takes up a session from before, as [`Transport::sign_in`] answered it.
    pub fn resume(&mut self, session: &str) -> Result<(), TransportError> {
        let mut cookie = HeaderValue::from_str(session).map_err(|_| TransportError::Unexpected)?;
        cookie.set_sensitive(true);
        self.session = Some(cookie);
        Ok(())
    }

    /// Speaks as this registered device from now on.
    pub fn be(&mut self, registered: &Registered) -> Result<(), TransportError> {
        let key = STANDARD
            .decode(&registered.wipe_key)
            .map_err(|_| TransportError::Unexpected)?;
        self.device = Some((Zeroizing::new(registered.secret.clone()), key));
        Ok(())
    }

    fn url(&self, path: &str) -> Result<Url, TransportError> {
        self.origin
            .join(path)
            .map_err(|_| TransportError::NotAnAddress)
    }

    fn request(
        &self,
        method: Method,
        path: &str,
    ) -> Result<reqwest::RequestBuilder, TransportError> {
        let mut request = self
            .client
            .request(method, self.url(path)?)
            // The platform asks where a change comes from that a cookie permits.
            .header(ORIGIN, self.origin());
        if let Some(session) = &self.session {
            request = request.header(COOKIE, session.clone());
        }
        Ok(request)
    }

    /// Signs in; answers the user and the session, which is a secret.
    pub async fn sign_in(
        &mut self,
        credentials: &Credentials<'_>,
    ) -> Result<(RecordId, Zeroizing<String>), TransportError> {
        let body = Zeroizing::new(
            serde_json::to_vec(credentials).map_err(|_| TransportError::Unexpected)?,
        );
        let response = self
            .request(Method::POST, address::SESSION)?
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .body(body.to_vec())
            .send()
            .await
            .map_err(TransportError::connection)?;
        let response = refuse_json(response).await?;
        let cookie = response
            .headers()
            .get(SET_COOKIE)
            .and_then(|cookie| cookie.to_str().ok())
            .and_then(|cookie| cookie.split(';').next())
            .map(|pair| Zeroizing::new(pair.trim().to_owned()))
            .ok_or(TransportError::Unexpected)?;
        let bytes = body_of(response).await?;
        let signed_in: SignedIn =
            serde_json::from_slice(&bytes).map_err(|_| TransportError::Unexpected)?;
        self.resume(&cookie)?;
        Ok((signed_in.user.id, cookie))
    }

    /// Ends the session on the platform.
    pub async fn sign_out(&self) -> Result<(), TransportError> {
        let request = self.request(Method::DELETE, address::SESSION)?;
        let response = request.send().await.map_err(TransportError::connection)?;
        refuse_json(response).await.map(drop)
    }

    /// Asks which version of the protocol both speak, and what the workspace expects.
    pub async fn hello(&self, device: Option<RecordId>) -> Result<Welcome, TransportError> {
        let hello = Hello {
            protocol: Versions::OURS,
            app: app(),
            device,
        };
        self.ask(Method::POST, address::HELLO, Some(&hello)).await
    }

    /// Makes this device known.
    pub async fn register(
        &self,
        registration: &Registration,
    ) -> Result<Registered, TransportError> {
        self.ask(Method::POST, address::DEVICES, Some(registration))
            .await
    }

    /// Delivers what earlier logins on this device have left sealed.
    pub async fn deliver(
        &self,
        request: &DeliveryRequest,
    ) -> Result<DeliveryAnswer, TransportError> {
        let bytes = request.to_bytes().map_err(|_| TransportError::Unexpected)?;
        let request = self
            .request(Method::POST, address::SEALED)?
            .header(ACCEPT, MEDIA_TYPE);
        let response = with_frame(request, bytes)
            .send()
            .await
            .map_err(TransportError::connection)?;
        DeliveryAnswer::from_bytes(&refuse(response).await?).map_err(|_| TransportError::Unexpected)
    }

    /// Says that an order to erase was carried out.
    pub async fn erased(&self, device: RecordId, receipt: &str) -> Result<(), TransportError> {
        let path = format!("{}/{device}/erasure", address::DEVICES);
        let erasure = Erasure {
            receipt: receipt.to_owned(),
        };
        let bytes = encode([erasure]).map_err(|_| TransportError::Unexpected)?;
        let request = self
            .request(Method::POST, &path)?
            .header(ACCEPT, MEDIA_TYPE);
        let response = with_frame(request, bytes)
            .send()
            .await
            .map_err(TransportError::connection)?;
        refuse_json(response).await.map(drop)
    }

    /// The workspace's objects and fields, and who the user is.
    pub async fn schema(&self) -> Result<Schema, TransportError> {
        self.ask::<Schema>(Method::GET, address::SCHEMA, None::<&Hello>)
            .await
    }

    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, TransportError> {
        let mut request = self.request(method, path)?.header(ACCEPT, MEDIA_TYPE);
        if let Some(body) = body {
            let bytes = encode([body]).map_err(|_| TransportError::Unexpected)?;
            request = with_frame(request, bytes);
        }
        let response = request.send().await.map_err(TransportError::connection)?;
        let bytes = refuse(response).await?;
        one_line(&bytes, LINE).map_err(|_| TransportError::Unexpected)
    }

    /// Carries out what the engine wants sent.
    pub async fn send(&self, request: Request) -> Result<Answer, Failure> {
        let answer = match request {
            Request::Pull(pull) => {
                let bytes = pull.to_bytes().map_err(|_| Failure::Garbled)?;
                let bytes = self.frame(address::PULL, bytes).await?;
                PullAnswer::from_bytes(&bytes).map(Answer::Pull)
            }
            Request::Push(push) => {
                let bytes = push.to_bytes().map_err(|_| Failure::Garbled)?;
                let bytes = self.frame(address::PUSH, bytes).await?;
                PushAnswer::from_bytes(&bytes).map(Answer::Push)
            }
            Request::Standing(device) => return self.standing(device).await.map(Answer::Standing),
        };
        answer.map_err(|error| {
            tracing::debug!(%error, "an answer of the platform can't be read");
            Failure::Garbled
        })
    }

    async fn frame(&self, path: &str, bytes: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let request = self.request(Method::POST, path)?.header(ACCEPT, MEDIA_TYPE);
        let response = with_frame(request, bytes)
            .send()
            .await
            .map_err(TransportError::connection)?;
        Ok(refuse(response).await?)
    }

    /// Asks for the device's standing. A wipe order counts only with the platform's signature, and for this device.
    async fn standing(&self, device: RecordId) -> Result<Standing, Failure> {
        let (secret, key) = self.device.as_ref().ok_or(Failure::SignedOut)?;
        let path = format!("{}/{device}/standing", address::DEVICES);
        let response = self
            .client
            .get(self.url(&path)?)
            .header(ACCEPT, MEDIA_TYPE)
            .bearer_auth(secret.as_str())
            .send()
            .await
            .map_err(TransportError::connection)?;
        let bytes = refuse(response).await?;
        let standing: Standing = one_line(&bytes, LINE).map_err(|_| Failure::Garbled)?;
        match &standing {
            Standing::Wipe(order) if !is_signed(order, device, key) => Err(Failure::Garbled),
            _ => Ok(standing),
        }
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transport({})", self.origin)
    }
}

/// This build, as the list of devices shows it.
pub fn app() -> String {
    concat!("fieldstone-device ", env!("CARGO_PKG_VERSION")).to_owned()
}

/// Whether a wipe order was signed by the platform, for this device.
fn is_signed(order: &WipeOrder, device: RecordId, key: &[u8]) -> bool {
    let Ok(signature) = STANDARD.decode(&order.signature) else {
        return false;
    };
    let text = WipeOrder::signed_text(device, order.ordered_at);
    order.device == device
        && UnparsedPublicKey::new(&ED25519, key)
            .verify(text.as_bytes(), &signature)
            .is_ok()
}

fn with_frame(request: reqwest::RequestBuilder, bytes: Vec<u8>) -> reqwest::RequestBuilder {
    request
        .header(CONTENT_TYPE, MEDIA_TYPE)
        .header(CONTENT_ENCODING, "zstd")
        .body(bytes)
}

/// The body of an answer in the protocol's form; anything else is a failure.
async fn refuse(response: Response) -> Result<Vec<u8>, TransportError> {
    let response = refuse_json(response).await?;
    let is_ours = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|found| found.as_bytes().starts_with(MEDIA_TYPE.as_bytes()));
    if !is_ours {
        return Err(TransportError::Unexpected);
    }
    body_of(response).await
}

async fn refuse_json(response: Response) -> Result<Response, TransportError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    if status.is_redirection() {
        return Err(TransportError::Redirect);
    }
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    let is_problem = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|found| found.as_bytes().starts_with(b"application/problem+json"));
    let detail = if is_problem {
        let bytes = body_of(response).await.unwrap_or_default();
        serde_json::from_slice::<Problem>(&bytes).map_or(String::new(), |problem| problem.detail)
    } else {
        String::new()
    };
    Err(match status {
        status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
            TransportError::Busy {
                retry_after,
                detail,
            }
        }
        // Something in between: it knows nothing of sessions, records and files.
        _ if !is_problem => TransportError::Unexpected,
        StatusCode::UNAUTHORIZED => TransportError::SignedOut { detail },
        StatusCode::FORBIDDEN => TransportError::Forbidden { detail },
        StatusCode::UPGRADE_REQUIRED => TransportError::Incompatible,
        status => TransportError::Refused {
            status: status.as_u16(),
            detail,
        },
    })
}

/// The whole body, within the limit. One that is cut off is no body.
async fn body_of(mut response: Response) -> Result<Vec<u8>, TransportError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(TransportError::connection)? {
        if body.len() + chunk.len() > BYTES_MAX {
            return Err(TransportError::Unexpected);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

    #[test]
    fn only_https_is_connected_to() {
        let refused = |url| {
            Transport::new(url, None)
                .err()
                .map(|error| error.to_string())
        };
        assert!(refused("http://example.com").is_some());
        assert!(refused("example.com").is_some());
        assert!(refused("ftp://example.com").is_some());
        let transport = Transport::new("https://example.com:8443/some/page?q=1", None).unwrap();
        assert_eq!(transport.origin(), "https://example.com:8443");
        assert!(Transport::new("https://example.com", Some("no certificate")).is_err());
    }

    #[test]
    fn a_wipe_order_needs_the_platforms_signature() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let device: RecordId = "fD01kQh2S0a8Xbd".parse().unwrap();
        let other: RecordId = "fD01kQh2S0a8Xbe".parse().unwrap();
        let ordered_at = "2026-03-01T12:00:00Z".parse().unwrap();
        let text = WipeOrder::signed_text(device, ordered_at);
        let order = WipeOrder {
            device,
            ordered_at,
            signature: STANDARD.encode(pair.sign(text.as_bytes())),
            receipt: "r".to_owned(),
        };
        let key = pair.public_key().as_ref();
        assert!(is_signed(&order, device, key));
        assert!(!is_signed(&order, other, key));
        assert!(!is_signed(&order, device, &[9; 32]));
        let later = WipeOrder {
            ordered_at: "2026-03-01T12:00:01Z".parse().unwrap(),
            ..order
        };
        assert!(!is_signed(&later, device, key));
    }
}
