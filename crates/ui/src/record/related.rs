//! Related lists: the first few records of each object that refers to the one shown.

use askama::Template;
use fieldstone_model::{Filter, Query, Value, query::parse_order};
use fieldstone_store::Store;
use futures_util::future::try_join_all;

use crate::{
    error::PageError,
    layout,
    list::table::{Table, paths},
    request::{AtRecord, Pairs},
};

/// Rows shown before "show all".
const ROWS: u32 = 5;

/// The first records that refer here through one field.
#[derive(Debug, Template)]
#[template(path = "record/related.html")]
pub(super) struct RelatedList {
    id: String,
    heading: String,
    icon: &'static str,
    table: Table,
    /// Where all of them are, when there are more.
    all: Option<(String, String)>,
    /// Where one is made.
    new: Option<(String, String)>,
    /// The form that makes one here.
    quick: String,
}

impl askama::filters::HtmlSafe for RelatedList {}

/// Lists with records in them, and addresses and labels for making the first of the others.
pub(super) async fn of<S: Store + Clone + 'static>(
    at: &AtRecord<S>,
) -> Result<(Vec<RelatedList>, Vec<(String, String)>), PageError> {
    let locale = &at.viewer.locale;
    let (mut lists, mut addable) = (Vec::new(), Vec::new());
    // What the timeline tells of isn't told twice; what is still to be done is.
    let told = |related: &&layout::Related| {
        !(related.field == "about_id"
            && matches!(related.object.as_str(), "note" | "call" | "event"))
    };
    let known = at.layout.related.iter().filter(told).filter_map(|related| {
        let object = at.registry().object(&related.object)?;
        Some((related, object))
    });
    let found = known.map(|(related, object)| async move {
        let mut query = Query::new(object.name.clone())
            .columns(paths(object, &related.columns))
            .filter(Filter::equal(&related.field, Value::Id(at.id)))
            .limit(ROWS);
        query.order = parse_order(&layout::of(object, at.registry()).order);
        let found = at.store.list(&query).await?;
        let table = Table::of_list(at, object, &related.columns, &found.records, None).await?;
        Ok::<_, PageError>((related, object, found, table))
    });
    for (related, object, found, table) in try_join_all(found).await? {
        let here = format!("/{}/{}", at.object.plural, at.id);
        let prefilled = Pairs::default()
            .with(&related.field, at.id.to_string())
            .with("back", here);
        let new = at
            .may_write(object)
            .then(|| format!("/{}/new{}", object.plural, prefilled.to_query()));
        if found.records.is_empty() {
            addable.extend(new.map(|href| (href, locale.object(object))));
            continue;
        }
        let all = Pairs::default().with("filter", format!("{} = \"{}\"", related.field, at.id));
        lists.push(RelatedList {
            id: format!("related-{}-{}", object.name, related.field),
            heading: locale.objects(object),
            icon: layout::icon(object),
            table,
            all: found.next.is_some().then(|| {
                (
                    format!("/{}{}", object.plural, all.to_query()),
                    locale.t1("related-all", "objects", locale.objects_in_text(object)),
                )
            }),
            quick: {
                let pairs = related
                    .columns
                    .iter()
                    .fold(prefilled.clone(), |pairs, name| pairs.with("with", name));
                format!("/{}/quick{}", object.plural, pairs.to_query())
            },
            new: new.map(|href| {
                (
                    href,
                    locale.t1("list-new", "object", locale.object_in_text(object)),
                )
            }),
        });
    }
    Ok((lists, addable))
}
