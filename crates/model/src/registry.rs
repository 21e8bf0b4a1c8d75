//! The registry: every object a tenant has, standard and custom, and the stages of its pipelines.

use std::{collections::HashMap, sync::Arc};

use crate::{Field, FieldType, Object, RecordId, Role, object::Placed, objects, query::Path};

/// All objects of one tenant at one schema version. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Registry {
    inner: Arc<Inner>,
    /// All of it, where this is what a role sees.
    whole: Option<Arc<Inner>>,
}

#[derive(Debug, Clone)]
struct Inner {
    version: i64,
    objects: Vec<Arc<Object>>,
    by_name: HashMap<String, usize>,
    by_plural: HashMap<String, usize>,
    by_prefix: HashMap<[u8; 3], usize>,
    stages: Vec<Stage>,
}

/// A stage of a pipeline, as rules need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its id.
    pub id: RecordId,
    /// The pipeline it belongs to.
    pub pipeline_id: RecordId,
    /// Its name.
    pub name: String,
    /// What being in it means for a deal.
    pub kind: StageKind,
    /// Chance of winning, in hundredths of a percent.
    pub probability: i64,
    /// Place within its pipeline, ascending.
    pub position: i64,
}

/// What being in a stage means for a deal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StageKind {
    /// Still being worked on.
    Open,
    /// Won.
    Won,
    /// Lost.
    Lost,
}

impl StageKind {
    /// The stored value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }

    /// Reads the stored value; anything unknown counts as open.
    pub fn from_name(name: &str) -> Self {
        match name {
            "won" => Self::Won,
            "lost" => Self::Lost,
            _ => Self::Open,
        }
    }
}

/// Where a path leads: the relations walked through and the field at its end.
#[derive(Debug, Clone)]
pub struct Resolved<'a> {
    /// Each relation walked through, with the object it leads to.
    pub steps: Vec<(&'a Field, &'a Object)>,
    /// The object that has the field.
    pub object: &'a Object,
    /// The field at the end.
    pub field: &'a Field,
}

impl Resolved<'_> {
    /// Whether the field has a value in every record: a required standard field of the record itself.
    pub fn is_never_empty(&self) -> bool {
        let kept = matches!(
            self.field.name.as_ref(),
            "id" | "version" | "created_at" | "updated_at"
        );
        self.steps.is_empty() && !self.field.custom && (self.field.required || kept)
    }
}

/// Relations that a path may walk through.
pub const PATH_DEPTH: usize = 3;

impl Registry {
    /// The standard objects alone, as schema version 0.
    pub fn standard() -> Self {
        Self::new(0, Vec::new(), HashMap::new(), Vec::new())
    }

    /// A tenant's registry: the standard objects, its custom objects, its custom fields by object name, its stages.
    ///
    /// A custom object or field whose name or prefix is taken is left out: the standard one wins.
    pub fn new(
        version: i64,
        custom: Vec<Object>,
        mut fields: HashMap<String, Vec<Field>>,
        mut stages: Vec<Stage>,
    ) -> Self {
        let standard = objects::STANDARD
            .iter()
            .map(|facts| Object::standard(facts));
        let mut inner = Inner {
            version,
            objects: Vec::new(),
            by_name: HashMap::new(),
            by_plural: HashMap::new(),
            by_prefix: HashMap::new(),
            stages: Vec::new(),
        };
        for mut object in standard.chain(custom) {
            for field in fields.remove(object.name.as_ref()).unwrap_or_default() {
                if object.field(&field.name).is_none() {
                    object.fields.push(field);
                }
            }
            let taken = inner.by_name.contains_key(object.name.as_ref())
                || inner.by_plural.contains_key(object.plural.as_ref())
                || inner.by_prefix.contains_key(&object.prefix);
            if !taken {
                let at = inner.objects.len();
                inner.by_name.insert(object.name.to_string(), at);
                inner.by_plural.insert(object.plural.to_string(), at);
                inner.by_prefix.insert(object.prefix, at);
                inner.objects.push(Arc::new(object));
            }
        }
        stages.sort_by_key(|stage| (stage.pipeline_id, stage.position, stage.id));
        inner.stages = stages;
        Self {
            inner: Arc::new(inner),
            whole: None,
        }
    }

    /// What `role` sees: without the fields kept from it, and with those it may not set locked.
    ///
    /// Whatever names a field by this registry can't name a hidden one: it is as if it weren't there.
    #[must_use]
    pub fn for_role(&self, role: Role) -> Self {
        let whole = self.whole.as_ref().unwrap_or(&self.inner);
        let is_open =
            |field: &Field| role >= field.read_role && (role >= field.write_role || field.locked);
        if whole
            .objects
            .iter()
            .all(|object| object.fields.iter().all(is_open))
        {
            return self.whole();
        }
        let objects = whole.objects.iter().map(|object| {
            if object.fields.iter().all(is_open) {
                return object.clone();
            }
            let mut seen = Object::clone(object);
            seen.fields.retain(|field| role >= field.read_role);
            for field in &mut seen.fields {
                field.locked |= role < field.write_role;
            }
            Arc::new(seen)
        });
        let inner = Inner {
            objects: objects.collect(),
            ..Inner::clone(whole)
        };
        Self {
            inner: Arc::new(inner),
            whole: Some(whole.clone()),
        }
    }

    /// The same with a field kept from weaker roles than these, where it can be.
    #[must_use]
    pub fn restricted(self, object: &str, field: &str, read_role: Role, write_role: Role) -> Self {
        self.with_changed(object, |object| {
            let known = object.fields.iter_mut().find(|known| known.name == field);
            if let Some(field) = known.filter(|known| known.is_restrictable()) {
                field.read_role = read_role;
                field.write_role = write_role;
            }
        })
    }

    /// The same with the fields of an object's pages in this order.
    #[must_use]
    pub fn placed(self, object: &str, places: Vec<Placed>) -> Self {
        self.with_changed(object, |object| object.places = places)
    }

    /// All of it, with one object changed if it is there.
    fn with_changed(self, object: &str, change: impl FnOnce(&mut Object)) -> Self {
        let mut whole = self.whole();
        // Nobody else may have it, and then nothing is copied.
        drop(self);
        let inner = Arc::make_mut(&mut whole.inner);
        let at = inner.by_name.get(object).copied();
        if let Some(object) = at.and_then(|at| inner.objects.get_mut(at)) {
            change(Arc::make_mut(object));
        }
        whole
    }

    /// All of it, for what a role doesn't decide: rules, derived fields, what is stored.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self {
            inner: self.whole.as_ref().unwrap_or(&self.inner).clone(),
            whole: None,
        }
    }

    /// The schema version this registry was read at.
    pub fn version(&self) -> i64 {
        self.inner.version
    }

    /// All objects, standard ones first.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.inner.objects.iter()
    }

    /// The object of this API name.
    pub fn object(&self, name: &str) -> Option<&Arc<Object>> {
        self.inner
            .by_name
            .get(name)
            .and_then(|at| self.inner.objects.get(*at))
    }

    /// The object of this plural name.
    pub fn by_plural(&self, plural: &str) -> Option<&Arc<Object>> {
        self.inner
            .by_plural
            .get(plural)
            .and_then(|at| self.inner.objects.get(*at))
    }

    /// The object that `id` belongs to, by its prefix.
    pub fn object_of(&self, id: RecordId) -> Option<&Arc<Object>> {
        let prefix: [u8; 3] = id.prefix().as_bytes().try_into().ok()?;
        self.inner
            .by_prefix
            .get(&prefix)
            .and_then(|at| self.inner.objects.get(*at))
    }

    /// Every stage, by pipeline and place.
    pub fn stages(&self) -> &[Stage] {
        &self.inner.stages
    }

    /// The stage of this id.
    pub fn stage(&self, id: RecordId) -> Option<&Stage> {
        self.inner.stages.iter().find(|stage| stage.id == id)
    }

    /// Where a new deal starts: the first open stage of the oldest pipeline.
    pub fn first_stage(&self) -> Option<&Stage> {
        self.inner
            .stages
            .iter()
            .find(|stage| stage.kind == StageKind::Open)
    }

    /// Follows `path` from `object`: `account.owner.name` leads from a deal to a user's name.
    pub fn resolve<'a>(&'a self, object: &'a Object, path: &Path) -> Option<Resolved<'a>> {
        let mut at = object;
        let mut steps = Vec::new();
        let (last, relations) = path.segments().split_last()?;
        if relations.len() > PATH_DEPTH {
            return None;
        }
        for relation in relations {
            let field = at.relation(relation)?;
            at = self.object(field.target()?)?;
            steps.push((field, at));
        }
        // Figures are worked out for the records that are read, not for those they refer to.
        let field = at
            .field(last)
            .filter(|field| steps.is_empty() || field.roll_up.is_none())?;
        Some(Resolved {
            steps,
            object: at,
            field,
        })
    }

    /// Every relation that leads to `object`: the owning object and its field, for related lists and for references.
    pub fn relations_to<'a>(
        &'a self,
        object: &'a str,
    ) -> impl Iterator<Item = (&'a Object, &'a Field)> {
        self.objects().flat_map(move |from| {
            from.fields
                .iter()
                .filter(move |field| match &field.kind {
                    FieldType::Relation { to } => to == object,
                    FieldType::AnyRelation { to } => to.iter().any(|to| to == object),
                    _ => false,
                })
                .map(move |field| (from.as_ref(), field))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn standard_names_prefixes_and_field_ids_are_unique() {
        let registry = Registry::standard();
        assert_eq!(registry.objects().count(), objects::STANDARD.len());
        for object in registry.objects() {
            let ids: HashSet<_> = object.fields.iter().map(|field| field.id).collect();
            assert_eq!(
                ids.len(),
                object.fields.len(),
                "{} reuses a field id",
                object.name
            );
            assert!(
                object.name_field().is_some(),
                "{} has no name field",
                object.name
            );
            for field in &object.fields {
                if let FieldType::Relation { to } = &field.kind {
                    assert!(
                        registry.object(to).is_some(),
                        "{}.{} leads nowhere",
                        object.name,
                        field.name
                    );
                    assert!(
                        field.name.ends_with("_id"),
                        "{}.{} should end in _id",
                        object.name,
                        field.name
                    );
                }
            }
        }
    }

    #[test]
    fn a_role_sees_its_own_registry() {
        let restricted = |name: &'static str, read_role, write_role| Field {
            custom: true,
            read_role,
            write_role,
            ..Field::text(1000, name, 40)
        };
        let fields = vec![
            restricted("secret", Role::Admin, Role::Admin),
            restricted("shown", Role::Viewer, Role::Admin),
        ];
        let whole = Registry::new(
            1,
            Vec::new(),
            HashMap::from([("deal".to_owned(), fields)]),
            Vec::new(),
        );
        let member = whole.for_role(Role::Member);
        let deal = member.object("deal").unwrap();
        assert!(deal.field("secret").is_none());
        assert!(!deal.field("shown").unwrap().is_writable());
        for registry in [
            member.whole(),
            whole.for_role(Role::Admin),
            member.for_role(Role::Owner),
        ] {
            let deal = registry.object("deal").unwrap();
            assert!(deal.field("secret").unwrap().is_writable());
            assert!(deal.field("shown").unwrap().is_writable());
        }
        assert!(
            member
                .for_role(Role::Viewer)
                .object("account")
                .unwrap()
                .field("name")
                .is_some()
        );
    }

    #[test]
    fn what_a_record_needs_is_kept_from_nobody() {
        for object in Registry::standard().objects() {
            for field in object.fields.iter().filter(|field| field.is_restrictable()) {
                assert!(!object.name_field.eq(&field.name), "{}", object.name);
            }
        }
    }

    #[test]
    fn paths_walk_relations() {
        let registry = Registry::standard();
        let deal = registry.object("deal").unwrap();
        let path: Path = "account.owner.name".parse().unwrap();
        let resolved = registry.resolve(deal, &path).unwrap();
        assert_eq!(resolved.object.name, "user");
        assert_eq!(resolved.steps.len(), 2);
        assert!(
            registry
                .resolve(deal, &"account.nothing".parse().unwrap())
                .is_none()
        );
    }
}
