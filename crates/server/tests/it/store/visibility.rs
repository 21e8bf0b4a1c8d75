//! Whose records people see: random teams, people, owners and visibilities; the database answers what the store in memory answers.
//!
//! Whom somebody sees is worked out here once more, the slow way, and given to the store in memory.

use std::collections::{BTreeSet, HashMap};

use fieldstone_model::{
    Change, Filter, IdSource, Query, RecordId, Role, SystemClock, Value, Values,
    clock::Clock as _,
    query::{Path, Presence},
};
use fieldstone_server::{
    database::{Actor, connect, pool::Step},
    identity::workspace::{self, NewUser},
    schema::create_default_pipeline,
    store::PgStore,
};
use fieldstone_store::{Aggregate, ChangeError, MemoryStore, Scope, Store, StoreError, Workspace};
use fieldstone_testkit::TestStores;
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};

/// Workspaces made at random.
const WORKSPACES: usize = 2;
/// Objects whose records are compared, with their tables.
const OBJECTS: [(&str, &str); 6] = [
    ("account", "account"),
    ("deal", "deal"),
    ("deal_line", "deal_line"),
    ("note", "note"),
    ("case", "\"case\""),
    ("product", "product"),
];

/// What is made at random; numbers are taken modulo what there is.
#[derive(Debug, Clone)]
struct Plan {
    /// Visibility and role of each person.
    people: Vec<(u8, bool)>,
    /// The team each is below of, if any of those before it.
    teams: Vec<Option<usize>>,
    members: Vec<(usize, usize)>,
    removed: Vec<usize>,
    /// Owner of each record of each kind.
    owners: Vec<usize>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let some = 0..1000_usize;
    (
        prop::collection::vec((0..3_u8, any::<bool>()), 4..6),
        prop::collection::vec(prop::option::weighted(0.7, some.clone()), 0..7),
        prop::collection::vec((some.clone(), some.clone()), 0..14),
        prop::collection::vec(some.clone(), 0..2),
        prop::collection::vec(some, 30..31),
    )
        .prop_map(|(people, teams, members, removed, owners)| Plan {
            people,
            teams,
            members,
            removed,
            owners,
        })
}

/// A workspace in the database and in memory, with its people and whom each sees.
struct World {
    tenant: RecordId,
    memory: Workspace,
    people: Vec<(RecordId, Role, Scope)>,
    ids: Vec<RecordId>,
}

const VISIBILITIES: [&str; 3] = ["all", "team", "own"];

impl World {
    async fn make(database: &TestStores, number: usize, plan: &Plan) -> Self {
        let (tenant, store) = database.workspace(&format!("w{number}")).await;
        create_default_pipeline(&store).await.unwrap();
        store.fresh_registry().await.unwrap();
        let store = database.open(tenant, store.user().id, Role::Owner).await;
        let mut owner = connect(&database.database.owner()).await.unwrap();
        let ids = IdSource::default();
        let mut people = vec![(store.user().id, Role::Owner, 0)];
        for (at, (visibility, writes)) in plan.people.iter().enumerate() {
            let role = if *writes { Role::Member } else { Role::Viewer };
            let email = format!("p{at}@w{number}.example");
            let user = NewUser {
                email: &email,
                name: "Somebody",
                role,
                password_phc: None,
                locale: "en",
                time_zone: "UTC",
            };
            let id = workspace::add_user(&mut owner, &ids, tenant, &user, SystemClock.now())
                .await
                .unwrap();
            let visibility = usize::from(*visibility);
            let sql = "UPDATE app.\"user\" SET visibility = $3 WHERE tenant_id = $1 AND id = $2";
            let text = VISIBILITIES[visibility];
            owner
                .execute(sql, &[&tenant.as_str(), &id.as_str(), &text])
                .await
                .unwrap();
            people.push((id, role, visibility));
        }
        let teams = teams(&owner, tenant, plan, &people).await;
        let people: Vec<_> = people
            .iter()
            .map(|(id, role, visibility)| {
                let scope = match VISIBILITIES[*visibility] {
                    _ if *role >= Role::Admin => Scope::Everything,
                    "all" => Scope::Everything,
                    "team" => Scope::of(teams.seen_by(*id)),
                    _ => Scope::of([id.to_string()]),
                };
                (*id, *role, scope)
            })
            .collect();
        let memory = Workspace::new(store.registry().clone(), SystemClock);
        for (id, role, _) in &people {
            memory.adopt_user(*id, "Somebody", "somebody@example.com", *role);
        }
        let changes = records(&store, plan, &people);
        let ids = changes.iter().map(Change::id).collect();
        memory.seed(&settings(&store)).unwrap();
        let in_memory = memory.store_of(store.user());
        // The database takes the ids that the changes have.
        store.apply(&changes).await.unwrap();
        in_memory.apply(&changes).await.unwrap();
        Self {
            tenant,
            memory,
            people,
            ids,
        }
    }

    async fn stores(&self, database: &TestStores) -> Vec<(PgStore, MemoryStore, Scope)> {
        let owner = connect(&database.database.owner()).await.unwrap();
        let sql = "SELECT member_version FROM app.\"user\" WHERE tenant_id = $1 AND id = $2";
        let mut stores = Vec::new();
        for (id, role, scope) in &self.people {
            let row = owner
                .query_one(sql, &[&self.tenant.as_str(), &id.as_str()])
                .await
                .unwrap();
            let actor = Actor {
                tenant: self.tenant,
                user: *id,
                role: *role,
                member_version: row.get(0),
                credential: None,
            };
            let store = database.stores.open(actor).await.unwrap();
            let memory = self.memory.store_of(store.user()).within(scope.clone());
            stores.push((store, memory, scope.clone()));
        }
        stores
    }
}

/// The teams that are left, and who is in which.
struct Teams {
    parents: HashMap<usize, Option<usize>>,
    members: BTreeSet<(usize, RecordId)>,
}

impl Teams {
    /// Everybody in a team of theirs or in any below one, found by walking up from every member's team.
    fn seen_by(&self, person: RecordId) -> BTreeSet<String> {
        let mine: BTreeSet<usize> = self
            .members
            .iter()
            .filter(|(_, member)| *member == person)
            .map(|(team, _)| *team)
            .collect();
        let is_below_mine = |team: usize| {
            let mut at = Some(team);
            while let Some(team) = at {
                if mine.contains(&team) {
                    return true;
                }
                at = self.parents.get(&team).copied().flatten();
            }
            false
        };
        let others = self
            .members
            .iter()
            .filter(|(team, _)| is_below_mine(*team))
            .map(|(_, member)| member.to_string());
        others.chain([person.to_string()]).collect()
    }
}

async fn teams(
    owner: &tokio_postgres::Client,
    tenant: RecordId,
    plan: &Plan,
    people: &[(RecordId, Role, usize)],
) -> Teams {
    let mut teams = Teams {
        parents: HashMap::new(),
        members: BTreeSet::new(),
    };
    let id = |team: usize| format!("0TE{team:012}");
    for (at, parent) in plan.teams.iter().enumerate() {
        let parent = parent.filter(|_| at > 0).map(|parent| parent % at);
        let sql = "INSERT INTO app.team (tenant_id, id, name, name_key, parent_id, created_at) VALUES ($1, $2, $2, $2, $3, now())";
        owner
            .execute(sql, &[&tenant.as_str(), &id(at), &parent.map(id)])
            .await
            .unwrap();
        teams.parents.insert(at, parent);
    }
    for (team, person) in &plan.members {
        if plan.teams.is_empty() {
            break;
        }
        let (team, person) = (team % plan.teams.len(), people[person % people.len()].0);
        if teams.members.insert((team, person)) {
            let sql = "INSERT INTO app.team_member VALUES ($1, $2, $3)";
            owner
                .execute(sql, &[&tenant.as_str(), &id(team), &person.as_str()])
                .await
                .unwrap();
        }
    }
    for team in &plan.removed {
        let Some(team) = teams
            .parents
            .keys()
            .copied()
            .min_by_key(|at| (at + team) % 7)
        else {
            break;
        };
        // What is below a team that goes is below what that was below.
        let parent = teams.parents.remove(&team).flatten();
        let sql = "UPDATE app.team SET parent_id = $3 WHERE tenant_id = $1 AND parent_id = $2";
        owner
            .execute(sql, &[&tenant.as_str(), &id(team), &parent.map(id)])
            .await
            .unwrap();
        let sql = "DELETE FROM app.team WHERE tenant_id = $1 AND id = $2";
        owner
            .execute(sql, &[&tenant.as_str(), &id(team)])
            .await
            .unwrap();
        for above in teams.parents.values_mut().filter(|it| **it == Some(team)) {
            *above = parent;
        }
        teams.members.retain(|(of, _)| *of != team);
    }
    teams
}

/// The pipeline and its stages, for the store in memory.
fn settings(store: &PgStore) -> Vec<Change> {
    let text = |text: &str| Value::Text(text.to_owned());
    let registry = store.registry();
    let mut changes = Vec::new();
    for stage in registry.stages() {
        if !changes
            .iter()
            .any(|change: &Change| change.id() == stage.pipeline_id)
        {
            changes.push(Change::Create {
                object: "pipeline".to_owned(),
                id: stage.pipeline_id,
                values: Values::new()
                    .with("name", text("Sales"))
                    .with("position", Value::Int(1)),
            });
        }
        changes.push(Change::Create {
            object: "stage".to_owned(),
            id: stage.id,
            values: Values::new()
                .with("name", text(&stage.name))
                .with("pipeline_id", Value::Id(stage.pipeline_id))
                .with("position", Value::Int(stage.position))
                .with("kind", text(stage.kind.name()))
                .with("probability", Value::Int(stage.probability)),
        });
    }
    changes
}

fn records(store: &PgStore, plan: &Plan, people: &[(RecordId, Role, Scope)]) -> Vec<Change> {
    let text = |text: String| Value::Text(text);
    let mut owners = plan.owners.iter().map(|at| people[at % people.len()].0);
    let mut changes = Vec::new();
    let mut last: HashMap<&str, RecordId> = HashMap::new();
    for number in 0..3 {
        for (object, _) in OBJECTS {
            let id = store.new_id(object).unwrap();
            let name = format!("{object} word{} {number}", number % 2);
            let mut values = Values::new().with("owner_id", Value::Id(owners.next().unwrap()));
            match object {
                "account" => {
                    values.set("name", text(name));
                    values.set("external_id", text(format!("E{number}")));
                    if let Some(parent) = last.get("account") {
                        values.set("parent_id", Value::Id(*parent));
                    }
                }
                "deal" => {
                    values.set("name", text(name));
                    values.set("account_id", Value::Id(last["account"]));
                    values.set("amount", Value::Int(100 * (number + 1)));
                }
                "deal_line" => {
                    values.set("deal_id", Value::Id(last["deal"]));
                    values.set("unit_price", Value::Int(100));
                    values.set("name", text(name));
                }
                "note" => {
                    values.set("title", text(name));
                    values.set("about_id", Value::Id(last["deal"]));
                }
                "case" => {
                    values.set("subject", text(name));
                    values.set("account_id", Value::Id(last["account"]));
                }
                _ => values.set("name", text(name)),
            }
            last.insert(object, id);
            changes.push(Change::Create {
                object: object.to_owned(),
                id,
                values,
            });
        }
    }
    changes
}

/// All ids that a query finds, page by page, with the columns.
async fn all(store: &impl Store, mut query: Query) -> Vec<(RecordId, Vec<Value>)> {
    let mut found = Vec::new();
    loop {
        let page = store.list(&query).await.unwrap();
        found.extend(
            page.records
                .iter()
                .map(|record| (record.id, record.values.clone())),
        );
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return found,
        }
    }
}

fn queries(object: &str) -> Vec<Query> {
    let name = if matches!(object, "note") {
        "title"
    } else if object == "case" {
        "subject"
    } else {
        "name"
    };
    let base = || Query::new(object.to_owned()).limit(3).columns(["id", name]);
    let mut queries = vec![
        base(),
        base().order(name, true),
        {
            let mut query = base();
            query.search = Some("word1".to_owned());
            query
        },
        {
            let mut query = base();
            query.presence = Presence::All;
            query
        },
    ];
    let related: &[&str] = match object {
        "deal" | "case" => &["account.name", "account.parent.name"],
        "account" => &["parent.name"],
        "deal_line" => &["deal.name", "deal.account.name"],
        _ => &[],
    };
    for path in related {
        queries.push(
            base()
                .columns(["id", path])
                .order(path, false)
                .order("id", true),
        );
        let has_one = Filter::Compare {
            path: Path::from_text(path),
            comparison: fieldstone_model::Comparison::Contains,
            value: Value::Text("word".to_owned()),
        };
        queries.push(base().filter(has_one.clone()));
        queries.push(base().filter(Filter::Not(Box::new(has_one))));
        queries.push(base().filter(Filter::Empty {
            path: Path::from_text(path),
        }));
    }
    queries
}

async fn compare(database: &TestStores, world: &World) {
    for (store, memory, scope) in world.stores(database).await {
        assert_eq!(*store.scope(), scope, "{:?}", store.user());
        for (object, table) in OBJECTS {
            for query in queries(object) {
                let wanted = all(&memory, query.clone()).await;
                assert_eq!(
                    all(&store, query.clone()).await,
                    wanted,
                    "{scope:?} {query:?}"
                );
                assert_eq!(
                    store.count(&query).await.unwrap(),
                    memory.count(&query).await.unwrap(),
                    "{scope:?} {query:?}"
                );
            }
            let figures = Aggregate::new(object.to_owned())
                .group("owner_id", None)
                .count();
            assert_eq!(
                store.aggregate(&figures).await.unwrap(),
                memory.aggregate(&figures).await.unwrap(),
                "{scope:?} {object}"
            );
            // The policies alone, without the server's conditions.
            let sql = format!("SELECT t.id FROM app.{table} t ORDER BY t.id");
            let step = Step {
                sql: &sql,
                params: &[],
            };
            let steps = [step];
            let rows = database.stores.pool().flight(store.actor(), None, &steps);
            let rows = rows.await.unwrap().into_iter().next().unwrap();
            let ids: BTreeSet<RecordId> = rows
                .iter()
                .map(|row| row.get::<_, &str>(0).parse().unwrap())
                .collect();
            let seen = all(&memory, Query::new(object.to_owned())).await;
            assert_eq!(
                ids,
                seen.iter().map(|(id, _)| *id).collect(),
                "{scope:?} {sql}"
            );
        }
        // Totals are kept owner by owner: they are of the deals in sight.
        let sql = "SELECT (SELECT coalesce(sum(t.records), 0) FROM app.deal_total t) = (SELECT count(*) FROM app.deal d WHERE d.deleted_at IS NULL),
            (SELECT coalesce(sum(t.records), 0) FROM app.deal_closed_total t)
                = (SELECT count(*) FROM app.deal d WHERE d.deleted_at IS NULL AND d.closed_at IS NOT NULL)";
        let step = Step { sql, params: &[] };
        let steps = [step];
        let rows = database.stores.pool().flight(store.actor(), None, &steps);
        let row = rows.await.unwrap().remove(0).remove(0);
        let same: (bool, bool) = (row.get(0), row.get(1));
        assert_eq!(same, (true, true), "{scope:?}");
        let mut sums = Aggregate::new("deal".to_owned());
        sums.measures.push(fieldstone_store::Measure {
            function: fieldstone_store::Function::Sum,
            path: Some(Path::from_text("amount")),
        });
        assert_eq!(
            store.aggregate(&sums).await.unwrap(),
            memory.aggregate(&sums).await.unwrap()
        );
        let (names, wanted) = (
            store.names(&world.ids).await.unwrap(),
            memory.names(&world.ids).await.unwrap(),
        );
        assert_eq!(names, wanted, "{scope:?}");
        for id in &world.ids {
            single(&store, &memory, *id).await;
        }
    }
}

/// One record, by its id: read, its history, changed, deleted, linked to, made once more.
async fn single(store: &PgStore, memory: &MemoryStore, id: RecordId) {
    let object = store.registry().object_of(id).unwrap().name.to_string();
    let outcome = |outcome: Result<_, StoreError>| match outcome {
        Ok(()) => "ok".to_owned(),
        Err(StoreError::Change(_, error)) => format!("{error:?}"),
        Err(error) => format!("{error:?}"),
    };
    let read = |found: Result<fieldstone_model::Record, StoreError>| outcome(found.map(drop));
    let (here, there) = (
        read(store.get(&object, id, &[]).await),
        read(memory.get(&object, id, &[]).await),
    );
    assert_eq!(here, there, "{id}");
    let (here, there) = (
        store.history(id, None, 10).await.unwrap().len(),
        memory.history(id, None, 10).await.unwrap().len(),
    );
    assert_eq!(here, there, "history of {id}");
    let links = Values::new()
        .with("title", Value::Text("about it".to_owned()))
        .with("about_id", Value::Id(id));
    let mut changes = vec![
        // A version that nothing has: nothing is changed, and whatever isn't there isn't stale.
        Change::Update {
            object: object.clone(),
            id,
            expected: Some(77),
            values: Values::new(),
        },
        Change::Delete {
            object: object.clone(),
            id,
            expected: Some(77),
        },
        Change::Create {
            object: object.clone(),
            id,
            values: Values::new().with("name", Value::Text("again".to_owned())),
        },
    ];
    if matches!(object.as_str(), "account" | "deal" | "case") {
        let note = Change::Create {
            object: "note".to_owned(),
            id: store.new_id("note").unwrap(),
            values: links,
        };
        // Only asked where it is refused, so that both go on having the same records.
        let is_hidden = memory.get(&object, id, &[]).await.is_err();
        if is_hidden {
            changes.push(note);
        }
    }
    for change in changes {
        let one = std::slice::from_ref(&change);
        let (here, there) = (
            outcome(store.apply(one).await.map(drop)),
            outcome(memory.apply(one).await.map(drop)),
        );
        assert_eq!(here, there, "{change:?}");
        assert_ne!(here, "ok", "{change:?}");
    }
}

#[tokio::test]
async fn everybody_sees_what_the_model_says() {
    let database = TestStores::new().await;
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let mut hidden = 0;
    for number in 0..WORKSPACES {
        let plan = plan().new_tree(&mut runner).unwrap().current();
        let world = World::make(&database, number, &plan).await;
        compare(&database, &world).await;
        hidden += world
            .people
            .iter()
            .filter(|(.., scope)| !scope.is_everything())
            .count();
    }
    assert!(
        hidden >= WORKSPACES,
        "nearly everybody saw everything: {hidden}"
    );
}

/// A workspace with a person who sees their own records alone, and an account of somebody else's.
async fn narrow(database: &TestStores) -> (RecordId, PgStore, PgStore, RecordId) {
    let (tenant, owner) = database.workspace("narrow").await;
    let member = database.user(tenant, Role::Member).await;
    let id = owner.new_id("account").unwrap();
    let values = Values::new()
        .with("name", Value::Text("Secret".to_owned()))
        .with("external_id", Value::Text("X-1".to_owned()));
    owner
        .apply(&[Change::Create {
            object: "account".to_owned(),
            id,
            values,
        }])
        .await
        .unwrap();
    let admin = connect(&database.database.owner()).await.unwrap();
    let sql = "UPDATE app.\"user\" SET visibility = 'own' WHERE tenant_id = $1 AND id = $2";
    admin
        .execute(sql, &[&tenant.as_str(), &member.user().id.as_str()])
        .await
        .unwrap();
    // The version moved: what is open ends with its next statement.
    let late = member.count(&Query::new("account".to_owned())).await;
    assert!(matches!(late, Err(StoreError::SessionEnded)), "{late:?}");
    let actor = Actor {
        member_version: 2,
        ..member.actor().clone()
    };
    let member = database.stores.open(actor).await.unwrap();
    (tenant, owner, member, id)
}

fn create(store: &PgStore, values: Values) -> Change {
    Change::Create {
        object: "account".to_owned(),
        id: store.new_id("account").unwrap(),
        values,
    }
}

#[tokio::test]
async fn a_taken_key_says_so_and_not_by_whom() {
    let database = TestStores::new().await;
    let (_, owner, member, hidden) = narrow(&database).await;
    let named = |name: &str| Values::new().with("name", Value::Text(name.to_owned()));
    let taken = named("Mine").with("external_id", Value::Text("x-1".to_owned()));
    let refused = member.apply(&[create(&member, taken.clone())]).await;
    let Err(StoreError::Change(0, ChangeError::Invalid(errors))) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(errors.len(), 1);
    assert_eq!(
        (errors[0].field.as_str(), &errors[0].problem),
        ("external_id", &fieldstone_model::Problem::Duplicate)
    );
    // A batch with a hidden record in it is refused as a whole, as if the record weren't there.
    let touching = Change::Update {
        object: "account".to_owned(),
        id: hidden,
        expected: None,
        values: named("Taken over"),
    };
    let batch = [create(&member, named("Mine")), touching];
    assert!(matches!(
        member.apply(&batch).await,
        Err(StoreError::Change(1, ChangeError::NotFound))
    ));
    let query = Query::new("account".to_owned());
    assert_eq!(member.count(&query).await.unwrap(), 0);
    assert_eq!(owner.count(&query).await.unwrap(), 1);
    // Nothing at all is nothing at all.
    assert_eq!(member.apply(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn records_are_handed_over_within_sight_only() {
    let database = TestStores::new().await;
    let (tenant, owner, member, hidden) = narrow(&database).await;
    let mine = create(
        &member,
        Values::new().with("name", Value::Text("Mine".to_owned())),
    );
    let id = mine.id();
    member.apply(&[mine]).await.unwrap();
    let to = |id: RecordId, values: Values| Change::Update {
        object: "account".to_owned(),
        id,
        expected: None,
        values,
    };
    for (change, field) in [
        (
            to(
                id,
                Values::new().with("owner_id", Value::Id(owner.user().id)),
            ),
            "owner_id",
        ),
        (
            to(id, Values::new().with("parent_id", Value::Id(hidden))),
            "parent_id",
        ),
    ] {
        let refused = member.apply(&[change]).await;
        let Err(StoreError::Change(0, ChangeError::Invalid(errors))) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(errors[0].field, field);
    }
    // Given by somebody who may, a record is theirs to see, whatever their visibility.
    let actor = owner.actor().clone();
    let owner = database.stores.open(actor).await.unwrap();
    let given = Values::new().with("owner_id", Value::Id(member.user().id));
    owner.apply(&[to(hidden, given)]).await.unwrap();
    assert!(member.get("account", hidden, &[]).await.is_ok());
    assert_eq!(tenant, member.actor().tenant);
}

#[tokio::test]
async fn a_team_is_never_below_itself() {
    let database = TestStores::new().await;
    let (tenant, _) = database.workspace("tree").await;
    let owner = connect(&database.database.owner()).await.unwrap();
    let add = |id: &'static str, parent: Option<&'static str>| {
        let owner = &owner;
        async move {
            let sql = "INSERT INTO app.team (tenant_id, id, name, name_key, parent_id, created_at) VALUES ($1, $2, $2, $2, $3, now())";
            owner.execute(sql, &[&tenant.as_str(), &id, &parent]).await
        }
    };
    let ids = ["0TE000000000001", "0TE000000000002", "0TE000000000003"];
    add(ids[0], None).await.unwrap();
    add(ids[1], Some(ids[0])).await.unwrap();
    add(ids[2], Some(ids[1])).await.unwrap();
    let sql = "UPDATE app.team SET parent_id = $2 WHERE id = $1";
    let refused = owner.execute(sql, &[&ids[0], &ids[2]]).await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "FS009");
    assert!(owner.execute(sql, &[&ids[0], &ids[0]]).await.is_err());
}

/// What may be out of sight and has a unique field: the write path asks for taken external ids by name.
#[test]
fn external_ids_are_the_only_keys_that_may_be_out_of_sight() {
    for object in fieldstone_model::Registry::standard().objects() {
        if object.seen_by == fieldstone_model::SeenBy::Everybody {
            continue;
        }
        for field in object.fields.iter().filter(|field| field.unique) {
            assert_eq!(field.name, "external_id", "{}", object.name);
        }
    }
}

#[tokio::test]
async fn a_hidden_field_is_as_if_it_were_not_there() {
    use fieldstone_model::{Problem, query::QueryError};
    let database = TestStores::new().await;
    let (tenant, owner) = database.workspace("fields").await;
    let member = database.user(tenant, Role::Member).await;
    let id = owner.new_id("account").unwrap();
    let make = Change::Create {
        object: "account".to_owned(),
        id,
        values: Values::new()
            .with("name", Value::Text("Acme".to_owned()))
            .with("annual_revenue", Value::Int(777)),
    };
    owner.apply(&[make]).await.unwrap();
    let set = |revenue| Change::Update {
        object: "account".to_owned(),
        id,
        expected: None,
        values: Values::new().with("annual_revenue", Value::Int(revenue)),
    };
    owner.apply(&[set(888)]).await.unwrap();
    let base = || Query::new("account".to_owned()).limit(1);
    // A page of an order that is theirs to ask for, and its cursor.
    let by_revenue = base().order("annual_revenue", true);
    assert!(member.list(&by_revenue).await.is_ok());
    let admin = Role::Admin;
    let restrict = |field: &'static str, roles| {
        fieldstone_server::schema::restrict_field(&owner, "account", field, roles)
    };
    restrict("annual_revenue", (admin, admin)).await.unwrap();
    restrict("city", (Role::Viewer, admin)).await.unwrap_err();
    restrict("employees", (Role::Viewer, admin)).await.unwrap();
    restrict("name", (admin, admin)).await.unwrap_err();
    restrict("founded", (Role::Owner, admin)).await.unwrap_err();

    // An open store notices with its next statement.
    let unknown = |outcome: Result<(), StoreError>| match outcome {
        Err(StoreError::Query(QueryError::UnknownField(name))) => name == "annual_revenue",
        other => panic!("{other:?}"),
    };
    let shown = member.get("account", id, &[]).await.unwrap();
    assert!(
        shown
            .iter()
            .all(|(column, _)| column.name != "annual_revenue")
    );
    let path = Path::from_text("annual_revenue");
    let filter = Filter::equal("annual_revenue", Value::Int(888));
    let column = [path.clone()];
    assert!(unknown(member.get("account", id, &column).await.map(drop)));
    assert!(unknown(member.list(&by_revenue).await.map(drop)));
    let filtered = base().filter(filter.clone());
    assert!(unknown(member.list(&filtered).await.map(drop)));
    assert!(unknown(member.count(&filtered).await.map(drop)));
    let mut sum = Aggregate::new("account".to_owned());
    sum.measures.push(fieldstone_store::Measure {
        function: fieldstone_store::Function::Max,
        path: Some(path),
    });
    assert!(unknown(member.aggregate(&sum).await.map(drop)));
    let through = Query::new("contact".to_owned()).column("account.annual_revenue");
    assert!(matches!(
        member.list(&through).await,
        Err(StoreError::Query(QueryError::UnknownField(_)))
    ));
    // History tells that something changed, and not what.
    let history = member.history(id, None, 10).await.unwrap();
    assert_eq!(history.len(), 2);
    assert!(history.iter().all(|entry| entry.fields.is_empty()));
    assert_eq!(
        owner.history(id, None, 10).await.unwrap()[0].fields[0].field,
        "annual_revenue"
    );
    let refused = |outcome: Result<_, StoreError>| match outcome {
        Err(StoreError::Change(0, ChangeError::Invalid(errors))) => errors[0].problem.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refused(member.apply(&[set(1)]).await),
        Problem::UnknownField
    );
    let locked = Change::Update {
        object: "account".to_owned(),
        id,
        expected: None,
        values: Values::new().with("employees", Value::Int(3)),
    };
    assert_eq!(
        refused(member.apply(std::slice::from_ref(&locked)).await),
        Problem::ReadOnly
    );
    owner.apply(&[locked]).await.unwrap();
    let shown = owner.get("account", id, &[]).await.unwrap();
    assert_eq!(*shown.get("annual_revenue"), Value::Int(888));
}
