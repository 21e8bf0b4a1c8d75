//! The authorization matrix: every route that is served × everybody who may ask, over TLS and on PostgreSQL.
//!
//! Routes come from the tables that the routers are made of. What is expected is worked out here from the table of capabilities and from
//! what a route needs; nothing is taken from an answer. A refused request must not have changed anything.

mod samples;
mod site;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use fieldstone_model::{Capability, Needs, Role};
use fieldstone_server::{api, platform, store::PgStore};
use futures_util::{StreamExt as _, stream};
use http::StatusCode;
use serde_json::{Value as Json, json};

use samples::{Body, SAMPLES, Sample};
use site::{Answer, Persona, Proof, Site};

/// Requests at a time.
const AT_ONCE: usize = 16;

/// A row of one of the tables of routes.
struct Route {
    method: String,
    path: String,
    needs: Needs,
    is_api: bool,
}

fn routes() -> Vec<Route> {
    let pages = fieldstone_ui::pages::<PgStore>();
    let pages = pages
        .iter()
        .map(|page| (&page.method, page.path.to_owned(), page.needs, false));
    let own = platform::pages();
    let own = own
        .iter()
        .map(|page| (&page.method, page.path.to_owned(), page.needs, false));
    let api = api::ROUTES.iter().map(|route| {
        let path = format!("{}{}", api::ROOT, route.path);
        (&route.method, path, route.needs, true)
    });
    pages
        .chain(own)
        .chain(api)
        .map(|(method, path, needs, is_api)| Route {
            method: method.to_string(),
            path,
            needs,
            is_api,
        })
        .collect()
}

/// How a request has to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// It is let through.
    Allowed,
    /// Nobody is signed in: a page sends to `/sign-in`, the API answers 401.
    SignIn,
    /// 403, as this problem.
    Denied(&'static str),
    /// It is them, but that was never proven as who they are now: a page asks, the API answers 403.
    Proof,
    /// There is no such record.
    NotFound,
}

/// What the tables say. Written again here on purpose: the code under test has its own.
fn expected(route: &Route, sample: &Sample, persona: Persona) -> Expected {
    if route.needs == Needs::Nothing {
        return Expected::Allowed;
    }
    // A token has no business on pages.
    let is_token = persona == Persona::Token;
    let Some(role) = persona.role().filter(|_| route.is_api || !is_token) else {
        return Expected::SignIn;
    };
    let (capability, session) = match route.needs {
        Needs::Nothing | Needs::SignedIn => (None, false),
        Needs::Session | Needs::Proof => (None, true),
        Needs::Capability(capability) => (Some(capability), false),
        Needs::ProvenCapability(capability) => (Some(capability), true),
    };
    if let Some(capability) = capability
        && (is_token || !role.can(capability))
    {
        return Expected::Denied("denied");
    }
    if session && is_token {
        return Expected::Denied("session-needed");
    }
    // Whoever may do more than before is asked again, and whoever proved themselves long ago.
    if matches!(route.needs, Needs::Proof | Needs::ProvenCapability(_))
        && matches!(persona, Persona::Raised | Persona::Stale)
    {
        return Expected::Proof;
    }
    let is_foreign = persona == Persona::Stranger && sample.names_something();
    if is_foreign {
        Expected::NotFound
    } else {
        Expected::Allowed
    }
}

impl Sample {
    /// Whether it names a record or an object of north.
    fn names_something(&self) -> bool {
        [":account", ":deleted", ":lead", ":object", ":team"]
            .iter()
            .any(|name| self.path.contains(name))
    }

    /// Whether a request that is let through leaves everything as it was.
    fn is_read(&self) -> bool {
        self.method == "GET"
    }
}

/// What is wrong with an answer, if anything.
fn fault(route: &Route, sample: &Sample, expected: Expected, answer: &Answer) -> Option<String> {
    let status = answer.status;
    let is_problem = answer.content_type.starts_with("application/problem+json");
    let kind = || {
        let problem: Json = serde_json::from_str(&answer.body).unwrap_or_default();
        let kind = problem["type"].as_str().unwrap_or_default();
        kind.rsplit(':').next().unwrap_or_default().to_owned()
    };
    let leads_away = ["/sign-in", "/confirm"]
        .iter()
        .any(|page| answer.location.starts_with(page));
    let fits = match expected {
        Expected::Allowed => {
            let is_fine = match sample.status {
                Some(wanted) => status == wanted,
                None => status.is_success() || status.is_redirection(),
            };
            is_fine && (route.needs == Needs::Nothing || !leads_away)
        }
        Expected::SignIn if route.is_api => status == StatusCode::UNAUTHORIZED && is_problem,
        Expected::SignIn => {
            status == StatusCode::SEE_OTHER && answer.location.starts_with("/sign-in")
        }
        Expected::Denied(wanted) if route.is_api => {
            status == StatusCode::FORBIDDEN && is_problem && kind() == wanted
        }
        Expected::Denied(_) => {
            status == StatusCode::FORBIDDEN && answer.content_type.starts_with("text/html")
        }
        Expected::Proof if route.is_api => {
            status == StatusCode::FORBIDDEN && is_problem && kind() == "proof-required"
        }
        Expected::Proof => {
            status == StatusCode::SEE_OTHER && answer.location.starts_with("/confirm")
        }
        Expected::NotFound => status == StatusCode::NOT_FOUND && is_problem == route.is_api,
    };
    (!fits).then(|| {
        let body: String = answer.body.chars().take(300).collect();
        format!(
            "expected {expected:?}, got {status} {} {}\n    {body}",
            answer.location, answer.content_type
        )
    })
}

/// Things of north that samples name: one of each that stays, and a supply for requests that use them up.
struct Things {
    stays: BTreeMap<&'static str, String>,
    supply: Mutex<BTreeMap<&'static str, Vec<String>>>,
}

impl Things {
    async fn make(site: &Site, owner: &Proof, count: usize) -> Self {
        let mut supply = BTreeMap::new();
        for (name, object, values) in [
            (":account", "account", json!({ "name": "Quarrystone" })),
            (
                ":deleted",
                "account",
                json!({ "name": "Gone from Quarrystone" }),
            ),
            (":lead", "lead", json!({ "last_name": "Quarrystone" })),
        ] {
            let mut ids = Vec::new();
            while ids.len() <= count {
                let change = json!({ "action": "create", "values": values });
                let batch = json!({ "changes": vec![change; 100] });
                let path = format!("/api/v1/records/{object}/batch");
                let made = site.json(owner, "POST", &path, batch).await;
                let made = made["results"].as_array().unwrap().clone();
                if name == ":deleted" {
                    let changes: Vec<Json> = made
                        .iter()
                        .map(|made| json!({ "action": "delete", "id": made["id"] }))
                        .collect();
                    let batch = json!({ "changes": changes });
                    site.json(owner, "POST", &path, batch).await;
                }
                ids.extend(
                    made.iter()
                        .map(|made| made["id"].as_str().unwrap().to_owned()),
                );
            }
            supply.insert(name, ids);
        }
        let team = site
            .json(
                owner,
                "POST",
                "/api/v1/teams",
                json!({ "name": "Quarrystone" }),
            )
            .await;
        let team = team["id"].as_str().unwrap().to_owned();
        supply.insert(":team", vec![team; count]);
        let mut objects = Vec::new();
        let needed = SAMPLES
            .iter()
            .filter(|sample| sample.path.contains(":object"))
            .count()
            * Role::ALL.len();
        for number in 0..=needed {
            let name = format!("thing{number}");
            let new = json!({ "name": name, "plural": format!("{name}s"), "label": "Thing", "plural_label": "Things" });
            site.json(owner, "POST", "/api/v1/objects", new).await;
            let field = json!({ "name": "depth", "type": "integer", "label": "Depth" });
            let path = format!("/api/v1/objects/{name}/fields");
            site.json(owner, "POST", &path, field).await;
            objects.push(name);
        }
        supply.insert(":object", objects);
        let stays = supply
            .iter_mut()
            .map(|(name, ids)| (*name, ids.pop().unwrap()))
            .collect();
        Self {
            stays,
            supply: Mutex::new(supply),
        }
    }

    fn fill(&self, text: &str, persona: Persona, uses_up: bool) -> String {
        let mut text = text.replace(":email", &persona.door());
        for (name, stays) in &self.stays {
            if text.contains(name) {
                let id = if uses_up {
                    let mut supply = self.supply.lock().unwrap();
                    supply.get_mut(name).unwrap().pop().unwrap()
                } else {
                    stays.clone()
                };
                text = text.replace(name, &id);
            }
        }
        text
    }
}

/// One request of the matrix.
struct Case<'a> {
    route: &'a Route,
    sample: &'a Sample,
    persona: Persona,
    proof: Proof,
    expected: Expected,
}

impl Case<'_> {
    async fn run(&self, site: &Site, things: &Things) -> Option<String> {
        let uses_up = self.expected == Expected::Allowed && !self.sample.is_read();
        let fill = |text: &str| things.fill(text, self.persona, uses_up);
        let body = match self.sample.body {
            Body::None => None,
            Body::Form(form) => Some((
                "application/x-www-form-urlencoded",
                fill(form).replace('@', "%40"),
            )),
            Body::Json(json) => Some(("application/json", fill(json))),
        };
        let path = fill(self.sample.path);
        let answer = site
            .send(&self.proof, self.sample.method, &path, body)
            .await;
        let mut fault = fault(self.route, self.sample, self.expected, &answer);
        if self.persona == Persona::Stranger && answer.body.to_lowercase().contains("quarrystone") {
            // Nothing of north is ever shown to the south, whatever the status.
            fault = Some("shows something of north".to_owned());
        }
        fault.map(|fault| format!("{:?}: {} {path}: {fault}", self.persona, self.sample.method))
    }
}

async fn run_all(
    site: &Site,
    things: &Things,
    at_once: usize,
    cases: Vec<Case<'_>>,
) -> Vec<String> {
    stream::iter(cases)
        .map(|case| async move { case.run(site, things).await })
        .buffer_unordered(at_once)
        .filter_map(std::future::ready)
        .collect()
        .await
}

#[test]
fn every_route_has_a_sample_and_every_sample_a_route() {
    let routes = routes();
    let served: BTreeSet<(&str, &str)> = routes
        .iter()
        .map(|route| (route.method.as_str(), route.path.as_str()))
        .collect();
    assert_eq!(served.len(), routes.len(), "no row stands twice");
    let sampled: BTreeSet<(&str, &str)> = SAMPLES
        .iter()
        .map(|sample| (sample.method, sample.route))
        .collect();
    let missing: Vec<_> = served.difference(&sampled).collect();
    assert!(
        missing.is_empty(),
        "add a request for each to matrix/samples.rs: {missing:?}"
    );
    let stale: Vec<_> = sampled.difference(&served).collect();
    assert!(stale.is_empty(), "nobody serves these: {stale:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_gets_what_the_tables_say_on_every_route() {
    let site = Site::new().await;
    let routes = routes();
    let pairs: Vec<(&Route, &Sample)> = routes
        .iter()
        .filter_map(|route| {
            let sample = SAMPLES
                .iter()
                .find(|sample| (sample.method, sample.route) == (&*route.method, &*route.path))?;
            Some((route, sample))
        })
        .collect();
    let mut proofs = BTreeMap::new();
    for (at, persona) in Persona::ALL.into_iter().enumerate() {
        let supply = match persona {
            Persona::Anonymous | Persona::Token => vec![Proof::Nothing; pairs.len()],
            persona => {
                site.sign_in(persona).await;
                if persona == Persona::Stale {
                    site.age_proof(persona).await;
                }
                site.copies(persona, pairs.len()).await
            }
        };
        proofs.insert(at, supply);
    }
    let owner = site.sign_in(Persona::Owner).await;
    let things = Things::make(&site, &owner, pairs.len() * 5).await;
    let tokens = Tokens::make(&site, &owner).await;
    let mut cases = Vec::new();
    for (at, persona) in Persona::ALL.into_iter().enumerate() {
        for ((route, sample), proof) in pairs.iter().zip(proofs[&at].iter().cloned()) {
            let proof = match persona {
                Persona::Token => Proof::Token(tokens.without(route.needs.capability())),
                _ => proof,
            };
            cases.push(Case {
                route,
                sample,
                persona,
                proof,
                expected: expected(route, sample, persona),
            });
        }
    }
    // The server has to have seen these sessions before it could take them for what they were.
    let changing = [Persona::Deactivated, Persona::Lowered, Persona::Raised];
    stream::iter(cases.iter().filter(|case| changing.contains(&case.persona)))
        .for_each_concurrent(AT_ONCE, async |case| {
            let answer = site.send(&case.proof, "GET", "/api/v1/session", None).await;
            assert_eq!(
                answer.status,
                StatusCode::OK,
                "{:?} {:?} {answer:?}",
                case.persona,
                case.proof
            );
        })
        .await;
    site.change_people().await;

    let before = site.digest().await;
    let (allowed, refused): (Vec<Case<'_>>, Vec<Case<'_>>) = cases
        .into_iter()
        .partition(|case| case.expected == Expected::Allowed);
    // The stranger works in the south: none of it may touch the north.
    let (foreign, allowed): (Vec<Case<'_>>, Vec<Case<'_>>) = allowed
        .into_iter()
        .partition(|case| case.persona == Persona::Stranger && case.route.needs != Needs::Nothing);
    let counts = (refused.len(), foreign.len(), allowed.len());
    let mut faults = run_all(&site, &things, AT_ONCE, refused).await;
    faults.extend(run_all(&site, &things, AT_ONCE, foreign).await);
    let after = site.digest().await;
    if before != after {
        let changed: Vec<_> = before
            .lines()
            .zip(after.lines())
            .filter(|(before, after)| before != after)
            .collect();
        faults.push(format!("something refused has changed north: {changed:?}"));
    }
    let (reads, writes): (Vec<Case<'_>>, Vec<Case<'_>>) =
        allowed.into_iter().partition(|case| case.sample.is_read());
    faults.extend(run_all(&site, &things, AT_ONCE, reads).await);
    // A change of the schema makes every request read it anew, and whoever meets two in a row is asked to try again.
    let (schema, records): (Vec<Case<'_>>, Vec<Case<'_>>) = writes.into_iter().partition(|case| {
        matches!(
            case.route.needs,
            Needs::Capability(Capability::SchemaManage)
                | Needs::ProvenCapability(Capability::SchemaManage)
        )
    });
    faults.extend(run_all(&site, &things, AT_ONCE, records).await);
    faults.extend(run_all(&site, &things, 1, schema).await);
    assert!(
        faults.is_empty(),
        "{} of {counts:?} pairs (refused, foreign, allowed) are wrong:\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert!(counts.0 > 150 && counts.2 > 150, "{counts:?}");
}

/// Tokens of the owner's, each with one scope.
struct Tokens(Vec<(Capability, String)>);

impl Tokens {
    async fn make(site: &Site, owner: &Proof) -> Self {
        let mut tokens = Vec::new();
        for scope in [Capability::RecordsRead, Capability::RecordsImport] {
            let wanted = json!({ "name": "one scope", "scopes": [scope.name()] });
            let made = site.json(owner, "POST", "/api/v1/tokens", wanted).await;
            tokens.push((scope, made["token"].as_str().unwrap().to_owned()));
        }
        Self(tokens)
    }

    fn without(&self, needed: Option<Capability>) -> String {
        let (_, token) = self
            .0
            .iter()
            .find(|(scope, _)| Some(*scope) != needed)
            .unwrap();
        token.clone()
    }
}
