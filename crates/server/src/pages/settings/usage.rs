//! `/settings/usage`: what the workspace uses of what it may.

use askama::Template;
use fieldstone_ui::{PageResult, locale::Locale};

use super::Settings;

#[derive(Template)]
#[template(path = "settings/usage.html")]
struct Page<'a> {
    locale: &'a Locale,
    lines: [Line; 2],
    requests: String,
}

/// One thing that is counted.
struct Line {
    id: &'static str,
    title: &'static str,
    help: &'static str,
    text: String,
    /// Of the limit; nothing where there is none.
    percent: Option<i64>,
    full: bool,
}

impl Line {
    fn new(
        (id, title, help): (&'static str, &'static str, &'static str),
        locale: &Locale,
        show: impl Fn(i64) -> String,
        used: i64,
        most: Option<i64>,
    ) -> Self {
        Self {
            id,
            title,
            help,
            text: match most {
                Some(most) => locale.t2("usage-of", ("used", show(used)), ("most", show(most))),
                None => locale.t1("usage-without", "used", show(used)),
            },
            percent: most.map(|most| (used.saturating_mul(100) / most.max(1)).clamp(0, 100)),
            full: most.is_some_and(|most| used >= most),
        }
    }
}

/// `GET /settings/usage`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let locale = settings.locale();
    let usage = settings.store.usage().await?;
    let records = ("records", "usage-records", "usage-records-help");
    let files = ("files", "usage-files", "usage-files-help");
    settings.page(&Page {
        locale,
        lines: [
            Line::new(
                records,
                locale,
                |count| locale.number(count, 0),
                usage.records,
                usage.most.records,
            ),
            Line::new(
                files,
                locale,
                |bytes| locale.bytes(bytes),
                usage.bytes,
                usage.most.bytes,
            ),
        ],
        requests: match usage.most.requests_per_minute {
            Some(most) => locale.t1("usage-requests-most", "most", locale.number(most.into(), 0)),
            None => locale.t("usage-requests-any").into_owned(),
        },
    })
}
