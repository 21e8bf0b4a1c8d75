//! `/settings/support`: an owner lets somebody in who helps, for a time, and sees whether they were there.

use askama::Template;
use axum::{extract::State, http::StatusCode, response::Response};
use fieldstone_model::IdSource;
use fieldstone_ui::{PageError, PageResult, locale::Locale};

use super::{
    Settings,
    programs::{Fields, Ids, Submitted},
};
use crate::identity::support::{Access, HOURS, NewAccess};
use crate::identity::workspace::{check_email, check_name};
use crate::platform::Platform;

pub(crate) const PATH: &str = "/settings/support";
/// Most characters of the operator's name.
const NAME_MAX: usize = 100;
/// Most characters of what the access is for.
const REASON_MAX: usize = 500;

#[derive(Template)]
#[template(path = "settings/support.html")]
struct Page<'a> {
    locale: &'a Locale,
    rows: Vec<Row>,
    hours: Vec<(i32, String, bool)>,
    typed: &'a NewAccess,
    error: Option<&'static str>,
}

/// One access, in words.
struct Row {
    access: Access,
    state: String,
    facts: Vec<String>,
}

/// `GET /settings/support`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let typed = NewAccess {
        hours: 4,
        ..NewAccess::default()
    };
    page(&settings, &typed, None, StatusCode::OK).await
}

/// `POST /settings/support`.
pub(crate) async fn give(
    State(platform): State<Platform>,
    settings: Settings,
    submitted: Submitted,
) -> PageResult {
    let fields = Fields::read(submitted)?;
    let mut typed = NewAccess {
        operator: fields.get("operator").trim().to_owned(),
        email: fields.get("email").to_owned(),
        reason: fields.get("reason").trim().to_owned(),
        hours: fields.get("hours").parse().unwrap_or_default(),
        may_write: fields.get("write") == "yes",
    };
    if !HOURS.contains(&typed.hours) {
        return Err(PageError::Invalid);
    }
    let error = if check_name(&typed.operator).is_err() || typed.operator.chars().count() > NAME_MAX
    {
        Some("support-no-operator")
    } else if typed.reason.chars().count() > REASON_MAX {
        Some("support-long-reason")
    } else if let Ok(email) = check_email(&typed.email) {
        typed.email = email.to_owned();
        None
    } else {
        Some("support-no-email")
    };
    if error.is_some() {
        return page(&settings, &typed, error, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    settings
        .store
        .give_support_access(&IdSource::default(), &typed, platform.clock.now())
        .await?;
    Ok(Settings::done_at(PATH, "support-given"))
}

/// `POST /settings/support/{id}/end`.
pub(crate) async fn end(settings: Settings, ids: Ids) -> Result<Response, PageError> {
    if !settings.store.end_support_access(ids.get("id")?).await? {
        return Err(PageError::NotFound);
    }
    Ok(Settings::done_at(PATH, "support-ended"))
}

async fn page(
    settings: &Settings,
    typed: &NewAccess,
    error: Option<&'static str>,
    status: StatusCode,
) -> PageResult {
    let locale = settings.locale();
    let accesses = settings.store.support_accesses().await?;
    let hours = HOURS.map(|hours| {
        let text = locale.t1("support-hours", "hours", hours);
        (hours, text, hours == typed.hours)
    });
    settings.page_with(
        status,
        &Page {
            locale,
            rows: accesses
                .into_iter()
                .map(|access| row(locale, access))
                .collect(),
            hours: hours.to_vec(),
            typed,
            error,
        },
    )
}

fn row(locale: &Locale, access: Access) -> Row {
    let at = |at| locale.instant(at);
    let state = if access.lasts {
        locale.t1("support-until", "at", at(access.ends_at))
    } else {
        let ended = access.ended_at.unwrap_or(access.ends_at);
        match &access.ended_by {
            Some(name) => locale.t2(
                "support-ended-by",
                ("name", name.clone()),
                ("at", at(ended)),
            ),
            None => locale.t1("support-ended", "at", at(ended)),
        }
    };
    let given = locale.t2(
        "support-given-by",
        ("name", access.given_by.clone().unwrap_or_default()),
        ("at", at(access.given_at)),
    );
    let reach = if access.may_write {
        "support-writes"
    } else {
        "support-reads"
    };
    let seen = match access.last_entered_at {
        Some(last) => locale.t2(
            "support-entered",
            ("times", access.entered),
            ("at", at(last)),
        ),
        None => locale.t("support-never-entered").into_owned(),
    };
    Row {
        state,
        facts: vec![given, locale.t(reach).into_owned(), seen],
        access,
    }
}
