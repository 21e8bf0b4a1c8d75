//! Query parameters, read strictly: unknown ones, repeated ones and broken encodings are refused by name.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::error::{ApiError, Place};

/// The parameters of one request, each at most once.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    pairs: Vec<(String, String)>,
}

impl Parameters {
    /// Reads `query`; names outside `known` are refused.
    pub(super) fn read(query: &str, known: &[&str]) -> Result<Self, ApiError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or_else(not_utf8)?;
            if !known.contains(&name.as_ref()) {
                let list = if known.is_empty() {
                    "none".to_owned()
                } else {
                    known.join(", ")
                };
                let detail = format!("There is no parameter of this name here. Known: {list}.");
                return Err(ApiError::bad_request(
                    "unknown-parameter",
                    format!("The parameter “{name}” isn't known here."),
                )
                .with(Place::parameter(&name), "unknown_parameter", detail));
            }
            if pairs.iter().any(|(known, _)| *known == *name) {
                return Err(ApiError::bad_parameter(
                    &name,
                    "repeated",
                    "Send each parameter once.",
                ));
            }
            let value = decode(value).ok_or_else(not_utf8)?;
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self { pairs })
    }

    /// The value of a parameter, if it was sent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// A whole number within bounds.
    pub(super) fn number(
        &self,
        name: &str,
        (min, max): (u64, u64),
    ) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let number = text
            .parse()
            .ok()
            .filter(|number| (min..=max).contains(number));
        number.map(Some).ok_or_else(|| {
            ApiError::bad_parameter(
                name,
                "out_of_range",
                format!("Send a whole number from {min} to {max}."),
            )
        })
    }
}

fn not_utf8() -> ApiError {
    ApiError::bad_request("not-utf8", "Encode the address as UTF-8.")
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains(['+', '%']) {
        return Some(Cow::Borrowed(text));
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_forms_send() {
        let read = Parameters::read(
            "filter=a+%3D+%22%C3%A4%22&&limit=5&empty",
            &["filter", "limit", "empty"],
        )
        .unwrap();
        assert_eq!(read.get("filter"), Some("a = \"ä\""));
        assert_eq!(read.get("empty"), Some(""));
        assert_eq!(read.number("limit", (1, 200)).unwrap(), Some(5));
        assert!(read.number("limit", (6, 200)).is_err());
        for bad in ["limit=1&limit=2", "other=1", "limit=%FF", "%C3%28=1"] {
            assert!(Parameters::read(bad, &["limit"]).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_was_encoded(value in "\\PC{0,40}") {
            let encoded = serde_urlencoded::to_string([("q", &value)]).unwrap();
            let read = Parameters::read(&encoded, &["q"]).unwrap();
            prop_assert_eq!(read.get("q"), Some(value.as_str()));
        }
    }
}
