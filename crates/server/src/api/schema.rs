//! Custom objects and fields as bodies describe them, and the store that keeps them.

use std::sync::Arc;

use fieldstone_model::{
    Choice, Field, FieldError, FieldType, Object, Problem, Role, RollUp,
    kind::{self, Needs},
};
use serde_json::{Map, Value as Json};

use super::error::ApiError;
use crate::{
    schema::{self, NewField, NewObject, SchemaError, Wording},
    store::PgStore,
};

/// Keeps the workspace's own objects and fields. It checks the right to do so, and what they may look like.
pub trait SchemaStore: Send + Sync {
    /// Makes an object.
    fn create_object(
        &self,
        new: &NewObject,
    ) -> impl Future<Output = Result<Arc<Object>, SchemaError>> + Send;

    /// Takes an object out of sight.
    fn remove_object(&self, object: &str) -> impl Future<Output = Result<(), SchemaError>> + Send;

    /// Makes a field.
    fn create_field(
        &self,
        object: &str,
        new: &NewField,
    ) -> impl Future<Output = Result<Field, SchemaError>> + Send;

    /// Changes what people read about a field, and what new records get.
    fn relabel_field(
        &self,
        object: &str,
        field: &str,
        wording: &Wording<'_>,
    ) -> impl Future<Output = Result<Field, SchemaError>> + Send;

    /// Sets the weakest roles that read and set a field.
    fn restrict_field(
        &self,
        object: &str,
        field: &str,
        roles: (Role, Role),
    ) -> impl Future<Output = Result<Field, SchemaError>> + Send;

    /// Takes a field out of sight.
    fn remove_field(
        &self,
        object: &str,
        field: &str,
    ) -> impl Future<Output = Result<(), SchemaError>> + Send;
}

impl SchemaStore for PgStore {
    async fn create_object(&self, new: &NewObject) -> Result<Arc<Object>, SchemaError> {
        schema::create_object(self, new).await
    }

    async fn remove_object(&self, object: &str) -> Result<(), SchemaError> {
        schema::remove_object(self, object).await
    }

    async fn create_field(&self, object: &str, new: &NewField) -> Result<Field, SchemaError> {
        schema::create_field(self, object, new).await
    }

    async fn relabel_field(
        &self,
        object: &str,
        field: &str,
        wording: &Wording<'_>,
    ) -> Result<Field, SchemaError> {
        schema::relabel_field(self, object, field, wording).await
    }

    async fn restrict_field(
        &self,
        object: &str,
        field: &str,
        roles: (Role, Role),
    ) -> Result<Field, SchemaError> {
        schema::restrict_field(self, object, field, roles).await
    }

    async fn remove_field(&self, object: &str, field: &str) -> Result<(), SchemaError> {
        schema::remove_field(self, object, field).await
    }
}

/// What people read about a field.
pub(super) struct Labels {
    pub(super) label: String,
    pub(super) help: Option<String>,
    pub(super) default: Option<String>,
}

/// Reads the body of a new object.
pub(super) fn new_object(members: Map<String, Json>) -> Result<NewObject, ApiError> {
    let mut reader = Reader::new(members);
    let new = NewObject {
        name: reader.text("name"),
        plural: reader.text("plural"),
        label: reader.text("label"),
        plural_label: reader.text("plural_label"),
    };
    reader.finish(new)
}

/// Reads the body of a new field.
pub(super) fn new_field(members: Map<String, Json>) -> Result<NewField, ApiError> {
    let mut reader = Reader::new(members);
    let roll_up = reader.roll_up();
    // The type of a roll-up follows from what it sums up.
    let kind = match roll_up {
        Some(_) => FieldType::Integer,
        None => reader.kind(),
    };
    let new = NewField {
        name: reader.text("name"),
        kind,
        label: reader.text("label"),
        help: reader.optional_text("help"),
        required: reader.flag("required"),
        unique: reader.flag("unique"),
        indexed: reader.flag("indexed"),
        searchable: reader.flag("searchable"),
        default: reader.plain("default"),
        roll_up,
    };
    reader.finish(new)
}

/// Takes who reads and sets a field out of a body; `None` when nothing is said of it.
pub(super) fn roles(
    field: &Field,
    members: &mut Map<String, Json>,
) -> Result<Option<(Role, Role)>, ApiError> {
    let mut role = |name: &str, now: Role| match members.remove(name) {
        None => Ok(None),
        Some(Json::String(text)) if text.parse::<Role>().is_ok() => {
            Ok(Some(text.parse().unwrap_or(now)))
        }
        Some(_) => Err(ApiError::invalid(
            "",
            &[FieldError::new(name, Problem::UnknownChoice)],
        )),
    };
    let read = role("read_role", field.read_role)?;
    let write = role("write_role", field.write_role)?;
    Ok((read.is_some() || write.is_some()).then(|| {
        (
            read.unwrap_or(field.read_role),
            write.unwrap_or(field.write_role),
        )
    }))
}

/// Reads new labels over those that `field` has.
pub(super) fn labels(field: &Field, members: Map<String, Json>) -> Result<Labels, ApiError> {
    let mut reader = Reader::new(members);
    let label = if reader.members.contains_key("label") {
        reader.text("label")
    } else {
        field.label.clone().unwrap_or_default()
    };
    let help = if reader.members.contains_key("help") {
        reader.optional_text("help")
    } else {
        field.help.clone()
    };
    let default = if reader.members.contains_key("default") {
        reader.plain("default")
    } else {
        field.default.clone()
    };
    reader.finish(Labels {
        label,
        help,
        default,
    })
}

/// Takes members out of a body one by one, and remembers what is wrong with them.
struct Reader {
    members: Map<String, Json>,
    errors: Vec<FieldError>,
}

impl Reader {
    fn new(members: Map<String, Json>) -> Self {
        Self {
            members,
            errors: Vec::new(),
        }
    }

    fn wrong(&mut self, name: &str, problem: Problem) {
        self.errors.push(FieldError::new(name, problem));
    }

    fn optional_text(&mut self, name: &str) -> Option<String> {
        match self.members.remove(name) {
            None | Some(Json::Null) => None,
            Some(Json::String(text)) => Some(text),
            Some(_) => {
                self.wrong(name, Problem::WrongType { expected: "a text" });
                None
            }
        }
    }

    fn text(&mut self, name: &str) -> String {
        let before = self.errors.len();
        let text = self.optional_text(name);
        if text.is_none() && self.errors.len() == before {
            self.wrong(name, Problem::Required);
        }
        text.unwrap_or_default()
    }

    fn flag(&mut self, name: &str) -> bool {
        match self.members.remove(name) {
            None | Some(Json::Null) => false,
            Some(Json::Bool(yes)) => yes,
            Some(_) => {
                self.wrong(
                    name,
                    Problem::WrongType {
                        expected: "true or false",
                    },
                );
                false
            }
        }
    }

    fn number<N: TryFrom<u64>>(&mut self, name: &str, otherwise: N) -> N {
        let json = match self.members.remove(name) {
            None | Some(Json::Null) => return otherwise,
            Some(json) => json,
        };
        let number = json.as_u64().and_then(|number| N::try_from(number).ok());
        if number.is_none() {
            let expected = "a whole number";
            self.wrong(name, Problem::WrongType { expected });
        }
        number.unwrap_or(otherwise)
    }

    /// The type, with what its description says of it.
    fn kind(&mut self) -> FieldType {
        let name = self.text("type");
        let Some(needs) = kind::needs(&name) else {
            if !name.is_empty() {
                self.wrong("type", Problem::UnknownChoice);
            }
            return FieldType::Id;
        };
        let mut details = kind::Details::default();
        match needs {
            Needs::Nothing => {}
            Needs::Max(max) => details.max = Some(self.number("max", max)),
            Needs::Scale => details.scale = Some(self.number("scale", kind::DECIMAL_SCALE)),
            Needs::Options => details.options = self.options(),
            Needs::Object => details.to = vec![self.text("to")],
            Needs::Objects => details.to = self.targets(),
        }
        FieldType::of_name(&name, details).unwrap_or_default()
    }

    /// What a field counts or sums up.
    fn roll_up(&mut self) -> Option<RollUp> {
        let json = self
            .members
            .remove("roll_up")
            .filter(|json| !json.is_null())?;
        let roll_up = serde_json::from_value(json).ok();
        if roll_up.is_none() {
            let expected = "{\"object\",\"by\",\"sum\"?,\"filter\"?}";
            self.wrong("roll_up", Problem::WrongType { expected });
        }
        roll_up
    }

    /// A value in plain form.
    fn plain(&mut self, name: &str) -> Option<String> {
        match self.members.remove(name) {
            None | Some(Json::Null) => None,
            Some(Json::String(text)) => Some(text),
            Some(Json::Bool(yes)) => Some(yes.to_string()),
            Some(Json::Number(number)) => Some(number.to_string()),
            Some(_) => {
                let expected = "a text, a number, true or false";
                self.wrong(name, Problem::WrongType { expected });
                None
            }
        }
    }

    fn options(&mut self) -> Vec<Choice> {
        let read = |json: &Json| match json {
            Json::String(value) => Some(Choice {
                value: value.clone().into(),
                label: None,
            }),
            Json::Object(option) => {
                let known = option.keys().all(|name| name == "value" || name == "label");
                let label = match option.get("label") {
                    None | Some(Json::Null) => None,
                    Some(Json::String(label)) => Some(label.clone()),
                    Some(_) => return None,
                };
                let value = option.get("value")?.as_str()?.to_owned().into();
                known.then_some(Choice { value, label })
            }
            _ => None,
        };
        let options = match self.members.remove("options") {
            Some(Json::Array(items)) => items.iter().map(read).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        options.unwrap_or_else(|| {
            let expected = "a list of texts or of {\"value\",\"label\"}";
            self.wrong("options", Problem::WrongType { expected });
            Vec::new()
        })
    }

    fn targets(&mut self) -> Vec<String> {
        let targets = match self.members.remove("to") {
            Some(Json::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect::<Option<Vec<_>>>(),
            _ => None,
        };
        targets.unwrap_or_else(|| {
            let expected = "a list of texts";
            self.wrong("to", Problem::WrongType { expected });
            Vec::new()
        })
    }

    /// What was read, unless something was wrong or is left over.
    fn finish<T>(mut self, read: T) -> Result<T, ApiError> {
        for name in self.members.keys() {
            self.errors
                .push(FieldError::new(name.clone(), Problem::UnknownField));
        }
        if self.errors.is_empty() {
            Ok(read)
        } else {
            Err(ApiError::invalid("", &self.errors))
        }
    }
}
