//! `/oauth/authorize`: who asks, what for, and the person's answer.
//!
//! Nobody is sent anywhere before the address is known to be the application's. Agreeing takes a recent proof, like making a token.

use askama::Template;
use axum::{
    Form,
    extract::{RawQuery, State, rejection::FormRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
};
use fieldstone_model::{Capability, RecordId};
use fieldstone_ui::{Ask, Frame, PageError, PageResult, locale::Locale, respond};
use serde_json::json;

use super::Issuer;
use crate::{
    identity::{
        audit::Action,
        authenticate::Credential,
        oauth::{
            Application, redirect,
            request::{self, AuthorizationRequest, Fault, Parameters},
            scope,
        },
    },
    pages::inside::Inside,
};

#[derive(Template)]
#[template(path = "oauth/consent.html")]
struct Consent<'a> {
    locale: &'a Locale,
    application: &'a Application,
    /// Who is asked, and where.
    signed_in_as: String,
    scopes: Vec<String>,
    /// Where the person goes afterwards: a host, or nothing for a program of this computer.
    host: Option<String>,
    fields: Vec<(&'static str, &'a str)>,
}

#[derive(Template)]
#[template(path = "oauth/stop.html")]
struct Stop<'a> {
    locale: &'a Locale,
    advice: &'static str,
}

/// A request that can be shown or answered.
struct Ready {
    parameters: Parameters,
    application: Application,
    request: AuthorizationRequest,
    session: RecordId,
}

/// What comes of reading a request.
enum Read {
    Ready(Box<Ready>),
    /// There is nothing to agree to; this says so, to the person or to the application.
    Over(Response),
}

/// `GET /oauth/authorize`.
pub(crate) async fn show(
    State(issuer): State<Issuer>,
    inside: Inside,
    RawQuery(query): RawQuery,
) -> PageResult {
    let query = query.unwrap_or_default();
    let ready = match read(&inside, &issuer, query.as_bytes()).await? {
        Read::Ready(ready) => ready,
        Read::Over(response) => return Ok(response),
    };
    // Any program can pretend to be one that is sent back to this computer: then the person decides each time.
    let may_be_remembered = !redirect::is_native(&ready.parameters.redirect_uri);
    if may_be_remembered
        && inside
            .store
            .has_consented(&ready.application, &ready.request.scopes)
            .await?
    {
        return send_code(&inside, &issuer, &ready).await;
    }
    if !inside.viewer.is_proven {
        return Err(PageError::Unproven);
    }
    let locale = &inside.viewer.locale;
    let consent = Consent {
        locale,
        application: &ready.application,
        signed_in_as: locale.t2(
            "consent-as",
            ("person", inside.viewer.name.as_str()),
            ("workspace", inside.viewer.workspace.as_str()),
        ),
        scopes: words(locale, &ready.request.scopes),
        host: redirect::host(&ready.parameters.redirect_uri),
        fields: ready.parameters.pairs(),
    };
    let frame = Frame::alone(locale.clone(), locale.t("consent-title"));
    let mut response = respond(Ask::Page, StatusCode::OK, &frame, &consent);
    // Browsers apply the policy to where a form leads in the end, too.
    let source = redirect::policy_source(&ready.parameters.redirect_uri).unwrap_or_default();
    let policy = fieldstone_ui::CONTENT_SECURITY_POLICY.replace(
        "form-action 'self'",
        &format!("form-action 'self' {source}"),
    );
    let policy = HeaderValue::from_str(&policy).map_err(|_| PageError::Failed)?;
    response
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

/// `POST /oauth/authorize`: the request once more, and `decision`.
pub(crate) async fn submit(
    State(issuer): State<Issuer>,
    inside: Inside,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> PageResult {
    let Form(pairs) = form.map_err(|_| PageError::Invalid)?;
    let decision: Vec<&str> = pairs
        .iter()
        .filter(|(name, _)| name == "decision")
        .map(|(_, value)| value.as_str())
        .collect();
    let ready = match read_pairs(&inside, &issuer, &pairs).await? {
        Read::Ready(ready) => ready,
        Read::Over(response) => return Ok(response),
    };
    match decision.as_slice() {
        ["allow"] => {
            let (application, scopes) = (&ready.application, &ready.request.scopes);
            inside.store.give_consent(application, scopes).await?;
            send_code(&inside, &issuer, &ready).await
        }
        ["deny"] => {
            let detail = json!({"name": ready.application.name});
            let id = ready.application.id;
            inside
                .store
                .run_audited(&[], Action::ConsentRefuse, id.as_str(), &detail)
                .await?;
            Ok(send_fault(
                &issuer,
                &ready.parameters,
                "access_denied",
                "The person declined.",
            ))
        }
        _ => Err(PageError::Invalid),
    }
}

async fn read(inside: &Inside, issuer: &Issuer, query: &[u8]) -> Result<Read, PageError> {
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_bytes(query).map_err(|_| PageError::Invalid)?;
    read_pairs(inside, issuer, &pairs).await
}

async fn read_pairs(
    inside: &Inside,
    issuer: &Issuer,
    pairs: &[(String, String)],
) -> Result<Read, PageError> {
    let parameters = Parameters::read(pairs);
    let (Credential::Session, Some(session)) = (
        &inside.identity.credential,
        inside.identity.actor.credential,
    ) else {
        return Err(PageError::Forbidden);
    };
    let called = inside
        .store
        .application_called(&parameters.client_id)
        .await?;
    let Some(application) = called else {
        return Ok(Read::Over(stop(inside, "consent-unknown")));
    };
    if !application.active {
        return Ok(Read::Over(stop(inside, "consent-off")));
    }
    let may = |capability: Capability| inside.can(capability);
    match request::check(&parameters, &application, may) {
        Ok(request) => Ok(Read::Ready(Box::new(Ready {
            parameters,
            application,
            request,
            session,
        }))),
        Err(Fault::Address) => Ok(Read::Over(stop(inside, "consent-address"))),
        Err(Fault::Tell(code, description)) => Ok(Read::Over(send_fault(
            issuer,
            &parameters,
            code,
            description,
        ))),
    }
}

/// Sends the person back with a code.
async fn send_code(inside: &Inside, issuer: &Issuer, ready: &Ready) -> PageResult {
    let scopes = &ready.request.scopes;
    let code = inside
        .store
        .add_code(&ready.application, &ready.parameters, scopes, ready.session)
        .await?;
    let mut more = vec![("code", code.expose())];
    more.extend(
        ready
            .parameters
            .state
            .as_deref()
            .map(|state| ("state", state)),
    );
    more.push(("iss", issuer.as_str()));
    Ok(send(&ready.parameters, &more))
}

/// Sends the person back with what is wrong (RFC 6749, 4.1.2.1).
fn send_fault(issuer: &Issuer, parameters: &Parameters, code: &str, description: &str) -> Response {
    let mut more = vec![("error", code), ("error_description", description)];
    more.extend(parameters.state.as_deref().map(|state| ("state", state)));
    more.push(("iss", issuer.as_str()));
    send(parameters, &more)
}

fn send(parameters: &Parameters, more: &[(&str, &str)]) -> Response {
    let mut response =
        Redirect::to(&redirect::with_parameters(&parameters.redirect_uri, more)).into_response();
    // The address holds a code: it goes into no `Referer`.
    response.headers_mut().insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}

fn stop(inside: &Inside, advice: &'static str) -> Response {
    let locale = &inside.viewer.locale;
    let frame = Frame::alone(locale.clone(), locale.t("consent-stop-title"));
    respond(
        Ask::Page,
        StatusCode::BAD_REQUEST,
        &frame,
        &Stop { locale, advice },
    )
}

/// What scopes allow, in words.
pub(crate) fn words(locale: &Locale, scopes: &[Capability]) -> Vec<String> {
    scopes
        .iter()
        .map(|scope| locale.t(&scope::text_key(*scope)).into_owned())
        .collect()
}
