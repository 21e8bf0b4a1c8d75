//! `/settings/record-sets`: which records devices carry, edited with a preview of what that brings.

mod draft;
mod form;

use askama::Template;
use axum::response::Response;
use fieldstone_model::{RecordId, query::Environment};
use fieldstone_store::Store as _;
use fieldstone_ui::{PageError, PageResult, in_words, locale::Locale};
use futures_util::future::try_join_all;

pub(crate) use form::{build, create, edit, new, preview, update};

use super::Settings;
use crate::{
    pages::path_id::PathId,
    sync::{
        scope::{Branch, RecordSet, default_sets, step},
        sets::{Audience, Figure, PublishedSet},
    },
};

const PATH: &str = "/settings/record-sets";

/// A record set as the list shows it.
struct Row {
    /// None for a standard one.
    id: Option<RecordId>,
    name: String,
    what: String,
    /// Which of them, in words.
    which: String,
    with: String,
    audience: String,
    version: Option<String>,
}

#[derive(Template)]
#[template(path = "settings/record_sets.html")]
struct Page<'a> {
    locale: &'a Locale,
    rows: Vec<Row>,
    /// Whether these are the standard ones.
    standard: bool,
    mine: Option<String>,
}

/// `GET /settings/record-sets`.
pub(crate) async fn list(settings: Settings) -> PageResult {
    let own = settings.store.record_sets().await?;
    let locale = settings.locale();
    let standard = own.is_empty();
    let mine: Vec<RecordSet> = if standard {
        default_sets()
    } else {
        let applies = |set: &&PublishedSet| match set.new.audience {
            Audience::Everybody => true,
            Audience::Role(role) => role == settings.viewer.role,
            Audience::Person(person) => person == settings.viewer.user_id,
        };
        let sets = own.iter().filter(applies);
        sets.map(|set| set.new.set.clone()).collect()
    };
    let rows = if standard {
        try_join_all(mine.iter().map(|set| row(&settings, None, set))).await?
    } else {
        try_join_all(
            own.iter()
                .map(|set| row(&settings, Some(set), &set.new.set)),
        )
        .await?
    };
    // What can't be counted in time isn't worth waiting for.
    let figures = settings.store.figures(&mine, environment(&settings)).await;
    let page = Page {
        locale,
        rows,
        standard,
        mine: figures.ok().map(|figures| sum(locale, &figures)),
    };
    settings.page(&page)
}

/// `POST /settings/record-sets/{id}/deletion`.
pub(crate) async fn delete(settings: Settings, PathId(id): PathId) -> Result<Response, PageError> {
    if settings.store.remove_set(id).await? {
        Ok(Settings::done_at(PATH, "record-set-removed"))
    } else {
        Err(PageError::NotFound)
    }
}

fn environment(settings: &Settings) -> Environment {
    Environment {
        me: settings.viewer.user_id,
        today: settings.viewer.today(),
    }
}

fn sum(locale: &Locale, figures: &[Figure]) -> String {
    let count = figures.iter().map(|figure| figure.count).sum();
    let bytes = figures.iter().map(|figure| figure.bytes).sum();
    locale.t2(
        "record-sets-mine",
        ("count", locale.count(count)),
        ("size", size(locale, bytes)),
    )
}

/// A size for people.
fn size(locale: &Locale, bytes: u64) -> String {
    locale.bytes(i64::try_from(bytes).unwrap_or(i64::MAX))
}

async fn row(
    settings: &Settings,
    published: Option<&PublishedSet>,
    set: &RecordSet,
) -> Result<Row, PageError> {
    let locale = settings.locale();
    let object = settings.store.registry().object(&set.root);
    let what = object.map_or_else(|| set.root.clone(), |object| locale.objects(object));
    let mut with = Vec::new();
    if let Some(object) = object {
        objects(settings, object, &set.tree, &mut with);
    }
    let audience = match published.map(|set| set.new.audience) {
        Some(Audience::Role(role)) => locale.t(&format!("role-{role}")).into_owned(),
        Some(Audience::Person(_)) => published
            .and_then(|set| set.person.clone())
            .unwrap_or_default(),
        Some(Audience::Everybody) | None => locale.t("record-sets-everybody").into_owned(),
    };
    let version = published.map(|set| {
        locale.t_with(
            "record-sets-version",
            &[
                ("version", set.version.to_string()),
                ("at", locale.instant(set.updated_at)),
                ("person", set.updated_by.clone().unwrap_or_default()),
            ],
        )
    });
    Ok(Row {
        id: published.map(|set| set.id),
        name: published.map_or_else(|| what.clone(), |set| set.new.name.clone()),
        what,
        which: which(settings, &set.root, &set.filter).await?,
        with: with.join(", "),
        audience,
        version,
    })
}

/// Which records of `root` a filter lets through, in words.
async fn which(settings: &Settings, root: &str, filter: &str) -> Result<String, PageError> {
    match settings.store.registry().object(root) {
        _ if filter.is_empty() => Ok(settings.locale().t("record-sets-all").into_owned()),
        Some(object) => in_words(settings, object, filter).await,
        None => Ok(filter.to_owned()),
    }
}

/// The objects of a tree, each once, in order.
fn objects(
    settings: &Settings,
    at: &fieldstone_model::Object,
    tree: &[Branch],
    names: &mut Vec<String>,
) {
    for branch in tree {
        let Some((object, _, _)) = step(settings.store.registry(), at, &branch.via) else {
            continue;
        };
        let name = settings.locale().objects_in_text(object);
        if !names.contains(&name) {
            names.push(name);
        }
        objects(settings, object, &branch.tree, names);
    }
}
