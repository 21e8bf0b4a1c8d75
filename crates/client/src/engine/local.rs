//! Local storage as the engine sees it. The engine calls nothing itself: it asks for a [`LocalCall`], and [`perform`] carries it out.
//!
//! # What is stored
//!
//! * **Base**: the rows of the published generation, exactly as the platform sent them, by id: object, tag, version, columns.
//!   Only [`Local::publish`] changes the base. Pages show the base under the outbox and nothing else.
//! * **Stage**: what a pull has brought and not published yet: rows, and names of rows that are gone. With
//!   [`Staging::Generation`] the stage is a whole new generation beside the published one; otherwise it is a list of changes to it.
//! * **Outbox**: mutations in the order of their sequence numbers. Each is in one of these states:
//!   *new* (may still be changed, joined with a later edit of the same record, or undone), *taken* (its content is fixed for ever, because
//!   the platform may have it: a later edit is a new mutation whose `base` is what this one wanted), *set aside* (refused; waits for
//!   a person with its error), *acknowledged* (the platform has it, the base not yet).
//!   A mutation's uuid names its content: content that changes after it was taken gets a new uuid.
//! * **View**: the base row under every mutation of the record in the outbox, in order, whatever its state. Of an acknowledged mutation
//!   that met a conflict, only the fields that did not.
//! * The published cursor with its epoch and schema version; the resume point of an unfinished pull; the acknowledgement counter; the
//!   mark that this home is being erased.

use fieldstone_model::RecordId;
use fieldstone_protocol::{
    digest::Digest,
    pull::{Cursor, Epoch, Inventory, Next, Row},
    push::{Mutation, MutationResult},
    tag::Blind,
};
use serde::{Deserialize, Serialize};

/// Local storage. Every method is one transaction: durable when it answers, without any effect when it fails or is killed.
///
/// There is one writer. Calls are carried out in the order in which the engine asked for them.
pub trait Local {
    /// What is there, when the engine starts.
    fn load(&mut self) -> Result<Loaded, LocalError>;

    /// Keeps one page of a pull, and the point to go on from if the process dies.
    ///
    /// With [`StagedPage::first`], everything staged before is dropped. Then every row of the page is staged, and every blinded name as gone.
    /// What a later page says of a row replaces what an earlier one said. A blinded name that nothing here has means nothing.
    fn stage(&mut self, page: &StagedPage) -> Result<(), LocalError>;

    /// The ids and tags of the base behind `after`, in order, at most `limit`. `until` of the answer is the last id when there are more
    /// behind it, and none when there aren't.
    fn inventory(&mut self, after: Option<RecordId>, limit: usize)
    -> Result<Inventory, LocalError>;

    /// In one transaction: what is staged becomes the base (a new generation by flipping its number), the cursor with its epoch and schema
    /// version is written, acknowledged mutations up to [`Publication::settles`] leave the outbox, and stage and resume point are cleared.
    ///
    /// Answers the digest of the base as it now is: read from the rows that pages show, never from figures kept beside them.
    /// A publication without anything staged, at the cursor that is there already, need not write more than the time of it.
    fn publish(&mut self, publication: &Publication) -> Result<Digest, LocalError>;

    /// The oldest mutations that are new or taken, at most `limit`, in order of their sequence numbers. All of them are *taken* from now on.
    fn take(&mut self, limit: usize) -> Result<Vec<Mutation>, LocalError>;

    /// Notes what became of taken mutations, by uuid and never by record: a record may have been edited again meanwhile. A uuid that isn't
    /// taken is passed over. The acknowledgement counter grows by one for the whole call.
    ///
    /// *Applied, merged, conflict*: acknowledged at the counter's new value. *Rejected*: set aside with the rejection.
    /// *Id taken*: the record gets a new id, here and in everything in the outbox from that mutation on that names it (as its record or as a
    /// value, base or wanted); every mutation that changes by that gets a new uuid and is *new* again.
    fn acknowledge(&mut self, results: &[MutationResult]) -> Result<Acknowledged, LocalError>;

    /// Erases everything: first the durable mark, then the key, then the files. What is to be kept sealed has been sealed before.
    /// Killed in the middle, [`Local::load`] answers [`Loaded::erasing`], and this is called again.
    fn erase(&mut self) -> Result<(), LocalError>;
}

/// What local storage holds when the engine starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaded {
    /// Whether erasing has begun.
    pub erasing: bool,
    /// The published generation; none before the first load is complete.
    pub published: Option<Published>,
    /// The unfinished pull.
    pub resume: Option<Resume>,
    /// The acknowledgement counter.
    pub acknowledged: u64,
}

/// What the published generation is a copy of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Where the next pull starts.
    pub cursor: Cursor,
    /// The scope that it was read in.
    pub epoch: Epoch,
    /// The version of the workspace's schema.
    pub schema: i64,
}

/// What a stage will become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Staging {
    /// Changes to the base since its cursor.
    Delta,
    /// Changes to the base that make it equal to the scope.
    Difference,
    /// A whole new generation.
    Generation,
}

/// One page to be staged.
#[derive(Debug, Clone, PartialEq)]
pub struct StagedPage {
    /// What the stage will become; the same for all pages of a pull.
    pub staging: Staging,
    /// Whether it is the pull's first page.
    pub first: bool,
    /// Rows in scope.
    pub rows: Vec<Row>,
    /// Rows not in scope.
    pub gone: Vec<Blind>,
    /// Where to go on.
    pub resume: Resume,
}

/// Where an unfinished pull goes on. Storage keeps it as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// What the stage will become.
    pub staging: Staging,
    /// The scope that the pull reads.
    pub epoch: Epoch,
    /// The version of the workspace's schema.
    pub schema: i64,
    /// Acknowledgements up to this one are part of what the pull brings.
    pub settles: u64,
    /// How far it has got.
    pub next: Next,
}

/// What to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// What the stage becomes. None: this pull brought nothing, and what may still be staged is an abandoned pull's and is dropped.
    pub staged: Option<Staging>,
    /// What the base is a copy of from now on.
    pub published: Published,
    /// Acknowledged mutations up to this value of the counter leave the outbox.
    pub settles: u64,
}

/// What acknowledging has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledged {
    /// The acknowledgement counter.
    pub counter: u64,
    /// Mutations that were set aside.
    pub set_aside: usize,
    /// Whether there are mutations to be sent.
    pub more: bool,
}

/// Why storage couldn't do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// There is no room left.
    #[error("there is no room left on this device")]
    Full,
    /// What is stored can't be read.
    #[error("what is stored on this device can't be read: {0}")]
    Damaged(String),
    /// Anything else.
    #[error("storage failed: {0}")]
    Failed(String),
}

/// One call of [`Local`], as data.
#[derive(Debug, Clone, PartialEq)]
pub enum LocalCall {
    /// [`Local::load`]
    Load,
    /// [`Local::stage`]
    Stage(Box<StagedPage>),
    /// [`Local::inventory`]
    Inventory {
        /// Behind this id.
        after: Option<RecordId>,
        /// Most entries.
        limit: usize,
    },
    /// [`Local::publish`]
    Publish(Publication),
    /// [`Local::take`]
    Take {
        /// Most mutations.
        limit: usize,
    },
    /// [`Local::acknowledge`]
    Acknowledge(Vec<MutationResult>),
    /// [`Local::erase`]
    Erase,
}

/// What a call answers.
#[derive(Debug, Clone, PartialEq)]
pub enum LocalAnswer {
    /// To [`LocalCall::Load`].
    Loaded(Loaded),
    /// To [`LocalCall::Stage`].
    Staged,
    /// To [`LocalCall::Inventory`].
    Inventory(Inventory),
    /// To [`LocalCall::Publish`].
    Published(Digest),
    /// To [`LocalCall::Take`].
    Taken(Vec<Mutation>),
    /// To [`LocalCall::Acknowledge`].
    Acknowledged(Acknowledged),
    /// To [`LocalCall::Erase`].
    Erased,
}

/// Carries out a call.
pub fn perform<L: Local + ?Sized>(
    local: &mut L,
    call: &LocalCall,
) -> Result<LocalAnswer, LocalError> {
    Ok(match call {
        LocalCall::Load => LocalAnswer::Loaded(local.load()?),
        LocalCall::Stage(page) => {
            local.stage(page)?;
            LocalAnswer::Staged
        }
        LocalCall::Inventory { after, limit } => {
            LocalAnswer::Inventory(local.inventory(*after, *limit)?)
        }
        LocalCall::Publish(publication) => LocalAnswer::Published(local.publish(publication)?),
        LocalCall::Take { limit } => LocalAnswer::Taken(local.take(*limit)?),
        LocalCall::Acknowledge(results) => LocalAnswer::Acknowledged(local.acknowledge(results)?),
        LocalCall::Erase => {
            local.erase()?;
            LocalAnswer::Erased
        }
    })
}
