//! The command palette: records as one types their names, lists, things to make, places to go; what was looked at last when nothing is typed.

use askama::Template;
use fieldstone_model::{Object, Query, RecordId, fold::fold};
use fieldstone_store::Store;
use futures_util::future::try_join_all;

use crate::{
    error::PageError,
    layout,
    list::{fragment, table::name_of},
    request::{PageResult, Session},
    shown::{Showing, names_in},
};

/// Records of each object, and of all.
const EACH: u32 = 4;
const RECORDS: usize = 10;
/// Objects searched at the same time: one keystroke doesn't take all connections.
const AT_ONCE: usize = 4;
/// Records looked at last.
const RECENT: usize = 8;
/// Lists and things to make.
const PLACES: usize = 8;
/// Most characters that are looked for.
const WORDS_MAX: usize = 200;
/// What tells records of one name apart: the first of these that has a value.
const DETAILS: [&str; 5] = ["company", "account_id", "email", "city", "stage_id"];

#[derive(Template)]
#[template(path = "frame/palette_options.html")]
struct Options {
    groups: Vec<(String, Vec<Entry>)>,
    none: String,
}

struct Entry {
    href: String,
    icon: &'static str,
    label: String,
    detail: String,
}

/// `GET /palette?q=…`: options of a listbox.
pub(crate) async fn show<S: Store + Clone + 'static>(session: Session<S>) -> PageResult {
    let locale = &session.viewer.locale;
    let words: String = session
        .parameters
        .filled("q")
        .unwrap_or_default()
        .chars()
        .take(WORDS_MAX)
        .collect();
    let (heading, records) = if words.is_empty() {
        ("palette-recent", recent(&session).await?)
    } else {
        ("palette-records", found(&session, &words).await?)
    };
    let groups = [
        (heading, records),
        ("palette-places", places(&session, &words)),
    ];
    let groups = groups
        .into_iter()
        .filter(|(_, entries)| !entries.is_empty());
    Ok(fragment(&Options {
        groups: groups
            .map(|(heading, entries)| (locale.t(heading).into_owned(), entries))
            .collect(),
        none: locale.t("options-none").into_owned(),
    }))
}

async fn found<S: Store + Clone + 'static>(
    session: &Session<S>,
    words: &str,
) -> Result<Vec<Entry>, PageError> {
    let objects: Vec<&Object> = session
        .registry()
        .objects()
        .map(AsRef::as_ref)
        .filter(|object| layout::has_pages(object) && object.searchable_fields().next().is_some())
        .collect();
    let details = |object: &Object| {
        DETAILS
            .iter()
            .filter(|name| object.field(name).is_some())
            .copied()
            .collect::<Vec<_>>()
    };
    let queries: Vec<Query> = objects
        .iter()
        .map(|object| {
            let mut query = Query::new(object.name.clone())
                .column(&object.name_field)
                .columns(details(object))
                .limit(EACH);
            query.search = Some(words.to_owned());
            query
        })
        .collect();
    let mut pages = Vec::with_capacity(queries.len());
    for together in queries.chunks(AT_ONCE) {
        let mut asked = Vec::with_capacity(AT_ONCE);
        for query in together {
            asked.push(session.store.list(query));
        }
        pages.extend(try_join_all(asked).await?);
    }
    let records: Vec<_> = pages.iter().flat_map(|page| &page.records).collect();
    let names = names_in(&session.store, &records).await?;
    let showing = Showing {
        locale: &session.viewer.locale,
        registry: session.registry(),
        names: &names,
        today: session.viewer.today(),
    };
    let wanted = fold(words);
    let mut entries: Vec<(bool, Entry)> = Vec::new();
    for (object, page) in objects.iter().zip(&pages) {
        for record in &page.records {
            let label = name_of(session, object, record);
            let told = details(object).into_iter().filter_map(|name| {
                let field = object.field(name)?;
                Some(showing.value(object, field, record.get(name)).text)
                    .filter(|text| !text.is_empty())
            });
            let detail = std::iter::once(session.viewer.locale.object(object))
                .chain(told.take(1))
                .collect::<Vec<_>>()
                .join(" · ");
            let starts = fold(&label).starts_with(&wanted);
            entries.push((
                starts,
                Entry {
                    href: format!("/{}/{}", object.plural, record.id),
                    icon: layout::icon(object),
                    label,
                    detail,
                },
            ));
        }
    }
    // What begins with the words is what is meant.
    entries.sort_by_key(|(starts, _)| !starts);
    Ok(entries
        .into_iter()
        .map(|(_, entry)| entry)
        .take(RECORDS)
        .collect())
}

async fn recent<S: Store + Clone + 'static>(session: &Session<S>) -> Result<Vec<Entry>, PageError> {
    let Some(shelf) = &session.shelf else {
        return Ok(Vec::new());
    };
    let ids: Vec<RecordId> = shelf.0.recent().await?.into_iter().take(RECENT).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let names = session.store.names(&ids).await?;
    let entry = |id: &RecordId| {
        let object = session
            .registry()
            .object_of(*id)
            .filter(|object| layout::has_pages(object))?;
        Some(Entry {
            href: format!("/{}/{id}", object.plural),
            icon: layout::icon(object),
            label: names.get(id)?.clone(),
            detail: session.viewer.locale.object(object),
        })
    };
    Ok(ids.iter().filter_map(entry).collect())
}

/// Lists, things to make and other pages whose names have a word that begins like each of the words.
fn places<S: Store>(session: &Session<S>, words: &str) -> Vec<Entry> {
    let locale = &session.viewer.locale;
    let mut places = vec![Entry {
        href: "/".to_owned(),
        icon: "home",
        label: locale.t("home").into_owned(),
        detail: String::new(),
    }];
    for object in session
        .registry()
        .objects()
        .filter(|object| layout::has_pages(object))
    {
        places.push(Entry {
            href: format!("/{}", object.plural),
            icon: layout::icon(object),
            label: locale.objects(object),
            detail: locale.t("palette-list").into_owned(),
        });
        if session.may_write(object) && layout::stands_alone(object) {
            let label = locale.t1("list-new", "object", locale.object_in_text(object));
            places.push(Entry {
                href: format!("/{}/new", object.plural),
                icon: "plus",
                label,
                detail: String::new(),
            });
        }
    }
    places.push(Entry {
        href: "/deals/board".to_owned(),
        icon: "board",
        label: locale.t("board").into_owned(),
        detail: String::new(),
    });
    places.push(Entry {
        href: "/calendar".to_owned(),
        icon: "calendar",
        label: locale.t("calendar").into_owned(),
        detail: String::new(),
    });
    places.push(Entry {
        href: "/reports".to_owned(),
        icon: "chart",
        label: locale.t("reports").into_owned(),
        detail: String::new(),
    });
    if session.shelf.is_some() {
        places.push(Entry {
            href: "/dashboards".to_owned(),
            icon: "chart",
            label: locale.t("dashboards").into_owned(),
            detail: String::new(),
        });
    }
    if session.viewer.can_sign_out {
        if session.can(fieldstone_model::Capability::RecordsImport) {
            places.push(Entry {
                href: "/imports".to_owned(),
                icon: "upload",
                label: locale.t("imports").into_owned(),
                detail: String::new(),
            });
        }
        places.push(Entry {
            href: "/settings".to_owned(),
            icon: "settings",
            label: locale.t("settings").into_owned(),
            detail: String::new(),
        });
    }
    let words = fold(words);
    let fits = |entry: &Entry| {
        let label = fold(&entry.label);
        words
            .split_whitespace()
            .all(|word| label.split_whitespace().any(|part| part.starts_with(word)))
    };
    let mut fitting: Vec<Entry> = places.into_iter().filter(fits).collect();
    fitting.truncate(PLACES);
    fitting
}
