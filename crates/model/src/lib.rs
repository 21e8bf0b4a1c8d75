//! The vocabulary of Fieldstone: objects, fields, ids, values, roles, rules and the query AST.
//!
//! Facts and pure functions only: nothing here does I/O, is async, knows SQL or writes HTML.

pub mod access;
pub mod change;
pub mod clock;
pub mod field;
pub mod fold;
pub mod id;
pub mod kind;
pub mod merge;
pub mod object;
pub mod objects;
pub mod problem;
pub mod query;
pub mod record;
pub mod registry;
pub mod repeat;
pub mod role;
pub mod roll_up;
pub mod validate;
pub mod value;

pub use access::{Caller, Needs, Refusal, Rights};
pub use change::{Change, Values};
pub use clock::{Clock, SystemClock};
pub use field::{Choice, Field, FieldType};
pub use id::{IdSource, RecordId};
pub use object::{Object, ObjectClass, SeenBy};
pub use problem::{FieldError, Problem};
pub use query::{Comparison, Filter, Order, Path, Query};
pub use record::{Columns, Record};
pub use registry::{Registry, Stage, StageKind};
pub use repeat::{Repeat, Rhythm};
pub use role::{Capability, Role};
pub use roll_up::RollUp;
pub use value::Value;
