//! Bodies: JSON objects in UTF-8, within a size, without a member twice.

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::{
    Deserialize,
    de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value as Json};

use super::error::ApiError;

/// The member name under which numbers of any precision arrive.
const NUMBER: &str = "$serde_json::private::Number";

/// All bytes of a body, up to `max`.
pub(super) async fn bytes(body: Body, max: usize) -> Result<Bytes, ApiError> {
    match Limited::new(body, max).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large(max)),
        Err(_) => Err(ApiError::bad_request(
            "broken-off",
            "The body broke off. Send it again.",
        )),
    }
}

/// A body of more than `max` bytes.
pub(super) fn too_large(max: usize) -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too-large",
        format!("Send at most {max} bytes."),
    )
}

/// Refuses a body that doesn't call itself JSON.
pub(super) fn check_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let declared = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mut parts = declared.split(';');
    let essence = parts.next().unwrap_or_default().trim();
    let is_json = ["application/json", "application/merge-patch+json"]
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known));
    let is_utf8 = parts.all(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        !name.trim().eq_ignore_ascii_case("charset")
            || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    if is_json && is_utf8 {
        return Ok(());
    }
    let detail = "Send JSON in UTF-8, with the header Content-Type: application/json.";
    Err(ApiError::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "not-json",
        detail,
    ))
}

/// The JSON object in `bytes`.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Json>, ApiError> {
    if std::str::from_utf8(bytes).is_err() {
        return Err(ApiError::bad_request(
            "not-utf8",
            "Encode the body as UTF-8.",
        ));
    }
    match serde_json::from_slice(bytes) {
        Ok(Strict(Json::Object(members))) => Ok(members),
        Ok(_) => Err(ApiError::bad_request(
            "not-an-object",
            "Send a JSON object.",
        )),
        Err(error) => Err(ApiError::bad_request(
            "bad-json",
            format!("The body isn't JSON as it should be: {error}."),
        )),
    }
}

/// JSON in which no object has a member twice (RFC 8259 leaves open which of them counts).
struct Strict(Json);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, yes: bool) -> Result<Json, E> {
        Ok(Json::Bool(yes))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::String(text))
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.is_empty() && name == NUMBER {
                let digits: String = members.next_value()?;
                return digits.parse().map(Json::Number).map_err(A::Error::custom);
            }
            let Strict(value) = members.next_value()?;
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!(
                    "the member “{name}” stands there twice"
                )));
            }
            object.insert(name, value);
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_objects_exactly() {
        let read =
            object(br#" {"a":12345678901234567890.50,"b":[true,null,{"c":"\u00e4"}]} "#).unwrap();
        assert_eq!(read["a"].to_string(), "12345678901234567890.50");
        assert_eq!(read["b"][2]["c"], "ä");
        for bad in [
            &b"{"[..],
            b"",
            b"[]",
            b"{}{}",
            b"{\"a\":1,\"a\":1}",
            b"{\"a\":{\"b\":1,\"b\":2}}",
            b"{\"a\":\"\xff\"}",
            b"{'a':1}",
            b"nul",
        ] {
            assert!(object(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
        let deep = "{\"a\":".repeat(10_000);
        assert!(object(deep.as_bytes()).is_err());
    }

    #[test]
    fn only_json_in_utf8_is_taken() {
        let check = |value: &str| {
            let headers: HeaderMap = [(CONTENT_TYPE, value.parse().unwrap())]
                .into_iter()
                .collect();
            check_type(&headers).is_ok()
        };
        for good in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/merge-patch+json",
            "application/json;charset=\"utf-8\"",
        ] {
            assert!(check(good), "{good}");
        }
        for bad in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "application/json; charset=latin1",
            "application/jsonp",
            "",
        ] {
            assert!(!check(bad), "{bad}");
        }
        assert!(check_type(&HeaderMap::new()).is_err());
    }

    proptest! {
        #[test]
        fn agrees_with_serde_on_what_it_reads(text in "\\{(\"[a-d]\":(1|-2.5|true|null|\"x\"|\\[1,\\{\\}\\]),){0,3}\"e\":0\\}") {
            if let Ok(read) = object(text.as_bytes()) {
                prop_assert_eq!(Json::Object(read), serde_json::from_str::<Json>(&text).unwrap());
            }
        }
    }
}
