//! Names and values of a query string or a form, read strictly: what isn't UTF-8 is refused, not replaced.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{StatusCode, header},
    response::IntoResponse as _,
};

use crate::error::PageError;

/// Names and values in their order; a name may come more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Reads `application/x-www-form-urlencoded` text; `None` when it isn't UTF-8.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let decode = |part: &str| {
            let spaced = part.replace('+', " ");
            percent_encoding::percent_decode_str(&spaced)
                .decode_utf8()
                .ok()
                .map(std::borrow::Cow::into_owned)
        };
        text.split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((decode(name)?, decode(value)?))
            })
            .collect::<Option<Vec<_>>>()
            .map(Self)
    }

    /// The first value of `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The first value of `name` that isn't blank, trimmed.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name)
            .map(str::trim)
            .filter(|value| !value.is_empty())
    }

    /// Every value of `name`.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Names and values in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Without any value of `name`.
    #[must_use]
    pub(crate) fn without(&self, name: &str) -> Self {
        Self(
            self.0
                .iter()
                .filter(|(key, _)| key != name)
                .cloned()
                .collect(),
        )
    }

    /// With one more value of `name`.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// As the end of an address: empty, or `?…`.
    pub(crate) fn to_query(&self) -> String {
        let encoded = serde_urlencoded::to_string(&self.0).unwrap_or_default();
        if encoded.is_empty() {
            encoded
        } else {
            format!("?{encoded}")
        }
    }
}

/// The fields of a form that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Submitted(pub(crate) Pairs);

impl<T: Send + Sync> FromRequest<T> for Submitted {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &T) -> Result<Self, PageError> {
        let content_type = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let is_form = content_type.starts_with("application/x-www-form-urlencoded");
        let bytes =
            Bytes::from_request(request, state)
                .await
                .map_err(|rejection| match rejection.into_response().status() {
                    StatusCode::PAYLOAD_TOO_LARGE => PageError::TooLarge,
                    _ => PageError::Invalid,
                })?;
        if !is_form && !bytes.is_empty() {
            return Err(PageError::Invalid);
        }
        std::str::from_utf8(&bytes)
            .ok()
            .and_then(Pairs::parse)
            .map(Self)
            .ok_or(PageError::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_repeated_names_and_refuses_what_is_not_utf8() {
        let pairs = Pairs::parse("filter=amount+%3E+5&filter=name%3D%22%C3%A4%22&q").unwrap();
        assert_eq!(
            pairs.all("filter").collect::<Vec<_>>(),
            ["amount > 5", "name=\"ä\""]
        );
        assert_eq!(pairs.get("q"), Some(""));
        assert_eq!(pairs.filled("q"), None);
        assert_eq!(Pairs::parse("name=%FF"), None);
        assert_eq!(Pairs::parse("%C3=1"), None);
    }

    #[test]
    fn an_address_reads_back() {
        let pairs = Pairs::default()
            .with("filter", "name = \"a&b=c\"")
            .with("sort", "-amount");
        assert_eq!(
            Pairs::parse(pairs.to_query().trim_start_matches('?')),
            Some(pairs.clone())
        );
        assert_eq!(pairs.without("filter").to_query(), "?sort=-amount");
        assert_eq!(Pairs::default().to_query(), "");
    }
}
