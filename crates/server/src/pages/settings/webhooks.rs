//! `/settings/webhooks`: addresses of other systems, what they were told, and telling it again.

use askama::Template;
use axum::{
    extract::{FromRequestParts, RawPathParams, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse as _, Redirect, Response},
};
use fieldstone_model::RecordId;
use fieldstone_ui::{PageError, PageResult, locale::Locale};

use super::{
    Settings,
    programs::{Fields, Submitted, check_name, show_secret},
};
use crate::{
    pages::path_id::PathId,
    platform::Platform,
    webhooks::{AddressProblem, Delivery, Webhook, check_url},
};

pub(crate) const PATH: &str = "/settings/webhooks";

#[derive(Template)]
#[template(path = "settings/webhooks.html")]
struct List<'a> {
    locale: &'a Locale,
    hooks: Vec<Webhook>,
    form: Form<'a>,
}

/// Name and address, as they were typed.
#[derive(Template)]
#[template(path = "settings/webhook_form.html")]
struct Form<'a> {
    locale: &'a Locale,
    action: String,
    name: String,
    url: String,
    /// Whether it is switched on; nothing for a new one.
    active: Option<bool>,
    name_error: Option<&'static str>,
    url_error: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "settings/webhook.html")]
struct One<'a> {
    locale: &'a Locale,
    hook: &'a Webhook,
    form: Form<'a>,
    deliveries: Vec<Row>,
}

struct Row {
    id: String,
    state: String,
    class: &'static str,
    answer: String,
    at: (String, String),
    next: Option<String>,
    body: String,
}

fn address_error(problem: AddressProblem) -> &'static str {
    match problem {
        AddressProblem::Unreadable | AddressProblem::TooLong => "webhook-url-unreadable",
        AddressProblem::Unencrypted => "webhook-url-unencrypted",
        AddressProblem::Closed => "webhook-url-closed",
    }
}

fn checked<'a>(
    settings: &'a Settings,
    platform: &Platform,
    fields: &Fields,
    action: &str,
    active: Option<bool>,
) -> Form<'a> {
    let (name, url) = (fields.get("name").to_owned(), fields.get("url").to_owned());
    let checked = check_url(&url, &platform.webhook_networks);
    let url_error = checked.err().map(address_error);
    Form {
        locale: settings.locale(),
        action: action.to_owned(),
        name_error: check_name(&name).err(),
        url_error,
        name,
        url,
        active,
    }
}

impl Form<'_> {
    fn is_fine(&self) -> bool {
        self.name_error.is_none() && self.url_error.is_none()
    }
}

/// `GET /settings/webhooks`.
pub(crate) async fn list(settings: Settings) -> PageResult {
    let form = Form {
        locale: settings.locale(),
        action: PATH.to_owned(),
        name: String::new(),
        url: String::new(),
        active: None,
        name_error: None,
        url_error: None,
    };
    list_page(&settings, StatusCode::OK, form).await
}

async fn list_page(settings: &Settings, status: StatusCode, form: Form<'_>) -> PageResult {
    let list = List {
        locale: settings.locale(),
        hooks: settings.store.webhooks().await?,
        form,
    };
    settings.page_with(status, &list)
}

/// `POST /settings/webhooks`: makes one and shows its secret, once.
pub(crate) async fn create(
    State(platform): State<Platform>,
    settings: Settings,
    submitted: Submitted,
) -> PageResult {
    let fields = Fields::read(submitted)?;
    let form = checked(&settings, &platform, &fields, PATH, None);
    if !form.is_fine() {
        return list_page(&settings, StatusCode::UNPROCESSABLE_ENTITY, form).await;
    }
    let added = settings.store.add_webhook(&form.name, &form.url).await?;
    let (id, secret) = added.ok_or(PageError::Conflict)?;
    let lines = vec![
        ("webhook-url", form.url.clone(), false),
        ("webhook-secret", secret.reveal().to_owned(), true),
    ];
    show_secret(&settings, &form.name, lines, &format!("{PATH}/{id}"))
}

async fn find(settings: &Settings, id: RecordId) -> Result<Webhook, PageError> {
    let found = settings.store.webhook(id).await?;
    found.ok_or(PageError::NotFound)
}

/// `GET /settings/webhooks/{id}`.
pub(crate) async fn show(settings: Settings, PathId(id): PathId) -> PageResult {
    let hook = find(&settings, id).await?;
    let form = Form {
        locale: settings.locale(),
        action: format!("{PATH}/{id}"),
        name: hook.name.clone(),
        url: hook.url.clone(),
        active: Some(hook.active),
        name_error: None,
        url_error: None,
    };
    one_page(&settings, StatusCode::OK, &hook, form).await
}

async fn one_page(
    settings: &Settings,
    status: StatusCode,
    hook: &Webhook,
    form: Form<'_>,
) -> PageResult {
    let locale = settings.locale();
    let deliveries = settings.store.deliveries(hook.id).await?;
    let one = One {
        locale,
        hook,
        form,
        deliveries: deliveries
            .into_iter()
            .map(|delivery| row(locale, delivery))
            .collect(),
    };
    settings.page_with(status, &one)
}

fn row(locale: &Locale, delivery: Delivery) -> Row {
    let answer = match (delivery.status, &delivery.problem) {
        (Some(status), _) => locale.t1("webhook-answer", "status", status),
        (None, Some(problem)) => {
            let key = format!("webhook-problem-{problem}");
            locale.find(&key).unwrap_or_default().into_owned()
        }
        (None, None) => String::new(),
    };
    let is_waiting = delivery.state == "waiting";
    let shown = delivery.tried_at.unwrap_or(delivery.made_at);
    Row {
        class: match delivery.state.as_str() {
            "sent" => "good",
            "failed" => "bad",
            _ => "",
        },
        state: locale
            .t(&format!("webhook-state-{}", delivery.state))
            .into_owned(),
        answer,
        at: (shown.to_string(), locale.instant(shown)),
        next: (is_waiting && delivery.attempts > 0).then(|| {
            let when = locale.instant(delivery.due_at);
            locale.t1("webhook-next", "when", when.as_str())
        }),
        body: delivery.body,
        id: delivery.id,
    }
}

/// `POST /settings/webhooks/{id}`.
pub(crate) async fn update(
    State(platform): State<Platform>,
    settings: Settings,
    PathId(id): PathId,
    submitted: Submitted,
) -> PageResult {
    let hook = find(&settings, id).await?;
    let fields = Fields::read(submitted)?;
    let active = fields.get("active") == "yes";
    let action = format!("{PATH}/{id}");
    let form = checked(&settings, &platform, &fields, &action, Some(active));
    if !form.is_fine() {
        return one_page(&settings, StatusCode::UNPROCESSABLE_ENTITY, &hook, form).await;
    }
    settings
        .store
        .update_webhook(id, &form.name, &form.url, active)
        .await?;
    Ok(Settings::done_at(&action, "webhook-saved"))
}

/// `POST /settings/webhooks/{id}/secret`: another secret, shown once.
pub(crate) async fn renew(settings: Settings, PathId(id): PathId) -> PageResult {
    let hook = find(&settings, id).await?;
    let secret = settings.store.renew_webhook_secret(id).await?;
    let secret = secret.ok_or(PageError::NotFound)?;
    let lines = vec![("webhook-secret", secret.reveal().to_owned(), true)];
    show_secret(&settings, &hook.name, lines, &format!("{PATH}/{id}"))
}

/// `POST /settings/webhooks/{id}/removal`.
pub(crate) async fn remove(settings: Settings, PathId(id): PathId) -> Result<Response, PageError> {
    if !settings.store.remove_webhook(id).await? {
        return Err(PageError::NotFound);
    }
    Ok(Redirect::to(&format!("{PATH}?notice=webhook-removed")).into_response())
}

/// The delivery in an address.
pub(crate) struct DeliveryId(String);

impl<T: Send + Sync> FromRequestParts<T> for DeliveryId {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &T) -> Result<Self, PageError> {
        let parameters = RawPathParams::from_request_parts(parts, state).await;
        let parameters = parameters.map_err(|_| PageError::NotFound)?;
        let found = parameters.iter().find(|(name, _)| *name == "delivery");
        let id = found.map(|(_, value)| value.to_owned());
        id.map(Self).ok_or(PageError::NotFound)
    }
}

/// `POST /settings/webhooks/{id}/deliveries/{delivery}/replay`.
pub(crate) async fn replay(
    settings: Settings,
    PathId(id): PathId,
    DeliveryId(delivery): DeliveryId,
) -> Result<Response, PageError> {
    let replayed = settings.store.replay_delivery(id, &delivery).await?;
    replayed.ok_or(PageError::NotFound)?;
    Ok(Settings::done_at(
        &format!("{PATH}/{id}"),
        "webhook-replayed",
    ))
}
