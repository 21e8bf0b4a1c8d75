//! A mapping bound to one file's header and one object's fields: every name resolved, every mistake found before the first row.

use std::{collections::HashMap, sync::Arc};

use fieldstone_model::{Field, FieldType, Object, Registry, fold::fold, value::Key};
use jiff::tz::TimeZone;

use super::{
    DedupeRule, ImportError, Mapping, MappingProblem,
    convert::Reading,
    mapping::{Column, Rule},
};

/// A mapping with all its names resolved.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) object: Arc<Object>,
    /// The file's columns, without a trailing `error` column of a file of failed rows.
    pub(super) header: Vec<String>,
    /// Cells that a row must have.
    pub(super) width: usize,
    /// Whether the file is one of failed rows, whose cells had formulas escaped.
    pub(super) escaped: bool,
    /// Corrections by column.
    pub(super) corrections: Vec<HashMap<String, String>>,
    pub(super) fields: Vec<BoundField>,
    pub(super) finders: Vec<Finder>,
    pub(super) dedupe: Option<BoundDedupe>,
    /// Unique fields that are written, with the look-up that finds who has the value.
    pub(super) guards: Vec<(usize, usize)>,
}

/// One field and where its value comes from.
#[derive(Debug)]
pub(super) struct BoundField {
    pub(super) field: Field,
    pub(super) source: Source,
    /// Translations by folded text.
    pub(super) values: HashMap<String, String>,
    pub(super) default: Option<String>,
    pub(super) reading: Reading,
    pub(super) relation: Option<Relation>,
}

/// Where a field's text comes from.
#[derive(Debug)]
pub(super) enum Source {
    Column(usize),
    Constant(String),
    Template(Vec<Part>),
}

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Column(usize),
    RowNumber,
}

/// How a related record is found.
#[derive(Debug)]
pub(super) struct Relation {
    /// Look-ups in order.
    pub(super) finders: Vec<usize>,
    pub(super) create: bool,
    pub(super) optional: bool,
    pub(super) fallback: Option<String>,
}

/// A look-up: records of an object by one of its fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finder {
    pub(super) object: Arc<Object>,
    pub(super) field: Field,
    /// Whether it looks among the records being imported.
    pub(super) own: bool,
}

/// A dedupe rule with its look-up.
#[derive(Debug)]
pub(super) struct BoundDedupe {
    /// Place of the field among the bound ones.
    pub(super) field: usize,
    pub(super) finder: usize,
    pub(super) rule: DedupeRule,
    pub(super) clear: bool,
}

impl Finder {
    /// The key that `value` is found by.
    pub(super) fn key(&self, value: &fieldstone_model::Value) -> Option<Key> {
        value.key(&self.field.kind)
    }
}

/// The file's own columns, and whether it is a file of failed rows.
pub(super) fn file_header(cells: &[&str]) -> (Vec<String>, bool) {
    let mut header: Vec<String> = cells.iter().map(|cell| cell.trim().to_owned()).collect();
    let escaped = header.len() > 1
        && header
            .last()
            .is_some_and(|last| last == super::ERROR_COLUMN);
    if escaped {
        header.pop();
        for name in &mut header {
            *name = crate::spreadsheet::unescape(name).into_owned();
        }
    }
    (header, escaped)
}

impl Binding {
    /// Resolves every name of `mapping`, whose guesses have been made already.
    pub(super) fn new(
        registry: &Registry,
        object: &Arc<Object>,
        mapping: &Mapping,
        header: Vec<String>,
        escaped: bool,
    ) -> Result<Self, ImportError> {
        let zone = mapping
            .timezone
            .as_deref()
            .map(|name| {
                TimeZone::get(name)
                    .map_err(|_| MappingProblem::new("no-time-zone", [("name", name.to_owned())]))
            })
            .transpose()?;
        let mut binding = Self {
            object: Arc::clone(object),
            width: header.len() + usize::from(escaped),
            corrections: vec![HashMap::new(); header.len()],
            header,
            escaped,
            fields: Vec::new(),
            finders: Vec::new(),
            dedupe: None,
            guards: Vec::new(),
        };
        for (name, Column { values }) in &mapping.columns {
            let at = binding.column(name)?;
            if let Some(corrections) = binding.corrections.get_mut(at) {
                *corrections = folded(values);
            }
        }
        let by = mapping.dedupe.as_ref().map(|dedupe| dedupe.by.as_str());
        for (name, rule) in &mapping.map {
            let bound = binding.bind_field(registry, name, rule, by, zone.as_ref())?;
            binding.fields.push(bound);
        }
        if let Some(dedupe) = &mapping.dedupe {
            binding.bind_dedupe(dedupe)?;
        }
        for at in 0..binding.fields.len() {
            if let Some(field) = binding.fields.get(at).map(|bound| bound.field.clone())
                && field.unique
            {
                let finder = binding.finder(Arc::clone(object), field, true);
                binding.guards.push((at, finder));
            }
        }
        if binding.fields.is_empty() {
            let object = object.name.to_string();
            return Err(MappingProblem::new("no-field", [("object", object)]).into());
        }
        Ok(binding)
    }

    fn bind_field(
        &mut self,
        registry: &Registry,
        name: &str,
        rule: &Rule,
        dedupe: Option<&str>,
        zone: Option<&TimeZone>,
    ) -> Result<BoundField, ImportError> {
        let field = || ("field", name.to_owned());
        let (this, field) = (field, self.object.field(name));
        let field = field.cloned().ok_or_else(|| {
            let object = ("object", self.object.name.to_string());
            MappingProblem::new("unknown-field", [this(), object])
        })?;
        let is_key = field.kind == FieldType::Id && dedupe == Some(name);
        if !field.is_writable() && !is_key {
            return Err(MappingProblem::new("system-field", [this()]).into());
        }
        let source = match (&rule.column, &rule.constant, &rule.template) {
            (Some(column), None, None) => Source::Column(self.column(column)?),
            (None, Some(constant), None) => Source::Constant(constant.clone()),
            (None, None, Some(template)) => Source::Template(self.template(template)?),
            _ => return Err(MappingProblem::new("one-source", [this()]).into()),
        };
        let relation = if field.kind.is_relation() {
            Some(self.bind_relation(registry, &field, rule)?)
        } else if rule.find.is_empty() && !rule.create && !rule.optional && rule.fallback.is_none()
        {
            None
        } else {
            return Err(MappingProblem::new("no-relation", [this()]).into());
        };
        Ok(BoundField {
            field,
            source,
            values: folded(&rule.values),
            default: rule.default.clone(),
            reading: Reading {
                formats: rule.formats.clone(),
                number: rule.number.clone(),
                separator: rule.separator.clone(),
                zone: zone.cloned(),
            },
            relation,
        })
    }

    fn bind_relation(
        &mut self,
        registry: &Registry,
        field: &Field,
        rule: &Rule,
    ) -> Result<Relation, ImportError> {
        let this = || ("field", field.name.to_string());
        let targets: Vec<&str> = match &field.kind {
            FieldType::Relation { to } => vec![to.as_ref()],
            FieldType::AnyRelation { to } => to.iter().map(AsRef::as_ref).collect(),
            _ => Vec::new(),
        };
        if rule.create && rule.find.len() != 1 {
            return Err(MappingProblem::new("one-find", [this()]).into());
        }
        let ids: Vec<String>;
        let find = if rule.find.is_empty() {
            ids = targets
                .iter()
                .map(|target| format!("{target}.id"))
                .collect();
            &ids
        } else {
            &rule.find
        };
        let mut finders = Vec::new();
        for path in find {
            let (target, by) = path
                .split_once('.')
                .filter(|(target, _)| targets.contains(target))
                .ok_or_else(|| {
                    let targets = ("targets", targets.join(", "));
                    MappingProblem::new("find-target", [this(), targets, ("path", path.clone())])
                })?;
            let object = registry.object(target).ok_or_else(|| {
                MappingProblem::new("no-object", [this(), ("object", target.to_owned())])
            })?;
            let by = object
                .field(by)
                .filter(|by| by.indexed && by.is_filterable() && !by.kind.is_relation())
                .ok_or_else(|| {
                    MappingProblem::new("not-found-by", [this(), ("path", path.clone())])
                })?;
            if rule.create && !by.is_writable() {
                let path = ("path", path.clone());
                return Err(MappingProblem::new("not-made-by", [this(), path]).into());
            }
            let own = object.name == self.object.name;
            finders.push(self.finder(Arc::clone(object), by.clone(), own));
        }
        Ok(Relation {
            finders,
            create: rule.create,
            optional: rule.optional,
            fallback: rule.fallback.clone(),
        })
    }

    fn bind_dedupe(&mut self, dedupe: &super::Dedupe) -> Result<(), ImportError> {
        let this = || ("field", dedupe.by.clone());
        let at = self
            .fields
            .iter()
            .position(|bound| bound.field.name == dedupe.by)
            .ok_or_else(|| MappingProblem::new("dedupe-unmapped", [this()]))?;
        let Some(field) = self.fields.get(at).map(|bound| bound.field.clone()) else {
            return Ok(());
        };
        if !field.indexed || field.kind.is_relation() || !field.is_filterable() {
            return Err(MappingProblem::new("dedupe-unindexed", [this()]).into());
        }
        let finder = self.finder(Arc::clone(&self.object), field, true);
        self.dedupe = Some(BoundDedupe {
            field: at,
            finder,
            rule: dedupe.rule,
            clear: dedupe.clear,
        });
        Ok(())
    }

    fn finder(&mut self, object: Arc<Object>, field: Field, own: bool) -> usize {
        let finder = Finder { object, field, own };
        self.finders
            .iter()
            .position(|known| {
                known.object.name == finder.object.name && known.field.name == finder.field.name
            })
            .unwrap_or_else(|| {
                self.finders.push(finder);
                self.finders.len() - 1
            })
    }

    /// The column called `name`, exactly or but for case, accents and spaces.
    fn column(&self, name: &str) -> Result<usize, ImportError> {
        let exact = |column: &String| column == name.trim();
        let loose = |column: &String| fold(column) == fold(name);
        let matches = |test: &dyn Fn(&String) -> bool| -> Vec<usize> {
            let all = self.header.iter().enumerate();
            all.filter(|(_, column)| test(column))
                .map(|(at, _)| at)
                .collect()
        };
        let mut found = matches(&exact);
        if found.is_empty() {
            found = matches(&loose);
        }
        match found.as_slice() {
            [at] => Ok(*at),
            [] => {
                let columns = self.header.join(", ").chars().take(500).collect();
                let facts = [("name", name.to_owned()), ("columns", columns)];
                Err(MappingProblem::new("no-column", facts).into())
            }
            _ => Err(MappingProblem::new("several-columns", [("name", name.to_owned())]).into()),
        }
    }

    fn template(&self, text: &str) -> Result<Vec<Part>, ImportError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut letters = text.chars().peekable();
        while let Some(c) = letters.next() {
            match c {
                '{' | '}' if letters.peek() == Some(&c) => {
                    letters.next();
                    literal.push(c);
                }
                '{' => {
                    let name: String = letters.by_ref().take_while(|c| *c != '}').collect();
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(if name == "#" {
                        Part::RowNumber
                    } else {
                        Part::Column(self.column(&name)?)
                    });
                }
                c => literal.push(c),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(parts)
    }
}

fn folded(values: &std::collections::BTreeMap<String, String>) -> HashMap<String, String> {
    values
        .iter()
        .map(|(from, to)| (fold(from), to.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(toml: &str) -> Result<Binding, ImportError> {
        let registry = Registry::standard();
        let object = registry.object("deal").unwrap();
        let mapping = Mapping::from_toml(toml).unwrap();
        let header = ["Account", "product", "x", "X"].map(str::to_owned).to_vec();
        Binding::new(&registry, object, &mapping, header, false)
    }

    #[test]
    fn templates_and_columns_resolve() {
        let binding =
            bind("[map]\nname = { template = \"{account} – {product} {{{#}}}\" }").unwrap();
        let Source::Template(parts) = &binding.fields[0].source else {
            unreachable!()
        };
        let text = |text: &str| Part::Text(text.to_owned());
        assert_eq!(
            *parts,
            [
                Part::Column(0),
                text(" – "),
                Part::Column(1),
                text(" {"),
                Part::RowNumber,
                text("}")
            ]
        );
        assert!(
            bind("[map]\nname = \"X\"").is_ok(),
            "exact names win over folded ones"
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (toml, part) in [
            ("[map]\nnaem = \"x\"", "naem"),
            ("[map]\nname = \"nowhere\"", "no column “nowhere”"),
            ("[map]\nstatus = \"x\"", "kept by the system"),
            (
                "[map]\nname = { column = \"x\", constant = \"y\" }",
                "one of",
            ),
            (
                "[map]\naccount_id = { column = \"x\", find = \"lead.name\" }",
                "lead.name",
            ),
            (
                "[map]\naccount_id = { column = \"x\", find = \"account.phone\" }",
                "account.phone",
            ),
            (
                "[map]\nowner_id = { column = \"x\", create = true }",
                "create",
            ),
            (
                "[map]\nname = \"x\"\n[dedupe]\nby = \"external_id\"",
                "map this field",
            ),
            (
                "[map]\namount = \"x\"\nnext_step = \"x\"\n[dedupe]\nby = \"description\"",
                "map this field",
            ),
            ("timezone = \"Mars/Base\"\n[map]\nname = \"x\"", "Mars/Base"),
            ("", "none of the columns"),
        ] {
            let error = bind(toml).unwrap_err().to_string();
            assert!(error.contains(part), "{toml}: {error}");
        }
    }
}
