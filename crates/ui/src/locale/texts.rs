//! The catalogue of texts, one bundle per language, embedded and parsed once.

use std::{borrow::Cow, collections::HashMap, sync::LazyLock};

use fluent_bundle::{FluentArgs, FluentResource, concurrent::FluentBundle};

/// A language the pages speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Language {
    /// English, the fallback.
    English,
    /// German.
    German,
}

macro_rules! sources {
    ($language:literal) => {
        &[
            include_str!(concat!("../../locales/", $language, "/frame.ftl")),
            include_str!(concat!("../../locales/", $language, "/pages.ftl")),
            include_str!(concat!("../../locales/", $language, "/problems.ftl")),
            include_str!(concat!("../../locales/", $language, "/objects.ftl")),
            include_str!(concat!("../../locales/", $language, "/identity.ftl")),
            include_str!(concat!("../../locales/", $language, "/audit.ftl")),
            include_str!(concat!("../../locales/", $language, "/integrations.ftl")),
            include_str!(concat!("../../locales/", $language, "/settings.ftl")),
            include_str!(concat!("../../locales/", $language, "/letters.ftl")),
            include_str!(concat!("../../locales/", $language, "/members.ftl")),
            include_str!(concat!("../../locales/", $language, "/security.ftl")),
            include_str!(concat!("../../locales/", $language, "/devices.ftl")),
            include_str!(concat!("../../locales/", $language, "/imports.ftl")),
        ]
    };
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 2] = [Self::English, Self::German];

    /// Its primary tag.
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// The language of a tag such as `de-AT`.
    pub fn of_tag(tag: &str) -> Self {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        Self::ALL
            .into_iter()
            .find(|language| language.tag().eq_ignore_ascii_case(primary))
            .unwrap_or(Self::English)
    }

    fn sources(self) -> &'static [&'static str] {
        match self {
            Self::English => sources!("en"),
            Self::German => sources!("de"),
        }
    }
}

type Bundle = FluentBundle<FluentResource>;

static BUNDLES: LazyLock<HashMap<Language, Bundle>> = LazyLock::new(|| {
    Language::ALL
        .into_iter()
        .map(|language| (language, bundle(language)))
        .collect()
});

fn bundle(language: Language) -> Bundle {
    let mut bundle = FluentBundle::new_concurrent(vec![language.tag().parse().unwrap_or_default()]);
    // Isolation marks would end up in titles and attributes; both languages run left to right.
    bundle.set_use_isolating(false);
    for source in language.sources() {
        let resource =
            FluentResource::try_new((*source).to_owned()).unwrap_or_else(|(resource, errors)| {
                tracing::error!(language = language.tag(), ?errors, "texts with errors");
                resource
            });
        if let Err(errors) = bundle.add_resource(resource) {
            tracing::error!(language = language.tag(), ?errors, "texts defined twice");
        }
    }
    bundle
}

/// The text of `key`; the key itself, logged, when there is none.
pub(super) fn format(
    language: Language,
    key: &str,
    arguments: Option<&FluentArgs<'_>>,
) -> Cow<'static, str> {
    let Some((bundle, pattern)) = BUNDLES
        .get(&language)
        .and_then(|bundle| Some((bundle, bundle.get_message(key)?.value()?)))
    else {
        tracing::error!(language = language.tag(), key, "text missing");
        return Cow::Owned(key.to_owned());
    };
    let mut errors = Vec::new();
    let text = bundle.format_pattern(pattern, arguments, &mut errors);
    if !errors.is_empty() {
        tracing::error!(language = language.tag(), key, ?errors, "text with errors");
    }
    match arguments {
        // Without variables the text is part of the bundle, which lives as long as the program.
        None => text,
        Some(_) => Cow::Owned(text.into_owned()),
    }
}

/// Whether there is a text for `key`.
pub(super) fn has(language: Language, key: &str) -> bool {
    BUNDLES
        .get(&language)
        .is_some_and(|bundle| bundle.has_message(key))
}

/// The first tag of `accept_language`, by quality, whose language the pages speak.
pub(super) fn preferred_tag(accept_language: &str) -> String {
    let mut wanted: Vec<(f32, &str)> = accept_language
        .split(',')
        .take(20)
        .filter_map(|item| {
            let (tag, rest) = item.split_once(';').unwrap_or((item, ""));
            let quality = rest
                .trim()
                .strip_prefix("q=")
                .map_or(1.0, |it| it.parse().unwrap_or(0.0));
            let tag = tag.trim();
            let primary = tag.split('-').next().unwrap_or_default();
            let spoken = Language::ALL
                .iter()
                .any(|language| language.tag().eq_ignore_ascii_case(primary));
            (spoken && quality > 0.0).then_some((quality, tag))
        })
        .collect();
    wanted.sort_by(|a, b| b.0.total_cmp(&a.0));
    wanted.first().map_or("en", |(_, tag)| tag).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn keys(language: Language) -> BTreeSet<String> {
        language
            .sources()
            .iter()
            .flat_map(|source| source.lines())
            .filter_map(|line| line.split_once(" ="))
            .filter(|(key, _)| key.starts_with(|c: char| c.is_ascii_lowercase()))
            .map(|(key, _)| key.to_owned())
            .collect()
    }

    #[test]
    fn every_language_has_the_same_keys() {
        let english = keys(Language::English);
        assert!(english.len() > 100, "the catalogue is read");
        for language in Language::ALL {
            let theirs = keys(language);
            let missing: Vec<_> = english.difference(&theirs).collect();
            let extra: Vec<_> = theirs.difference(&english).collect();
            assert!(
                missing.is_empty() && extra.is_empty(),
                "{}: missing {missing:?}, extra {extra:?}",
                language.tag()
            );
        }
    }

    #[test]
    fn every_text_parses_and_none_is_defined_twice() {
        for language in Language::ALL {
            let mut bundle: Bundle = FluentBundle::new_concurrent(vec![]);
            for source in language.sources() {
                let resource = FluentResource::try_new((*source).to_owned())
                    .map_err(|(_, errors)| errors)
                    .unwrap();
                bundle.add_resource(resource).unwrap();
            }
        }
    }

    #[test]
    fn variables_are_the_same_in_every_language() {
        let variables = |language: Language| {
            let mut found: HashMap<String, BTreeSet<String>> = HashMap::new();
            let mut key = String::new();
            for line in language.sources().iter().flat_map(|source| source.lines()) {
                if let Some((name, _)) = line
                    .split_once(" =")
                    .filter(|_| line.starts_with(|c: char| c.is_ascii_lowercase()))
                {
                    name.clone_into(&mut key);
                }
                for part in line.split('$').skip(1) {
                    let name: String = part
                        .chars()
                        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '-')
                        .collect();
                    found.entry(key.clone()).or_default().insert(name);
                }
            }
            found
        };
        let (english, german) = (variables(Language::English), variables(Language::German));
        assert_eq!(english, german);
    }

    #[test]
    fn the_browsers_first_spoken_language_wins() {
        assert_eq!(preferred_tag("fr-FR, de-CH;q=0.9, en;q=0.8"), "de-CH");
        assert_eq!(preferred_tag("en-GB;q=0.5, de;q=0.7"), "de");
        assert_eq!(preferred_tag("*"), "en");
        assert_eq!(preferred_tag("de;q=0, ja"), "en");
    }

    #[test]
    fn a_missing_text_shows_its_key() {
        assert_eq!(
            format(Language::German, "no-such-text", None),
            "no-such-text"
        );
    }
}
