//! `/settings/service-accounts`: accounts for programs that belong to nobody in particular.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Redirect},
};
use fieldstone_model::{RecordId, Role};
use fieldstone_ui::{PageError, PageResult, locale::Locale};

use super::{
    Settings,
    programs::{Fields, Ids, Submitted, check_name},
    tokens::{Line, Maker, lines, used},
};
use crate::identity::service_account::{ServiceAccount, roles_below};

const PATH: &str = "/settings/service-accounts";

struct Row {
    href: String,
    name: String,
    role: String,
    active: bool,
    tokens: i64,
    used: String,
}

#[derive(Template)]
#[template(path = "settings/service_accounts.html")]
struct List<'a> {
    locale: &'a Locale,
    accounts: Vec<Row>,
}

/// `GET /settings/service-accounts`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let locale = settings.locale();
    let accounts = settings.store.service_accounts().await?;
    let accounts = accounts
        .into_iter()
        .map(|account| Row {
            href: format!("{PATH}/{}", account.id),
            role: role_name(locale, account.role),
            active: account.active,
            tokens: account.tokens,
            used: used(locale, account.last_seen_at),
            name: account.name,
        })
        .collect();
    settings.page(&List { locale, accounts })
}

fn role_name(locale: &Locale, role: Role) -> String {
    locale.t(&format!("role-{role}")).into_owned()
}

/// Name and role as they were typed.
struct Typed {
    name: String,
    role: Option<Role>,
}

impl Typed {
    fn read(fields: &Fields) -> Self {
        Self {
            name: fields.get("name").to_owned(),
            role: fields.get("role").parse().ok(),
        }
    }

    /// The role, if everything is in order.
    fn check(&self, own: Role) -> Result<Role, (Option<&'static str>, Option<&'static str>)> {
        let name = check_name(&self.name).err();
        let role = self
            .role
            .filter(|role| roles_below(own).any(|it| it == *role));
        match (name, role) {
            (None, Some(role)) => Ok(role),
            (name, role) => Err((name, role.is_none().then_some("service-role-problem"))),
        }
    }
}

#[derive(Template)]
#[template(path = "settings/service_account_new.html")]
struct New<'a> {
    locale: &'a Locale,
    form: Form<'a>,
}

/// The fields that a new and an existing account share.
#[derive(Template)]
#[template(path = "settings/service_account_form.html")]
struct Form<'a> {
    locale: &'a Locale,
    action: String,
    button: &'static str,
    name: &'a str,
    name_error: Option<&'static str>,
    /// Name, label, and whether it is chosen.
    roles: Vec<(&'static str, String, bool)>,
    role_error: Option<&'static str>,
}

fn form<'a>(
    settings: &'a Settings,
    typed: &'a Typed,
    action: String,
    button: &'static str,
    (name_error, role_error): (Option<&'static str>, Option<&'static str>),
) -> Form<'a> {
    let locale = settings.locale();
    Form {
        locale,
        action,
        button,
        name: &typed.name,
        name_error,
        roles: roles_below(settings.viewer.role)
            .map(|role| {
                (
                    role.name(),
                    role_name(locale, role),
                    typed.role == Some(role),
                )
            })
            .collect(),
        role_error,
    }
}

/// `GET /settings/service-accounts/new`.
pub(crate) async fn new(settings: Settings) -> PageResult {
    let typed = Typed {
        name: String::new(),
        role: Some(Role::Viewer),
    };
    let form = form(
        &settings,
        &typed,
        PATH.to_owned(),
        "service-make",
        (None, None),
    );
    settings.page(&New {
        locale: settings.locale(),
        form,
    })
}

/// `POST /settings/service-accounts`.
pub(crate) async fn create(settings: Settings, submitted: Submitted) -> PageResult {
    let typed = Typed::read(&Fields::read(submitted)?);
    match typed.check(settings.viewer.role) {
        Ok(role) => {
            let id = settings
                .store
                .add_service_account(&typed.name, role)
                .await?;
            Ok(Settings::done_at(&format!("{PATH}/{id}"), "service-made"))
        }
        Err(errors) => {
            let form = form(&settings, &typed, PATH.to_owned(), "service-make", errors);
            let page = New {
                locale: settings.locale(),
                form,
            };
            settings.page_with(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
    }
}

#[derive(Template)]
#[template(path = "settings/service_account.html")]
struct One<'a> {
    locale: &'a Locale,
    path: String,
    account: &'a ServiceAccount,
    role: String,
    tokens: Vec<Line>,
    form: Form<'a>,
}

async fn find(settings: &Settings, id: RecordId) -> Result<ServiceAccount, PageError> {
    let account = settings.store.service_account(id).await?;
    account.ok_or(PageError::NotFound)
}

async fn page(
    settings: &Settings,
    account: &ServiceAccount,
    typed: &Typed,
    status: StatusCode,
    errors: (Option<&'static str>, Option<&'static str>),
) -> PageResult {
    let locale = settings.locale();
    let path = format!("{PATH}/{}", account.id);
    let tokens = settings.store.tokens_of(account.id).await?;
    settings.page_with(
        status,
        &One {
            locale,
            account,
            role: role_name(locale, account.role),
            tokens: lines(locale, &tokens, &format!("{path}/tokens")),
            form: form(settings, typed, path.clone(), "form-save", errors),
            path,
        },
    )
}

/// `GET /settings/service-accounts/{id}`.
pub(crate) async fn one(settings: Settings, ids: Ids) -> PageResult {
    let account = find(&settings, ids.get("id")?).await?;
    let typed = Typed {
        name: account.name.clone(),
        role: Some(account.role),
    };
    page(&settings, &account, &typed, StatusCode::OK, (None, None)).await
}

/// `POST /settings/service-accounts/{id}`.
pub(crate) async fn update(settings: Settings, ids: Ids, submitted: Submitted) -> PageResult {
    let account = find(&settings, ids.get("id")?).await?;
    let typed = Typed::read(&Fields::read(submitted)?);
    match typed.check(settings.viewer.role) {
        Ok(role) => {
            settings
                .store
                .update_service_account(account.id, &typed.name, role)
                .await?;
            let path = format!("{PATH}/{}", account.id);
            Ok(Settings::done_at(&path, "service-saved"))
        }
        Err(errors) => {
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            page(&settings, &account, &typed, status, errors).await
        }
    }
}

/// `POST /settings/service-accounts/{id}/activation` with `active`: `yes` or `no`.
pub(crate) async fn switch(settings: Settings, ids: Ids, submitted: Submitted) -> PageResult {
    let account = find(&settings, ids.get("id")?).await?;
    let active = match Fields::read(submitted)?.get("active") {
        "yes" => true,
        "no" => false,
        _ => return Err(PageError::Invalid),
    };
    settings
        .store
        .switch_service_account(account.id, active)
        .await?;
    let path = format!("{PATH}/{}", account.id);
    Ok(Redirect::to(&path).into_response())
}

fn maker<'a>(settings: &Settings, account: &'a ServiceAccount) -> Result<Maker<'a>, PageError> {
    // Whoever is switched off gets no new keys, and nobody makes keys of somebody above them.
    if !account.active || account.role > settings.viewer.role {
        return Err(PageError::Conflict);
    }
    let path = format!("{PATH}/{}", account.id);
    Ok(Maker {
        person: account.id,
        account: Some(&account.name),
        offered: account.role.capabilities().collect(),
        action: format!("{path}/tokens"),
        back: path,
    })
}

/// `GET /settings/service-accounts/{id}/tokens/new`.
pub(crate) async fn new_token(settings: Settings, ids: Ids) -> PageResult {
    let account = find(&settings, ids.get("id")?).await?;
    maker(&settings, &account)?.form(&settings).await
}

/// `POST /settings/service-accounts/{id}/tokens`.
pub(crate) async fn create_token(settings: Settings, ids: Ids, submitted: Submitted) -> PageResult {
    let account = find(&settings, ids.get("id")?).await?;
    let fields = Fields::read(submitted)?;
    maker(&settings, &account)?.make(&settings, &fields).await
}

/// `POST /settings/service-accounts/{id}/tokens/{token}/revocation`.
pub(crate) async fn revoke_token(settings: Settings, ids: Ids) -> PageResult {
    let account = find(&settings, ids.get("id")?).await?;
    let token = ids.get("token")?;
    let tokens = settings.store.tokens_of(account.id).await?;
    let is_theirs = tokens.iter().any(|it| it.id == token);
    if is_theirs && settings.store.end_token(token).await? {
        let path = format!("{PATH}/{}", account.id);
        Ok(Settings::done_at(&path, "token-revoked"))
    } else {
        Err(PageError::NotFound)
    }
}
