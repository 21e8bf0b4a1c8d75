//! All routes of the platform, in one place, wrapped in what every answer has in common.

use std::sync::Arc;

use axum::extract::State;
use axum::middleware;
use axum::routing::get;
use axum::{Extension, Router};
use http::header::CONTENT_TYPE;
use jiff::{SignedDuration, Timestamp};

use super::{Application, Platform, gate, health};
use crate::api;
use crate::http::{HttpLimits, wrap};
use crate::pages::{self, Entrance};
use crate::store::PgStore;

/// How far ahead the contact is vouched for (RFC 9116, 2.5.5: less than a year is recommended).
const SECURITY_EXPIRY: SignedDuration = SignedDuration::from_hours(24 * 180);

/// The router that a server serves.
pub fn routes(platform: &Platform) -> anyhow::Result<Router> {
    let application = Application::new(platform)?;
    let entrance = Entrance {
        sign_in: application.sign_in.clone(),
        authenticator: application.authenticator.clone(),
        profiles: application.profiles.clone(),
        clock: Arc::clone(&application.clock),
    };
    let gated = fieldstone_ui::router::<PgStore>()
        .merge(pages::inner_routes(entrance.clone()))
        .merge(api::router::<PgStore>().layer(Extension(entrance.clone())))
        .layer(middleware::from_fn_with_state(
            application.clone(),
            gate::admit,
        ));
    let router = Router::new()
        .route("/.well-known/security.txt", get(security_txt))
        .with_state(platform.clone())
        .merge(health::routes(platform))
        .merge(fieldstone_ui::assets())
        .merge(pages::routes(entrance))
        .merge(gated);
    Ok(wrap(router, HttpLimits::default()))
}

/// RFC 9116.
async fn security_txt(
    State(platform): State<Platform>,
) -> ([(http::HeaderName, &'static str); 1], String) {
    (
        [(CONTENT_TYPE, "text/plain; charset=utf-8")],
        security_text(&platform.security_contact, platform.clock.now()),
    )
}

fn security_text(contact: &str, now: Timestamp) -> String {
    let expires = now.saturating_add(SECURITY_EXPIRY).unwrap_or(now);
    format!("Contact: {contact}\nExpires: {expires:.0}\nPreferred-Languages: en, de\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn security_txt_has_what_the_standard_requires() {
        let text = security_text(
            "mailto:security@crm.example",
            "2026-05-01T12:00:00.25Z".parse().unwrap(),
        );
        assert!(
            text.starts_with("Contact: mailto:security@crm.example\n"),
            "{text}"
        );
        assert!(text.contains("Expires: 2026-10-28T12:00:00Z\n"), "{text}");
    }
}
