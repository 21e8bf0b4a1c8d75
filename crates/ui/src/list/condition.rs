//! A condition among the fields of a form: put together with the filters of lists, part by part, or typed.
//!
//! Its text is what counts, and the builder never rewrites a part that it doesn't know: what somebody typed stays as they typed it.

use std::sync::Arc;

use askama::Template;
use fieldstone_model::{
    Filter, Object,
    query::{Environment, filter_parts, parse_filter},
};
use fieldstone_store::{Store, StoreError};

use super::{
    filter::{self, FieldGroup, Picked, Place, Tests},
    words::{referred, worded},
};
use crate::{
    error::PageError,
    locale::Locale,
    request::{AtObject, Pairs, Session},
    shown::{Names, Showing},
};

/// What the names of the builder's fields begin with.
pub(super) const PREFIX: &str = "if-";

/// What is done with what a form says of its condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is shown; what is picked of a part stays picked.
    Nothing,
    /// One of the builder's own buttons was pressed.
    Asked,
    /// The form is saved: a part that is picked belongs to the condition.
    Saved,
}

/// The form that a condition belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings {
    /// Where the builder's buttons send the form.
    pub address: &'static str,
    /// How: `post`; with `get` each button brings the whole page anew.
    pub method: &'static str,
    /// The key of its heading.
    pub heading: &'static str,
    /// The key of what is said while there is no condition.
    pub without: &'static str,
    /// The key of the help for whoever types it.
    pub help: &'static str,
    /// Whether it may speak of whoever looks: of what is theirs.
    pub personal: bool,
    /// What else of the page changes with it, as a selector.
    pub along: Option<&'static str>,
}

/// A condition as a form shows it.
#[derive(Debug, Template)]
#[template(path = "list/condition.html")]
pub struct Condition {
    locale: Locale,
    around: Surroundings,
    text: String,
    parts: Vec<Part>,
    groups: Vec<FieldGroup>,
    tests: Option<Tests>,
    /// The part that an alternative is added to, and what says so.
    instead: Option<(usize, String)>,
    /// Whether the text stands open.
    typed: bool,
    /// What is wrong with the text.
    error: Option<String>,
    /// What is wrong with the part that is picked, when it isn't its value.
    unfinished: Option<String>,
    /// Whether the field to choose gets the focus.
    focus: bool,
}

impl askama::filters::HtmlSafe for Condition {}

/// One part of a condition.
#[derive(Debug)]
struct Part {
    words: String,
    /// Whether these are words, and not the text itself.
    known: bool,
    /// Whether it can be read.
    works: bool,
}

impl Condition {
    /// Its text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a part is picked that can't be added as it is.
    pub fn is_unfinished(&self) -> bool {
        self.unfinished.is_some()
            || self
                .tests
                .as_ref()
                .is_some_and(|tests| tests.error.is_some())
    }
}

/// The condition of a form about records of `object`: its `text`, and what the form says besides.
///
/// `around` is what the form is, `error` what is known to be wrong with the text.
pub async fn condition<S: Store + Clone + 'static>(
    session: &Session<S>,
    object: &Arc<Object>,
    around: Surroundings,
    text: &str,
    form: &[(String, String)],
    change: Change,
    error: Option<String>,
) -> Result<Condition, PageError> {
    let at = AtObject::new(session.clone(), Arc::clone(object));
    let given = form
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value)))
        .fold(Pairs::default(), |pairs, (name, value)| {
            pairs.with(name, value)
        });
    let draft = Draft {
        parts: parts_of(&at, text),
        at: &at,
        given,
        change,
    };
    draft.condition(around, text, error).await
}

/// A condition's text in words, part by part; a part that has none stays as it was typed.
pub async fn in_words<S: Store + Clone + 'static>(
    session: &Session<S>,
    object: &Arc<Object>,
    text: &str,
) -> Result<String, PageError> {
    let at = AtObject::new(session.clone(), Arc::clone(object));
    let draft = Draft {
        parts: parts_of(&at, text),
        at: &at,
        given: Pairs::default(),
        change: Change::Nothing,
    };
    let parts = draft.words().await?;
    let words: Vec<&str> = parts.iter().map(|part| part.words.as_str()).collect();
    Ok(words.join(" · "))
}

/// A condition on its way.
struct Draft<'a, S> {
    at: &'a AtObject<S>,
    parts: Vec<String>,
    given: Pairs,
    change: Change,
}

/// The parts of a text; one that can be read as a whole alone is one part.
fn parts_of<S: Store>(at: &AtObject<S>, text: &str) -> Vec<String> {
    let parts = filter_parts(text);
    let readable = |text: &str| read(at, text, 0).is_some();
    if parts.iter().any(|part| !readable(part)) && readable(text) {
        return vec![text.trim().to_owned()];
    }
    parts
}

/// What a text means `days` from now.
fn read<S: Store>(at: &AtObject<S>, text: &str, days: i64) -> Option<Filter> {
    let span = jiff::Span::new().try_days(days).ok()?;
    let environment = Environment {
        me: at.viewer.user_id,
        today: at.viewer.today().checked_add(span).ok()?,
    };
    let filter = parse_filter(at.registry(), &at.object, environment, text).ok()?;
    filter.check(at.registry(), &at.object).ok()?;
    Some(filter)
}

/// Parts as one text.
fn joined(parts: &[String]) -> String {
    if let [one] = parts {
        return one.clone();
    }
    let texts: Vec<String> = parts
        .iter()
        .map(|part| {
            // In parentheses, unless the part is seen to be one beside another.
            let beside = filter_parts(&format!("{part} and x = 1"));
            if beside.len() == 2 {
                part.clone()
            } else {
                format!("({part})")
            }
        })
        .collect();
    texts.join(" and ")
}

impl<S: Store + Clone + 'static> Draft<'_, S> {
    async fn condition(
        mut self,
        around: Surroundings,
        text: &str,
        error: Option<String>,
    ) -> Result<Condition, PageError> {
        let locale = self.at.viewer.locale.clone();
        let asked = self.asked();
        let mut instead = self.place("or");
        let mut rewritten = false;
        let mut focus = false;
        let mut clear = false;
        match asked.split_once('-') {
            Some(("remove", place)) => {
                if let Some(place) = self.known(place) {
                    self.parts.remove(place);
                    (rewritten, focus, instead) = (true, true, None);
                }
            }
            Some(("or", place)) => {
                instead = self.known(place);
                focus = true;
            }
            Some(("not", _)) => (instead, focus, clear) = (None, true, true),
            _ => {}
        }
        let path = self.given.get("field").unwrap_or_default().to_owned();
        let chosen = filter::resolved(self.at, &path).filter(|_| !clear);
        let adds = asked == "add" || self.change == Change::Saved;
        let place = if around.personal {
            Place::Report
        } else {
            Place::Form
        };
        let (mut tests, mut unfinished) = (None, None);
        if let Some(chosen) = chosen {
            let mut given = self.given.clone();
            if !adds {
                // Shown as it was picked; nothing is added yet, so nothing is wrong with it yet.
                given = given.without("test");
            }
            match filter::picked(self.at, &path, chosen, &given, place).await? {
                Picked::Filter(part) => {
                    self.add(part, instead.take());
                    (rewritten, focus) = (true, asked == "add");
                }
                Picked::Not(form) => {
                    if adds && form.error.is_none() {
                        unfinished = Some(locale.t("condition-unfinished").into_owned());
                    }
                    tests = Some(*form);
                }
            }
        } else if adds && asked == "add" {
            unfinished = Some(locale.t("condition-no-field").into_owned());
            focus = true;
        }
        let text = if rewritten {
            joined(&self.parts)
        } else {
            text.to_owned()
        };
        let parts = self.words().await?;
        let instead = instead.and_then(|place| {
            let words = &parts.get(place)?.words;
            let told = locale.t1("filter-instead", "filter", words.as_str());
            Some((place, told))
        });
        Ok(Condition {
            around,
            typed: error.is_some() || parts.iter().any(|part| !part.known),
            groups: filter::groups(self.at, if tests.is_some() { &path } else { "" }),
            text,
            parts,
            tests,
            instead,
            error,
            unfinished,
            focus,
            locale,
        })
    }

    /// The button that was pressed.
    fn asked(&self) -> String {
        let asked = self.given.get("do").unwrap_or_default();
        if self.change == Change::Asked {
            asked.to_owned()
        } else {
            String::new()
        }
    }

    /// The part that a field of the form names.
    fn place(&self, name: &str) -> Option<usize> {
        self.known(self.given.get(name)?)
    }

    fn known(&self, place: &str) -> Option<usize> {
        let place = place.parse().ok()?;
        (place < self.parts.len()).then_some(place)
    }

    fn add(&mut self, part: String, instead: Option<usize>) {
        match instead.and_then(|place| self.parts.get_mut(place)) {
            Some(old) => *old = format!("({old}) or ({part})"),
            // What one test says stays one part.
            None if filter_parts(&part).len() > 1 => self.parts.push(format!("({part})")),
            None => self.parts.push(part),
        }
    }

    /// Each part in words, or as it was typed.
    async fn words(&self) -> Result<Vec<Part>, StoreError> {
        let filters: Vec<(Option<Filter>, Option<Filter>)> = self
            .parts
            .iter()
            .map(|part| (read(self.at, part, 0), read(self.at, part, 1)))
            .collect();
        let mut ids = Vec::new();
        for filter in filters.iter().filter_map(|(filter, _)| filter.as_ref()) {
            referred(filter, &mut ids);
        }
        let names = if ids.is_empty() {
            Names::new()
        } else {
            self.at.store.names(&ids).await?
        };
        let showing = Showing {
            locale: &self.at.viewer.locale,
            registry: self.at.registry(),
            names: &names,
            today: self.at.viewer.today(),
        };
        let parts = self.parts.iter().zip(&filters);
        let part = |(text, (filter, twin)): (&String, &(Option<Filter>, Option<Filter>))| {
            let words = filter
                .as_ref()
                .and_then(|filter| worded(self.at, &showing, text, (filter, twin.as_ref())));
            Part {
                known: words.is_some(),
                works: filter.is_some(),
                words: words.unwrap_or_else(|| text.clone()),
            }
        };
        Ok(parts.map(part).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_so_that_they_come_apart_again() {
        let parts = ["a = 1 or b = 2", "(c = 3 and d = 4)", "not e = 5"].map(str::to_owned);
        let text = joined(&parts);
        assert_eq!(text, "(a = 1 or b = 2) and (c = 3 and d = 4) and not e = 5");
        assert_eq!(filter_parts(&text).len(), 3);
        assert_eq!(joined(&["a = 1 or b = 2".to_owned()]), "a = 1 or b = 2");
        assert_eq!(joined(&[]), "");
    }
}
