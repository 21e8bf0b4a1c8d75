//! `GET /.well-known/oauth-authorization-server`: what this authorization server can do (RFC 8414).

use axum::{extract::State, response::Response};
use http::StatusCode;
use serde_json::{Value as Json, json};

use super::{Issuer, answer};
use crate::identity::oauth::scope;

/// `GET /.well-known/oauth-authorization-server`.
pub(crate) async fn show(State(issuer): State<Issuer>) -> Response {
    answer(StatusCode::OK, &document(&issuer))
}

fn document(issuer: &Issuer) -> Json {
    let methods = ["none", "client_secret_basic", "client_secret_post"];
    json!({
        "issuer": issuer.as_str(),
        "authorization_endpoint": issuer.at("/oauth/authorize"),
        "token_endpoint": issuer.at("/oauth/token"),
        "revocation_endpoint": issuer.at("/oauth/revoke"),
        "scopes_supported": scope::all().map(fieldstone_model::Capability::name).collect::<Vec<_>>(),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_methods_supported": methods,
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "service_documentation": issuer.at("/api/openapi.json"),
        "ui_locales_supported": ["en", "de"],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_no_weaker_way() {
        let document = document(&Issuer::new("https://crm.example/"));
        assert_eq!(document["issuer"], "https://crm.example");
        assert_eq!(
            document["token_endpoint"],
            "https://crm.example/oauth/token"
        );
        assert_eq!(
            document["code_challenge_methods_supported"],
            json!(["S256"])
        );
        let grants = document["grant_types_supported"].to_string();
        assert!(!grants.contains("password") && !grants.contains("implicit"));
    }
}
