//! Labels of objects, fields, options and problems: standard ones from the catalogue, custom ones their own.

use fieldstone_model::{Choice, Field, Object, Problem, field::Origin};

use super::{Language, Locale};

impl Locale {
    /// What one record of `object` is called.
    pub fn object(&self, object: &Object) -> String {
        object
            .label
            .clone()
            .unwrap_or_else(|| self.t(&format!("object-{}", object.name)).into_owned())
    }

    /// What records of `object` are called.
    pub fn objects(&self, object: &Object) -> String {
        object.plural_label.clone().unwrap_or_else(|| {
            self.t(&format!("object-{}-plural", object.name))
                .into_owned()
        })
    }

    /// One record of `object` within a sentence: `deal`, where nouns are written small.
    pub fn object_in_text(&self, object: &Object) -> String {
        self.in_text(object, self.object(object))
    }

    /// Records of `object` within a sentence.
    pub fn objects_in_text(&self, object: &Object) -> String {
        self.in_text(object, self.objects(object))
    }

    fn in_text(&self, object: &Object, label: String) -> String {
        // A workspace's own names are written as it wrote them.
        if object.custom || self.language() != Language::English {
            label
        } else {
            label.to_lowercase()
        }
    }

    /// A sentence about `object` that its empty list shows: what such a record is for.
    pub fn purpose(&self, object: &Object) -> Option<String> {
        self.find(&format!("object-{}-purpose", object.name))
            .map(std::borrow::Cow::into_owned)
    }

    /// The label of a field: the object's own wording first, then the one that all objects share.
    pub fn field(&self, object: &Object, field: &Field) -> String {
        if let Some(label) = &field.label {
            return label.clone();
        }
        let own = format!("field-{}-{}", object.name, field.name);
        self.find(&own)
            .unwrap_or_else(|| self.t(&format!("field-{}", field.name)))
            .into_owned()
    }

    /// Advice below a field, if it has any.
    pub fn field_help(&self, object: &Object, field: &Field) -> Option<String> {
        let catalogue = || {
            self.find(&format!("help-{}-{}", object.name, field.name))
                .map(std::borrow::Cow::into_owned)
        };
        field.help.clone().or_else(catalogue)
    }

    /// The label of one option of a field.
    pub fn choice(&self, object: &Object, field: &Field, choice: &Choice) -> String {
        if let Some(label) = &choice.label {
            return label.clone();
        }
        if field.custom {
            return choice.value.to_string();
        }
        let own = format!("option-{}-{}-{}", object.name, field.name, choice.value);
        self.find(&own)
            .unwrap_or_else(|| self.t(&format!("option-{}-{}", field.name, choice.value)))
            .into_owned()
    }

    /// The label of a stored option; a value that is no option any more is shown as it is.
    pub fn choice_value(&self, object: &Object, field: &Field, value: &str) -> String {
        let choice = field
            .kind
            .options()
            .iter()
            .find(|choice| choice.value == value);
        choice.map_or_else(
            || value.to_owned(),
            |choice| self.choice(object, field, choice),
        )
    }

    /// What is wrong with a value and what to do about it.
    pub fn problem(&self, problem: &Problem) -> String {
        match problem {
            Problem::TooLong { max } => {
                self.t1("problem-too_long", "max", self.count(u64::from(*max)))
            }
            Problem::NotANumber { scale: 0 } => self.t("problem-not_an_integer").into_owned(),
            Problem::NotANumber { scale } => {
                let example = self.number_input(12_345, 1);
                self.t2(
                    "problem-not_a_number",
                    ("scale", *scale),
                    ("example", example),
                )
            }
            Problem::OutOfRange { min, max } => self.t2(
                "problem-out_of_range",
                ("min", min.as_str()),
                ("max", max.as_str()),
            ),
            Problem::Rule { code, advice } => self
                .find(&format!("problem-{code}"))
                .map_or_else(|| (*advice).to_owned(), std::borrow::Cow::into_owned),
            other => self
                .find(&format!("problem-{}", other.code()))
                .map_or_else(|| other.to_string(), std::borrow::Cow::into_owned),
        }
    }

    /// Whether a person would look for this field: versions and ids are for programs.
    pub fn is_shown(field: &Field) -> bool {
        !(field.origin == Origin::System && matches!(&*field.name, "id" | "version" | "deleted_at"))
    }
}

#[cfg(test)]
mod tests {
    use fieldstone_model::{FieldType, Registry};
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn every_standard_object_field_and_option_has_a_label_in_every_language() {
        let mut missing = Vec::new();
        for language in Language::ALL {
            let locale = Locale::new(language.tag(), TimeZone::UTC, "EUR");
            let mut need = |keys: &[String]| {
                if !keys.iter().any(|key| locale.find(key).is_some()) {
                    missing.push(format!("{}: {}", language.tag(), keys.join(" or ")));
                }
            };
            for object in Registry::standard().objects() {
                need(&[format!("object-{}", object.name)]);
                need(&[format!("object-{}-plural", object.name)]);
                need(&[format!("object-{}-purpose", object.name)]);
                for field in &object.fields {
                    need(&[
                        format!("field-{}-{}", object.name, field.name),
                        format!("field-{}", field.name),
                    ]);
                    if let FieldType::Choice { options } | FieldType::MultiChoice { options } =
                        &field.kind
                    {
                        for option in options.iter() {
                            need(&[
                                format!("option-{}-{}-{}", object.name, field.name, option.value),
                                format!("option-{}-{}", field.name, option.value),
                            ]);
                        }
                    }
                }
            }
        }
        assert!(missing.is_empty(), "texts missing:\n{}", missing.join("\n"));
    }

    #[test]
    fn problems_speak_the_persons_language() {
        let german = Locale::new("de", TimeZone::UTC, "EUR");
        assert_eq!(
            german.problem(&Problem::TooLong { max: 32_000 }),
            "Kürzen Sie den Text auf 32.000 Zeichen."
        );
        let unknown = Problem::Rule {
            code: "no-such-rule",
            advice: "Do something else.",
        };
        assert_eq!(german.problem(&unknown), "Do something else.");
    }
}
