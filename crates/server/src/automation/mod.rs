//! Rules of a workspace: when a record is made, changes or reaches a day, and it fits, then something is done in the name of a service account.
//!
//! What a rule does is worked out in one place (`plan`), for a trial as for the real thing. A rule never has more rights than its account has
//! at that moment, what it changes starts no other rule, and it does nothing twice for one event.

mod job;
mod plan;
mod rows;
mod rule;

pub(crate) use job::Automation;
pub(crate) use plan::{About, plan};
pub(crate) use rows::StoredRule;
pub(crate) use rule::{
    Actions, NewTask, Rule, RuleProblem, Starts, Telling, Whom, is_day, settable,
};
