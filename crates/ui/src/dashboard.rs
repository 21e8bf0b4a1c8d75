//! Dashboards: kept reports side by side, one's own or everybody's. A dashboard is kept as a view is: its query names its reports in order.

use askama::Template;
use axum::response::{IntoResponse as _, Redirect};
use fieldstone_model::{Capability, RecordId};
use fieldstone_store::Store;
use futures_util::future::try_join_all;

use crate::{
    error::PageError,
    report::{self, Tile},
    request::{PageResult, Pairs, Session, Submitted},
    shelf::{Shelf, View},
};

/// The name that dashboards are kept under.
const KEPT_AS: &str = "dashboard";
/// Most reports on one.
const REPORTS_MAX: usize = 24;
/// Reports that are worked out at the same time.
const AT_ONCE: usize = 3;
/// How often a change is tried again that somebody else was faster than.
const TRIES: u32 = 3;
/// Most characters of a name.
const NAME_MAX: usize = 80;

/// A report on the dashboard.
struct Place {
    id: String,
    name: String,
    /// Where the report is; none when it was removed.
    href: Option<String>,
    tile: Option<Tile>,
    /// What is wrong with its filter.
    error: Option<String>,
}

#[derive(Template)]
#[template(path = "dashboard/dashboard.html")]
struct Page<'a, S: Store> {
    session: &'a Session<S>,
    title: String,
    /// Id, name, shared, whether shown.
    dashboards: Vec<(String, String, bool, bool)>,
    chosen: Option<View>,
    places: Vec<Place>,
    /// Reports that can be put on it: id and name.
    reports: Vec<(String, String)>,
    has_reports: bool,
    /// Whether no more fit on it.
    is_full: bool,
}

/// Which reports a dashboard has.
fn reports_of(view: &View) -> Vec<RecordId> {
    let pairs = Pairs::parse(&view.query).unwrap_or_default();
    let ids = pairs.all("report").filter_map(|id| id.parse().ok());
    ids.take(REPORTS_MAX).collect()
}

/// `GET /dashboards?id=…`.
pub(crate) async fn show<S: Store + Clone + 'static>(session: Session<S>) -> PageResult {
    let shelf = session.shelf.clone().ok_or(PageError::NotFound)?;
    let (known, kept) = (
        shelf.0.views(KEPT_AS).await?,
        shelf.0.views(report::KEPT_AS).await?,
    );
    let wanted = session.parameters.filled("id");
    let chosen = match wanted {
        Some(id) => {
            let found = known.iter().find(|view| view.id.as_str() == id);
            Some(found.cloned().ok_or(PageError::NotFound)?)
        }
        None => known.first().cloned(),
    };
    let on_it = chosen.as_ref().map(reports_of).unwrap_or_default();
    let mut places = Vec::with_capacity(on_it.len());
    for some in on_it.chunks(AT_ONCE) {
        let some = some.iter().map(|id| place(&session, &kept, *id));
        places.extend(try_join_all(some).await?);
    }
    let is_full = on_it.len() >= REPORTS_MAX;
    let title = chosen.as_ref().map_or_else(
        || session.viewer.locale.t("dashboards").into_owned(),
        |view| view.name.clone(),
    );
    let fits = |view: &&View| {
        // On everybody's dashboard stands what everybody has.
        let has_all = chosen
            .as_ref()
            .is_some_and(|chosen| !chosen.shared || view.shared);
        has_all && !is_full && !on_it.contains(&view.id)
    };
    let page = Page {
        title: title.clone(),
        dashboards: known
            .iter()
            .map(|view| {
                let is_shown = chosen.as_ref().is_some_and(|chosen| chosen.id == view.id);
                (
                    view.id.to_string(),
                    view.name.clone(),
                    view.shared,
                    is_shown,
                )
            })
            .collect(),
        reports: kept
            .iter()
            .filter(fits)
            .map(|view| (view.id.to_string(), view.name.clone()))
            .collect(),
        has_reports: !kept.is_empty(),
        is_full,
        chosen,
        places,
        session: &session,
    };
    Ok(session.page(title, &page))
}

async fn place<S: Store + Clone + 'static>(
    session: &Session<S>,
    kept: &[View],
    id: RecordId,
) -> Result<Place, PageError> {
    let locale = &session.viewer.locale;
    let Some(view) = kept.iter().find(|view| view.id == id) else {
        return Ok(Place {
            id: id.to_string(),
            name: locale.t("dashboard-gone").into_owned(),
            href: None,
            tile: None,
            error: None,
        });
    };
    let pairs = Pairs::parse(&view.query).unwrap_or_default();
    let (tile, error) = match report::tile(session, &pairs).await {
        Ok(Ok(tile)) => (Some(tile), None),
        Ok(Err(error)) => (None, Some(error)),
        Err(error @ (PageError::SignedOut | PageError::Forbidden)) => return Err(error),
        // One that takes too long leaves the others their places.
        Err(_) => (None, Some(locale.t("dashboard-failed").into_owned())),
    };
    Ok(Place {
        id: id.to_string(),
        name: view.name.clone(),
        href: Some(format!("/reports{}", pairs.to_query())),
        tile,
        error,
    })
}

/// `POST /dashboards`: `do=make` with a name, `remove`, and for a report on one `add`, `take`, `earlier` and `later`.
pub(crate) async fn change<S: Store + Clone + 'static>(
    session: Session<S>,
    Submitted(pairs): Submitted,
) -> PageResult {
    let shelf = session.shelf.clone().ok_or(PageError::NotFound)?;
    let shelf = shelf.0.as_ref();
    if pairs.get("do") == Some("make") {
        return make(&session, shelf, &pairs).await;
    }
    let id = |name: &str| pairs.get(name).and_then(|id| id.parse::<RecordId>().ok());
    let wanted = id("id").ok_or(PageError::Invalid)?;
    for _ in 0..TRIES {
        let known = shelf.views(KEPT_AS).await?;
        let view = known.into_iter().find(|view| view.id == wanted);
        let view = view.ok_or(PageError::NotFound)?;
        if !view.removable {
            return Err(PageError::Forbidden);
        }
        if pairs.get("do") == Some("remove") {
            shelf.remove(view.id).await?;
            return Ok(Redirect::to("/dashboards").into_response());
        }
        let of = id("report").ok_or(PageError::Invalid)?;
        let changed = changed(shelf, &view, of, pairs.get("do")).await?;
        let query = changed.iter().fold(Pairs::default(), |pairs, report| {
            pairs.with("report", report.to_string())
        });
        let query = query.to_query();
        let query = query.trim_start_matches('?');
        if query == view.query || shelf.revise(view.id, &view.query, query).await? {
            return Ok(Redirect::to(&format!("/dashboards?id={wanted}")).into_response());
        }
    }
    Err(PageError::Conflict)
}

/// The reports of a dashboard after something was done with one.
async fn changed(
    shelf: &dyn Shelf,
    view: &View,
    of: RecordId,
    what: Option<&str>,
) -> Result<Vec<RecordId>, PageError> {
    let mut reports = reports_of(view);
    let at = reports.iter().position(|report| *report == of);
    match (what, at) {
        (Some("add"), None) if reports.len() < REPORTS_MAX => {
            let kept = shelf.views(report::KEPT_AS).await?;
            let found = kept.iter().find(|report| report.id == of);
            found
                .filter(|report| report.shared || !view.shared)
                .ok_or(PageError::NotFound)?;
            reports.push(of);
        }
        (Some("take"), Some(at)) => {
            reports.remove(at);
        }
        (Some("earlier"), Some(at)) if at > 0 => reports.swap(at, at - 1),
        (Some("later"), Some(at)) if at + 1 < reports.len() => reports.swap(at, at + 1),
        // Done already, or there is no more room: the page shows what is there, and says so.
        (Some("add" | "take" | "earlier" | "later"), _) => {}
        _ => return Err(PageError::Invalid),
    }
    Ok(reports)
}

async fn make<S: Store>(session: &Session<S>, shelf: &dyn Shelf, pairs: &Pairs) -> PageResult {
    let name: String = pairs
        .filled("name")
        .unwrap_or_default()
        .chars()
        .filter(|c| !c.is_control())
        .collect();
    let shared = pairs.get("shared").is_some();
    if !(1..=NAME_MAX).contains(&name.chars().count()) {
        return Err(PageError::Invalid);
    }
    if shared && !session.can(Capability::RecordsWrite) {
        return Err(PageError::Forbidden);
    }
    let key = fieldstone_model::fold::fold(&name);
    let known = shelf.views(KEPT_AS).await?;
    let same = known
        .iter()
        .find(|view| view.shared == shared && fieldstone_model::fold::fold(&view.name) == key);
    // One of the same name is opened, not emptied.
    let id = match same {
        Some(view) => view.id,
        None => shelf.keep(KEPT_AS, &name, "", shared).await?,
    };
    Ok(Redirect::to(&format!("/dashboards?id={id}")).into_response())
}

impl<S: Store> Page<'_, S> {
    fn t(&self, key: &str) -> std::borrow::Cow<'static, str> {
        self.session.viewer.locale.t(key)
    }

    fn t1(&self, key: &str, name: &str) -> String {
        self.session.viewer.locale.t1(key, "name", name)
    }

    fn may_share(&self) -> bool {
        self.session.can(Capability::RecordsWrite)
    }
}
