//! `/settings/connected`: what one has allowed applications, and the devices that are signed in.

use askama::Template;
use fieldstone_ui::{PageError, PageResult, locale::Locale};

use super::{Settings, programs::Ids, tokens::used};
use crate::{identity::oauth::GrantSummary, oauth::authorize::words};

const PATH: &str = "/settings/connected";

struct Grant {
    name: String,
    label: String,
    scopes: String,
    made: String,
    used: String,
    address: String,
    revocation: String,
}

struct Consent {
    name: String,
    scopes: String,
    given: String,
    withdrawal: String,
}

#[derive(Template)]
#[template(path = "settings/connected.html")]
struct Page<'a> {
    locale: &'a Locale,
    grants: Vec<Grant>,
    consents: Vec<Consent>,
}

/// `GET /settings/connected`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let locale = settings.locale();
    let grants = settings.store.own_grants().await?;
    let consents = settings.store.consents().await?;
    settings.page(&Page {
        locale,
        grants: grants.iter().map(|it| grant(locale, it)).collect(),
        consents: consents
            .into_iter()
            .map(|(id, name, scopes, given)| Consent {
                name,
                scopes: words(locale, &scopes).join(" · "),
                given: locale.instant(given),
                withdrawal: format!("{PATH}/{id}/withdrawal"),
            })
            .collect(),
    })
}

fn grant(locale: &Locale, grant: &GrantSummary) -> Grant {
    Grant {
        name: grant.name.clone(),
        label: grant.label.clone(),
        scopes: words(locale, &grant.scopes).join(" · "),
        made: locale.instant(grant.created_at),
        used: used(locale, grant.last_seen_at),
        address: grant.address.clone(),
        revocation: format!("{PATH}/grants/{}/revocation", grant.id),
    }
}

/// `POST /settings/connected/grants/{id}/revocation`.
pub(crate) async fn revoke(settings: Settings, ids: Ids) -> PageResult {
    if settings.store.end_grant(ids.get("id")?).await? {
        Ok(Settings::done_at(PATH, "grant-ended"))
    } else {
        Err(PageError::NotFound)
    }
}

/// `POST /settings/connected/{id}/withdrawal`.
pub(crate) async fn withdraw(settings: Settings, ids: Ids) -> PageResult {
    if settings.store.withdraw_consent(ids.get("id")?).await? {
        Ok(Settings::done_at(PATH, "consent-withdrawn"))
    } else {
        Err(PageError::NotFound)
    }
}
