//! `/settings/applications`: who may ask people of this workspace for access.

use askama::Template;
use axum::http::StatusCode;
use fieldstone_model::RecordId;
use fieldstone_ui::{PageError, PageResult, locale::Locale};

use super::{
    Settings,
    programs::{Fields, Ids, ScopeChoice, Submitted, scope_choices, show_secret},
};
use crate::{
    identity::oauth::{
        Application, NewApplication, application::ApplicationErrors, scope, secret::Secret,
    },
    oauth::authorize::words,
};

const PATH: &str = "/settings/applications";

struct Row {
    href: String,
    name: String,
    client_id: String,
    scopes: String,
    built_in: bool,
    active: bool,
}

#[derive(Template)]
#[template(path = "settings/applications.html")]
struct List<'a> {
    locale: &'a Locale,
    applications: Vec<Row>,
}

/// `GET /settings/applications`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let locale = settings.locale();
    let applications = settings.store.applications().await?;
    let applications = applications
        .into_iter()
        .map(|it| Row {
            href: format!("{PATH}/{}", it.id),
            scopes: words(locale, &it.scopes).join(" · "),
            built_in: it.built_in,
            active: it.active,
            client_id: it.client_id,
            name: it.name,
        })
        .collect();
    settings.page(&List {
        locale,
        applications,
    })
}

/// The fields of an application.
#[derive(Template)]
#[template(path = "settings/application_form.html")]
struct Form<'a> {
    locale: &'a Locale,
    action: String,
    button: &'static str,
    name: &'a str,
    addresses: String,
    /// Whether it keeps a secret; nothing where that is settled.
    confidential: Option<bool>,
    scopes: Vec<ScopeChoice>,
    name_error: Option<&'static str>,
    addresses_error: Option<&'static str>,
    scopes_error: Option<&'static str>,
}

fn form<'a>(
    settings: &'a Settings,
    typed: &'a NewApplication,
    errors: &ApplicationErrors,
    (action, button): (String, &'static str),
    is_new: bool,
) -> Form<'a> {
    let locale = settings.locale();
    Form {
        locale,
        action,
        button,
        name: &typed.name,
        addresses: typed.redirect_uris.join("\n"),
        confidential: is_new.then_some(typed.confidential),
        scopes: scope_choices(locale, scope::all(), &typed.scopes),
        name_error: errors.name,
        addresses_error: errors.redirect_uris,
        scopes_error: errors.scopes,
    }
}

fn read(fields: &Fields) -> NewApplication {
    NewApplication {
        name: fields.get("name").to_owned(),
        redirect_uris: fields
            .get("redirect_uris")
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect(),
        scopes: fields.scopes(),
        confidential: fields.get("kind") == "confidential",
    }
}

#[derive(Template)]
#[template(path = "settings/application_new.html")]
struct New<'a> {
    locale: &'a Locale,
    form: Form<'a>,
}

fn new_page(
    settings: &Settings,
    typed: &NewApplication,
    status: StatusCode,
    errors: &ApplicationErrors,
) -> PageResult {
    let target = (PATH.to_owned(), "application-register");
    let form = form(settings, typed, errors, target, true);
    settings.page_with(
        status,
        &New {
            locale: settings.locale(),
            form,
        },
    )
}

/// `GET /settings/applications/new`.
pub(crate) async fn new(settings: Settings) -> PageResult {
    let typed = NewApplication::default();
    let errors = ApplicationErrors::default();
    new_page(&settings, &typed, StatusCode::OK, &errors)
}

/// `POST /settings/applications`.
pub(crate) async fn create(settings: Settings, submitted: Submitted) -> PageResult {
    let typed = read(&Fields::read(submitted)?);
    if let Err(errors) = typed.check() {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return new_page(&settings, &typed, status, &errors);
    }
    let (id, secret) = settings.store.add_application(&typed).await?;
    match secret {
        Some(secret) => secret_page(&settings, id, &typed.name, id.as_str(), &secret),
        None => Ok(Settings::done_at(
            &format!("{PATH}/{id}"),
            "application-made",
        )),
    }
}

fn secret_page(
    settings: &Settings,
    id: RecordId,
    name: &str,
    client_id: &str,
    secret: &Secret,
) -> PageResult {
    let title = settings
        .locale()
        .t1("application-secret-made", "name", name);
    let lines = vec![
        ("application-client-id", client_id.to_owned(), false),
        ("application-secret", secret.expose().to_owned(), true),
    ];
    show_secret(settings, &title, lines, &format!("{PATH}/{id}"))
}

#[derive(Template)]
#[template(path = "settings/application.html")]
struct One<'a> {
    locale: &'a Locale,
    path: String,
    application: &'a Application,
    scopes: Vec<String>,
    form: Option<Form<'a>>,
}

async fn find(settings: &Settings, ids: &Ids) -> Result<Application, PageError> {
    let application = settings.store.application(ids.get("id")?).await?;
    application.ok_or(PageError::NotFound)
}

fn one_page(
    settings: &Settings,
    application: &Application,
    typed: &NewApplication,
    status: StatusCode,
    errors: &ApplicationErrors,
) -> PageResult {
    let locale = settings.locale();
    let path = format!("{PATH}/{}", application.id);
    let target = (path.clone(), "form-save");
    let is_changeable = !application.built_in;
    settings.page_with(
        status,
        &One {
            locale,
            application,
            scopes: words(locale, &application.scopes),
            form: is_changeable.then(|| form(settings, typed, errors, target, false)),
            path,
        },
    )
}

/// `GET /settings/applications/{id}`.
pub(crate) async fn one(settings: Settings, ids: Ids) -> PageResult {
    let application = find(&settings, &ids).await?;
    let typed = NewApplication {
        name: application.name.clone(),
        redirect_uris: application.redirect_uris.clone(),
        scopes: application.scopes.clone(),
        confidential: application.confidential,
    };
    let errors = ApplicationErrors::default();
    one_page(&settings, &application, &typed, StatusCode::OK, &errors)
}

/// `POST /settings/applications/{id}`.
pub(crate) async fn update(settings: Settings, ids: Ids, submitted: Submitted) -> PageResult {
    let application = find(&settings, &ids).await?;
    let typed = read(&Fields::read(submitted)?);
    if let Err(errors) = typed.check() {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return one_page(&settings, &application, &typed, status, &errors);
    }
    if settings
        .store
        .update_application(application.id, &typed)
        .await?
    {
        let path = format!("{PATH}/{}", application.id);
        Ok(Settings::done_at(&path, "application-saved"))
    } else {
        Err(PageError::Forbidden)
    }
}

/// `POST /settings/applications/{id}/activation` with `active`: `yes` or `no`.
pub(crate) async fn switch(settings: Settings, ids: Ids, submitted: Submitted) -> PageResult {
    let application = find(&settings, &ids).await?;
    let (active, notice) = match Fields::read(submitted)?.get("active") {
        "yes" => (true, "application-on"),
        "no" => (false, "application-off"),
        _ => return Err(PageError::Invalid),
    };
    settings
        .store
        .switch_application(application.id, active)
        .await?;
    let path = format!("{PATH}/{}", application.id);
    Ok(Settings::done_at(&path, notice))
}

/// `POST /settings/applications/{id}/secret`.
pub(crate) async fn renew_secret(settings: Settings, ids: Ids) -> PageResult {
    let application = find(&settings, &ids).await?;
    let secret = settings.store.renew_secret(application.id).await?;
    let secret = secret.ok_or(PageError::NotFound)?;
    let (name, client_id) = (&application.name, &application.client_id);
    secret_page(&settings, application.id, name, client_id, &secret)
}

/// `POST /settings/applications/{id}/deletion`.
pub(crate) async fn remove(settings: Settings, ids: Ids) -> PageResult {
    let application = find(&settings, &ids).await?;
    if settings.store.remove_application(application.id).await? {
        Ok(Settings::done_at(PATH, "application-removed"))
    } else {
        Err(PageError::Forbidden)
    }
}
