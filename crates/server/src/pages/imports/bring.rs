//! Bringing a file: what it holds, and the file itself.

use askama::Template;
use axum::{
    extract::{Multipart, Query, multipart::MultipartRejection},
    http::StatusCode,
    response::{IntoResponse as _, Redirect},
};
use bytes::Bytes;
use fieldstone_model::{Capability, ObjectClass};
use fieldstone_ui::{PageError, PageResult, locale::Locale};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::{Inside, PATH};
use crate::import::{
    Choices, ImportError, Input, Mapping, is_workbook, job::PEEKED, object_name, peek, propose,
    to_csv,
};

/// Largest file, below what a request may have.
const FILE_MAX: usize = 15 * 1024 * 1024;
/// Most characters of a label.
const LABEL_MAX: usize = 80;
/// Workbooks that are unpacked at the same time on this server: each may take many times its own size.
static CONVERSIONS: Semaphore = Semaphore::const_new(2);

#[derive(Template)]
#[template(path = "imports/new.html")]
struct Page<'a> {
    locale: &'a Locale,
    /// Objects: name, label, whether chosen.
    objects: Vec<(String, String, bool)>,
    may_make: bool,
    brought: &'a Brought,
    error: Option<(&'static str, &'static str)>,
}

/// What was sent.
#[derive(Debug, Default)]
struct Brought {
    object: String,
    label: String,
    plural: String,
    name: String,
    bytes: Bytes,
}

/// What the address may say.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    object: String,
}

/// `GET /imports/new?object=…`.
pub(crate) async fn new(inside: Inside, Query(asked): Query<Asked>) -> PageResult {
    let brought = Brought {
        object: asked.object,
        ..Brought::default()
    };
    Ok(page(&inside, StatusCode::OK, &brought, None))
}

fn page(
    inside: &Inside,
    status: StatusCode,
    brought: &Brought,
    error: Option<(&'static str, &'static str)>,
) -> axum::response::Response {
    let locale = &inside.viewer.locale;
    let objects = inside
        .registry()
        .objects()
        .filter(|object| object.class == ObjectClass::Record);
    let page = Page {
        locale,
        objects: objects
            .map(|object| {
                (
                    object.name.to_string(),
                    locale.objects(object),
                    object.name == brought.object.as_str(),
                )
            })
            .collect(),
        may_make: inside.can(Capability::SchemaManage),
        brought,
        error,
    };
    inside.page_with(status, locale.t("import-new"), &page)
}

/// `POST /imports`: keeps the file with proposals for its columns.
pub(crate) async fn create(
    inside: Inside,
    parts: Result<Multipart, MultipartRejection>,
) -> PageResult {
    let brought = read(parts.map_err(|_| PageError::Invalid)?).await?;
    let refuse = |field, key| {
        Ok(page(
            &inside,
            StatusCode::UNPROCESSABLE_ENTITY,
            &brought,
            Some((field, key)),
        ))
    };
    let mut choices = Choices::default();
    if brought.object == "new" {
        if !inside.can(Capability::SchemaManage) {
            return Err(PageError::Forbidden);
        }
        let label = |text: &str| {
            Some(text.trim().chars().take(LABEL_MAX).collect::<String>())
                .filter(|text| !text.is_empty())
        };
        let (Some(one), Some(several)) = (label(&brought.label), label(&brought.plural)) else {
            return refuse("label", "import-label-missing");
        };
        choices.new_object = Some((one, several));
    }
    let imagined = choices.imagined();
    let registry = inside.registry();
    let object = imagined
        .as_ref()
        .or_else(|| registry.object(&brought.object).map(AsRef::as_ref));
    let Some(object) = object.filter(|object| object.class == ObjectClass::Record) else {
        return Err(PageError::Invalid);
    };
    if brought.bytes.is_empty() {
        return refuse(
            "file",
            if brought.name.is_empty() {
                "import-file-missing"
            } else {
                "import-file-empty"
            },
        );
    }
    if brought.bytes.len() > FILE_MAX {
        return refuse("file", "import-file-too-large");
    }
    let bytes = brought.bytes.clone();
    let bytes = if is_workbook(&bytes) {
        let turn = CONVERSIONS.acquire().await;
        let read = tokio::task::spawn_blocking(move || to_csv(&bytes))
            .await
            .map_err(|_| PageError::Failed)?;
        drop(turn);
        match read {
            Ok(text) => Bytes::from(text),
            Err(crate::import::WorkbookError::TooLarge) => {
                return refuse("file", "import-file-too-large");
            }
            Err(crate::import::WorkbookError::Empty) => return refuse("file", "import-file-empty"),
            Err(_) => return refuse("file", "import-file-unreadable"),
        }
    } else {
        bytes
    };
    let input = Input::Memory(brought.name.clone(), bytes.clone());
    let peeked = match peek(&input, &Mapping::default(), PEEKED) {
        Ok(peeked) => peeked,
        Err(ImportError::Empty) => return refuse("file", "import-file-empty"),
        Err(_) => return refuse("file", "import-file-unreadable"),
    };
    let proposed = propose(
        registry,
        object,
        &peeked,
        &inside.viewer.locale,
        inside.can(Capability::SchemaManage),
    );
    let choices = Choices {
        new_object: choices.new_object,
        ..proposed
    };
    let name = choices
        .new_object
        .as_ref()
        .map_or_else(|| object.name.to_string(), |(label, _)| object_name(label));
    let id = inside
        .store
        .keep_upload(&name, &brought.name, &bytes, &choices)
        .await?;
    Ok(Redirect::to(&format!("{PATH}/{id}")).into_response())
}

async fn read(mut parts: Multipart) -> Result<Brought, PageError> {
    let mut brought = Brought::default();
    while let Some(field) = parts.next_field().await.map_err(|_| PageError::TooLarge)? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "file" => {
                brought.name = field.file_name().unwrap_or_default().to_owned();
                brought.bytes = field.bytes().await.map_err(|_| PageError::TooLarge)?;
            }
            "object" => brought.object = field.text().await.map_err(|_| PageError::Invalid)?,
            "label" => brought.label = field.text().await.map_err(|_| PageError::Invalid)?,
            "plural" => brought.plural = field.text().await.map_err(|_| PageError::Invalid)?,
            _ => {}
        }
    }
    // A path that an old browser sends with the name is nobody's business.
    let name = brought
        .name
        .rsplit(['/', '\\'])
        .next()
        .unwrap_or_default()
        .to_owned();
    brought.name = name;
    Ok(brought)
}
