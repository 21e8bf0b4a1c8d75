//! The pages over a small workspace in memory, at a fixed instant, so that every page is the same each time.

use std::collections::HashMap;

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
};
use fieldstone_model::{
    Change, Choice, Field, FieldType, Object, RecordId, Registry, Role, Stage, StageKind, Value,
    Values, clock::FixedClock,
};
use fieldstone_store::{MemoryStore, Store as _, Workspace};
use fieldstone_ui::{Viewer, locale::Locale, router};
use http_body_util::BodyExt as _;
use jiff::{Timestamp, tz::TimeZone};
use tower::ServiceExt as _;

pub(crate) struct App {
    pub(crate) store: MemoryStore,
    pub(crate) colleague: MemoryStore,
    role: Role,
    locale: &'static str,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    /// Where a form's answer leads.
    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{}", self.body);
        self.header("location")
    }

    /// The page without what changes with every edit of script or style.
    pub(crate) fn stable(&self) -> String {
        let mut parts = self.body.split("/assets/");
        let mut out = parts.next().unwrap().to_owned();
        for part in parts {
            let (name, rest) = part.split_at(part.find(['"', '#']).unwrap());
            out.push_str("/assets/");
            out.push_str(name.split('-').next().unwrap());
            out.push_str(rest);
        }
        numbered(&out)
    }

    pub(crate) fn shows(&self, text: &str) -> &Self {
        assert!(
            self.body.contains(text),
            "“{text}” is missing in\n{}",
            self.body
        );
        self
    }

    pub(crate) fn hides(&self, text: &str) -> &Self {
        assert!(
            !self.body.contains(text),
            "“{text}” should not be in\n{}",
            self.body
        );
        self
    }
}

pub(crate) fn now() -> Timestamp {
    "2026-03-10T09:30:00Z".parse().unwrap()
}

pub(crate) fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn stage(number: u64, name: &str, kind: StageKind, probability: i64) -> Stage {
    let id = |prefix: &[u8; 3], number| RecordId::compose(*prefix, now(), number);
    Stage {
        id: id(b"01J", number),
        pipeline_id: id(b"fP0", 1),
        name: name.to_owned(),
        kind,
        probability,
        position: i64::try_from(number).unwrap(),
    }
}

fn registry() -> Registry {
    let mut visit = Object::custom(
        "visit".into(),
        "visits".into(),
        *b"a00",
        "Visit".into(),
        "Visits".into(),
    );
    let custom = |field: Field, label: &str| Field {
        custom: true,
        indexed: true,
        label: Some(label.to_owned()),
        ..field
    };
    let topics = ["Safety", "Service", "Price"]
        .map(|topic| Choice {
            value: topic.into(),
            label: None,
        })
        .to_vec();
    visit.fields.extend([
        custom(Field::relation(1000, "account_id", "account"), "Account"),
        custom(
            Field::new(1001, "visited_on", FieldType::Date),
            "Visited on",
        ),
        custom(Field::new(1002, "began_at", FieldType::Time), "Began at"),
        custom(
            Field::new(
                1003,
                "topics",
                FieldType::MultiChoice {
                    options: topics.into(),
                },
            ),
            "Topics",
        ),
        custom(
            Field::new(1004, "satisfied", FieldType::Boolean),
            "Satisfied",
        ),
        custom(
            Field::new(1005, "weight", FieldType::Decimal { scale: 3 }),
            "Weight",
        ),
    ]);
    let stages = vec![
        stage(1, "Qualification", StageKind::Open, 1000),
        stage(2, "Proposal", StageKind::Open, 5000),
        stage(3, "Won", StageKind::Won, 10_000),
    ];
    Registry::new(1, vec![visit], HashMap::new(), stages)
}

impl App {
    pub(crate) fn new() -> Self {
        let registry = registry();
        let workspace = Workspace::new(registry.clone(), FixedClock(now()));
        let mut settings = vec![Change::Create {
            object: "pipeline".into(),
            id: registry.stages()[0].pipeline_id,
            values: Values::new()
                .with("name", text("Sales"))
                .with("position", Value::Int(1)),
        }];
        settings.extend(registry.stages().iter().map(|stage| {
            Change::Create {
                object: "stage".into(),
                id: stage.id,
                values: Values::new()
                    .with("name", text(&stage.name))
                    .with("pipeline_id", Value::Id(stage.pipeline_id))
                    .with("position", Value::Int(stage.position))
                    .with("kind", text(stage.kind.name()))
                    .with("probability", Value::Int(stage.probability)),
            }
        }));
        workspace.seed(&settings).unwrap();
        let store = workspace.add_user("Renate Achterberg", "renate@example.com", Role::Owner);
        let colleague = workspace.add_user("Cecily Lampkin", "cecily@example.com", Role::Member);
        Self {
            store,
            colleague,
            role: Role::Owner,
            locale: "en-US",
        }
    }

    /// The same workspace, to be looked at in another way.
    pub(crate) fn again(&self) -> Self {
        Self {
            store: self.store.clone(),
            colleague: self.colleague.clone(),
            role: self.role,
            locale: self.locale,
        }
    }

    pub(crate) fn with_role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    pub(crate) fn in_locale(mut self, locale: &'static str) -> Self {
        self.locale = locale;
        self
    }

    pub(crate) async fn make(&self, object: &str, values: Values) -> RecordId {
        let id = self.store.new_id(object).unwrap();
        self.store
            .apply(&[Change::Create {
                object: object.into(),
                id,
                values,
            }])
            .await
            .unwrap();
        id
    }

    pub(crate) async fn change(
        &self,
        by: &MemoryStore,
        object: &str,
        id: RecordId,
        values: Values,
    ) {
        by.apply(&[Change::Update {
            object: object.into(),
            id,
            expected: None,
            values,
        }])
        .await
        .unwrap();
    }

    pub(crate) fn stage(&self, number: usize) -> RecordId {
        self.store.registry().stages()[number - 1].id
    }

    /// An account with a contact and a deal, and a note about the deal.
    pub(crate) async fn company(&self) -> (RecordId, RecordId, RecordId) {
        let account = self
            .make(
                "account",
                Values::new()
                    .with("name", text("Acme"))
                    .with("city", text("Berlin"))
                    .with("website", text("https://acme.example/"))
                    .with("founded", Value::Int(1987)),
            )
            .await;
        let contact = self
            .make(
                "contact",
                Values::new()
                    .with("first_name", text("Moses"))
                    .with("last_name", text("Frase"))
                    .with("account_id", Value::Id(account)),
            )
            .await;
        let deal = Values::new()
            .with("name", text("Acme – GTX Pro"))
            .with("account_id", Value::Id(account))
            .with("contact_id", Value::Id(contact))
            .with("amount", Value::Int(1_234_550))
            .with("close_date", Value::Date(jiff::civil::date(2026, 3, 1)));
        let deal = self.make("deal", deal).await;
        self.make(
            "note",
            Values::new()
                .with("title", text("Met at the fair"))
                .with("about_id", Value::Id(deal)),
        )
        .await;
        (account, contact, deal)
    }

    fn router(&self) -> Router {
        let (store, role, locale) = (self.store.clone(), self.role, self.locale);
        router::<MemoryStore>(Router::new())
            .layer(middleware::from_fn(
                move |mut request: Request, next: Next| {
                    let store = store.clone();
                    if !request.headers().contains_key("x-nobody") {
                        request.extensions_mut().insert(Viewer {
                            user_id: store.user().id,
                            name: "Renate Achterberg".into(),
                            role,
                            workspace: "Northwind".into(),
                            locale: Locale::new(
                                locale,
                                TimeZone::get("Europe/Berlin").unwrap(),
                                "EUR",
                            ),
                            now: now(),
                            can_sign_out: true,
                            is_proven: true,
                        });
                        request.extensions_mut().insert(store);
                    }
                    next.run(request)
                },
            ))
            .merge(fieldstone_ui::assets::<MemoryStore>())
    }

    pub(crate) async fn send(&self, request: Request) -> Answer {
        let response = self.router().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    /// As htmx asks.
    pub(crate) async fn partial(&self, path: &str) -> Answer {
        self.send(
            Request::get(path)
                .header("hx-request", "true")
                .body(Body::empty())
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = serde_urlencoded::to_string(fields).unwrap();
        self.send(
            Request::post(path)
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(Body::from(body))
                .unwrap(),
        )
        .await
    }

    /// The fields of the form on a page, as a browser would send them untouched.
    pub(crate) async fn form(&self, path: &str) -> Vec<(String, String)> {
        let page = self.get(path).await;
        let form = page
            .body
            .split("data-guard>")
            .nth(1)
            .unwrap_or_else(|| panic!("no form in {}", page.body))
            .split("</form>")
            .next()
            .unwrap()
            .to_owned();
        let mut fields = Vec::new();
        for tag in form.split('<').filter(|tag| tag.starts_with("input ")) {
            let checked = !tag.contains("type=\"checkbox\"") && !tag.contains("type=\"radio\"")
                || tag.contains(" checked");
            if checked {
                fields.push((
                    attribute(tag, "name").unwrap(),
                    attribute(tag, "value").unwrap_or_default(),
                ));
            }
        }
        for part in form.split("<textarea ").skip(1) {
            let content = part
                .split("</textarea>")
                .next()
                .unwrap()
                .split_once('>')
                .unwrap()
                .1;
            fields.push((
                attribute(part, "name").unwrap(),
                unescape(content.strip_prefix('\n').unwrap_or(content)),
            ));
        }
        for part in form.split("<select ").skip(1) {
            let options = part.split("</select>").next().unwrap();
            let chosen = options
                .split("<option ")
                .find(|option| option.contains(" selected"))
                .and_then(|option| attribute(option, "value"));
            fields.push((attribute(part, "name").unwrap(), chosen.unwrap_or_default()));
        }
        fields
    }

    /// Opens a form, changes some fields, sends it.
    pub(crate) async fn fill(
        &self,
        form: &[(String, String)],
        action: &str,
        changes: &[(&str, &str)],
    ) -> Answer {
        let mut fields: Vec<(&str, &str)> = form
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        for (name, value) in changes {
            fields.retain(|(known, _)| known != name);
            fields.push((name, value));
        }
        self.post(action, &fields).await
    }
}

/// Ids as their prefix and the order in which they appear: how a store makes them is its own affair.
fn numbered(html: &str) -> String {
    let instant = &RecordId::compose(*b"000", now(), 0).to_string()[3..10];
    let mut seen: Vec<&str> = Vec::new();
    let mut parts = html.split(instant);
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (noise, rest) = part.split_at(5);
        if !seen.contains(&noise) {
            seen.push(noise);
        }
        let at = seen.iter().position(|known| *known == noise).unwrap();
        out.push('~');
        out.push_str(&(at + 1).to_string());
        out.push_str(rest);
    }
    out
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = tag.split('>').next()?;
    let start = tag.find(&format!("{name}=\""))? + name.len() + 2;
    Some(unescape(tag[start..].split('"').next()?))
}

fn unescape(text: &str) -> String {
    text.replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#38;", "&")
}
