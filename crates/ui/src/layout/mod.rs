//! Layouts: which fields of an object stand where. Standard objects have a table; anything else gets one from its fields.

mod standard;

use std::collections::HashSet;

use fieldstone_model::{
    Field, FieldType, Object, ObjectClass, Registry, field::Origin, object::Placed,
};

use crate::locale::Locale;

/// How one object's pages are laid out, as facts.
#[derive(Debug)]
struct Facts {
    object: &'static str,
    icon: &'static str,
    /// The letter that goes to its list after `g`.
    key: Option<char>,
    /// Whether it has an entry of its own in the navigation.
    in_navigation: bool,
    /// Columns of its list after the name.
    columns: &'static [&'static str],
    /// Order of its list, as in filter texts; empty means newest first.
    order: &'static str,
    /// What stands large at the top of a record.
    highlights: &'static [&'static str],
    /// Sections of a record and of its form: key of the heading, fields.
    sections: &'static [(&'static str, &'static [&'static str])],
    /// Related lists: object, the field that refers here, columns after the name.
    related: &'static [(&'static str, &'static str, &'static [&'static str])],
}

/// How one object's pages are laid out for one workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) columns: Vec<String>,
    pub(crate) order: String,
    pub(crate) highlights: Vec<String>,
    pub(crate) sections: Vec<Section>,
    pub(crate) related: Vec<Related>,
}

/// Fields under one heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// Key of the heading's text.
    pub(crate) heading: &'static str,
    pub(crate) fields: Vec<String>,
}

/// Records of another object that refer to the one shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Related {
    pub(crate) object: String,
    pub(crate) field: String,
    pub(crate) columns: Vec<String>,
}

fn facts(object: &Object) -> Option<&'static Facts> {
    standard::LAYOUTS
        .iter()
        .find(|facts| facts.object == object.name)
}

/// The name of the object's icon.
pub(crate) fn icon(object: &Object) -> &'static str {
    facts(object).map_or("object", |facts| facts.icon)
}

/// The letter that goes to the object's list after `g`.
pub(crate) fn key(object: &Object) -> Option<char> {
    facts(object).and_then(|facts| facts.key)
}

/// Whether the object has an entry of its own in the navigation.
pub(crate) fn in_navigation(object: &Object) -> bool {
    facts(object).is_none_or(|facts| facts.in_navigation)
}

/// Whether pages of this object exist. People are kept elsewhere and only referred to.
pub(crate) fn has_pages(object: &Object) -> bool {
    object.class != ObjectClass::Directory
}

/// Whether a record of this object can be made by itself. A file is added on the page of the record that it belongs to.
pub(crate) fn stands_alone(object: &Object) -> bool {
    has_pages(object) && object.name != "attachment"
}

/// The layout of `object`: its table, then whatever fields and relations the table doesn't know.
pub(crate) fn of(object: &Object, registry: &Registry) -> Layout {
    let owned = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let known = facts(object);
    let mut sections: Vec<Section> = known.map_or_else(Vec::new, |facts| {
        facts
            .sections
            .iter()
            .map(|(heading, fields)| Section {
                heading,
                fields: owned(fields),
            })
            .collect()
    });
    let placed: HashSet<String> = sections
        .iter()
        .flat_map(|section| section.fields.iter().cloned())
        .collect();
    let mut rest: Vec<String> = object
        .fields
        .iter()
        .filter(|field| {
            field.origin != Origin::System
                && !placed.contains(&*field.name)
                && (field.custom || known.is_none())
        })
        .map(|field| field.name.to_string())
        .collect();
    // The name opens the form; who is responsible and what other systems call it close it.
    rest.sort_by_key(|name| match name.as_str() {
        name if name == object.name_field => 0,
        "owner_id" => 2,
        "external_id" => 3,
        _ => 1,
    });
    if !rest.is_empty() {
        let heading = if known.is_some() {
            "section-more"
        } else {
            "section-details"
        };
        // One heading, one section.
        match sections.iter_mut().find(|it| it.heading == heading) {
            Some(section) => section.fields.extend(rest),
            None => sections.push(Section {
                heading,
                fields: rest,
            }),
        }
    }
    arrange(&mut sections, object);
    let mut related: Vec<Related> = known.map_or_else(Vec::new, |facts| {
        facts
            .related
            .iter()
            .map(|(object, field, columns)| Related {
                object: (*object).to_owned(),
                field: (*field).to_owned(),
                columns: owned(columns),
            })
            .collect()
    });
    for (from, field) in registry.relations_to(&object.name) {
        let is_activity = matches!(field.kind, FieldType::AnyRelation { .. });
        let unknown = !related
            .iter()
            .any(|it| it.object == from.name && it.field == field.name);
        if (from.custom || field.custom || (known.is_none() && is_activity))
            && has_pages(from)
            && unknown
            && field.is_filterable()
        {
            related.push(Related {
                object: from.name.to_string(),
                field: field.name.to_string(),
                columns: first_columns(from, 4)
                    .into_iter()
                    .filter(|name| **name != *field.name)
                    .take(3)
                    .collect(),
            });
        }
    }
    Layout {
        columns: known.map_or_else(|| first_columns(object, 6), |facts| owned(facts.columns)),
        order: known.map_or("", |facts| facts.order).to_owned(),
        highlights: known.map_or_else(Vec::new, |facts| owned(facts.highlights)),
        sections,
        related,
    }
}

/// Puts fields where the workspace wants them. What it says nothing of stays at the end of its section; what is gone is left out.
fn arrange(sections: &mut Vec<Section>, object: &Object) {
    for placed in object.places.iter().rev() {
        let Some(at) = sections.iter().position(|it| it.heading == placed.section) else {
            continue;
        };
        let wanted = placed
            .fields
            .iter()
            .filter(|name| sections.iter().any(|it| it.fields.contains(name)));
        let wanted: Vec<String> = wanted.cloned().collect();
        for section in sections.iter_mut() {
            section.fields.retain(|name| !wanted.contains(name));
        }
        if let Some(section) = sections.get_mut(at) {
            section.fields.splice(0..0, wanted);
        }
    }
    sections.retain(|section| !section.fields.is_empty());
}

/// The sections of an object's pages with their fields in order, empty ones included, for whoever arranges them.
pub fn sections(object: &Object, registry: &Registry) -> Vec<Placed> {
    let mut bare = object.clone();
    bare.places = Vec::new();
    let arranged = of(object, registry).sections;
    let fields_of = |heading: &str| {
        let found = arranged.iter().find(|section| section.heading == heading);
        found.map_or_else(Vec::new, |section| section.fields.clone())
    };
    of(&bare, registry)
        .sections
        .iter()
        .map(|section| Placed {
            section: section.heading.to_owned(),
            fields: fields_of(section.heading),
        })
        .collect()
}

/// Columns for an object without a table: its first fields that are short enough, then when it changed.
fn first_columns(object: &Object, count: usize) -> Vec<String> {
    let short = |field: &&Field| {
        field.origin != Origin::System
            && field.name != object.name_field
            && !matches!(&*field.name, "external_id" | "owner_id")
            && !matches!(field.kind, FieldType::LongText { .. })
    };
    let fields = object
        .fields
        .iter()
        .filter(short)
        .take(count.saturating_sub(1))
        .map(|field| field.name.to_string());
    fields
        .chain(std::iter::once("updated_at".to_owned()))
        .collect()
}

impl Section {
    /// The heading in the person's language.
    pub(crate) fn heading(&self, locale: &Locale) -> String {
        locale.t(self.heading).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldstone_model::Registry;
    use jiff::tz::TimeZone;

    #[test]
    fn every_table_names_real_objects_fields_and_texts() {
        let registry = Registry::standard();
        let locale = Locale::new("en", TimeZone::UTC, "EUR");
        for facts in standard::LAYOUTS {
            let object = registry.object(facts.object).unwrap();
            let fields = facts
                .columns
                .iter()
                .chain(facts.highlights)
                .chain(facts.sections.iter().flat_map(|(_, fields)| fields.iter()));
            for field in fields {
                assert!(object.field(field).is_some(), "{}.{field}", object.name);
            }
            for (heading, _) in facts.sections {
                assert!(locale.find(heading).is_some(), "{heading}");
            }
            for (from, field, columns) in facts.related {
                let from = registry.object(from).unwrap();
                for field in std::iter::once(field).chain(*columns) {
                    assert!(from.field(field).is_some(), "{}.{field}", from.name);
                }
            }
            for order in fieldstone_model::query::parse_order(facts.order) {
                assert!(
                    registry
                        .resolve(object, &order.path)
                        .unwrap()
                        .field
                        .is_sortable()
                );
            }
        }
    }

    #[test]
    fn every_field_that_people_enter_stands_on_its_form() {
        let registry = Registry::standard();
        for object in registry.objects().filter(|object| has_pages(object)) {
            let layout = of(object, &registry);
            let placed: Vec<_> = layout
                .sections
                .iter()
                .flat_map(|section| &section.fields)
                .collect();
            for field in object
                .writable_fields()
                .filter(|field| !field.name.starts_with("converted_"))
            {
                assert_eq!(
                    placed.iter().filter(|name| ***name == *field.name).count(),
                    1,
                    "{}.{}",
                    object.name,
                    field.name
                );
            }
        }
    }

    #[test]
    fn a_workspace_puts_fields_elsewhere_and_loses_none() {
        let section_of = |section: &str, fields: &[&str]| Placed {
            section: section.to_owned(),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        };
        let wanted = vec![
            section_of("section-repeat", &["priority", "repeat", "gone"]),
            section_of("section-details", &["due_date", "subject"]),
            section_of("no-such-section", &["status"]),
        ];
        let registry = Registry::standard().placed("task", wanted);
        let task = registry.object("task").unwrap();
        let shown = sections(task, &registry);
        assert_eq!(shown[0].fields[..2], ["due_date", "subject"]);
        assert_eq!(shown[1].fields[..2], ["priority", "repeat"]);
        let count = |sections: &[Placed]| -> usize {
            sections.iter().map(|section| section.fields.len()).sum()
        };
        let standard = Registry::standard();
        let all = sections(standard.object("task").unwrap(), &standard);
        assert_eq!(count(&shown), count(&all));
    }

    #[test]
    fn own_fields_stand_under_the_last_heading_and_no_heading_stands_twice() {
        let mut own = std::collections::HashMap::new();
        let region = Field {
            custom: true,
            ..Field::text(1000, "region", 20)
        };
        own.insert("deal".to_owned(), vec![region]);
        let registry = Registry::new(1, Vec::new(), own, Vec::new());
        let shown = sections(registry.object("deal").unwrap(), &registry);
        let headings: HashSet<_> = shown.iter().map(|placed| &placed.section).collect();
        assert_eq!(headings.len(), shown.len(), "{shown:?}");
        assert!(shown.last().unwrap().fields.contains(&"region".to_owned()));
    }

    #[test]
    fn a_custom_object_gets_a_layout_from_its_fields() {
        let mut visit = Object::custom(
            "visit".into(),
            "visits".into(),
            *b"a01",
            "Visit".into(),
            "Visits".into(),
        );
        visit.fields.push(Field {
            custom: true,
            ..Field::relation(1000, "account_id", "account")
        });
        let registry = Registry::new(
            1,
            vec![visit.clone()],
            std::collections::HashMap::new(),
            Vec::new(),
        );
        let layout = of(&visit, &registry);
        assert_eq!(layout.columns, ["account_id", "updated_at"]);
        assert_eq!(
            layout.sections[0].fields,
            ["name", "account_id", "owner_id", "external_id"]
        );
        let account = of(registry.object("account").unwrap(), &registry);
        assert!(
            account
                .related
                .iter()
                .any(|related| related.object == "visit" && related.field == "account_id")
        );
    }
}
