//! How letters leave: by SMTP, or into a folder for whoever runs this machine.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor, message::Mailbox,
    transport::smtp::response::Category,
};

use crate::data_dir::{make_dir, write_private};

/// Where letters go, and from whom.
#[derive(Debug, Clone)]
pub struct Post {
    pub(super) sender: Mailbox,
    way: Way,
}

#[derive(Debug, Clone)]
enum Way {
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
    Outbox(PathBuf),
}

/// Why a letter did not leave. The reason has no secret in it.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct PostError {
    /// For a log.
    pub reason: String,
    /// Whether another try would end the same.
    pub for_good: bool,
}

impl Post {
    pub(super) fn smtp(sender: Mailbox, transport: AsyncSmtpTransport<Tokio1Executor>) -> Self {
        Self {
            sender,
            way: Way::Smtp(transport),
        }
    }

    pub(super) fn into_folder(sender: Mailbox, folder: PathBuf) -> Self {
        Self {
            sender,
            way: Way::Outbox(folder),
        }
    }

    /// The folder, when letters go into one.
    pub fn folder(&self) -> Option<&Path> {
        match &self.way {
            Way::Outbox(folder) => Some(folder),
            Way::Smtp(_) => None,
        }
    }

    /// Hands a letter over. `id` names its file.
    pub(super) async fn send(
        &self,
        message: Message,
        id: &str,
        now: Timestamp,
    ) -> Result<(), PostError> {
        match &self.way {
            Way::Smtp(transport) => {
                let sent = transport.send(message).await;
                sent.map(drop).map_err(|error| refusal(&error))
            }
            Way::Outbox(folder) => {
                let folder = folder.clone();
                let name = format!("{}-{id}.eml", now.strftime("%Y%m%dT%H%M%SZ"));
                let written = tokio::task::spawn_blocking(move || {
                    make_dir(&folder, 0o700)?;
                    write_private(&folder.join(name), &message.formatted())
                });
                let problem = |reason: String| PostError {
                    reason,
                    for_good: false,
                };
                written
                    .await
                    .map_err(|error| problem(error.to_string()))?
                    .map_err(|error| problem(format!("the outbox can't be written: {error}")))
            }
        }
    }
}

/// What a mail server's refusal means. One of this mailbox or letter (55x) is for good; one of our credentials is for an operator to mend.
fn refusal(error: &lettre::transport::smtp::Error) -> PostError {
    let for_good = error.is_permanent()
        && error
            .status()
            .is_some_and(|code| code.category == Category::MailSystem);
    let reason = match error.status() {
        Some(code) => format!("the mail server answered {code}"),
        None if error.is_timeout() => "the mail server did not answer in time".to_owned(),
        None if error.is_tls() => "no trusted TLS connection to the mail server".to_owned(),
        None => "the mail server could not be reached".to_owned(),
    };
    tracing::debug!(%error, "a letter was not accepted");
    PostError { reason, for_good }
}
