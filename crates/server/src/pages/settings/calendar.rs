//! `/settings/calendar`: the address under which other programs read what one has to do.

use askama::Template;
use axum::response::Response;
use fieldstone_ui::{PageError, PageResult, locale::Locale};
use jiff::Timestamp;
use serde_json::json;

use super::{Settings, programs::show_secret};
use crate::{
    database::pool::Step,
    identity::{audit::Action, random},
};

pub(crate) const PATH: &str = "/settings/calendar";

#[derive(Template)]
#[template(path = "settings/calendar.html")]
struct Page<'a> {
    locale: &'a Locale,
    /// When the address was made, and when it was last read.
    made: Option<(String, Option<String>)>,
}

/// `GET /settings/calendar`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let locale = settings.locale();
    let sql = "SELECT made_at, read_at FROM app.own_calendar_feed()";
    let rows = settings.store.run_step(sql, &[]).await?;
    let made = rows.first().map(|row| {
        let at = |place: usize| row.try_get::<_, Option<Timestamp>>(place).ok().flatten();
        let shown = |at: Option<Timestamp>| at.map(|at| locale.instant(at));
        (shown(at(0)).unwrap_or_default(), shown(at(1)))
    });
    settings.page(&Page { locale, made })
}

/// `POST /settings/calendar`: a new address, shown once. The one before ends.
pub(crate) async fn make(
    axum::extract::State(platform): axum::extract::State<crate::platform::Platform>,
    settings: Settings,
) -> PageResult {
    let secret = random::secret()?;
    let hash = random::hash(&secret);
    let step = Step {
        sql: "SELECT app.set_calendar_feed($1)",
        params: &[&hash.as_slice()],
    };
    settings
        .store
        .run_audited(&[step], Action::CalendarFeedMake, "", &json!({}))
        .await?;
    let url = platform.url.trim_end_matches('/');
    let lines = vec![(
        "calendar-address",
        format!("{url}/calendar.ics?feed={secret}"),
        true,
    )];
    let title = settings.locale().t("settings-calendar");
    show_secret(&settings, &title, lines, PATH)
}

/// `POST /settings/calendar/end`.
pub(crate) async fn end(settings: Settings) -> Result<Response, PageError> {
    let step = Step {
        sql: "SELECT app.end_calendar_feed()",
        params: &[],
    };
    settings
        .store
        .run_audited(&[step], Action::CalendarFeedEnd, "", &json!({}))
        .await?;
    Ok(Settings::done_at(PATH, "calendar-ended"))
}
