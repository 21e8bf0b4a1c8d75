//! `/settings/notifications`: what somebody wants to be told, and whether what they left unread comes by mail.

use askama::Template;
use axum::response::Response;
use fieldstone_ui::{PageError, PageResult, locale::Locale};

use super::{
    Settings,
    programs::{Fields, Submitted},
};
use crate::store::{NotificationKind, NotificationSetting};

pub(crate) const PATH: &str = "/settings/notifications";

#[derive(Template)]
#[template(path = "settings/notifications.html")]
struct Page<'a> {
    locale: &'a Locale,
    /// Name, label, whether it is wanted.
    kinds: Vec<(&'static str, String, bool)>,
    daily: bool,
}

/// `GET /settings/notifications`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let setting = settings.store.notification_setting().await?;
    let locale = settings.locale();
    let kinds = NotificationKind::ALL.into_iter().map(|kind| {
        let label = locale.t(&format!("notification-kind-{}", kind.name()));
        let wanted = !setting.muted.iter().any(|muted| muted == kind.name());
        (kind.name(), label.into_owned(), wanted)
    });
    settings.page(&Page {
        locale,
        kinds: kinds.collect(),
        daily: setting.daily,
    })
}

/// `POST /settings/notifications`.
pub(crate) async fn submit(
    settings: Settings,
    submitted: Submitted,
) -> Result<Response, PageError> {
    let fields = Fields::read(submitted)?;
    let muted = NotificationKind::ALL
        .into_iter()
        .filter(|kind| !fields.all("kind").any(|wanted| wanted == kind.name()))
        .map(|kind| kind.name().to_owned());
    let setting = NotificationSetting {
        muted: muted.collect(),
        daily: fields.get("daily") == "yes",
    };
    settings.store.set_notifications(&setting).await?;
    Ok(Settings::done_at(PATH, "notifications"))
}
