//! An authorization request: what an application asks a person for, read and checked before anybody sees it.

use fieldstone_model::Capability;

use super::{Application, pkce, redirect, scope};

/// Most bytes of a state.
const STATE_MAX: usize = 2000;

/// The parameters as they came, each at most once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    /// Which application.
    pub client_id: String,
    /// Where to send the person back to.
    pub redirect_uri: String,
    /// What is wanted back: `code`.
    pub response_type: String,
    /// How: `query`, or nothing said.
    pub response_mode: Option<String>,
    /// What for; nothing said means all that the application is registered for.
    pub scope: Option<String>,
    /// Carried through.
    pub state: Option<String>,
    /// PKCE.
    pub code_challenge: String,
    /// `S256`, or nothing said.
    pub code_challenge_method: Option<String>,
    /// Whether there was a parameter twice.
    pub has_repeated: bool,
    /// Whether there was a request object, which this server doesn't read.
    pub has_request_object: bool,
}

impl Parameters {
    /// Reads what a query or a form says. Unknown parameters are ignored (RFC 6749, 3.1).
    pub fn read(pairs: &[(String, String)]) -> Self {
        let mut read = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for (name, value) in pairs {
            let known = match name.as_str() {
                "client_id" => {
                    read.client_id.clone_from(value);
                    true
                }
                "redirect_uri" => {
                    read.redirect_uri.clone_from(value);
                    true
                }
                "response_type" => {
                    read.response_type.clone_from(value);
                    true
                }
                "response_mode" => {
                    read.response_mode = Some(value.clone());
                    true
                }
                "scope" => {
                    read.scope = Some(value.clone());
                    true
                }
                "state" => {
                    read.state = Some(value.clone());
                    true
                }
                "code_challenge" => {
                    read.code_challenge.clone_from(value);
                    true
                }
                "code_challenge_method" => {
                    read.code_challenge_method = Some(value.clone());
                    true
                }
                "request" | "request_uri" => {
                    read.has_request_object = true;
                    true
                }
                _ => false,
            };
            if known {
                read.has_repeated |= seen.contains(&name.as_str());
                seen.push(name);
            }
        }
        read
    }

    /// The same as pairs, for the form of the consent page.
    pub fn pairs(&self) -> Vec<(&'static str, &str)> {
        let mut pairs = vec![
            ("client_id", self.client_id.as_str()),
            ("redirect_uri", &self.redirect_uri),
            ("response_type", &self.response_type),
            ("code_challenge", &self.code_challenge),
        ];
        let optional = [
            ("response_mode", &self.response_mode),
            ("scope", &self.scope),
            ("state", &self.state),
            ("code_challenge_method", &self.code_challenge_method),
        ];
        pairs.extend(
            optional
                .into_iter()
                .filter_map(|(name, value)| Some((name, value.as_deref()?))),
        );
        pairs
    }
}

/// A request in order: what remains is the person's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationRequest {
    /// What the application may be given, if the person agrees; never empty.
    pub scopes: Vec<Capability>,
}

/// Why a request isn't in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The address isn't one of the application's: the person stays here (RFC 6749, 4.1.2.1).
    Address,
    /// The application is told, by this code of the standard.
    Tell(&'static str, &'static str),
}

/// Checks a request against what the application is registered for and what the person may do.
///
/// The address comes first: until it is known to be the application's, nothing goes there.
pub fn check(
    parameters: &Parameters,
    application: &Application,
    may: impl Fn(Capability) -> bool,
) -> Result<AuthorizationRequest, Fault> {
    let is_known = application
        .redirect_uris
        .iter()
        .any(|registered| redirect::matches(registered, &parameters.redirect_uri));
    if !is_known || parameters.redirect_uri.len() > redirect::LEN_MAX || parameters.has_repeated {
        return Err(Fault::Address);
    }
    if parameters.has_request_object {
        return Err(Fault::Tell(
            "request_not_supported",
            "Send parameters, not a request object.",
        ));
    }
    if parameters.response_type != "code" {
        return Err(Fault::Tell(
            "unsupported_response_type",
            "The response type is code.",
        ));
    }
    if parameters
        .response_mode
        .as_deref()
        .is_some_and(|mode| mode != "query")
    {
        return Err(Fault::Tell(
            "invalid_request",
            "The response mode is query.",
        ));
    }
    if parameters
        .state
        .as_ref()
        .is_some_and(|state| state.len() > STATE_MAX)
    {
        return Err(Fault::Tell("invalid_request", "The state is too long."));
    }
    // A method that isn't named counts as S256 here, so that leaving it out is no way to a weaker one.
    if parameters
        .code_challenge_method
        .as_deref()
        .is_some_and(|method| method != "S256")
    {
        return Err(Fault::Tell(
            "invalid_request",
            "The code challenge method is S256.",
        ));
    }
    if !pkce::is_challenge(&parameters.code_challenge) {
        return Err(Fault::Tell(
            "invalid_request",
            "Send a code challenge made with S256.",
        ));
    }
    let wanted = match parameters.scope.as_deref().map(str::trim) {
        None | Some("") => application.scopes.clone(),
        Some(list) => scope::parse(list).ok_or(UNKNOWN_SCOPE)?,
    };
    if wanted
        .iter()
        .any(|scope| !application.scopes.contains(scope))
    {
        return Err(UNKNOWN_SCOPE);
    }
    // What is built in follows the person's role, now and later; anything else gets what they can see themselves giving.
    let scopes: Vec<Capability> = wanted
        .into_iter()
        .filter(|scope| application.built_in || may(*scope))
        .collect();
    if scopes.is_empty() {
        return Err(Fault::Tell(
            "access_denied",
            "The person may do nothing of this.",
        ));
    }
    Ok(AuthorizationRequest { scopes })
}

const UNKNOWN_SCOPE: Fault = Fault::Tell(
    "invalid_scope",
    "The application isn't registered for this.",
);

#[cfg(test)]
mod tests {
    use fieldstone_model::Role;

    use super::*;

    fn application() -> Application {
        Application {
            id: "0OC000000000001".parse().unwrap(),
            client_id: "0OC000000000001".to_owned(),
            name: "Reports".to_owned(),
            built_in: false,
            confidential: false,
            redirect_uris: vec![
                "https://app.example/cb".to_owned(),
                "http://127.0.0.1/cb".to_owned(),
            ],
            scopes: vec![Capability::RecordsRead, Capability::RecordsWrite],
            active: true,
        }
    }

    fn pairs(changes: &[(&str, Option<&str>)]) -> Vec<(String, String)> {
        let mut pairs: Vec<(String, String)> = [
            ("client_id", "0OC000000000001"),
            ("redirect_uri", "https://app.example/cb"),
            ("response_type", "code"),
            ("scope", "records.read"),
            ("state", "xyz"),
            (
                "code_challenge",
                "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            ),
            ("code_challenge_method", "S256"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        for (name, value) in changes {
            pairs.retain(|(known, _)| known != name);
            pairs.extend(value.map(|value| ((*name).to_owned(), value.to_owned())));
        }
        pairs
    }

    fn ask(changes: &[(&str, Option<&str>)], role: Role) -> Result<Vec<Capability>, Fault> {
        let parameters = Parameters::read(&pairs(changes));
        check(&parameters, &application(), |scope| role.can(scope)).map(|request| request.scopes)
    }

    #[test]
    fn a_request_in_order_passes() {
        assert_eq!(ask(&[], Role::Member), Ok(vec![Capability::RecordsRead]));
        let all = Ok(vec![Capability::RecordsRead, Capability::RecordsWrite]);
        assert_eq!(ask(&[("scope", None)], Role::Member), all);
        assert_eq!(
            ask(
                &[("scope", Some("records.write records.read"))],
                Role::Member
            ),
            all
        );
        assert_eq!(
            ask(
                &[("code_challenge_method", None), ("state", None)],
                Role::Member
            ),
            Ok(vec![Capability::RecordsRead])
        );
        assert_eq!(
            ask(
                &[("redirect_uri", Some("http://127.0.0.1:4711/cb"))],
                Role::Member
            ),
            Ok(vec![Capability::RecordsRead])
        );
        assert_eq!(
            ask(&[("nonsense", Some("x"))], Role::Member),
            Ok(vec![Capability::RecordsRead])
        );
    }

    #[test]
    fn nobody_grants_more_than_they_may() {
        assert_eq!(
            ask(&[("scope", None)], Role::Viewer),
            Ok(vec![Capability::RecordsRead])
        );
        let nothing = ask(&[("scope", Some("records.write"))], Role::Viewer);
        assert!(matches!(nothing, Err(Fault::Tell("access_denied", _))));
        for more in [
            "users.manage",
            "records.read users.manage",
            "records.read nonsense",
        ] {
            assert_eq!(
                ask(&[("scope", Some(more))], Role::Owner),
                Err(UNKNOWN_SCOPE),
                "{more}"
            );
        }
    }

    #[test]
    fn downgrades_are_refused() {
        let code = |changes| match ask(changes, Role::Member) {
            Err(Fault::Tell(code, _)) => code,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            code(&[("code_challenge_method", Some("plain"))]),
            "invalid_request"
        );
        assert_eq!(
            code(&[("code_challenge_method", Some("s256"))]),
            "invalid_request"
        );
        assert_eq!(
            code(&[("code_challenge_method", Some(""))]),
            "invalid_request"
        );
        assert_eq!(code(&[("code_challenge", None)]), "invalid_request");
        assert_eq!(
            code(&[("code_challenge", Some("short"))]),
            "invalid_request"
        );
        assert_eq!(
            code(&[("response_type", Some("token"))]),
            "unsupported_response_type"
        );
        assert_eq!(
            code(&[("response_type", Some("code token"))]),
            "unsupported_response_type"
        );
        assert_eq!(
            code(&[("response_type", None)]),
            "unsupported_response_type"
        );
        assert_eq!(
            code(&[("response_mode", Some("fragment"))]),
            "invalid_request"
        );
        assert_eq!(code(&[("request", Some("e30."))]), "request_not_supported");
        assert_eq!(
            code(&[("state", Some(&"x".repeat(2001)))]),
            "invalid_request"
        );
    }

    #[test]
    fn a_wrong_address_is_told_to_nobody() {
        for wrong in [
            None,
            Some(""),
            Some("https://evil.example/cb"),
            Some("https://app.example/cb#x"),
            Some("HTTP://127.0.0.1/cb"),
        ] {
            // Not even when everything else is wrong as well.
            let changes = [("redirect_uri", wrong), ("response_type", Some("token"))];
            assert_eq!(
                ask(&changes, Role::Member),
                Err(Fault::Address),
                "{wrong:?}"
            );
        }
        let mut twice = pairs(&[]);
        twice.push((
            "redirect_uri".to_owned(),
            "https://app.example/cb".to_owned(),
        ));
        let outcome = check(&Parameters::read(&twice), &application(), |_| true);
        assert_eq!(outcome, Err(Fault::Address));
    }

    #[test]
    fn a_form_carries_the_request_unchanged() {
        let read = Parameters::read(&pairs(&[]));
        let again: Vec<_> = read
            .pairs()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        assert_eq!(Parameters::read(&again), read);
    }
}
