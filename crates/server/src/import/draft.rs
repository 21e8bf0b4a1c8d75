//! Drafts: what one row wants to become, before anything is looked up in the database.

use std::borrow::Cow;

use fieldstone_model::{FieldType, RecordId, Value, Values, fold::fold, value::Key};

use super::{
    RowProblem,
    binding::{Binding, BoundField, Part, Source},
    row_problem::Why,
    rows::{CELL_MAX, Cells, Row},
};
use crate::spreadsheet::unescape;

/// One row of the file on its way.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Number of the row, from 1, the header not counted.
    pub(super) number: u64,
    /// The line it begins on.
    pub(super) line: u64,
    /// The cells as they stand in the file, for the file of failed rows.
    pub(super) cells: Cells,
    /// What it wants to become.
    pub(super) content: Content,
}

/// What a row turned out to be.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// Nothing but empty cells.
    Blank,
    /// A record.
    Draft(Box<Draft>),
    /// Nothing that can be stored, and why.
    Wrong(RowProblem),
}

/// What a row wants to become.
#[derive(Debug, Clone, Default)]
pub(super) struct Draft {
    /// Values of everything but relations. Empty cells are nulls.
    pub(super) values: Values,
    /// Related records to find.
    pub(super) wanted: Vec<Wanted>,
    /// The key that says whether the record exists already: look-up, value to ask with.
    pub(super) dedupe: Option<(usize, Sought)>,
    /// Unique values: field, look-up, value.
    pub(super) guards: Vec<(String, usize, Sought)>,
}

/// A related record to find.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Place of the field among the bound ones.
    pub(super) field: usize,
    /// What the row says.
    pub(super) text: String,
    /// Look-ups in order; the first that finds something decides.
    pub(super) sought: Vec<(usize, Sought)>,
    /// Look-ups of the fallback text.
    pub(super) fallback: Vec<(usize, Sought)>,
}

/// A value to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sought {
    /// What it compares by.
    pub(super) key: Key,
    /// What a query asks with.
    pub(super) value: Value,
}

impl Draft {
    /// Every look-up that this row needs.
    pub(super) fn sought(&self) -> impl Iterator<Item = &(usize, Sought)> {
        self.wanted
            .iter()
            .flat_map(|wanted| wanted.sought.iter().chain(&wanted.fallback))
            .chain(&self.dedupe)
    }
}

impl Binding {
    /// What `row` wants to become.
    pub(super) fn read(&self, number: u64, row: Row) -> Entry {
        let content = match self.content(number, &row) {
            Ok(content) => content,
            Err(problem) => Content::Wrong(problem),
        };
        Entry {
            number,
            line: row.line,
            cells: row.cells,
            content,
        }
    }

    fn content(&self, number: u64, row: &Row) -> Result<Content, RowProblem> {
        let cells = &row.cells;
        if row.overlong {
            return Err(Why::Overlong.into());
        }
        if cells.is_blank() && cells.len() <= self.width {
            return Ok(Content::Blank);
        }
        if cells.len() != self.width {
            let why = Why::Cells {
                cells: cells.len(),
                columns: self.width,
            };
            return Err(why.into());
        }
        if cells.iter().any(|cell| cell.len() > CELL_MAX) {
            return Err(Why::LongCell.into());
        }
        let texts = cells
            .texts()
            .ok_or_else(|| RowProblem::from(Why::NotUtf8))?;
        let texts: Vec<Cow<'_, str>> = texts
            .into_iter()
            .zip(&self.corrections)
            .map(|(text, corrections)| self.correct(text, corrections))
            .collect();
        self.draft(number, &texts)
            .map(|draft| Content::Draft(Box::new(draft)))
    }

    fn correct<'a>(
        &self,
        text: &'a str,
        corrections: &std::collections::HashMap<String, String>,
    ) -> Cow<'a, str> {
        let text = if self.escaped {
            unescape(text)
        } else {
            Cow::Borrowed(text)
        };
        if corrections.is_empty() {
            return text;
        }
        let corrected = corrections.get(&fold(&text)).cloned();
        corrected.map_or(text, Cow::Owned)
    }

    fn draft(&self, number: u64, texts: &[Cow<'_, str>]) -> Result<Draft, RowProblem> {
        let mut draft = Draft::default();
        let mut problems = Vec::new();
        for (at, bound) in self.fields.iter().enumerate() {
            let text = bound.text(number, texts);
            match &bound.relation {
                Some(_) => {
                    if text.trim().is_empty() {
                        draft.values.set(bound.field.name.clone(), Value::Null);
                    } else {
                        let wanted = self.wanted(at, bound, text.trim());
                        draft.wanted.push(wanted);
                    }
                }
                None => match bound.reading.value(&bound.field, &text) {
                    Ok(value) => draft.values.set(bound.field.name.clone(), value),
                    Err(problem) => problems.push(Why::value(&bound.field.name, &problem, &text)),
                },
            }
        }
        if !problems.is_empty() {
            return Err(RowProblem::all(problems));
        }
        self.find_keys(&mut draft);
        Ok(draft)
    }

    fn wanted(&self, field: usize, bound: &BoundField, text: &str) -> Wanted {
        let finders = bound
            .relation
            .as_ref()
            .map(|relation| relation.finders.as_slice());
        let sought = |text: &str| -> Vec<(usize, Sought)> {
            let finders = finders.unwrap_or_default().iter();
            finders
                .filter_map(|at| self.sought(*at, text).map(|sought| (*at, sought)))
                .collect()
        };
        let fallback = bound
            .relation
            .as_ref()
            .and_then(|relation| relation.fallback.as_deref())
            .map(sought)
            .unwrap_or_default();
        Wanted {
            field,
            text: text.to_owned(),
            sought: sought(text),
            fallback,
        }
    }

    /// `text` as something the look-up can ask with; a text that the field can't have is found nowhere.
    fn sought(&self, finder: usize, text: &str) -> Option<Sought> {
        let finder = self.finders.get(finder)?;
        let value = Value::parse(&finder.field, text).ok()?;
        if let (FieldType::Id, Value::Id(id)) = (&finder.field.kind, &value)
            && id.prefix() != finder.object.prefix_str()
        {
            return None;
        }
        Some(Sought {
            key: finder.key(&value)?,
            value,
        })
    }

    fn find_keys(&self, draft: &mut Draft) {
        let sought = |at: usize, finder: usize| {
            let name = &self.fields.get(at)?.field.name;
            let value = draft.values.get(name)?;
            let key = self.finders.get(finder)?.key(value)?;
            Some((
                name.to_string(),
                Sought {
                    key,
                    value: value.clone(),
                },
            ))
        };
        let guards = self
            .guards
            .iter()
            .filter_map(|(at, finder)| {
                sought(*at, *finder).map(|(name, sought)| (name, *finder, sought))
            })
            .collect();
        let dedupe = self.dedupe.as_ref().and_then(|dedupe| {
            let (_, sought) = sought(dedupe.field, dedupe.finder)?;
            Some((dedupe.finder, sought))
        });
        draft.guards = guards;
        draft.dedupe = dedupe;
    }

    /// The id a row names when rows are compared by id.
    pub(super) fn named_id(&self, draft: &Draft) -> Option<RecordId> {
        let dedupe = self.dedupe.as_ref()?;
        let field = &self.fields.get(dedupe.field)?.field;
        (field.kind == FieldType::Id)
            .then(|| draft.values.get(&field.name)?.as_id())
            .flatten()
    }
}

impl BoundField {
    fn text<'a>(&'a self, number: u64, texts: &'a [Cow<'_, str>]) -> Cow<'a, str> {
        let text = match &self.source {
            Source::Column(at) => Cow::Borrowed(texts.get(*at).map_or("", AsRef::as_ref)),
            Source::Constant(text) => Cow::Borrowed(text.as_str()),
            Source::Template(parts) => Cow::Owned(fill(parts, number, texts)),
        };
        let text = if self.values.is_empty() {
            text
        } else {
            match self.values.get(&fold(&text)) {
                Some(to) => Cow::Borrowed(to.as_str()),
                None => text,
            }
        };
        match &self.default {
            Some(default) if text.trim().is_empty() => Cow::Borrowed(default),
            _ => text,
        }
    }
}

/// Fills a template; one whose columns are all empty is empty.
fn fill(parts: &[Part], number: u64, texts: &[Cow<'_, str>]) -> String {
    let cell = |at: usize| texts.get(at).map_or("", |text| text.trim());
    let mut columns = parts.iter().filter_map(|part| match part {
        Part::Column(at) => Some(cell(*at)),
        _ => None,
    });
    let mut says_nothing = columns.next().is_some_and(str::is_empty);
    says_nothing &= columns.all(str::is_empty);
    if says_nothing {
        return String::new();
    }
    parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => Cow::Borrowed(text.as_str()),
            Part::Column(at) => Cow::Borrowed(cell(*at)),
            Part::RowNumber => Cow::Owned(number.to_string()),
        })
        .collect()
}
