//! Teams, and how far each person sees: read and changed by whoever manages people.
//!
//! The database keeps the tree a tree and moves the membership's version of everybody whose sight changes (`V009__visibility.sql`).

use std::{fmt, str::FromStr};

use fieldstone_model::{Capability, RecordId, Role, fold::fold};
use fieldstone_store::{Store as _, StoreError};
use serde_json::{Value as Json, json};

use crate::{
    database::pool::{FlightError, Step},
    identity::audit::Action,
    store::{PgStore, store_error},
};

/// Prefix of teams' ids.
pub const TEAM_PREFIX: [u8; 3] = *b"0TE";
/// Most teams of a workspace.
pub const TEAMS_MAX: i64 = 500;
/// Most characters of a name.
pub const NAME_MAX: usize = 80;

/// Whose records a person sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody's.
    All,
    /// Their own, and those of everybody in their teams and in the teams below.
    Team,
    /// Their own.
    Own,
}

impl Visibility {
    /// All there are, widest first.
    pub const ALL: [Self; 3] = [Self::All, Self::Team, Self::Own];

    /// The name in the API and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Team => "team",
            Self::Own => "own",
        }
    }
}

impl fmt::Display for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Visibility {
    type Err = TeamError;

    fn from_str(text: &str) -> Result<Self, TeamError> {
        Self::ALL
            .into_iter()
            .find(|visibility| visibility.name() == text)
            .ok_or(TeamError::Unknown)
    }
}

/// A team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Team {
    /// Its id.
    pub id: RecordId,
    /// What it is called.
    pub name: String,
    /// The team it is below of.
    pub parent_id: Option<RecordId>,
    /// Who is in it.
    pub members: Vec<RecordId>,
}

/// A person of the workspace, as far as teams and visibility are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their user record.
    pub id: RecordId,
    /// Their name.
    pub name: String,
    /// Their role; admins and owners see all, whatever their visibility says.
    pub role: Role,
    /// Whose records they see.
    pub visibility: Visibility,
}

/// Everything about teams and visibility in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Teams {
    /// The teams, by name.
    pub teams: Vec<Team>,
    /// The people who are active, by name.
    pub people: Vec<Person>,
    /// What new people see.
    pub default: Visibility,
}

/// A change of teams or of what people see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TeamChange {
    /// A new team.
    Create {
        /// What it is called.
        name: String,
        /// The team it is below of.
        parent_id: Option<RecordId>,
    },
    /// Another name or place.
    Update {
        /// The team.
        id: RecordId,
        /// Its name from now on.
        name: String,
        /// Its place from now on.
        parent_id: Option<RecordId>,
    },
    /// A team goes; those below it move up to what it was below of.
    Delete(RecordId),
    /// Somebody comes into a team.
    Join(RecordId, RecordId),
    /// Somebody leaves a team.
    Leave(RecordId, RecordId),
    /// Somebody sees more or less.
    See(RecordId, Visibility),
    /// New people see more or less.
    SeeByDefault(Visibility),
}

/// Why a change wasn't made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TeamError {
    /// No name, too long a name, or one with control characters.
    #[error("Enter a name of at most 80 characters, on one line.")]
    BadName,
    /// Another team has the name.
    #[error("Another team has this name. Choose another one.")]
    NameTaken,
    /// A team below itself, or too deep.
    #[error("A team can't be below itself, nor more than 20 levels deep.")]
    Cycle,
    /// A visibility that there isn't.
    #[error("Choose all, team or own.")]
    Unknown,
    /// No such team or person.
    #[error("There is no such team or person.")]
    Missing,
    /// As many as there may be.
    #[error("There are too many teams already. Remove some first.")]
    Full,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const TEAMS: &str = "SELECT t.id, t.name, t.parent_id, \
    ARRAY(SELECT m.user_id FROM app.team_member m WHERE m.tenant_id = t.tenant_id AND m.team_id = t.id ORDER BY m.user_id) \
    FROM app.team t ORDER BY t.name_key, t.id";
const PEOPLE: &str = "SELECT u.id, u.name, u.role, u.visibility FROM app.\"user\" u \
    WHERE u.active AND u.deleted_at IS NULL ORDER BY u.name_key, u.id";
const DEFAULT: &str = "SELECT coalesce(w.settings ->> 'visibility', 'all') FROM app.workspace w";

const CREATE: &str = "INSERT INTO app.team (tenant_id, id, name, name_key, parent_id, created_at) \
    SELECT (SELECT app.tenant_id()), $1, $2, $3, $4, transaction_timestamp() WHERE (SELECT count(*) FROM app.team) < $5 RETURNING id";
const UPDATE: &str =
    "UPDATE app.team SET name = $2, name_key = $3, parent_id = $4 WHERE id = $1 RETURNING id";
const MOVE_UP: &str = "UPDATE app.team t SET parent_id = o.parent_id FROM app.team o WHERE o.id = $1 AND t.parent_id = o.id";
const DELETE: &str = "DELETE FROM app.team t WHERE t.id = $1 RETURNING id";
const JOIN: &str = "INSERT INTO app.team_member (tenant_id, team_id, user_id) SELECT t.tenant_id, t.id, u.id \
    FROM app.team t JOIN app.\"user\" u ON u.tenant_id = t.tenant_id WHERE t.id = $1 AND u.id = $2 AND u.deleted_at IS NULL \
    ON CONFLICT (tenant_id, team_id, user_id) DO UPDATE SET user_id = excluded.user_id RETURNING user_id";
const LEAVE: &str =
    "DELETE FROM app.team_member m WHERE m.team_id = $1 AND m.user_id = $2 RETURNING m.user_id";
const SEE: &str = "UPDATE app.\"user\" u SET visibility = $2 WHERE u.id = $1 AND u.deleted_at IS NULL RETURNING u.id";
const SEE_BY_DEFAULT: &str = "UPDATE app.workspace w SET settings = jsonb_set(w.settings, '{visibility}', to_jsonb($1::text)) RETURNING w.tenant_id";

/// Adds the event if the step before has changed something: the change's own statement tells, by what it returns.
const RECORD: &str = "INSERT INTO app.audit_event (tenant_id, seq, at, actor, action, target, detail, prev_hash, hash) \
    SELECT (SELECT app.tenant_id()), 0, transaction_timestamp(), '', $1, $2, $3::text::jsonb, '', ''";

/// Keeps the teams of a workspace, and what its people see.
pub trait TeamStore: Send + Sync {
    /// All of it.
    fn teams(&self) -> impl Future<Output = Result<Teams, StoreError>> + Send;

    /// Changes it; answers the id of the team or person.
    fn change_teams(
        &self,
        change: &TeamChange,
    ) -> impl Future<Output = Result<RecordId, TeamError>> + Send;
}

impl TeamStore for PgStore {
    async fn teams(&self) -> Result<Teams, StoreError> {
        let step = |sql| Step { sql, params: &[] };
        let rows = self
            .pool()
            .flight(
                self.actor(),
                None,
                &[step(TEAMS), step(PEOPLE), step(DEFAULT)],
            )
            .await
            .map_err(store_error)?;
        let mut rows = rows.into_iter();
        let mut next = || rows.next().unwrap_or_default();
        let (teams, people, default) = (next(), next(), next());
        let id = |text: &str| text.parse::<RecordId>().map_err(StoreError::internal);
        let team = |row: &tokio_postgres::Row| {
            let members: Vec<&str> = row.try_get(3).map_err(StoreError::internal)?;
            let parent: Option<&str> = row.try_get(2).map_err(StoreError::internal)?;
            Ok(Team {
                id: id(row.try_get(0).map_err(StoreError::internal)?)?,
                name: row.try_get(1).map_err(StoreError::internal)?,
                parent_id: parent.map(id).transpose()?,
                members: members.into_iter().map(id).collect::<Result<_, _>>()?,
            })
        };
        let person = |row: &tokio_postgres::Row| {
            let text = |at: usize| row.try_get::<_, &str>(at).map_err(StoreError::internal);
            Ok(Person {
                id: id(text(0)?)?,
                name: text(1)?.to_owned(),
                role: text(2)?.parse().map_err(StoreError::internal)?,
                visibility: text(3)?.parse().map_err(StoreError::internal)?,
            })
        };
        let default = default.first().map(|row| row.try_get::<_, String>(0));
        Ok(Teams {
            teams: teams.iter().map(team).collect::<Result<_, StoreError>>()?,
            people: people
                .iter()
                .map(person)
                .collect::<Result<_, StoreError>>()?,
            default: match default {
                Some(Ok(text)) => text.parse().unwrap_or(Visibility::Own),
                _ => Visibility::Own,
            },
        })
    }

    async fn change_teams(&self, change: &TeamChange) -> Result<RecordId, TeamError> {
        if !self.user().role.can(Capability::UsersManage) {
            return Err(StoreError::Denied.into());
        }
        let new = self.new_team_id();
        let tenant = self.actor().tenant;
        let text = |id: &RecordId| id.to_string();
        let (id, action, detail) = described(change, new, tenant);
        let (id_text, detail) = (text(&id), detail.to_string());
        let record: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&action.name(), &id_text, &detail];
        let event = Step {
            sql: RECORD,
            params: &record,
        };
        match change {
            TeamChange::Create { name, parent_id } => {
                let (name, key) = checked(name)?;
                let parent = parent_id.as_ref().map(text);
                self.run_change(CREATE, &[&id_text, &name, &key, &parent, &TEAMS_MAX], event)
                    .await
                    .map_err(|error| match error {
                        TeamError::Missing => TeamError::Full,
                        error => error,
                    })?;
            }
            TeamChange::Update {
                name, parent_id, ..
            } => {
                let (name, key) = checked(name)?;
                let parent = parent_id.as_ref().map(text);
                self.run_change(UPDATE, &[&id_text, &name, &key, &parent], event)
                    .await?;
            }
            TeamChange::Delete(_) => {
                let step = Step {
                    sql: MOVE_UP,
                    params: &[&id_text],
                };
                let gone = Step {
                    sql: DELETE,
                    params: &[&id_text],
                };
                self.run_all(&[step, gone], event).await?;
            }
            TeamChange::Join(_, user) => {
                self.run_change(JOIN, &[&id_text, &text(user)], event)
                    .await?;
            }
            TeamChange::Leave(_, user) => {
                self.run_change(LEAVE, &[&id_text, &text(user)], event)
                    .await?;
            }
            TeamChange::See(_, visibility) => {
                self.run_change(SEE, &[&id_text, &visibility.name()], event)
                    .await?;
            }
            TeamChange::SeeByDefault(visibility) => {
                self.run_change(SEE_BY_DEFAULT, &[&visibility.name()], event)
                    .await?;
            }
        }
        Ok(id)
    }
}

/// What a change is about, what it is called in the audit log, and more of it.
fn described(change: &TeamChange, new: RecordId, tenant: RecordId) -> (RecordId, Action, Json) {
    match change {
        TeamChange::Create { name, parent_id } => (
            new,
            Action::TeamCreate,
            json!({ "name": name, "below": parent_id }),
        ),
        TeamChange::Update {
            id,
            name,
            parent_id,
        } => (
            *id,
            Action::TeamUpdate,
            json!({ "name": name, "below": parent_id }),
        ),
        TeamChange::Delete(id) => (*id, Action::TeamDelete, json!({})),
        TeamChange::Join(id, user) => (*id, Action::TeamJoin, json!({ "user": user })),
        TeamChange::Leave(id, user) => (*id, Action::TeamLeave, json!({ "user": user })),
        TeamChange::See(id, visibility) => (
            *id,
            Action::UserSee,
            json!({ "visibility": visibility.name() }),
        ),
        TeamChange::SeeByDefault(visibility) => (
            tenant,
            Action::WorkspaceSee,
            json!({ "visibility": visibility.name() }),
        ),
    }
}

fn checked(name: &str) -> Result<(&str, String), TeamError> {
    let name = name.trim();
    let length = name.chars().count();
    if !(1..=NAME_MAX).contains(&length) || name.chars().any(char::is_control) {
        return Err(TeamError::BadName);
    }
    Ok((name, fold(name)))
}

impl PgStore {
    async fn run_change(
        &self,
        sql: &str,
        params: &[&(dyn tokio_postgres::types::ToSql + Sync)],
        event: Step<'_>,
    ) -> Result<(), TeamError> {
        self.run_all(&[Step { sql, params }], event).await
    }

    /// Runs the steps and records the event, or nothing: the last step answers a row when it has found what it changes.
    async fn run_all(&self, steps: &[Step<'_>], event: Step<'_>) -> Result<(), TeamError> {
        let mut transaction = self
            .pool()
            .transaction(self.actor(), None)
            .await
            .map_err(store_error)?;
        let rows = transaction.run(steps, false).await.map_err(team_error)?;
        if rows.last().is_none_or(Vec::is_empty) {
            return Err(TeamError::Missing);
        }
        transaction.run(&[event], true).await.map_err(team_error)?;
        self.note_written();
        Ok(())
    }
}

fn team_error(error: FlightError) -> TeamError {
    let FlightError::Statement(refused) = &error else {
        return store_error(error).into();
    };
    match refused.code().map(tokio_postgres::error::SqlState::code) {
        Some("23505") => TeamError::NameTaken,
        Some("23503") => TeamError::Missing,
        // The rule of the tree, or a team that is its own parent.
        Some("FS009" | "23514") => TeamError::Cycle,
        _ => store_error(error).into(),
    }
}

impl Teams {
    /// The teams as a tree read from the top: each with its depth, before those below it.
    pub fn tree(&self) -> Vec<(usize, &Team)> {
        let mut tree = Vec::with_capacity(self.teams.len());
        self.add_below(None, 0, &mut tree);
        tree
    }

    fn add_below<'a>(
        &'a self,
        parent: Option<RecordId>,
        depth: usize,
        tree: &mut Vec<(usize, &'a Team)>,
    ) {
        for team in self.teams.iter().filter(|team| team.parent_id == parent) {
            // The database lets no team be below itself; a tree that was one all the same would end here.
            if tree.len() < self.teams.len() {
                tree.push((depth, team));
                self.add_below(Some(team.id), depth + 1, tree);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_from_the_top() {
        let id = |n: u8| format!("0TE00000000000{n}").parse::<RecordId>().unwrap();
        let team = |n, parent: Option<u8>| Team {
            id: id(n),
            name: format!("{n}"),
            parent_id: parent.map(id),
            members: Vec::new(),
        };
        let teams = Teams {
            teams: vec![
                team(1, Some(3)),
                team(2, None),
                team(3, None),
                team(4, Some(1)),
            ],
            people: Vec::new(),
            default: Visibility::All,
        };
        let read: Vec<(usize, &str)> = teams
            .tree()
            .into_iter()
            .map(|(depth, team)| (depth, team.name.as_str()))
            .collect();
        assert_eq!(read, [(0, "2"), (0, "3"), (1, "1"), (2, "4")]);
    }

    #[test]
    fn names_are_short_lines() {
        assert!(checked("  North ").is_ok_and(|(name, key)| name == "North" && key == "north"));
        for name in ["", "   ", "a\nb", &"x".repeat(81)] {
            assert!(matches!(checked(name), Err(TeamError::BadName)), "{name:?}");
        }
    }
}
