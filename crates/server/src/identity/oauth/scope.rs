//! Scopes: names of capabilities, as OAuth writes lists of them.

use fieldstone_model::{Capability, Role};

/// Every capability, in the table's order.
pub fn all() -> impl Iterator<Item = Capability> {
    Role::Owner.capabilities()
}

/// The capability of this name.
pub fn capability(name: &str) -> Option<Capability> {
    all().find(|capability| capability.name() == name)
}

/// The capabilities that a space-separated list names, each once and in the table's order; `None` when one is unknown or there is none.
pub fn parse(list: &str) -> Option<Vec<Capability>> {
    let named: Vec<Capability> = list
        .split(' ')
        .filter(|name| !name.is_empty())
        .map(capability)
        .collect::<Option<_>>()?;
    let sorted: Vec<Capability> = all().filter(|it| named.contains(it)).collect();
    (!sorted.is_empty()).then_some(sorted)
}

/// Names, as the database keeps them.
pub fn names(scopes: &[Capability]) -> Vec<&'static str> {
    scopes.iter().map(|scope| scope.name()).collect()
}

/// Stored names, without those that this version doesn't know.
pub fn of_names(names: &[String]) -> Vec<Capability> {
    all()
        .filter(|it| names.iter().any(|name| name == it.name()))
        .collect()
}

/// The key of the text that says what a scope allows.
pub fn text_key(scope: Capability) -> String {
    format!("scope-{}", scope.name().replace('.', "-"))
}

#[cfg(test)]
mod tests {
    use fieldstone_ui::locale::Locale;
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn lists_are_read_whole_or_not_at_all() {
        assert_eq!(
            parse("records.write  records.read records.write"),
            Some(vec![Capability::RecordsRead, Capability::RecordsWrite])
        );
        for bad in [
            "",
            " ",
            "records.read everything",
            "Records.Read",
            "records.read,records.write",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_scope_is_put_into_words() {
        for tag in ["en", "de"] {
            let locale = Locale::new(tag, TimeZone::UTC, "EUR");
            for scope in all() {
                assert!(locale.find(&text_key(scope)).is_some(), "{tag}: {scope:?}");
            }
        }
    }
}
