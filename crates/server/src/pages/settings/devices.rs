//! `/settings/devices`: devices that keep records; taking one off the list, and ordering one to erase everything.

use askama::Template;
use axum::{http::StatusCode, response::Response};
use fieldstone_model::Capability::UsersManage;
use fieldstone_ui::{PageError, PageResult, locale::Locale};

use super::{Settings, programs::Submitted, sealed::sync_page_error};
use crate::{
    pages::path_id::PathId,
    sync::{Counts, Device, SyncError},
};

const PATH: &str = "/settings/devices";

/// A device as the page shows it.
struct Row {
    device: Device,
    app: String,
    /// Whose, when the list has everybody's.
    person: Option<String>,
    seen: (String, String),
    since: String,
    /// What became of an order to erase.
    order: Option<String>,
    counted: String,
}

#[derive(Template)]
#[template(path = "settings/devices.html")]
struct Page<'a> {
    locale: &'a Locale,
    rows: Vec<Row>,
    /// Earlier logins on the same installations, revoked devices, erased devices.
    past: Vec<Row>,
    everybodys: bool,
    manages: bool,
    totals: Option<String>,
}

/// `GET /settings/devices`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let manages = settings.can(UsersManage);
    let everybodys = manages && settings.query("of").as_deref() == Some("everybody");
    let devices = settings.store.sync_devices(everybodys).await;
    let devices = devices.map_err(sync_page_error)?;
    let locale = settings.locale();
    let mut totals = Counts::default();
    for device in &devices {
        totals.pulls += device.counts.pulls;
        totals.rows += device.counts.rows;
        totals.changes += device.counts.changes;
        totals.conflicts += device.counts.conflicts;
        totals.repairs += device.counts.repairs;
    }
    let many = devices.len() > 1;
    let mut seen = std::collections::BTreeSet::new();
    let (rows, past): (Vec<Device>, Vec<Device>) = devices.into_iter().partition(|device| {
        let is_waiting = device.wipe_ordered_at.is_some() && device.erased_at.is_none();
        // The list begins with the last seen: of several logins on one installation, the first is the one in use.
        let newest =
            device.revoked_at.is_none() && seen.insert((device.user, device.installation.clone()));
        is_waiting || newest
    });
    let row = |device| row(locale, device, everybodys);
    settings.page(&Page {
        locale,
        rows: rows.into_iter().map(row).collect(),
        past: past.into_iter().map(row).collect(),
        everybodys,
        manages,
        totals: many.then(|| counted(locale, &totals)),
    })
}

fn row(locale: &Locale, device: Device, everybodys: bool) -> Row {
    let order = match (device.wipe_ordered_at, device.erased_at) {
        (Some(ordered), Some(erased)) => Some(locale.t2(
            "devices-erased-at",
            ("ordered", locale.instant(ordered)),
            ("erased", locale.instant(erased)),
        )),
        (Some(ordered), None) => {
            Some(locale.t1("devices-wiping-since", "at", locale.instant(ordered)))
        }
        (None, _) => None,
    };
    Row {
        app: locale.t2(
            "devices-app",
            ("app", device.app.as_str()),
            ("platform", device.platform.as_str()),
        ),
        person: everybodys.then(|| device.person.clone()),
        seen: (
            device.last_seen_at.to_string(),
            locale.instant(device.last_seen_at),
        ),
        since: locale.instant(device.created_at),
        order,
        counted: counted(locale, &device.counts),
        device,
    }
}

fn counted(locale: &Locale, counts: &Counts) -> String {
    let number = |count| locale.count(count);
    locale.t_with(
        "devices-counted",
        &[
            ("pulls", number(counts.pulls)),
            ("rows", number(counts.rows)),
            ("changes", number(counts.changes)),
            ("conflicts", number(counts.conflicts)),
            ("repairs", number(counts.repairs)),
        ],
    )
}

/// `POST /settings/devices/{id}/revocation`.
pub(crate) async fn revoke(settings: Settings, PathId(id): PathId) -> Result<Response, PageError> {
    if settings
        .store
        .sync_revoke(id)
        .await
        .map_err(sync_page_error)?
    {
        Ok(Settings::done_at(PATH, "device-revoked"))
    } else {
        Err(PageError::NotFound)
    }
}

#[derive(Template)]
#[template(path = "settings/device_wipe.html")]
struct WipePage<'a> {
    locale: &'a Locale,
    device: &'a Device,
    /// Whose it is, and when it was last seen.
    whose: String,
    error: Option<&'static str>,
}

/// `GET /settings/devices/{id}/wipe`: what it means, before it is done.
pub(crate) async fn ask(settings: Settings, PathId(id): PathId) -> PageResult {
    let device = find(&settings, id).await?;
    wipe_page(&settings, &device, StatusCode::OK, None)
}

async fn find(settings: &Settings, id: fieldstone_model::RecordId) -> Result<Device, PageError> {
    let everybodys = settings.can(UsersManage);
    let device = settings.store.sync_device(id, everybodys).await;
    device.map_err(sync_page_error)?.ok_or(PageError::NotFound)
}

fn wipe_page(
    settings: &Settings,
    device: &Device,
    status: StatusCode,
    error: Option<&'static str>,
) -> PageResult {
    let locale = settings.locale();
    let page = WipePage {
        locale,
        device,
        whose: locale.t2(
            "device-wipe-person",
            ("person", device.person.as_str()),
            ("seen", locale.instant(device.last_seen_at)),
        ),
        error,
    };
    settings.page_with(status, &page)
}

/// `POST /settings/devices/{id}/wipe`.
pub(crate) async fn wipe(settings: Settings, PathId(id): PathId, _: Submitted) -> PageResult {
    let device = find(&settings, id).await?;
    match settings.store.sync_wipe(id).await {
        Ok(true) => Ok(Settings::done_at(PATH, "device-wiped")),
        Ok(false) => Err(PageError::NotFound),
        Err(SyncError::Unsignable) => {
            let key = Some("device-unsignable");
            wipe_page(&settings, &device, StatusCode::CONFLICT, key)
        }
        Err(error) => Err(sync_page_error(error)),
    }
}
