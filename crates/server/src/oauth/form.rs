//! What an application sends: a form, and who it is.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    HeaderMap,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use percent_encoding::percent_decode_str;

use crate::identity::oauth::{ClientProof, OAuthRefusal};

/// The parameters of one request, each at most once (RFC 6749, 3.2).
#[derive(Debug)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn read(headers: &HeaderMap, body: &Bytes) -> Result<Self, OAuthRefusal> {
        let declared = headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let essence = declared.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(OAuthRefusal::InvalidRequest);
        }
        let pairs: Vec<(String, String)> =
            serde_urlencoded::from_bytes(body).map_err(|_| OAuthRefusal::InvalidRequest)?;
        for (at, (name, value)) in pairs.iter().enumerate() {
            let is_repeated = pairs.iter().take(at).any(|(known, _)| known == name);
            if is_repeated || value.contains('\0') {
                return Err(OAuthRefusal::InvalidRequest);
            }
        }
        Ok(Self(pairs))
    }

    /// A parameter; one without a value counts as not sent (RFC 6749, 3.2).
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, OAuthRefusal> {
        self.get(name).ok_or(OAuthRefusal::InvalidRequest)
    }

    /// Who sends it: by HTTP Basic or in the form, never both.
    pub(super) fn client(&self, headers: &HeaderMap) -> Result<ClientProof, OAuthRefusal> {
        if !headers.contains_key(AUTHORIZATION) {
            return Ok(ClientProof {
                client_id: self
                    .get("client_id")
                    .ok_or(OAuthRefusal::InvalidClient)?
                    .to_owned(),
                secret: self.get("client_secret").map(str::to_owned),
            });
        }
        let proof = basic(headers).ok_or(OAuthRefusal::InvalidClient)?;
        let differs = self
            .get("client_id")
            .is_some_and(|client_id| client_id != proof.client_id);
        if differs || self.get("client_secret").is_some() {
            return Err(OAuthRefusal::InvalidRequest);
        }
        Ok(proof)
    }
}

/// Name and secret of HTTP Basic, each encoded as in a form before (RFC 6749, 2.3.1).
fn basic(headers: &HeaderMap) -> Option<ClientProof> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let (line, None) = (lines.next()?, lines.next()) else {
        return None;
    };
    let (scheme, encoded) = line.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, secret) = text.split_once(':')?;
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced)
            .decode_utf8()
            .ok()
            .map(std::borrow::Cow::into_owned)
    };
    Some(ClientProof {
        client_id: decode(name)?,
        secret: Some(decode(secret)?).filter(|secret| !secret.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(authorization: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        headers.insert(CONTENT_TYPE, form.parse().unwrap());
        if let Some(value) = authorization {
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        headers
    }

    fn read(body: &'static str) -> Result<Form, OAuthRefusal> {
        Form::read(&headers(None), &Bytes::from_static(body.as_bytes()))
    }

    #[test]
    fn a_parameter_stands_there_once() {
        let form = read("grant_type=refresh_token&scope=&x=a+b%26").unwrap();
        assert_eq!(form.get("x"), Some("a b&"));
        assert_eq!(form.get("scope"), None);
        for bad in ["a=1&a=1", "code=%00", "a=1&b=2&a="] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let json = HeaderMap::from_iter([(CONTENT_TYPE, "application/json".parse().unwrap())]);
        assert!(Form::read(&json, &Bytes::from_static(b"{}")).is_err());
    }

    #[test]
    fn an_application_says_who_it_is_in_one_way() {
        let client = |body: &'static str, authorization: Option<String>| {
            read(body)
                .unwrap()
                .client(&headers(authorization.as_deref()))
        };
        let encode = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let proof = client("client_id=a&client_secret=b", None).unwrap();
        assert_eq!(
            (proof.client_id.as_str(), proof.secret.as_deref()),
            ("a", Some("b"))
        );
        let proof = client("", Some(encode("a%2Fb:c%2Bd"))).unwrap();
        assert_eq!(
            (proof.client_id.as_str(), proof.secret.as_deref()),
            ("a/b", Some("c+d"))
        );
        assert!(client("client_id=a", Some(encode("a:b"))).is_ok());
        for (body, authorization) in [
            ("", None),
            ("client_id=", None),
            ("client_id=b", Some(encode("a:b"))),
            ("client_secret=b", Some(encode("a:b"))),
            ("", Some("Basic %%%".to_owned())),
            ("client_id=a", Some("Bearer x".to_owned())),
            ("", Some(encode("a"))),
        ] {
            assert!(
                client(body, authorization.clone()).is_err(),
                "{body} {authorization:?}"
            );
        }
    }
}
