//! What can be wrong with a field's value, as data: pages translate it, the API says it in English.

use serde::Serialize;

/// One problem with one field of one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// API name of the field.
    pub field: String,
    /// What is wrong.
    pub problem: Problem,
}

impl FieldError {
    /// A problem with `field`.
    pub fn new(field: impl Into<String>, problem: Problem) -> Self {
        Self {
            field: field.into(),
            problem,
        }
    }
}

/// What is wrong with a value. The English text is the `Display` form; [`Problem::code`] is stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A required field is empty.
    #[error("Enter a value; this field is required.")]
    Required,
    /// The text is longer than the field allows (characters).
    #[error("Shorten this to {max} characters.")]
    TooLong {
        /// Most characters allowed.
        max: u32,
    },
    /// The text has a NUL or another control character that can't be stored.
    #[error("Remove the control characters from this text.")]
    ControlCharacter,
    /// Not a number, or with more decimals than the field keeps.
    #[error("Enter a number with at most {scale} decimals, such as 1234.5.")]
    NotANumber {
        /// Decimals kept.
        scale: u8,
    },
    /// A number outside the allowed range, as decimal texts.
    #[error("Enter a number from {min} to {max}.")]
    OutOfRange {
        /// Smallest value allowed.
        min: String,
        /// Largest value allowed.
        max: String,
    },
    /// Not a calendar date.
    #[error("Enter a date as YYYY-MM-DD.")]
    NotADate,
    /// Not a time of day.
    #[error("Enter a time as HH:MM.")]
    NotATime,
    /// Not an instant.
    #[error("Enter a date and time as YYYY-MM-DDTHH:MM:SSZ.")]
    NotADateTime,
    /// Not yes or no.
    #[error("Enter true or false.")]
    NotABoolean,
    /// A value that isn't one of the choices.
    #[error("Choose one of the listed values.")]
    UnknownChoice,
    /// Not an e-mail address.
    #[error("Enter an e-mail address, such as name@example.com.")]
    NotAnEmail,
    /// Not a telephone number.
    #[error("Enter a telephone number with its digits.")]
    NotAPhone,
    /// Not a web address.
    #[error("Enter a web address that starts with https:// or http://.")]
    NotAUrl,
    /// Not a record id, or an id of another object.
    #[error("Choose an existing record of the right kind.")]
    NotAReference,
    /// The record referred to doesn't exist or can't be seen.
    #[error("That record doesn't exist any more. Choose another one.")]
    MissingReference,
    /// Another record has this value and the field is unique.
    #[error("Another record already has this value. Enter a different one.")]
    Duplicate,
    /// The field is set by the system.
    #[error("This field is kept by the system and can't be set.")]
    ReadOnly,
    /// The object has no such field.
    #[error("There is no field of this name. Check its spelling.")]
    UnknownField,
    /// JSON of another type than the field takes.
    #[error("Send this value as {expected}.")]
    WrongType {
        /// What the field takes.
        expected: &'static str,
    },
    /// A rule of the object, with its stable code and its advice in English.
    #[error("{advice}")]
    Rule {
        /// Stable code, also the key of the translated text.
        code: &'static str,
        /// What to do, in English.
        advice: &'static str,
    },
}

impl Problem {
    /// A stable code: for scripts, and the key of the translated text.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::TooLong { .. } => "too_long",
            Self::ControlCharacter => "control_character",
            Self::NotANumber { .. } => "not_a_number",
            Self::OutOfRange { .. } => "out_of_range",
            Self::NotADate => "not_a_date",
            Self::NotATime => "not_a_time",
            Self::NotADateTime => "not_a_date_time",
            Self::NotABoolean => "not_a_boolean",
            Self::UnknownChoice => "unknown_choice",
            Self::NotAnEmail => "not_an_email",
            Self::NotAPhone => "not_a_phone",
            Self::NotAUrl => "not_a_url",
            Self::NotAReference => "not_a_reference",
            Self::MissingReference => "missing_reference",
            Self::Duplicate => "duplicate",
            Self::ReadOnly => "read_only",
            Self::UnknownField => "unknown_field",
            Self::WrongType { .. } => "wrong_type",
            Self::Rule { code, .. } => code,
        }
    }
}
