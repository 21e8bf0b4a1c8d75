//! P6–P9, tried: four people of a workspace that exists for this alone sign in and ask for what their role may not have.
//!
//! Their passwords are made for one run and never kept; after it nobody can sign in as them.

use std::time::Duration;

use fieldstone_model::{Capability, IdSource, Needs, RecordId, Role};
use http::Method;
use reqwest::header::{ORIGIN, SET_COOKIE};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::{Miss, Seen, Subject, fail, pass};
use crate::api::ROUTES;
use crate::identity::workspace::{self, NewUser, NewWorkspace};
use crate::identity::{PasswordHasher, PasswordPolicy, random, totp};

/// The workspace's address.
pub(crate) const SLUG: &str = "fieldstone-verify";
/// Stands for any record in a path.
const SOME_ID: &str = "001000000000001";
const PATIENCE: Duration = Duration::from_secs(20);

/// What was seen of the four claims.
pub(super) struct Probed {
    pub(super) cookies: Seen,
    pub(super) second_factor: Seen,
    pub(super) roles: Seen,
    pub(super) exports: Seen,
}

/// Tries all four. When nobody can sign in, none of them is seen to hold.
pub(super) async fn run(subject: &Subject) -> Probed {
    match probe(subject).await {
        Ok(probed) => probed,
        Err(miss) => {
            let text = match miss {
                Miss::Fail(text) | Miss::Unseen(text) => text,
            };
            let all = || fail(format!("the check could not be made: {text}"));
            Probed {
                cookies: all(),
                second_factor: all(),
                roles: all(),
                exports: all(),
            }
        }
    }
}

async fn probe(subject: &Subject) -> Result<Probed, Miss> {
    let people = People::prepare(subject).await?;
    let probed = async {
        let mut guests = Vec::new();
        let mut cookies = Vec::new();
        for person in &people.all {
            let (guest, cookie) = Guest::sign_in(subject, person).await?;
            guests.push(guest);
            cookies.push(cookie);
        }
        let stranger = Guest::new(subject, None)?;
        let (roles, exports) = (roles(&guests, &stranger).await, exports(&guests).await);
        // Last, since a second factor replaces the session that takes it.
        let second_factor = match (
            people.of(Role::Member),
            guests.iter().find(|guest| guest.role == Some(Role::Member)),
        ) {
            (Some(person), Some(guest)) => second_factor(subject, person, guest).await,
            _ => fail("the probe has no member"),
        };
        Ok(Probed {
            cookies: cookies
                .iter()
                .try_fold((), |(), cookie| flags(cookie))
                .and_then(|()| {
                    pass(format!(
                        "{} sessions: {}",
                        cookies.len(),
                        cookies.first().map_or("", |cookie| cookie
                            .split_once(';')
                            .map_or("", |(_, flags)| flags.trim()))
                    ))
                }),
            second_factor,
            roles,
            exports,
        })
    }
    .await;
    people.dismiss(subject).await?;
    probed
}

struct Person {
    role: Role,
    id: RecordId,
    email: String,
    password: SecretString,
}

struct People {
    tenant: RecordId,
    all: Vec<Person>,
}

impl People {
    /// Makes the workspace and its people on the first run, and gives them passwords for this one.
    async fn prepare(subject: &Subject) -> Result<Self, Miss> {
        let mut owner = subject.owner().await?;
        let ids = IdSource::default();
        let now = subject.clock.now();
        let hasher = hasher(subject)?;
        let email = |role: Role| format!("{role}@verify.invalid");
        let owner_email = email(Role::Owner);
        let found = workspace::find(&owner, SLUG).await;
        let tenant = if let Ok(found) = found {
            found.id
        } else {
            let new = NewWorkspace {
                name: "Verification",
                slug: SLUG,
                owner: somebody(Role::Owner, &owner_email),
            };
            workspace::create(&mut owner, &ids, &new, now).await?.0
        };
        let mut all = Vec::new();
        for role in Role::ALL {
            let email = email(role);
            let found = workspace::find_user(&owner, tenant, &email).await;
            let id = if let Ok(found) = found {
                found
            } else {
                workspace::add_user(&mut owner, &ids, tenant, &somebody(role, &email), now).await?
            };
            let password = SecretString::from(random::secret()?);
            let phc = hasher.hash(&password).await?;
            set_password(&owner, tenant, id, &phc).await?;
            all.push(Person {
                role,
                id,
                email,
                password,
            });
        }
        Ok(Self { tenant, all })
    }

    fn of(&self, role: Role) -> Option<&Person> {
        self.all.iter().find(|person| person.role == role)
    }

    /// Ends every session, and leaves passwords behind that nobody has ever seen.
    async fn dismiss(&self, subject: &Subject) -> Result<(), Miss> {
        let owner = subject.owner().await?;
        let hasher = hasher(subject)?;
        for person in &self.all {
            let phc = hasher.hash(&SecretString::from(random::secret()?)).await?;
            set_password(&owner, self.tenant, person.id, &phc).await?;
        }
        owner
            .execute(
                "DELETE FROM app.session WHERE tenant_id = $1",
                &[&self.tenant.as_str()],
            )
            .await?;
        Ok(())
    }
}

fn somebody(role: Role, email: &str) -> NewUser<'_> {
    NewUser {
        email,
        name: "Verification",
        role,
        password_phc: None,
        locale: "en",
        time_zone: "UTC",
    }
}

/// Sets a password, and tells nobody: there is nobody to be told.
async fn set_password(
    owner: &Client,
    tenant: RecordId,
    person: RecordId,
    phc: &str,
) -> Result<(), Miss> {
    owner
        .execute(
            "UPDATE app.user_secret SET password_phc = $3 WHERE tenant_id = $1 AND user_id = $2",
            &[&tenant.as_str(), &person.as_str(), &phc],
        )
        .await?;
    Ok(())
}

fn hasher(subject: &Subject) -> Result<PasswordHasher, Miss> {
    let policy = PasswordPolicy {
        concurrent: 1,
        ..subject.passwords
    };
    Ok(PasswordHasher::new(&policy)?)
}

/// Somebody who asks, signed in or not.
struct Guest {
    role: Option<Role>,
    client: reqwest::Client,
    url: String,
    cookie: Option<String>,
}

impl Guest {
    fn new(subject: &Subject, role: Option<Role>) -> Result<Self, Miss> {
        let mut client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("fieldstone verify");
        if let Some(ca) = &subject.ca {
            client = client.tls_certs_only([reqwest::Certificate::from_pem(&std::fs::read(ca)?)?]);
        }
        if let Some(address) = subject.connect
            && let Some(host) = url::Url::parse(&subject.url)?.host_str()
        {
            client = client.resolve(host, address);
        }
        Ok(Self {
            role,
            client: client.build()?,
            url: subject.url.trim_end_matches('/').to_owned(),
            cookie: None,
        })
    }

    /// Signs in; answers with the cookie as it was set, without its secret.
    async fn sign_in(subject: &Subject, person: &Person) -> Result<(Self, String), Miss> {
        let mut guest = Self::new(subject, Some(person.role))?;
        let answer = guest.try_to_sign_in(person, None).await?;
        if answer.status() != http::StatusCode::CREATED {
            return fail(format!(
                "the {} of the probe can't sign in ({})",
                person.role,
                answer.status()
            ));
        }
        let Some(cookie) = answer
            .headers()
            .get(SET_COOKIE)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
        else {
            return fail("signing in sets no cookie");
        };
        guest.cookie = cookie.split(';').next().map(str::to_owned);
        let name = cookie.split('=').next().unwrap_or_default();
        let flags = cookie.split_once(';').map_or("", |(_, flags)| flags);
        let shown = format!("{name}=…;{flags}");
        Ok((guest, shown))
    }

    async fn try_to_sign_in(
        &self,
        person: &Person,
        code: Option<&str>,
    ) -> Result<reqwest::Response, Miss> {
        let mut body = json!({ "email": person.email, "password": person.password.expose_secret(), "workspace": SLUG });
        if let (Some(code), Some(body)) = (code, body.as_object_mut()) {
            body.insert("totp".to_owned(), code.into());
        }
        self.send(Method::POST, "/api/v1/session", Some(body)).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<reqwest::Response, Miss> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.url))
            .header(ORIGIN, &self.url);
        if let Some(cookie) = &self.cookie {
            request = request.header(http::header::COOKIE, cookie);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        Ok(request.send().await?)
    }
}

/// The cookie of a session can't be read by scripts, leaves only over TLS, and doesn't come along from other sites.
fn flags(cookie: &str) -> Result<(), Miss> {
    let attributes: Vec<String> = cookie
        .split(';')
        .skip(1)
        .map(|part| part.trim().to_lowercase())
        .collect();
    let has = |wanted: &str| attributes.iter().any(|attribute| attribute == wanted);
    let lacking: Vec<&str> = [
        ("HttpOnly", has("httponly")),
        ("Secure", has("secure")),
        ("SameSite", has("samesite=lax") || has("samesite=strict")),
        ("Path=/", has("path=/")),
        ("the prefix __Host-", cookie.starts_with("__Host-")),
        (
            "no Domain",
            !attributes
                .iter()
                .any(|attribute| attribute.starts_with("domain=")),
        ),
    ]
    .iter()
    .filter(|(_, there)| !there)
    .map(|(name, _)| *name)
    .collect();
    if lacking.is_empty() {
        Ok(())
    } else {
        fail(format!("the session's cookie lacks {}", lacking.join(", ")))
    }
}

/// A member takes a second factor, is asked for it, can't use a code twice, and is freed of it by an owner.
async fn second_factor(subject: &Subject, person: &Person, guest: &Guest) -> Seen {
    let answer = guest
        .send(Method::POST, "/api/v1/session/totp", Some(json!({})))
        .await?;
    if answer.status() != http::StatusCode::CREATED {
        return fail(format!(
            "a second factor can't be taken ({})",
            answer.status()
        ));
    }
    let taken: Value = answer.json().await?;
    let Some(code) = taken
        .get("secret")
        .and_then(Value::as_str)
        .and_then(|seed| totp::code_of(seed, subject.clock.now()))
    else {
        return fail("the seed of the second factor can't be read");
    };
    let confirmed = guest
        .send(
            Method::POST,
            "/api/v1/session/totp/confirmation",
            Some(json!({ "totp": code.as_str() })),
        )
        .await?;
    if !confirmed.status().is_success() {
        return fail(format!("a right code was refused ({})", confirmed.status()));
    }
    let stranger = Guest::new(subject, None)?;
    let without = stranger.try_to_sign_in(person, None).await?;
    let asked = without.status() == http::StatusCode::UNAUTHORIZED
        && without.text().await?.contains("totp-required");
    let again = stranger.try_to_sign_in(person, Some(&code)).await?.status();
    let owner = subject.owner().await?;
    owner
        .execute(
            "DELETE FROM app.totp WHERE user_id = $1",
            &[&person.id.as_str()],
        )
        .await?;
    if !asked {
        return fail("somebody with a second factor is let in by the password alone");
    }
    if again.is_success() {
        return fail("a code was accepted twice");
    }
    let required: i64 = owner
        .query_one(
            "SELECT count(*) FROM app.workspace WHERE totp_required",
            &[],
        )
        .await?
        .try_get(0)?;
    let members: i64 = owner
        .query_one(
            "SELECT count(*) FROM app.totp WHERE confirmed_at IS NOT NULL",
            &[],
        )
        .await?
        .try_get(0)?;
    pass(format!(
        "a code is asked for after the password, and a used one is refused ({again}); {members} people use one, {required} workspaces require it"
    ))
}

/// Every route of the API, asked by every role that lacks what it needs, and by a stranger.
async fn roles(guests: &[Guest], stranger: &Guest) -> Seen {
    let mut refused = 0_u32;
    for route in ROUTES.iter().filter(|route| route.needs != Needs::Nothing) {
        let status = ask(stranger, route.method.clone(), route.path).await?.0;
        if status != http::StatusCode::UNAUTHORIZED {
            return fail(format!(
                "{} {} answers {status} to a stranger",
                route.method, route.path
            ));
        }
        refused += 1;
        let Some(needed) = capability(route.needs) else {
            continue;
        };
        for guest in guests
            .iter()
            .filter(|guest| guest.role.is_some_and(|role| !role.can(needed)))
        {
            let (status, text) = ask(guest, route.method.clone(), route.path).await?;
            if status != http::StatusCode::FORBIDDEN || !text.contains("denied") {
                return fail(format!(
                    "{} {} answers {status} to a {}",
                    route.method,
                    route.path,
                    role_name(guest)
                ));
            }
            refused += 1;
        }
    }
    // The same question is answered to those who may ask it.
    for guest in guests.iter().filter(|guest| {
        guest
            .role
            .is_some_and(|role| role.can(Capability::RecordsRead))
    }) {
        let (status, _) = ask(guest, Method::GET, "/objects").await?;
        if !status.is_success() {
            return fail(format!(
                "GET /objects answers {status} to a {}",
                role_name(guest)
            ));
        }
    }
    pass(format!(
        "four roles and a stranger asked for all that they may not have on {} routes: {refused} refusals, and none let through",
        ROUTES.len()
    ))
}

/// What only `users.manage` opens.
async fn exports(guests: &[Guest]) -> Seen {
    let mut routes = 0;
    for route in ROUTES
        .iter()
        .filter(|route| capability(route.needs) == Some(Capability::UsersManage))
    {
        routes += 1;
        for guest in guests {
            let may = matches!(guest.role, Some(Role::Owner | Role::Admin));
            if may && route.method != Method::GET {
                // Asking would change something.
                continue;
            }
            let (status, _) = ask(guest, route.method.clone(), route.path).await?;
            if may == (status == http::StatusCode::FORBIDDEN) {
                return fail(format!(
                    "{} {} answers {status} to a {}",
                    route.method,
                    route.path,
                    role_name(guest)
                ));
            }
        }
    }
    for path in [
        "/exports/accounts",
        "/settings/audit/export",
        "/settings/invitations",
    ] {
        for guest in guests
            .iter()
            .filter(|guest| matches!(guest.role, Some(Role::Member | Role::Viewer)))
        {
            let status = guest.send(Method::POST, path, None).await?.status();
            if status != http::StatusCode::FORBIDDEN {
                return fail(format!(
                    "POST {path} answers {status} to a {}",
                    role_name(guest)
                ));
            }
        }
    }
    if routes == 0 {
        return fail("no route needs users.manage");
    }
    pass(format!(
        "{routes} routes of the API and the pages for invitations and export are closed to members and viewers, and open to admins and owners"
    ))
}

async fn ask(
    guest: &Guest,
    method: Method,
    path: &str,
) -> Result<(http::StatusCode, String), Miss> {
    let mut filled = String::new();
    let mut in_braces = false;
    for letter in path.chars() {
        match letter {
            '{' => {
                in_braces = true;
                filled.push_str(SOME_ID);
            }
            '}' => in_braces = false,
            letter if !in_braces => filled.push(letter),
            _ => {}
        }
    }
    let answer = guest
        .send(method, &format!("{}{filled}", crate::api::ROOT), None)
        .await?;
    let status = answer.status();
    Ok((status, answer.text().await?))
}

fn capability(needs: Needs) -> Option<Capability> {
    match needs {
        Needs::Capability(capability) | Needs::ProvenCapability(capability) => Some(capability),
        _ => None,
    }
}

fn role_name(guest: &Guest) -> String {
    guest
        .role
        .map_or_else(|| "stranger".to_owned(), |role| role.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_without_one_of_its_flags_is_noticed() {
        let good = "__Host-session=…; Path=/; HttpOnly; Secure; SameSite=Lax";
        assert!(flags(good).is_ok());
        for part in [
            "; Path=/",
            "; HttpOnly",
            "; Secure",
            "; SameSite=Lax",
            "__Host-",
        ] {
            assert!(flags(&good.replace(part, "")).is_err(), "{part}");
        }
        assert!(flags(&good.replace("Lax", "None")).is_err());
        assert!(flags(&format!("{good}; Domain=example")).is_err());
    }
}
