//! Letters: what the product writes to people, queued in the database and sent by a background job.
//!
//! A letter is queued in the transaction of what causes it, by SQL functions of the migrations (`app.queue_letter(tenant, person, content)`
//! for one without a link), so that neither happens without the other. `content` is a [`Letter`] as JSON. The secret of a link is made when
//! the letter is sent, and only its hash is kept. Nothing here decides who may write to whom, and nothing that a person typed gets into a header
//! unencoded.

mod letter;
mod mailer;
mod post;
mod settings;
mod text;

pub use letter::Letter;
pub use mailer::Mailer;
pub use post::{Post, PostError};
pub use settings::{MailSettings, SmtpSecurity, SmtpSettings};
