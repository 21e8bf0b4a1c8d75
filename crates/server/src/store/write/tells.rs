//! Whom a write concerns: who is given a record, and whom a note names. They are told in the same transaction.

use std::borrow::Cow;

use fieldstone_model::{Object, Value, fold::fold};
use fieldstone_store::{Action, write::Write};

use super::statements::Params;

/// Places of one text at which a name may stand that are looked at.
const SIGNS_MAX: usize = 100;
/// Characters after such a place that may belong to a name.
const NAME_MAX: usize = 200;

/// What is to be told.
#[derive(Debug, Default)]
pub(super) struct Tells {
    /// Who is given a record, and which.
    people: Vec<String>,
    records: Vec<String>,
    /// A record, what was written about it, and what stood there before.
    notes: Vec<(String, String, String)>,
}

impl Tells {
    pub(super) fn add(&mut self, object: &Object, write: &Write, user: &str) {
        if !matches!(write.action, Action::Created | Action::Updated) {
            return;
        }
        let id = write.id.to_string();
        if let Some(owner) = write.values.get("owner_id").and_then(Value::as_id)
            && owner.as_str() != user
        {
            self.people.push(owner.to_string());
            self.records.push(id.clone());
        }
        if object.name != "note" {
            return;
        }
        let Some(body) = write.values.get("body").and_then(Value::as_text) else {
            return;
        };
        let signs = signs(body);
        if signs.is_empty() {
            return;
        }
        let before = write.changes.iter().find(|change| change.field == "body");
        let before = before
            .and_then(|change| change.old.as_text())
            .unwrap_or_default();
        let about = write.values.get("about_id").and_then(Value::as_id);
        let about = about.map_or(id, |about| about.to_string());
        self.notes.push((about, signs, self::signs(before)));
    }

    pub(super) fn statements(self) -> Vec<(Cow<'static, str>, Params)> {
        let mut statements: Vec<(Cow<'static, str>, Params)> = Vec::new();
        if !self.people.is_empty() {
            statements.push((
                "SELECT app.tell_people($1, 'assigned', $2, '')".into(),
                vec![Box::new(self.people), Box::new(self.records)],
            ));
        }
        for (about, body, before) in self.notes {
            statements.push((
                "SELECT app.tell_mentioned($1, $2, $3)".into(),
                vec![Box::new(about), Box::new(body), Box::new(before)],
            ));
        }
        statements
    }
}

/// What follows each `@`, folded, one a line.
fn signs(text: &str) -> String {
    let mut signs: Vec<String> = text
        .split('@')
        .skip(1)
        .take(SIGNS_MAX)
        .map(|after| {
            let after: String = after.chars().take(NAME_MAX).collect();
            format!("@{}", fold(&after))
        })
        .collect();
    signs.retain(|sign| sign.len() > 1);
    signs.join("\n")
}

#[cfg(test)]
mod tests {
    use super::signs;

    #[test]
    fn what_follows_an_at_sign_is_looked_at() {
        assert_eq!(signs("nothing"), "");
        assert_eq!(
            signs("Hello @Ann Müller, and @BOB"),
            "@ann muller, and\n@bob"
        );
        assert_eq!(signs("@ @"), "");
    }
}
