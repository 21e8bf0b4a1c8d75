//! `/settings/invitations`: who has been invited, and inviting more.

use askama::Template;
use axum::{Form, extract::rejection::FormRejection, http::StatusCode};
use fieldstone_model::Role;
use fieldstone_ui::{PageError, PageResult, locale::Locale};
use serde::Deserialize;

use super::{Settings, members::grantable};
use crate::{
    identity::{IdentityError, workspace::check_email},
    pages::path_id::PathId,
    store::{Invitation, InvitationState},
};

const PATH: &str = "/settings/invitations";
/// Most people invited at once.
pub(crate) const AT_ONCE: usize = 50;
/// Languages that letters are written in.
const LANGUAGES: [&str; 2] = ["en", "de"];

/// One row of the list.
struct Row<'a> {
    invitation: &'a Invitation,
    role: String,
    state: String,
    tone: &'static str,
    sent: String,
    /// Whether it can be sent again or taken back.
    open: bool,
}

#[derive(Template)]
#[template(path = "settings/invitations.html")]
struct List<'a> {
    locale: &'a Locale,
    rows: Vec<Row<'a>>,
    error: Option<String>,
}

#[derive(Template)]
#[template(path = "settings/invite.html")]
struct Invite<'a> {
    locale: &'a Locale,
    emails: &'a str,
    emails_error: Option<String>,
    role_error: Option<&'static str>,
    roles: Vec<(&'static str, String, bool)>,
    languages: Vec<(&'static str, String, bool)>,
}

/// `GET /settings/invitations`.
pub(crate) async fn list(settings: Settings) -> PageResult {
    listed(&settings, StatusCode::OK, None).await
}

/// `GET /settings/invitations/new`.
pub(crate) async fn new(settings: Settings) -> PageResult {
    let typed = Typed {
        emails: String::new(),
        role: Role::Member.name().to_owned(),
        language: settings.locale().language().tag().to_owned(),
    };
    settings.page(&form(&settings, &typed, (None, None)))
}

/// What was typed.
#[derive(Debug, Deserialize)]
pub(crate) struct Typed {
    #[serde(default)]
    emails: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    language: String,
}

/// `POST /settings/invitations`.
pub(crate) async fn create(
    settings: Settings,
    typed: Result<Form<Typed>, FormRejection>,
) -> PageResult {
    let Form(typed) = typed.map_err(|_| PageError::Invalid)?;
    let role: Role = typed.role.parse().map_err(|_| PageError::Invalid)?;
    if !LANGUAGES.contains(&typed.language.as_str()) {
        return Err(PageError::Invalid);
    }
    let locale = settings.locale();
    let again = |errors| {
        let content = form(&settings, &typed, errors);
        settings.page_with(StatusCode::UNPROCESSABLE_ENTITY, &content)
    };
    let emails = match read(&typed.emails) {
        Ok(emails) => emails,
        Err(Unreadable::None) => {
            return again((Some(locale.t("invite-emails-missing").into_owned()), None));
        }
        Err(Unreadable::TooMany) => {
            let most = AT_ONCE.to_string();
            return again((Some(locale.t1("invite-emails-many", "most", most)), None));
        }
        Err(Unreadable::Bad(email)) => {
            return again((Some(locale.t1("invite-email-bad", "email", email)), None));
        }
    };
    match settings.store.invite(&emails, role, &typed.language).await {
        Ok(_) => Ok(Settings::done_at(PATH, "invited")),
        Err(IdentityError::AlreadyMember(email)) => {
            let found = settings.store.members(&email, None, 1).await?;
            let is_shut_out = found
                .iter()
                .any(|member| member.email.eq_ignore_ascii_case(&email) && !member.active);
            let key = if is_shut_out {
                "invite-email-deactivated"
            } else {
                "invite-email-member"
            };
            again((Some(locale.t1(key, "email", email)), None))
        }
        Err(IdentityError::AlreadyInvited(email)) => again((
            Some(locale.t1("invite-email-invited", "email", email)),
            None,
        )),
        Err(IdentityError::TooOften) => {
            again((Some(locale.t("invite-too-often").into_owned()), None))
        }
        Err(IdentityError::AboveOwnRole) => again((None, Some("invite-above-own"))),
        Err(error) => Err(error.into()),
    }
}

/// `POST /settings/invitations/{id}/letter`: sends it again.
pub(crate) async fn resend(settings: Settings, PathId(id): PathId) -> PageResult {
    let outcome = settings.store.resend_invitation(id).await;
    answer(&settings, outcome, "resent").await
}

/// `POST /settings/invitations/{id}/withdrawal`.
pub(crate) async fn withdraw(settings: Settings, PathId(id): PathId) -> PageResult {
    let outcome = settings.store.withdraw_invitation(id).await;
    answer(&settings, outcome, "withdrawn").await
}

async fn answer(
    settings: &Settings,
    outcome: Result<(), IdentityError>,
    done: &'static str,
) -> PageResult {
    let key = match outcome {
        Ok(()) => return Ok(Settings::done_at(PATH, done)),
        Err(IdentityError::Missing(_)) => "invitation-not-open",
        Err(IdentityError::TooOften) => "invitation-just-sent",
        Err(IdentityError::AboveOwnRole) => "invite-above-own",
        Err(error) => return Err(error.into()),
    };
    listed(settings, StatusCode::UNPROCESSABLE_ENTITY, Some(key)).await
}

async fn listed(
    settings: &Settings,
    status: StatusCode,
    error: Option<&'static str>,
) -> PageResult {
    let invitations = settings.store.invitations().await?;
    let locale = settings.locale();
    let rows = invitations
        .iter()
        .map(|invitation| {
            let (state, tone) = match invitation.state {
                InvitationState::Open => ("invitation-open", "accent"),
                InvitationState::Expired => ("invitation-expired", "bad"),
                InvitationState::Accepted => ("invitation-accepted", "good"),
                InvitationState::Withdrawn => ("invitation-withdrawn", ""),
            };
            Row {
                invitation,
                role: locale.t(&format!("role-{}", invitation.role)).into_owned(),
                state: locale.t(state).into_owned(),
                tone,
                sent: locale.instant(invitation.sent_at),
                open: matches!(
                    invitation.state,
                    InvitationState::Open | InvitationState::Expired
                ),
            }
        })
        .collect();
    let content = List {
        locale,
        rows,
        error: error.map(|key| locale.t(key).into_owned()),
    };
    settings.page_with(status, &content)
}

fn form<'a>(
    settings: &'a Settings,
    typed: &'a Typed,
    (emails_error, role_error): (Option<String>, Option<&'static str>),
) -> Invite<'a> {
    let locale = settings.locale();
    let roles = grantable(settings.viewer.role)
        .map(|role| {
            let label = locale.t(&format!("role-{role}")).into_owned();
            (role.name(), label, role.name() == typed.role)
        })
        .collect();
    let languages = LANGUAGES
        .into_iter()
        .map(|tag| {
            let label = locale.t(&format!("locale-{tag}")).into_owned();
            (tag, label, tag == typed.language)
        })
        .collect();
    Invite {
        locale,
        emails: &typed.emails,
        emails_error,
        role_error,
        roles,
        languages,
    }
}

/// Why addresses can't be read.
#[derive(Debug, PartialEq, Eq)]
enum Unreadable {
    None,
    TooMany,
    Bad(String),
}

/// Addresses one per line, or between commas, semicolons or spaces; each once.
fn read(text: &str) -> Result<Vec<String>, Unreadable> {
    let mut emails: Vec<String> = Vec::new();
    for word in text
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';'))
        .filter(|word| !word.is_empty())
    {
        let email =
            check_email(word).map_err(|_| Unreadable::Bad(word.chars().take(254).collect()))?;
        if !emails
            .iter()
            .any(|known| crate::identity::email_key(known) == crate::identity::email_key(email))
        {
            emails.push(email.to_owned());
        }
        if emails.len() > AT_ONCE {
            return Err(Unreadable::TooMany);
        }
    }
    if emails.is_empty() {
        Err(Unreadable::None)
    } else {
        Ok(emails)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let read_all = |text: &str| read(text).unwrap().join(" ");
        assert_eq!(
            read_all("a@x.example, b@x.example;\r\n c@x.example\n"),
            "a@x.example b@x.example c@x.example"
        );
        assert_eq!(read_all("A@x.example a@X.example"), "A@x.example");
        assert_eq!(read(" ,; \n"), Err(Unreadable::None));
        assert_eq!(
            read("a@x.example nobody"),
            Err(Unreadable::Bad("nobody".to_owned()))
        );
        let many = (0..=AT_ONCE).fold(String::new(), |text, n| text + &format!("p{n}@x.example "));
        assert_eq!(read(&many), Err(Unreadable::TooMany));
    }
}
