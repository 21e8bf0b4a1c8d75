//! One's own password.

use http::StatusCode;

use super::person::{Person, Texts, refused};
use crate::api::{ApiStore, call::Call, error::ApiResult, written};

/// `POST /session/password` with `{"present","new","end_tokens"?}`: 204 and the cookie of a new session; all others and the sign-ins of
/// applications have ended, and if wanted the API tokens.
pub(in crate::api) async fn change<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let texts = Texts::read_with(&call, &["present", "new"], &[], &["end_tokens"])?;
    let person = Person::of(&call)?;
    let passwords = (&texts.secret("present"), &texts.secret("new"));
    let (address, now) = (person.address, person.now());
    let end_tokens = texts.is_set("end_tokens");
    let sign_in = &person.entrance.sign_in;
    let changed = sign_in
        .change_password(&person.identity, passwords, end_tokens, address, now)
        .await;
    let token = changed.map_err(refused)?;
    Ok(person.renewed(written::nothing(StatusCode::NO_CONTENT), &token))
}
