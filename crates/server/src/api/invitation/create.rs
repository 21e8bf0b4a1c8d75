//! Inviting people.

use fieldstone_model::{FieldError, Problem, Role};
use http::StatusCode;
use serde_json::{Map, Value as Json, json};

use crate::{
    api::{
        ApiStore, RECORD_BYTES_MAX, body,
        call::Call,
        error::{ApiError, ApiResult, Place},
        written,
    },
    identity::{email_key, workspace::check_email},
};

/// Most people invited at once.
const AT_ONCE: usize = 50;

/// `POST /invitations` with `{"emails","role","language"?}`: 201; all are invited, or nobody.
pub(in crate::api) async fn create<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let bytes = call.json(RECORD_BYTES_MAX)?;
    let wanted = Wanted::read(&body::object(&bytes)?)?;
    let ids = call
        .store()?
        .invite(&wanted.emails, wanted.role, &wanted.language)
        .await?;
    let made: Vec<Json> = ids
        .iter()
        .zip(&wanted.emails)
        .map(|(id, email)| json!({ "id": id, "email": email }))
        .collect();
    written::value(StatusCode::CREATED, &json!({ "invitations": made }))
}

struct Wanted {
    emails: Vec<String>,
    role: Role,
    language: String,
}

impl Wanted {
    fn read(members: &Map<String, Json>) -> Result<Self, ApiError> {
        let mut wanted = Self {
            emails: Vec::new(),
            role: Role::Viewer,
            language: "en".to_owned(),
        };
        let mut errors: Vec<FieldError> = ["emails", "role"]
            .into_iter()
            .filter(|name| !members.contains_key(*name))
            .map(|name| FieldError::new(name, Problem::Required))
            .collect();
        let mut places = Vec::new();
        for (name, json) in members {
            let read = match name.as_str() {
                "emails" => emails(json, &mut places).map(|emails| wanted.emails = emails),
                "role" => role(json).map(|role| wanted.role = role),
                "language" => language(json).map(|language| wanted.language = language),
                _ => Err(Problem::UnknownField),
            };
            errors.extend(
                read.err()
                    .map(|problem| FieldError::new(name.clone(), problem)),
            );
        }
        if errors.is_empty() && places.is_empty() {
            return Ok(wanted);
        }
        let refusal = ApiError::invalid("", &errors);
        Err(places.into_iter().fold(refusal, |refusal, at| {
            let place = Place::member("/emails", &at.to_string());
            refusal.with(place, "bad_email", "This is not an e-mail address.")
        }))
    }
}

/// Each address once. The places of those that are none go into `bad`.
fn emails(json: &Json, bad: &mut Vec<usize>) -> Result<Vec<String>, Problem> {
    let expected = "a list of texts";
    let items = json.as_array().ok_or(Problem::WrongType { expected })?;
    // Nobody is nothing to do, which is a mistake rather than a success.
    if items.is_empty() {
        return Err(Problem::Required);
    }
    if items.len() > AT_ONCE {
        return Err(Problem::TooLong {
            max: u32::try_from(AT_ONCE).unwrap_or(u32::MAX),
        });
    }
    let mut emails: Vec<String> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let text = item.as_str().ok_or(Problem::WrongType { expected })?;
        match check_email(text) {
            Ok(email)
                if emails
                    .iter()
                    .any(|known| email_key(known) == email_key(email)) => {}
            Ok(email) => emails.push(email.to_owned()),
            Err(_) => bad.push(at),
        }
    }
    Ok(emails)
}

/// One of the four roles.
pub(in crate::api) fn role(json: &Json) -> Result<Role, Problem> {
    let text = json
        .as_str()
        .ok_or(Problem::WrongType { expected: "a text" })?;
    text.parse().map_err(|_| Problem::UnknownChoice)
}

fn language(json: &Json) -> Result<String, Problem> {
    let text = json
        .as_str()
        .ok_or(Problem::WrongType { expected: "a text" })?;
    if ["en", "de"].contains(&text) {
        Ok(text.to_owned())
    } else {
        Err(Problem::UnknownChoice)
    }
}
