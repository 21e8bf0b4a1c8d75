//! Proving oneself again before something that weighs much.

use http::StatusCode;

use super::person::{Person, Texts, refused};
use crate::{
    api::{
        ApiStore,
        call::Call,
        error::{ApiError, ApiResult},
        written,
    },
    identity::{proof::Proof, totp::Code},
};

/// `POST /session/proof` with `{"password"}` or `{"totp"}`: 204 and the cookie of the session that takes the old one's place.
pub(in crate::api) async fn create<S: ApiStore>(call: Call<S>) -> ApiResult {
    call.parameters(&[])?;
    let texts = Texts::read(&call, &[], &["password", "totp"])?;
    let password = texts.secret("password");
    let proof = match (texts.find("password"), texts.find("totp")) {
        (Some(_), None) => Proof::Password(&password),
        (None, Some(code)) => Proof::Code(Code::Totp(code)),
        _ => {
            let detail = "Send either the password or a code.";
            return Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                detail,
            ));
        }
    };
    let person = Person::of(&call)?;
    let (address, now) = (person.address, person.now());
    let sign_in = &person.entrance.sign_in;
    let proven = sign_in.prove(&person.identity, proof, address, now).await;
    let token = proven.map_err(refused)?;
    Ok(person.renewed(written::nothing(StatusCode::NO_CONTENT), &token))
}
