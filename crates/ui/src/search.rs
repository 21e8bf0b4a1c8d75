//! Search across all objects, grouped by object.

use askama::Template;
use fieldstone_model::Query;
use fieldstone_store::Store;

use crate::{
    layout,
    list::table::{Table, paths},
    request::{PageResult, Pairs, Session},
};

/// Records shown of each object.
const ROWS: u32 = 5;
/// Columns shown after the name.
const COLUMNS: usize = 3;

#[derive(Template)]
#[template(path = "search/search.html")]
struct Page<'a, S: Store> {
    session: &'a Session<S>,
    title: String,
    words: &'a str,
    groups: Vec<Group>,
}

/// What was found of one object.
struct Group {
    heading: String,
    table: Table,
    all: Option<(String, String)>,
}

/// `GET /search?q=…`.
pub(crate) async fn show<S: Store + Clone + 'static>(session: Session<S>) -> PageResult {
    let locale = &session.viewer.locale;
    let words = session.parameters.filled("q").unwrap_or_default();
    let mut groups = Vec::new();
    if !words.is_empty() {
        let searched = session.registry().objects().filter(|object| {
            layout::has_pages(object) && object.searchable_fields().next().is_some()
        });
        for object in searched {
            let columns: Vec<String> = layout::of(object, session.registry())
                .columns
                .into_iter()
                .take(COLUMNS)
                .collect();
            let mut query = Query::new(object.name.clone())
                .columns(paths(object, &columns))
                .limit(ROWS);
            query.search = Some(words.to_owned());
            let found = session.store.list(&query).await?;
            if found.records.is_empty() {
                continue;
            }
            let all = Pairs::default().with("q", words);
            groups.push(Group {
                heading: locale.objects(object),
                table: Table::of_list(&session, object, &columns, &found.records, None).await?,
                all: found.next.is_some().then(|| {
                    (
                        format!("/{}{}", object.plural, all.to_query()),
                        locale.t1("related-all", "objects", locale.objects_in_text(object)),
                    )
                }),
            });
        }
    }
    let title = if words.is_empty() {
        locale.t("search").into_owned()
    } else {
        locale.t1("search-title", "words", words)
    };
    let page = Page {
        title: title.clone(),
        words,
        groups,
        session: &session,
    };
    Ok(session.page(title, &page))
}

impl<S: Store> Page<'_, S> {
    fn t(&self, key: &str) -> std::borrow::Cow<'static, str> {
        self.session.viewer.locale.t(key)
    }
}
