//! `/settings/tokens`: one's own API tokens. And those of a service account, which are made and revoked in the same way.

use askama::Template;
use axum::http::StatusCode;
use fieldstone_model::{Capability, RecordId};
use fieldstone_ui::{PageError, PageResult, locale::Locale};
use jiff::{SignedDuration, Timestamp};

use super::{
    Settings,
    programs::{
        Fields, Ids, ScopeChoice, Submitted, check_name, scope_choices, scope_words, show_secret,
    },
};
use crate::identity::{oauth::scope, token::ApiTokenSummary};

const PATH: &str = "/settings/tokens";
/// How many days a token may be made for, as far as the workspace allows.
const DAYS: [i64; 5] = [7, 30, 90, 180, 366];

/// One line of a list of tokens.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) prefix: String,
    pub(super) scopes: String,
    pub(super) made: String,
    pub(super) used: String,
    pub(super) ends: String,
    pub(super) revocation: String,
}

/// The lines of tokens that are revoked below `path`.
pub(super) fn lines(locale: &Locale, tokens: &[ApiTokenSummary], path: &str) -> Vec<Line> {
    tokens
        .iter()
        .rev()
        .map(|token| Line {
            name: token.name.clone(),
            prefix: token.prefix.clone(),
            scopes: scope_words(locale, &token.scopes),
            made: locale.instant(token.created_at),
            used: used(locale, token.last_seen_at),
            ends: locale.instant(token.expires_at),
            revocation: format!("{path}/{}/revocation", token.id),
        })
        .collect()
}

/// When something was last used, in words.
pub(super) fn used(locale: &Locale, at: Option<Timestamp>) -> String {
    at.map_or_else(
        || locale.t("token-never-used").into_owned(),
        |at| locale.instant(at),
    )
}

#[derive(Template)]
#[template(path = "settings/tokens.html")]
struct List<'a> {
    locale: &'a Locale,
    tokens: Vec<Line>,
}

/// `GET /settings/tokens`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let me = settings.viewer.user_id;
    let tokens = settings.store.tokens_of(me).await?;
    let locale = settings.locale();
    settings.page(&List {
        locale,
        tokens: lines(locale, &tokens, PATH),
    })
}

/// What a new token is to be.
#[derive(Default)]
struct Typed {
    name: String,
    scopes: Vec<Capability>,
    days: i64,
}

#[derive(Default)]
struct Errors {
    name: Option<&'static str>,
    scopes: Option<&'static str>,
    days: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "settings/token_new.html")]
struct New<'a> {
    locale: &'a Locale,
    action: &'a str,
    back: &'a str,
    /// Whose it will be, if it isn't one's own.
    account: Option<&'a str>,
    name: &'a str,
    name_error: Option<&'static str>,
    scopes: Vec<ScopeChoice>,
    scopes_error: Option<&'static str>,
    /// Days, in words, and whether they are chosen.
    days: Vec<(i64, String, bool)>,
    days_error: Option<&'static str>,
}

/// For whom a token is made, and where.
pub(super) struct Maker<'a> {
    pub(super) person: RecordId,
    /// The name of the service account.
    pub(super) account: Option<&'a str>,
    /// What it may do at most.
    pub(super) offered: Vec<Capability>,
    /// Where the form is sent.
    pub(super) action: String,
    /// The list it goes back to.
    pub(super) back: String,
}

impl Maker<'_> {
    fn own(settings: &Settings) -> Self {
        Self {
            person: settings.viewer.user_id,
            account: None,
            offered: settings.viewer.role.capabilities().collect(),
            action: PATH.to_owned(),
            back: PATH.to_owned(),
        }
    }

    /// The empty form.
    pub(super) async fn form(&self, settings: &Settings) -> PageResult {
        let days_max = settings.store.token_policy().await?.days_max;
        let typed = Typed {
            days: 90.min(days_max),
            ..Typed::default()
        };
        settings.page(&self.page(settings, &typed, &Errors::default(), days_max))
    }

    /// Makes the token and shows it, or says what is wrong.
    pub(super) async fn make(&self, settings: &Settings, fields: &Fields) -> PageResult {
        let days_max = settings.store.token_policy().await?.days_max;
        let typed = Typed {
            name: fields.get("name").to_owned(),
            scopes: fields.scopes(),
            days: fields.get("days").parse().unwrap_or_default(),
        };
        let is_beyond = typed
            .scopes
            .iter()
            .any(|scope| !self.offered.contains(scope));
        let errors = Errors {
            name: check_name(&typed.name).err(),
            scopes: (typed.scopes.is_empty() || is_beyond).then_some("scopes-none"),
            days: (!(1..=days_max).contains(&typed.days)).then_some("token-days-problem"),
        };
        if errors.name.is_some() || errors.scopes.is_some() || errors.days.is_some() {
            let page = self.page(settings, &typed, &errors, days_max);
            return settings.page_with(StatusCode::UNPROCESSABLE_ENTITY, &page);
        }
        let until = settings.viewer.now + SignedDuration::from_hours(24 * typed.days);
        let scopes = scope::names(&typed.scopes);
        let made = settings
            .store
            .add_token(self.person, &typed.name, &scopes, until);
        let (_, token) = made.await?;
        let title = settings
            .locale()
            .t1("token-made", "name", typed.name.as_str());
        let lines = vec![("token-secret", token.expose().to_owned(), true)];
        show_secret(settings, &title, lines, &self.back)
    }

    fn page<'a>(
        &'a self,
        settings: &'a Settings,
        typed: &'a Typed,
        errors: &Errors,
        days_max: i64,
    ) -> New<'a> {
        let locale = settings.locale();
        let mut days: Vec<i64> = DAYS.into_iter().filter(|days| *days < days_max).collect();
        days.push(days_max);
        New {
            locale,
            action: &self.action,
            back: &self.back,
            account: self.account,
            name: &typed.name,
            name_error: errors.name,
            scopes: scope_choices(locale, self.offered.iter().copied(), &typed.scopes),
            scopes_error: errors.scopes,
            days: days
                .into_iter()
                .map(|days| {
                    (
                        days,
                        locale.t1("token-days", "days", days),
                        days == typed.days,
                    )
                })
                .collect(),
            days_error: errors.days,
        }
    }
}

/// `GET /settings/tokens/new`.
pub(crate) async fn new(settings: Settings) -> PageResult {
    Maker::own(&settings).form(&settings).await
}

/// `POST /settings/tokens`.
pub(crate) async fn create(settings: Settings, submitted: Submitted) -> PageResult {
    let fields = Fields::read(submitted)?;
    Maker::own(&settings).make(&settings, &fields).await
}

/// `POST /settings/tokens/{id}/revocation`.
pub(crate) async fn revoke(settings: Settings, ids: Ids) -> PageResult {
    if settings.store.end_token(ids.get("id")?).await? {
        Ok(Settings::done_at(PATH, "token-revoked"))
    } else {
        Err(PageError::NotFound)
    }
}
