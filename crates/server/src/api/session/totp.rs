//! The caller's second factor.

use http::StatusCode;
use serde_json::json;
use zeroize::Zeroizing;

use super::person::{Person, Texts, refused};
use crate::{
    api::{
        ApiStore,
        call::Call,
        error::{ApiError, ApiResult},
        written,
    },
    identity::{account::Factor, totp::Code},
};

/// `GET /session/totp`: whether there is one, and how many recovery codes are left.
pub(in crate::api) async fn show<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let person = Person::of(&call)?;
    let factor = person
        .entrance
        .sign_in
        .factor(&person.identity, person.now());
    let (since, left) = match factor.await? {
        Factor::Totp { since, codes_left } => (Some(since), codes_left),
        Factor::None | Factor::Unconfirmed(_) => (None, 0),
    };
    let factor =
        json!({ "since": since, "recovery_codes": left, "required": person.identity.must_enrol });
    written::value(StatusCode::OK, &factor)
}

/// `POST /session/totp`: 201 with a fresh seed, which counts once a code of it has confirmed it.
pub(in crate::api) async fn start<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    Texts::read(&call, &[], &[])?;
    let workspace = call.viewer()?.workspace.clone();
    let person = Person::of(&call)?;
    let seed = person.entrance.sign_in.start_totp(&person.identity).await?;
    let text: String = seed.text().replace(' ', "");
    let uri = seed.uri(&workspace, person.identity.actor.user.as_str());
    let answer = json!({ "secret": text, "uri": uri.as_str() });
    written::value(StatusCode::CREATED, &answer)
}

/// `POST /session/totp/confirmation` with `{"totp"}`: the recovery codes, this once, and the cookie of a new session.
pub(in crate::api) async fn confirm<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let texts = Texts::read(&call, &["totp"], &[])?;
    let person = Person::of(&call)?;
    let (address, now) = (person.address, person.now());
    let sign_in = &person.entrance.sign_in;
    let confirmed = sign_in
        .confirm_totp(&person.identity, texts.get("totp"), address, now)
        .await;
    let (codes, token) = confirmed.map_err(refused)?;
    let answer = written::value(StatusCode::OK, &shown(&codes))?;
    Ok(person.renewed(answer, &token))
}

/// `POST /session/totp/recovery-codes` with `totp` or `recovery_code`: new ones, this once; those from before are worth nothing.
pub(in crate::api) async fn renew_codes<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let texts = Texts::read(&call, &[], &["totp", "recovery_code"])?;
    let code = needed(&texts)?;
    let person = Person::of(&call)?;
    let (address, now) = (person.address, person.now());
    let sign_in = &person.entrance.sign_in;
    let codes = sign_in
        .renew_recovery_codes(&person.identity, code, address, now)
        .await
        .map_err(refused)?;
    written::value(StatusCode::OK, &shown(&codes))
}

/// `POST /session/totp/removal` with `{"password"}` and `totp` or `recovery_code`: 204 and the cookie of a new session.
pub(in crate::api) async fn remove<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let texts = Texts::read(&call, &["password"], &["totp", "recovery_code"])?;
    let code = needed(&texts)?;
    let person = Person::of(&call)?;
    let (address, now) = (person.address, person.now());
    let password = texts.secret("password");
    let sign_in = &person.entrance.sign_in;
    let removed = sign_in
        .remove_totp(&person.identity, &password, code, address, now)
        .await;
    let token = removed.map_err(refused)?;
    Ok(person.renewed(written::nothing(StatusCode::NO_CONTENT), &token))
}

/// The code without which nothing is done.
fn needed(texts: &Texts) -> Result<Code<'_>, ApiError> {
    code(texts)?.ok_or_else(|| {
        let detail = "Send a code too: `totp`, or `recovery_code`.";
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail)
    })
}

/// The code that a body holds; two are one too many.
pub(super) fn code(texts: &Texts) -> Result<Option<Code<'_>>, ApiError> {
    match (texts.find("totp"), texts.find("recovery_code")) {
        (Some(code), None) => Ok(Some(Code::Totp(code))),
        (None, Some(code)) => Ok(Some(Code::Recovery(code))),
        (None, None) => Ok(None),
        (Some(_), Some(_)) => {
            let detail = "Send either `totp` or `recovery_code`.";
            Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                detail,
            ))
        }
    }
}

fn shown(codes: &[Zeroizing<String>]) -> serde_json::Value {
    let codes: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    json!({ "recovery_codes": codes })
}
