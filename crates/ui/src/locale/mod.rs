//! How a page speaks to one person: language, conventions of numbers and dates, time zone, currency.

mod format;
mod labels;
mod texts;

use std::{borrow::Cow, sync::Arc};

use fluent_bundle::{FluentArgs, FluentValue};
use jiff::tz::TimeZone;

pub use texts::Language;

/// The conventions one page is written in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Locale {
    language: Language,
    conventions: &'static format::Conventions,
    time_zone: TimeZone,
    currency: Arc<str>,
}

impl Locale {
    /// The tags of all locales there are, e.g. `de-CH`.
    pub const TAGS: [&'static str; 7] = format::tags();

    /// A locale for a tag such as `de-CH`; an unknown language falls back to English.
    ///
    /// `currency` is an ISO 4217 code.
    pub fn new(tag: &str, time_zone: TimeZone, currency: &str) -> Self {
        Self {
            language: Language::of_tag(tag),
            conventions: format::Conventions::of_tag(tag),
            time_zone,
            currency: Arc::from(currency),
        }
    }

    /// The best locale for an `Accept-Language` header (RFC 9110 §12.5.4), for pages shown before anyone has signed in.
    pub fn negotiate(accept_language: &str) -> Self {
        let tag = texts::preferred_tag(accept_language);
        Self::new(&tag, TimeZone::UTC, "EUR")
    }

    /// The language of the page's texts.
    pub fn language(&self) -> Language {
        self.language
    }

    /// The value of the page's `lang` attribute.
    pub fn tag(&self) -> &'static str {
        self.conventions.tag
    }

    /// The time zone that instants are shown in.
    pub fn time_zone(&self) -> &TimeZone {
        &self.time_zone
    }

    /// The workspace's currency, an ISO 4217 code.
    pub fn currency(&self) -> &str {
        &self.currency
    }

    /// The text of `key`.
    pub fn t(&self, key: &str) -> Cow<'static, str> {
        texts::format(self.language, key, None)
    }

    /// The text of `key`, if there is one.
    pub fn find(&self, key: &str) -> Option<Cow<'static, str>> {
        texts::has(self.language, key).then(|| self.t(key))
    }

    /// The text of `key` with one variable.
    pub fn t1<'a>(&self, key: &str, name: &'a str, value: impl Into<FluentValue<'a>>) -> String {
        let mut arguments = FluentArgs::with_capacity(1);
        arguments.set(name, value);
        texts::format(self.language, key, Some(&arguments)).into_owned()
    }

    /// The text of `key` with any number of variables.
    pub fn t_with(&self, key: &str, variables: &[(&str, String)]) -> String {
        let mut arguments = FluentArgs::with_capacity(variables.len());
        for (name, value) in variables {
            arguments.set(*name, value.as_str());
        }
        texts::format(self.language, key, Some(&arguments)).into_owned()
    }

    /// The text of `key` with two variables.
    pub fn t2<'a>(
        &self,
        key: &str,
        first: (&'a str, impl Into<FluentValue<'a>>),
        second: (&'a str, impl Into<FluentValue<'a>>),
    ) -> String {
        let mut arguments = FluentArgs::with_capacity(2);
        arguments.set(first.0, first.1);
        arguments.set(second.0, second.1);
        texts::format(self.language, key, Some(&arguments)).into_owned()
    }
}
