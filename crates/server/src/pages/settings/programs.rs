//! What the pages about programs share: ids in addresses, forms with lists, choices of scopes, and a secret that is shown once.

use askama::Template;
use axum::{
    Form,
    extract::{FromRequestParts, RawPathParams, rejection::FormRejection},
    http::{StatusCode, request::Parts},
};
use fieldstone_model::{Capability, RecordId};
use fieldstone_ui::{PageError, PageResult, locale::Locale};

use super::Settings;
use crate::identity::oauth::scope;

/// The ids in an address, by the names of its parameters.
pub(crate) struct Ids(Vec<(String, RecordId)>);

impl Ids {
    /// The id of this name. A text that can't be one is something that isn't there.
    pub(crate) fn get(&self, name: &str) -> Result<RecordId, PageError> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, id)| *id).ok_or(PageError::NotFound)
    }
}

impl<T: Send + Sync> FromRequestParts<T> for Ids {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &T) -> Result<Self, PageError> {
        let parameters = RawPathParams::from_request_parts(parts, state).await;
        let parameters = parameters.map_err(|_| PageError::NotFound)?;
        let ids = parameters
            .iter()
            .map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect::<Option<_>>();
        ids.map(Self).ok_or(PageError::NotFound)
    }
}

/// What a form says: a name may stand there several times.
pub(crate) type Submitted = Result<Form<Vec<(String, String)>>, FormRejection>;

/// The pairs of a form.
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads a form; a text with a NUL is none.
    pub(crate) fn read(submitted: Submitted) -> Result<Self, PageError> {
        let Form(pairs) = submitted.map_err(|_| PageError::Invalid)?;
        if pairs.iter().any(|(_, value)| value.contains('\0')) {
            return Err(PageError::Invalid);
        }
        Ok(Self(pairs))
    }

    /// All of them, in their order.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The first value of this name, trimmed; empty when there is none.
    pub(crate) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// All values of this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| value.as_str())
    }

    /// What stands under names that begin so, by the rest of the name.
    pub(crate) fn with_prefix<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0
            .iter()
            .filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, value.as_str())))
    }

    /// The scopes that are ticked; unknown names count for nothing.
    pub(crate) fn scopes(&self) -> Vec<Capability> {
        let names: Vec<String> = self
            .0
            .iter()
            .filter(|(name, _)| name == "scope")
            .map(|(_, value)| value.clone())
            .collect();
        scope::of_names(&names)
    }
}

/// One box to tick.
#[derive(Debug, Clone)]
pub(crate) struct ScopeChoice {
    pub(crate) name: &'static str,
    pub(crate) label: String,
    pub(crate) chosen: bool,
}

/// A box for each of these capabilities.
pub(crate) fn scope_choices(
    locale: &Locale,
    offered: impl Iterator<Item = Capability>,
    chosen: &[Capability],
) -> Vec<ScopeChoice> {
    offered
        .map(|scope| ScopeChoice {
            name: scope.name(),
            label: locale.t(&scope::text_key(scope)).into_owned(),
            chosen: chosen.contains(&scope),
        })
        .collect()
}

/// Scopes in words, for a line of a list.
pub(crate) fn scope_words(locale: &Locale, names: &[String]) -> String {
    if names.is_empty() {
        return locale.t("token-everything").into_owned();
    }
    crate::oauth::authorize::words(locale, &scope::of_names(names)).join(" · ")
}

/// Whether a text can be a name; the key of what to say otherwise.
pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        Err("program-name-missing")
    } else if name.chars().count() > 255 || name.chars().any(char::is_control) {
        Err("program-name-unusable")
    } else {
        Ok(())
    }
}

#[derive(Template)]
#[template(path = "settings/secret.html")]
struct SecretPage<'a> {
    locale: &'a Locale,
    title: &'a str,
    /// Names of texts, values and whether each is the secret.
    lines: Vec<(&'static str, String, bool)>,
    back: &'a str,
}

/// Shows what nobody can see again.
pub(crate) fn show_secret(
    settings: &Settings,
    title: &str,
    lines: Vec<(&'static str, String, bool)>,
    back: &str,
) -> PageResult {
    let locale = settings.locale();
    settings.page_with(
        StatusCode::CREATED,
        &SecretPage {
            locale,
            title,
            lines,
            back,
        },
    )
}
