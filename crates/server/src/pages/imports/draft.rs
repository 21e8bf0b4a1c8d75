//! A file before it is imported: which column is which, what to do in doubt, and what would happen with the first rows.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse as _, Redirect},
};
use fieldstone_model::{Capability, Field, Object, objects};
use fieldstone_ui::{PageError, PageResult, locale::Locale};
use tokio_util::sync::CancellationToken;

use super::{Entrance, Inside, PATH, PageClock, own};
use crate::{
    import::{
        Choices, Dates, Existing, Fate, Input, Mapping, Missing, Peek, PgWorkspace, Request,
        RowProblem, Sink, job::PEEKED, look, parts::Kind, places, run, uploads::Upload,
    },
    pages::{
        path_id::PathId,
        settings::{Fields, Submitted},
    },
    store::Stores,
};

/// Rows shown with what will happen.
const SHOWN: u64 = 20;
/// Cells of a row that are shown.
const CELLS: usize = 6;
/// Most characters of a text for a field without a column.
const CONSTANT_MAX: usize = 500;
/// Types of fields that a column can become.
const NEW: [&str; 8] = [
    "text",
    "long_text",
    "integer",
    "decimal",
    "date",
    "email",
    "phone",
    "url",
];

/// An option of a list: value, label, whether chosen.
type Choice = (String, String, bool);

struct Column {
    name: String,
    samples: String,
    ambiguous: bool,
    /// The object's fields, and what could be made new.
    fields: Vec<Choice>,
    new: Vec<Choice>,
}

struct Row {
    line: u64,
    fate: &'static str,
    tone: &'static str,
    problem: Option<String>,
    cells: Vec<String>,
}

#[derive(Template)]
#[template(path = "imports/draft.html")]
struct Page<'a> {
    locale: &'a Locale,
    upload: &'a Upload,
    objects: String,
    columns: Vec<Column>,
    /// Fields without a column: name, label, text, whether one has to be given.
    constants: Vec<(String, String, String, bool)>,
    example: String,
    same: Vec<Choice>,
    existing: Vec<Choice>,
    missing: Vec<Choice>,
    dates: Vec<Choice>,
    numbers: Vec<Choice>,
    /// Names of the cells that are shown.
    shown: Vec<String>,
    rows: Vec<Row>,
    makes: Option<String>,
    wrong: Option<String>,
    has_relations: bool,
}

/// The draft as it stands.
pub(super) async fn page(inside: &Inside, upload: &Upload, clock: &PageClock) -> PageResult {
    let locale = &inside.viewer.locale;
    let file = inside.store.kept_file(upload.id, Kind::File, &upload.file);
    let input = Input::Kept(file.await?);
    let written = Mapping {
        encoding: upload.encoding.clone(),
        ..Mapping::default()
    };
    let peeked = look(&input, &written, PEEKED)
        .await
        .map_err(|_| PageError::Failed)?;
    let imagined = upload.choices.imagined();
    let object = imagined
        .as_ref()
        .or_else(|| inside.registry().object(&upload.object).map(AsRef::as_ref));
    let object = object.ok_or(PageError::NotFound)?;
    let (rows, makes, wrong) = preview(inside, upload, object, &peeked, input, clock).await?;
    let choices = &upload.choices;
    let pick = |options: &[(&str, &str, bool)]| -> Vec<Choice> {
        options
            .iter()
            .map(|(value, key, chosen)| ((*value).to_owned(), locale.t(key).into_owned(), *chosen))
            .collect()
    };
    let constants = constants(inside, object, choices);
    let page = Page {
        locale,
        upload,
        objects: locale.objects(object),
        columns: columns(inside, object, choices, &peeked),
        example: peeked
            .header
            .iter()
            .find(|name| !name.is_empty())
            .map(|name| format!("{{{name}}}"))
            .unwrap_or_default(),
        constants,
        same: same(locale, object, choices),
        existing: pick(&[
            (
                "skip",
                "import-existing-skip",
                choices.rule == Existing::Skip,
            ),
            (
                "update",
                "import-existing-update",
                choices.rule == Existing::Update,
            ),
            (
                "create",
                "import-existing-create",
                choices.rule == Existing::Create,
            ),
        ]),
        missing: pick(&[
            (
                "fail",
                "import-missing-fail",
                choices.missing == Missing::Fail,
            ),
            (
                "empty",
                "import-missing-empty",
                choices.missing == Missing::Empty,
            ),
            (
                "create",
                "import-missing-create",
                choices.missing == Missing::Create,
            ),
        ]),
        dates: pick(&[
            ("iso", "import-dates-iso", choices.dates == Dates::Iso),
            ("day", "import-dates-day", choices.dates == Dates::Day),
            ("month", "import-dates-month", choices.dates == Dates::Month),
        ]),
        numbers: pick(&[
            ("point", "import-numbers-point", !choices.comma),
            ("comma", "import-numbers-comma", choices.comma),
        ]),
        shown: peeked.header.iter().take(CELLS).cloned().collect(),
        rows,
        makes,
        wrong,
        has_relations: choices.targets.iter().any(|target| {
            let field = object.field(target);
            let has_options = field.is_some_and(|field| !field.kind.options().is_empty());
            has_options || (target.contains(':') && !target.starts_with("new:"))
        }),
    };
    Ok(inside.page(format!("{}: {}", locale.t("import"), upload.file), &page))
}

/// What would happen with the first rows; what would be made first; why it can't begin.
async fn preview(
    inside: &Inside,
    upload: &Upload,
    object: &Object,
    peeked: &Peek,
    input: Input,
    clock: &PageClock,
) -> Result<(Vec<Row>, Option<String>, Option<String>), PageError> {
    let locale = &inside.viewer.locale;
    let mut request = Request::new(&upload.object, &upload.file);
    request.mapping = upload
        .choices
        .mapping(object, inside.registry(), peeked, locale.time_zone());
    request.mapping.encoding = upload.encoding.clone();
    request.input = input;
    request.sink = Some(Sink::default());
    request.trial = true;
    request.first = Some(SHOWN);
    let stores = Stores::of(&inside.store);
    let workspace = PgWorkspace::new(stores, inside.store.actor().clone(), None);
    let never = CancellationToken::new();
    let report = match run(&workspace, &request, clock.as_ref(), &never, &mut |_| {}).await {
        Ok(report) => report,
        Err(
            error @ crate::import::ImportError::Store(fieldstone_store::StoreError::SessionEnded),
        ) => {
            tracing::debug!(%error, "a preview ended");
            return Err(PageError::SignedOut);
        }
        Err(error) => return Ok((Vec::new(), None, Some(error.told(locale)))),
    };
    let worded = |problem: RowProblem| problem.told(locale, inside.registry(), Some(object));
    let rows = report.told.into_iter().map(|told| {
        let (fate, tone, problem) = match told.fate {
            Fate::Create => ("import-fate-create", "good", None),
            Fate::Update => ("import-fate-update", "accent", None),
            Fate::Skip => ("import-fate-skip", "", None),
            Fate::Waits => ("import-fate-waits", "", None),
            Fate::Fail(problem) => ("import-fate-fail", "bad", Some(worded(problem))),
        };
        Row {
            line: told.line,
            fate,
            tone,
            problem,
            cells: told.cells.into_iter().take(CELLS).collect(),
        }
    });
    let makes = (!report.made.is_empty()).then(|| report.made.join(", "));
    Ok((rows.collect(), makes, None))
}

/// Each column with what it could become.
fn columns(inside: &Inside, object: &Object, choices: &Choices, peeked: &Peek) -> Vec<Column> {
    let locale = &inside.viewer.locale;
    let registry = inside.registry();
    let may_add = inside.can(Capability::SchemaManage);
    let mut options: Vec<(String, String)> = Vec::new();
    for field in object.writable_fields() {
        let label = locale.field(object, field);
        let found = places(registry, field);
        for place in &found {
            let by = place.split_once('.').and_then(|(target, by)| {
                let target = registry.object(target)?;
                let by = locale.field(target, target.field(by)?);
                Some(
                    if matches!(field.kind, fieldstone_model::FieldType::AnyRelation { .. }) {
                        format!("{}, {by}", locale.object(target))
                    } else {
                        by
                    },
                )
            });
            let text = locale.t2(
                "import-by",
                ("field", label.clone()),
                ("by", by.unwrap_or_default()),
            );
            options.push((format!("{}:{place}", field.name), text));
        }
        if found.is_empty() {
            options.push((field.name.to_string(), label));
        }
    }
    let column = |(at, name): (usize, &String)| {
        let target = choices.targets.get(at).map_or("", String::as_str);
        let samples: Vec<String> = peeked
            .samples(at)
            .take(3)
            .map(|text| text.chars().take(40).collect())
            .collect();
        let new = NEW.iter().filter(|_| may_add).map(|kind| {
            let value = format!("new:{kind}");
            let label = locale.t1(
                "import-new-field",
                "type",
                locale.t(&format!("type-{kind}")).into_owned(),
            );
            let chosen = value == target;
            (value, label, chosen)
        });
        Column {
            name: name.clone(),
            samples: samples.join(" · "),
            ambiguous: peeked.is_ambiguous(at),
            fields: options
                .iter()
                .map(|(value, label)| (value.clone(), label.clone(), value == target))
                .collect(),
            new: new.collect(),
        }
    };
    peeked.header.iter().enumerate().map(column).collect()
}

/// Required fields that no column fills, and what is said for them.
fn constants(
    inside: &Inside,
    object: &Object,
    choices: &Choices,
) -> Vec<(String, String, String, bool)> {
    let locale = &inside.viewer.locale;
    let mapped = |field: &Field| {
        choices
            .targets
            .iter()
            .any(|target| target.split(':').next() == Some(&*field.name))
    };
    let defaults = objects::defaults(
        &object.name,
        &fieldstone_model::Values::new(),
        inside.registry(),
        inside.viewer.now,
        inside.viewer.user_id,
    );
    let fields = object
        .writable_fields()
        .filter(|field| !mapped(field) && field.name != "owner_id");
    fields
        .filter_map(|field| {
            let text = choices.constants.get(field.name.as_ref());
            let needed = field.required && defaults.get(&field.name).is_none();
            (needed || text.is_some_and(|text| !text.is_empty())).then(|| {
                (
                    field.name.to_string(),
                    locale.field(object, field),
                    text.cloned().unwrap_or_default(),
                    needed,
                )
            })
        })
        .collect()
}

/// Fields that can say whether two records are the same.
fn same(locale: &Locale, object: &Object, choices: &Choices) -> Vec<Choice> {
    let fits = |field: &&Field| {
        field.indexed
            && field.is_filterable()
            && !field.kind.is_relation()
            && choices.targets.iter().any(|target| *target == *field.name)
    };
    let fields = object.writable_fields().filter(fits);
    fields
        .map(|field| {
            (
                field.name.to_string(),
                locale.field(object, field),
                choices.by == field.name.as_ref(),
            )
        })
        .collect()
}

/// `POST /imports/{id}`: notes what is chosen; with `then=start` the import begins.
pub(crate) async fn choose(inside: Inside, PathId(id): PathId, submitted: Submitted) -> PageResult {
    let fields = Fields::read(submitted)?;
    let upload = own(&inside, id).await?;
    let mut choices = read(&fields, &upload.choices);
    let page = format!("{PATH}/{id}");
    // A column that isn't mapped any more can't say whether records are the same.
    if !choices.targets.contains(&choices.by) {
        choices.by.clear();
    }
    let upload = Upload { choices, ..upload };
    if !inside.store.choose(id, &upload.choices).await? {
        return Ok(Redirect::to(&page).into_response());
    }
    if fields.get("then") == "start" {
        inside.store.start_upload(&upload).await?;
    }
    Ok(Redirect::to(&page).into_response())
}

fn read(fields: &Fields, before: &Choices) -> Choices {
    let targets = (0..before.targets.len()).map(|at| {
        fields
            .get(&format!("column-{at}"))
            .chars()
            .take(200)
            .collect()
    });
    let constants = fields.with_prefix("constant-").map(|(name, text)| {
        (
            name.chars().take(60).collect(),
            text.trim().chars().take(CONSTANT_MAX).collect::<String>(),
        )
    });
    Choices {
        new_object: before.new_object.clone(),
        targets: targets.collect(),
        constants: constants.collect::<BTreeMap<String, String>>(),
        missing: match fields.get("missing") {
            "empty" => Missing::Empty,
            "create" => Missing::Create,
            _ => Missing::Fail,
        },
        by: fields.get("by").to_owned(),
        rule: match fields.get("existing") {
            "update" => Existing::Update,
            "create" => Existing::Create,
            _ => Existing::Skip,
        },
        dates: match fields.get("dates") {
            "day" => Dates::Day,
            "month" => Dates::Month,
            _ => Dates::Iso,
        },
        comma: fields.get("numbers") == "comma",
    }
}

/// `POST /imports/{id}/again`: makes a draft of what could not begin.
pub(crate) async fn again(
    State(_entrance): State<Entrance>,
    inside: Inside,
    PathId(id): PathId,
) -> PageResult {
    own(&inside, id).await?;
    inside.store.retry_upload(id).await?;
    Ok(Redirect::to(&format!("{PATH}/{id}")).into_response())
}

/// `POST /imports/{id}/removal`: throws the file away.
pub(crate) async fn discard(inside: Inside, PathId(id): PathId) -> PageResult {
    own(&inside, id).await?;
    inside.store.drop_upload(id).await?;
    Ok(Redirect::to(PATH).into_response())
}
