//! The form of a record set: its tree opens as it is ticked, and beside it stands what it brings.

use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse as _, Response},
};
use fieldstone_model::{
    Field, Object, RecordId, Role,
    query::{Environment, Query},
};
use fieldstone_store::{Store as _, StoreError};
use fieldstone_ui::{
    Change, Condition, PageError, PageResult, Surroundings, condition, locale::Locale,
};
use futures_util::future::try_join_all;

use super::{
    PATH,
    draft::{Draft, Node},
    size, which,
};
use crate::{
    pages::{
        path_id::PathId,
        settings::{
            Settings,
            programs::{Fields, Submitted},
        },
    },
    sync::sets::{
        DEPTH_MAX, Figure, NAME_MAX, PLACES_MAX, SETS_MAX, SetError, SetProblem, SetVersion, check,
    },
};

/// What the condition of a record set stands in.
const CONDITION: Surroundings = Surroundings {
    address: "/settings/record-sets/condition",
    method: "post",
    heading: "record-set-filter",
    without: "record-set-without",
    help: "record-set-filter-help",
    personal: true,
    along: Some("#draft"),
};
/// Most people offered.
const PEOPLE_MAX: u32 = 200;
/// Intervals offered, in seconds.
const INTERVALS: [i32; 6] = [60, 300, 900, 3_600, 14_400, 86_400];

/// Something to choose: value, label, whether it is.
type Option3 = (String, String, bool);

#[derive(Template)]
#[template(path = "settings/record_set.html")]
struct Page<'a> {
    locale: &'a Locale,
    title: String,
    action: String,
    /// Id and version of a published one.
    known: Option<(RecordId, i64)>,
    draft: &'a Draft,
    condition: Condition,
    roots: Vec<Option3>,
    roles: Vec<Option3>,
    people: Vec<Option3>,
    intervals: Vec<Option3>,
    error: Option<String>,
    /// The field that it is about.
    field: Option<&'static str>,
    versions: Vec<Version>,
    part: Part<'a>,
}

/// What changes with what is typed.
#[derive(Template)]
#[template(path = "settings/record_set_draft.html")]
struct Part<'a> {
    locale: &'a Locale,
    nodes: Vec<Node>,
    people: Vec<Option3>,
    person: String,
    preview: Preview,
}

impl askama::filters::HtmlSafe for Part<'_> {}

#[derive(Template)]
#[template(path = "settings/record_set_branches.html")]
struct Branches<'a> {
    locale: &'a Locale,
    nodes: &'a [Node],
}

/// What it brings.
enum Preview {
    /// Object, number, size; the sums.
    Figures(Vec<(String, String, String)>, (String, String)),
    Nothing,
    TooSlow,
    /// It can't be read yet.
    Unreadable(String),
}

/// A version as it is shown: its name for people, what it was, when and by whom.
struct Version {
    number: String,
    what: String,
    when: String,
}

/// `GET /settings/record-sets/new`.
pub(crate) async fn new(settings: Settings) -> PageResult {
    let draft = Draft {
        root: settings
            .query("root")
            .unwrap_or_else(|| "account".to_owned()),
        filter: "owner_id = :me".to_owned(),
        ..Draft::default()
    };
    respond(&settings, StatusCode::OK, None, &draft, None, None).await
}

/// `GET /settings/record-sets/{id}`.
pub(crate) async fn edit(settings: Settings, PathId(id): PathId) -> PageResult {
    let found = settings.store.record_set(id).await?;
    let found = found.ok_or(PageError::NotFound)?;
    let draft = Draft::of(&found.new);
    let known = Some((id, found.version));
    respond(&settings, StatusCode::OK, known, &draft, None, None).await
}

/// `POST /settings/record-sets`.
pub(crate) async fn create(settings: Settings, submitted: Submitted) -> PageResult {
    publish(&settings, None, &Fields::read(submitted)?).await
}

/// `POST /settings/record-sets/{id}`.
pub(crate) async fn update(
    settings: Settings,
    PathId(id): PathId,
    submitted: Submitted,
) -> PageResult {
    let fields = Fields::read(submitted)?;
    let version = fields
        .get("version")
        .parse()
        .map_err(|_| PageError::Invalid)?;
    publish(&settings, Some((id, version)), &fields).await
}

/// `POST /settings/record-sets/condition`: the form as it is, with a change of its condition. Nothing is kept.
pub(crate) async fn build(settings: Settings, submitted: Submitted) -> PageResult {
    let fields = Fields::read(submitted)?;
    let mut draft = Draft::read(&fields);
    let condition = condition_of(&settings, &draft, fields.pairs(), Change::Asked, None).await?;
    condition.text().clone_into(&mut draft.filter);
    let known = match fields.get("id").parse().ok() {
        Some(id) => settings
            .store
            .record_set(id)
            .await?
            .map(|found| (id, found.version)),
        None => None,
    };
    respond(
        &settings,
        StatusCode::OK,
        known,
        &draft,
        Some(condition),
        None,
    )
    .await
}

/// The condition, with what the form says besides. For an object that isn't there it is one of accounts: the form says what is wrong.
async fn condition_of(
    settings: &Settings,
    draft: &Draft,
    form: &[(String, String)],
    change: Change,
    error: Option<String>,
) -> Result<Condition, PageError> {
    let registry = settings.store.registry();
    let root = registry
        .object(&draft.root)
        .or_else(|| registry.object("account"));
    let root = root.ok_or(PageError::NotFound)?;
    condition(
        settings,
        root,
        CONDITION,
        &draft.filter,
        form,
        change,
        error,
    )
    .await
}

/// `POST /settings/record-sets/preview`: the tree as it is ticked, and what it brings.
pub(crate) async fn preview(settings: Settings, submitted: Submitted) -> PageResult {
    let draft = Draft::read(&Fields::read(submitted)?);
    let people = people(&settings).await?;
    let part = part(&settings, &draft, &people).await?;
    let mut response: Response = Html(part.render()?).into_response();
    let headers = response.headers_mut();
    headers.insert(
        http::header::CACHE_CONTROL,
        http::HeaderValue::from_static("no-store"),
    );
    Ok(response)
}

async fn publish(
    settings: &Settings,
    known: Option<(RecordId, i64)>,
    fields: &Fields,
) -> PageResult {
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    let mut draft = Draft::read(fields);
    let condition = condition_of(settings, &draft, fields.pairs(), Change::Saved, None).await?;
    condition.text().clone_into(&mut draft.filter);
    let draft = &draft;
    if condition.is_unfinished() {
        return respond(settings, status, known, draft, Some(condition), None).await;
    }
    let Some(new) = draft.new_set() else {
        let problem = SetError::Invalid(SetProblem::Person);
        return respond(settings, status, known, draft, None, Some(problem)).await;
    };
    let locale = settings.locale();
    let name_of = |object: &Object| locale.objects(object);
    match settings.store.publish_set(known, &new, &name_of).await {
        Ok(_) => Ok(Settings::done_at(PATH, "record-set")),
        Err(SetError::Missing) => Err(PageError::NotFound),
        Err(SetError::Store(error)) => Err(error.into()),
        Err(SetError::Stale) => {
            // What was typed stays; the next try is on top of what is there now.
            let (id, _) = known.ok_or(PageError::Conflict)?;
            let found = settings.store.record_set(id).await?;
            let known = found.map(|found| (id, found.version));
            let status = StatusCode::CONFLICT;
            respond(settings, status, known, draft, None, Some(SetError::Stale)).await
        }
        Err(error) => respond(settings, status, known, draft, None, Some(error)).await,
    }
}

/// What is wrong, in the person's language, and with which field.
fn say(locale: &Locale, error: &SetError) -> (String, Option<&'static str>) {
    let SetError::Invalid(problem) = error else {
        return (locale.t("record-set-stale").into_owned(), None);
    };
    let text = match problem {
        SetProblem::Filter(why) => locale.t1("record-set-problem-filter", "why", why.as_str()),
        SetProblem::Name => locale.t1("record-set-problem-name", "most", NAME_MAX.to_string()),
        SetProblem::TooMany => {
            locale.t1("record-set-problem-too-many", "most", SETS_MAX.to_string())
        }
        SetProblem::Branch(_) | SetProblem::TooLarge => {
            let (steps, relations) = (DEPTH_MAX.to_string(), PLACES_MAX.to_string());
            let variables = [("steps", steps), ("relations", relations)];
            locale.t_with("record-set-problem-tree", &variables)
        }
        problem => {
            let key = match problem {
                SetProblem::Root => "record-set-problem-root",
                SetProblem::Interval => "record-set-problem-interval",
                _ => "record-set-problem-person",
            };
            locale.t(key).into_owned()
        }
    };
    (text, Some(problem.field()))
}

/// Id and name of the people of the workspace.
async fn people(settings: &Settings) -> Result<Vec<(RecordId, String)>, StoreError> {
    let active = fieldstone_model::Filter::equal("active", fieldstone_model::Value::Bool(true));
    let query = Query::new("user").filter(active).limit(PEOPLE_MAX);
    let page = settings.store.list(&query).await?;
    let name = |record: &fieldstone_model::Record| {
        let name = record.get("name").as_text().unwrap_or_default();
        (record.id, name.to_owned())
    };
    Ok(page.records.iter().map(name).collect())
}

async fn respond(
    settings: &Settings,
    status: StatusCode,
    known: Option<(RecordId, i64)>,
    draft: &Draft,
    condition: Option<Condition>,
    error: Option<SetError>,
) -> PageResult {
    let locale = settings.locale();
    let people = people(settings).await?;
    let versions = match known {
        Some((id, _)) => settings.store.record_set_versions(id).await?,
        None => Vec::new(),
    };
    let versions = versions.iter().map(|it| version(settings, &draft.root, it));
    let versions = try_join_all(versions).await?;
    let (error, field) = match &error {
        Some(error) => {
            let (text, field) = say(locale, error);
            (Some(text), field)
        }
        None => (None, None),
    };
    let condition = if let Some(condition) = condition {
        condition
    } else {
        let about = error.clone().filter(|_| field == Some("filter"));
        condition_of(settings, draft, &[], Change::Nothing, about).await?
    };
    let registry = settings.store.registry();
    let mut roots: Vec<Option3> = registry
        .objects()
        .map(|object| {
            let label = locale.objects(object);
            (
                object.name.to_string(),
                label,
                object.name == draft.root.as_str(),
            )
        })
        .collect();
    roots.sort_by(|one, other| one.1.cmp(&other.1));
    let chosen = |value: String, label: String| {
        let is = value == draft.audience;
        (value, label, is)
    };
    let page = Page {
        locale,
        title: match known {
            Some(_) => draft.name.clone(),
            None => locale.t("record-sets-new").into_owned(),
        },
        action: known.map_or_else(|| PATH.to_owned(), |(id, _)| format!("{PATH}/{id}")),
        known,
        draft,
        condition,
        roots,
        roles: Role::ALL
            .into_iter()
            .map(|role| {
                let label = locale.t(&format!("role-{role}")).into_owned();
                chosen(format!("role:{role}"), label)
            })
            .collect(),
        people: people
            .iter()
            .map(|(id, name)| chosen(format!("person:{id}"), name.clone()))
            .collect(),
        intervals: intervals(locale, &draft.interval),
        error,
        field,
        versions,
        part: part(settings, draft, &people).await?,
    };
    settings.page_with(status, &page)
}

fn intervals(locale: &Locale, chosen: &str) -> Vec<Option3> {
    let own = chosen.parse().ok().filter(|it| !INTERVALS.contains(it));
    let mut seconds: Vec<i32> = INTERVALS.into_iter().chain(own).collect();
    seconds.sort_unstable();
    let label = |seconds: i32| match seconds {
        it if it % 3_600 == 0 => {
            locale.t1("record-set-interval-h", "hours", (it / 3_600).to_string())
        }
        it if it % 60 == 0 => {
            locale.t1("record-set-interval-min", "minutes", (it / 60).to_string())
        }
        it => locale.t1("record-set-interval-s", "seconds", it.to_string()),
    };
    let option = |it: i32| (it.to_string(), label(it), it.to_string() == chosen);
    seconds.into_iter().map(option).collect()
}

async fn version(
    settings: &Settings,
    root: &str,
    version: &SetVersion,
) -> Result<Version, PageError> {
    let locale = settings.locale();
    let what = match &version.filter {
        Some(filter) => which(settings, root, filter).await?,
        None => locale.t("record-set-removed").into_owned(),
    };
    let by = version.by.clone().unwrap_or_default();
    Ok(Version {
        number: locale.t1("record-set-version", "version", version.version.to_string()),
        what: format!("{}: {what}", version.name),
        when: format!("{} · {by}", locale.instant(version.at)),
    })
}

async fn part<'a>(
    settings: &'a Settings,
    draft: &Draft,
    people: &[(RecordId, String)],
) -> Result<Part<'a>, PageError> {
    let locale = settings.locale();
    let registry = settings.store.registry();
    let me = settings.viewer.user_id;
    let person: RecordId = draft.preview_for.parse().unwrap_or(me);
    let labels = |object: &Object, holder: &Object, field: &Field| {
        (locale.objects(object), locale.field(holder, field))
    };
    let named = people.iter().find(|(id, _)| *id == person);
    Ok(Part {
        locale,
        nodes: draft.nodes(registry, &labels),
        people: people
            .iter()
            .map(|(id, name)| (id.to_string(), name.clone(), *id == person))
            .collect(),
        person: named.map(|(_, name)| name.clone()).unwrap_or_default(),
        preview: figures(settings, draft, person).await?,
    })
}

/// What the draft brings to the devices of `person`, as they see records.
async fn figures(
    settings: &Settings,
    draft: &Draft,
    person: RecordId,
) -> Result<Preview, PageError> {
    let locale = settings.locale();
    // A draft without a name can be counted all the same.
    let named = Draft {
        name: "-".to_owned(),
        ..draft.clone()
    };
    let unreadable = |problem| {
        let (text, _) = say(locale, &SetError::Invalid(problem));
        Ok(Preview::Unreadable(text))
    };
    let Some(new) = named.new_set() else {
        return unreadable(SetProblem::Person);
    };
    if let Err(problem) = check(settings.store.registry(), &new, person) {
        return unreadable(problem);
    }
    let Some(actor) = settings.store.actor_of(person).await? else {
        return unreadable(SetProblem::Person);
    };
    let theirs = settings.store.of_person(actor).await?;
    let environment = Environment {
        me: person,
        today: settings.viewer.today(),
    };
    match theirs.figures(&[new.set], environment).await {
        Ok(figures) => Ok(shown(settings, &figures)),
        Err(StoreError::Busy) => Ok(Preview::TooSlow),
        Err(error) => Err(error.into()),
    }
}

fn shown(settings: &Settings, figures: &[Figure]) -> Preview {
    let locale = settings.locale();
    let label = |figure: &Figure| {
        let object = settings.store.registry().object(&figure.object);
        object.map_or_else(|| figure.object.clone(), |object| locale.objects(object))
    };
    let rows: Vec<_> = figures
        .iter()
        .filter(|figure| figure.count > 0)
        .map(|figure| {
            (
                label(figure),
                locale.count(figure.count),
                size(locale, figure.bytes),
            )
        })
        .collect();
    if rows.is_empty() {
        return Preview::Nothing;
    }
    let count = figures.iter().map(|figure| figure.count).sum();
    let bytes = figures.iter().map(|figure| figure.bytes).sum();
    Preview::Figures(rows, (locale.count(count), size(locale, bytes)))
}

impl Part<'_> {
    fn branches(&self) -> Result<String, askama::Error> {
        Branches {
            locale: self.locale,
            nodes: &self.nodes,
        }
        .render()
    }
}

impl Branches<'_> {
    fn label(&self, node: &Node) -> String {
        let field = node.field.1.as_str();
        if node.down {
            let objects = ("objects", node.object.as_str());
            self.locale.t2("record-set-down", objects, ("field", field))
        } else {
            let object = ("object", node.object.as_str());
            self.locale.t2("record-set-up", object, ("field", field))
        }
    }

    fn below(&self, node: &Node) -> Result<String, askama::Error> {
        Branches {
            locale: self.locale,
            nodes: &node.tree,
        }
        .render()
    }
}
