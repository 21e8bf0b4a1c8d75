//! The frame around every page: head, navigation, help sheet. A page is its partial inside this frame.

use askama::Template;
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use fieldstone_model::{Object, ObjectClass, Registry};

use crate::{layout, locale::Locale, viewer::Viewer};

/// Everything around a page's own content.
#[derive(Debug)]
pub struct Frame {
    pub(crate) locale: Locale,
    pub(crate) title: String,
    pub(crate) inside: Option<Inside>,
}

/// What a person who is signed in sees around a page.
#[derive(Debug)]
pub(crate) struct Inside {
    pub(crate) path: String,
    pub(crate) workspace: String,
    pub(crate) person: String,
    pub(crate) role: String,
    pub(crate) can_sign_out: bool,
    pub(crate) entries: Vec<Entry>,
    pub(crate) settings: Vec<Entry>,
}

/// One entry of the navigation.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) segment: String,
    pub(crate) label: String,
    pub(crate) icon: &'static str,
    pub(crate) key: Option<char>,
}

impl Frame {
    /// A frame with nothing but a card in the middle: signing in, setting up.
    pub fn alone(locale: Locale, title: impl Into<String>) -> Self {
        Self {
            locale,
            title: title.into(),
            inside: None,
        }
    }

    /// The frame around a page of the workspace.
    pub fn inside(
        viewer: &Viewer,
        registry: &Registry,
        path: &str,
        title: impl Into<String>,
    ) -> Self {
        let locale = viewer.locale.clone();
        let entry = |object: &Object| Entry {
            segment: object.plural.to_string(),
            label: locale.objects(object),
            icon: layout::icon(object),
            key: layout::key(object),
        };
        let listed = |class| {
            registry
                .objects()
                .filter(move |object| object.class == class && layout::in_navigation(object))
        };
        let inside = Inside {
            path: path.to_owned(),
            workspace: viewer.workspace.clone(),
            person: viewer.name.clone(),
            role: locale.t(&format!("role-{}", viewer.role)).into_owned(),
            can_sign_out: viewer.can_sign_out,
            entries: listed(ObjectClass::Record)
                .map(|object| entry(object))
                .collect(),
            settings: listed(ObjectClass::Managed)
                .map(|object| entry(object))
                .collect(),
        };
        Self {
            locale,
            title: title.into(),
            inside: Some(inside),
        }
    }

    pub(crate) fn t(&self, key: &str) -> std::borrow::Cow<'static, str> {
        self.locale.t(key)
    }

    pub(crate) fn product(&self) -> std::borrow::Cow<'static, str> {
        self.locale.t("product")
    }

    pub(crate) fn schemes(
        &self,
    ) -> [(&'static str, &'static str, std::borrow::Cow<'static, str>); 3] {
        [
            ("light", "sun", self.t("scheme-light")),
            ("dark", "moon", self.t("scheme-dark")),
            ("auto", "screen", self.t("scheme-auto")),
        ]
    }
}

impl Inside {
    fn is_current(&self, entry: &Entry) -> bool {
        let rest = self
            .path
            .strip_prefix('/')
            .and_then(|path| path.strip_prefix(entry.segment.as_str()));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    fn initials(&self) -> String {
        let mut words = self
            .person
            .split_whitespace()
            .filter_map(|word| word.chars().next());
        words
            .next()
            .into_iter()
            .chain(words.next_back())
            .flat_map(char::to_uppercase)
            .collect()
    }
}

/// How a page was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// By a browser that wants a whole document.
    Page,
    /// By htmx, which puts the answer into `<main>`.
    Partial,
}

impl Ask {
    /// Reads the request's htmx headers. A history restore wants the whole document.
    pub fn of(headers: &http::HeaderMap) -> Self {
        let is_true = |name| {
            headers
                .get(name)
                .is_some_and(|value: &HeaderValue| value == "true")
        };
        if is_true("hx-request") && !is_true("hx-history-restore-request") {
            Self::Partial
        } else {
            Self::Page
        }
    }
}

#[derive(Template)]
#[template(path = "frame/page.html")]
struct Page<'a> {
    frame: &'a Frame,
    main: &'a str,
}

#[derive(Template)]
#[template(
    source = "<title>{{ frame.title }} · {{ frame.product() }}</title>\n{{ main|safe }}\n",
    ext = "html"
)]
struct Partial<'a> {
    frame: &'a Frame,
    main: &'a str,
}

/// Answers with `main` inside `frame`, or alone when htmx asked.
pub fn respond(ask: Ask, status: StatusCode, frame: &Frame, main: &impl Template) -> Response {
    let html = main.render().and_then(|main| match ask {
        Ask::Page => Page { frame, main: &main }.render(),
        Ask::Partial => Partial { frame, main: &main }.render(),
    });
    match html {
        Ok(html) => {
            let mut response = html_response(status, html);
            if matches!(
                status,
                StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY
            ) {
                // The form is still the page that the address names, not where it was sent.
                response
                    .headers_mut()
                    .insert("hx-push-url", HeaderValue::from_static("false"));
            }
            response
        }
        Err(error) => {
            tracing::error!(%error, "page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// HTML that must not be kept, since it shows records.
pub(crate) fn html_response(status: StatusCode, html: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "hx-request, accept-language, cookie"),
    ];
    (status, headers, html).into_response()
}
