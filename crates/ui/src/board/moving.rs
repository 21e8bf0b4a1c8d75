//! Moving a deal to another stage. Whoever moved it meanwhile is not overwritten: the collision is shown.

use askama::Template;
use axum::response::{IntoResponse as _, Redirect};
use fieldstone_model::{FieldError, Problem, RecordId, StageKind, Value, Values};
use fieldstone_store::{ChangeError, Store, StoreError};
use http::StatusCode;

use crate::{
    error::PageError,
    form::{collision, local_path},
    list::table::name_of,
    notice, refused,
    request::{AtRecord, PageResult, Pairs, Submitted},
};

/// Most characters of a reason.
const REASON_MAX: usize = 255;
/// Reasons that others gave lately, to choose from.
const REASONS: usize = 8;

#[derive(Template)]
#[template(path = "board/reason.html")]
struct Why<'a> {
    locale: &'a crate::locale::Locale,
    title: String,
    action: String,
    back: String,
    /// Sent along unchanged: name and value.
    hidden: Vec<(&'static str, String)>,
    reason: String,
    reasons: Vec<String>,
    error: bool,
}

/// `POST /deals/{id}/move` with `stage_id`, the stage and version that were seen, and where to go on.
pub(crate) async fn submit<S: Store + Clone + 'static>(
    at: AtRecord<S>,
    Submitted(pairs): Submitted,
) -> PageResult {
    if at.object.name != "deal" {
        return Err(PageError::NotFound);
    }
    if !at.may_write(&at.object) {
        return Err(PageError::Forbidden);
    }
    let id = |name: &str| pairs.get(name).and_then(|id| id.parse::<RecordId>().ok());
    let (Some(wanted), Some(seen)) = (id("stage_id"), id("was")) else {
        return Err(PageError::Invalid);
    };
    let version: i64 = pairs
        .get("version")
        .and_then(|version| version.parse().ok())
        .ok_or(PageError::Invalid)?;
    let back = pairs
        .get("back")
        .and_then(local_path)
        .unwrap_or_else(|| format!("/deals/{}", at.id));
    let Some(stage) = at.registry().stage(wanted).cloned() else {
        // Somebody has taken the stage away since the board was shown.
        let error = FieldError::new("stage_id", Problem::MissingReference);
        return Ok(refused::page(&at, &[error], &back));
    };
    let reason = pairs.get("lost_reason").map(str::trim);
    let too_long = reason.is_some_and(|reason| reason.chars().count() > REASON_MAX);
    if wanted == seen {
        return Ok(Redirect::to(&back).into_response());
    }
    if stage.kind == StageKind::Lost && (reason.is_none() || too_long) {
        return ask(&at, &pairs, back, too_long).await;
    }
    let seen = Values::new().with("stage_id", Value::Id(seen));
    let mut values = Values::new().with("stage_id", Value::Id(wanted));
    let (mut before, reasoned) = (seen, reason.filter(|reason| !reason.is_empty()));
    if let Some(reason) = reasoned.filter(|_| stage.kind == StageKind::Lost) {
        let record = at
            .store
            .get(
                "deal",
                at.id,
                &[fieldstone_model::query::Path::from_text("lost_reason")],
            )
            .await?;
        before.set("lost_reason", record.get("lost_reason").clone());
        values.set("lost_reason", Value::Text(reason.to_owned()));
    }
    match collision::save(&at, version, &before, &values).await {
        Ok(collision::Saved::Not(collided)) => collision::respond(&at, &collided, version).await,
        Ok(_) => {
            let joint = if back.contains('?') { '&' } else { '?' };
            let back = format!("{back}{joint}moved={}", at.id);
            Ok(Redirect::to(&notice::address(&back, "moved", at.id)).into_response())
        }
        Err(StoreError::Change(_, ChangeError::Invalid(errors))) => {
            Ok(refused::page(&at, &errors, &back))
        }
        Err(error) => Err(error.into()),
    }
}

async fn ask<S: Store + Clone + 'static>(
    at: &AtRecord<S>,
    pairs: &Pairs,
    back: String,
    error: bool,
) -> PageResult {
    let locale = &at.viewer.locale;
    let record = at.store.get("deal", at.id, &[]).await?;
    let title = locale.t1("board-why", "name", name_of(at, &at.object, &record));
    let text = |name| pairs.get(name).unwrap_or_default().to_owned();
    let page = Why {
        title: title.clone(),
        action: format!("/deals/{}/move", at.id),
        hidden: vec![
            ("stage_id", text("stage_id")),
            ("was", text("was")),
            ("version", text("version")),
            ("back", back.clone()),
        ],
        back,
        reason: pairs
            .get("lost_reason")
            .unwrap_or_else(|| record.get("lost_reason").as_text().unwrap_or_default())
            .to_owned(),
        reasons: reasons(at).await?,
        error,
        locale,
    };
    let status = if error {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let mut response = at.page_with(status, title, &page);
    // The address of the question is nobody's to come back to.
    response
        .headers_mut()
        .insert("hx-push-url", http::HeaderValue::from_static("false"));
    Ok(response)
}

/// Reasons given for deals that were lost lately, each once.
async fn reasons<S: Store + Clone + 'static>(at: &AtRecord<S>) -> Result<Vec<String>, PageError> {
    if at.object.field("lost_reason").is_none() {
        return Ok(Vec::new());
    }
    let query = fieldstone_model::Query::new("deal")
        .filter(fieldstone_model::Filter::equal(
            "status",
            Value::Text("lost".to_owned()),
        ))
        .column("lost_reason")
        .order("updated_at", true)
        .limit(50);
    let mut reasons: Vec<String> = Vec::new();
    for record in at.store.list(&query).await?.records {
        if let Some(reason) = record
            .get("lost_reason")
            .as_text()
            .filter(|reason| !reason.is_empty())
            && !reasons.iter().any(|known| known == reason)
        {
            reasons.push(reason.to_owned());
        }
    }
    reasons.truncate(REASONS);
    Ok(reasons)
}
