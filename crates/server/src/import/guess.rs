//! Guesses which column is which field, by names alone: API names, labels, Salesforce names, and relations by what names their records.

use std::collections::BTreeMap;

use fieldstone_model::{Field, FieldType, Object, Registry, fold::fold};

use super::mapping::Rule;

/// Rules for the columns that look like fields of `object`. A field takes the first column that fits.
pub(super) fn guess(
    registry: &Registry,
    object: &Object,
    header: &[String],
) -> BTreeMap<String, Rule> {
    let mut rules = BTreeMap::new();
    for column in header.iter().filter(|column| !letters(column).is_empty()) {
        // The same name twice can't be told apart.
        if header.iter().filter(|other| *other == column).count() > 1 {
            continue;
        }
        if let Some((field, rule)) = matching(registry, object, column) {
            rules.entry(field).or_insert(rule);
        }
    }
    rules
}

fn matching(registry: &Registry, object: &Object, column: &str) -> Option<(String, Rule)> {
    let wanted = letters(column);
    let direct = object.writable_fields().find(|field| {
        letters(&field.name) == wanted
            || field
                .label
                .as_deref()
                .is_some_and(|label| letters(label) == wanted)
            || field.salesforce.is_some_and(|name| letters(name) == wanted)
    });
    // `StageName` is a relation that Salesforce fills with names, not ids.
    let by_label = |field: &Field| {
        field.kind.is_relation()
            && letters(&field.name) != wanted
            && field
                .salesforce
                .is_none_or(|name| letters(name) != wanted || !name.ends_with("Id"))
    };
    if let Some(field) = direct.filter(|field| !by_label(field)) {
        return Some((field.name.to_string(), Rule::column(column)));
    }
    let related = || {
        let mut fields = object.writable_fields();
        fields.find_map(|field| related(registry, field, column, &wanted))
    };
    related().or_else(|| named_like(object, column, &wanted))
}

/// A column called like the object itself holds its records' names: `Account` in a file of accounts.
fn named_like(object: &Object, column: &str, wanted: &str) -> Option<(String, Rule)> {
    let label = object.label.as_deref().unwrap_or(&object.name);
    let fits = [label, &object.name, &format!("{} name", object.name)]
        .into_iter()
        .any(|name| letters(name) == *wanted);
    let field = object
        .name_field()
        .filter(|field| fits && field.is_writable())?;
    Some((field.name.to_string(), Rule::column(column)))
}

/// A relation by its name (`account`, `account.name`) or its label: the column holds what names the record.
fn related(
    registry: &Registry,
    field: &Field,
    column: &str,
    wanted: &str,
) -> Option<(String, Rule)> {
    let FieldType::Relation { to } = &field.kind else {
        return None;
    };
    let target = registry.object(to)?;
    let relation = field.relation_name()?;
    let label = field.label.as_deref().unwrap_or(relation);
    let by = target.fields.iter().find(|by| {
        by.indexed
            && !by.kind.is_relation()
            && letters(&format!("{relation} {}", by.name)) == *wanted
    });
    let find = match by {
        Some(by) => vec![format!("{to}.{}", by.name)],
        None if letters(relation) == *wanted || letters(label) == *wanted => match to.as_ref() {
            "user" => vec!["user.email".to_owned(), "user.name".to_owned()],
            _ => vec![format!("{to}.{}", target.name_field)],
        },
        None => return None,
    };
    let rule = Rule {
        find,
        ..Rule::column(column)
    };
    Some((field.name.to_string(), rule))
}

/// Letters and digits alone, folded: `Close Date`, `close_date` and `CloseDate` are the same.
fn letters(text: &str) -> String {
    fold(text).chars().filter(|c| c.is_alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_any_style() {
        let registry = Registry::standard();
        let deal = registry.object("deal").unwrap();
        let header = [
            "Name",
            "CloseDate",
            "close date",
            "Account",
            "owner",
            "StageName",
            "contact_id",
            "Account.External ID",
            "status",
            "mystery",
            "",
            "amount",
            "amount",
        ]
        .map(str::to_owned);
        let rules = guess(&registry, deal, &header);
        let column = |field: &str| rules[field].column.clone().unwrap();
        assert_eq!(column("name"), "Name");
        assert_eq!(column("close_date"), "CloseDate");
        assert_eq!(rules["account_id"].find, ["account.name"]);
        assert_eq!(rules["owner_id"].find, ["user.email", "user.name"]);
        assert!(rules["contact_id"].find.is_empty());
        assert_eq!(rules.len(), 6, "{:?}", rules.keys());
    }

    #[test]
    fn a_column_called_like_the_object_is_its_name() {
        let registry = Registry::standard();
        for (object, column, fields) in [
            ("account", "Account", &["name"][..]),
            ("account", "account name", &["name"]),
            ("contact", "contact", &[]),
            ("deal", "account", &["account_id"]),
        ] {
            let rules = guess(
                &registry,
                registry.object(object).unwrap(),
                &[column.to_owned()],
            );
            assert_eq!(
                rules.keys().collect::<Vec<_>>(),
                fields,
                "{object} {column}"
            );
        }
    }
}
