//! What can be said on the command line.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand};

/// The offline field app without its window: works on an encrypted copy of your records, and syncs when there is a network.
///
/// Exit status: 0 done; 1 refused or failed; 2 wrong usage; 3 locked or logged out; 70 a threat was detected.
#[derive(Parser)]
#[command(name = "fieldstone-device", version, propagate_version = true)]
pub(super) struct Arguments {
    /// The folder that the encrypted records are kept in. One process at a time can use it.
    #[arg(
        long,
        value_name = "DIR",
        global = true,
        default_value = ".fieldstone-device"
    )]
    pub(super) home: PathBuf,
    /// At login: trust the authorities in this PEM file besides the system's.
    #[arg(long, value_name = "FILE", global = true)]
    pub(super) ca: Option<PathBuf>,
    /// At login: keep the key in the kernel's memory, which forgets it at the next restart, instead of the login keyring.
    #[arg(long, global = true)]
    pub(super) ephemeral: bool,
    /// Answer in JSON, for scripts.
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Log in, and load the records that are yours.
    Login(Login),
    /// Log out: erases the key and everything it protects.
    Logout(Logout),
    /// Say who is logged in, how old the records are, and what waits.
    Status,
    /// Send what waits, then fetch what is new.
    Sync,
    /// Stay and sync: every few minutes, and soon after something was changed here. Ends with Ctrl-C or SIGTERM.
    Watch(Watch),
    /// List records of an object, such as “accounts”.
    List(List),
    /// Show one record.
    Show(Show),
    /// Make a record.
    Create(Create),
    /// Change fields of a record.
    Edit(Edit),
    /// Delete a record.
    Delete(Show),
    /// Attach a file to a record; it is sent with the next sync.
    Attach(Attach),
    /// Save the content of a file; fetches it first if it isn't on this device.
    Content(Content),
    /// Show what hasn't been sent yet; take one of it back, change it, or send it again.
    Pending(PendingWish),
    /// Show where somebody else changed the same.
    Conflicts,
    /// Settle a conflict.
    Resolve(Resolve),
    /// Print a page as the app shows it, as HTML: / or /accounts?sort=name or /deals/ID
    Page(PageWish),
}

#[derive(Args)]
pub(super) struct Login {
    /// The platform's address: https://…
    pub(super) url: String,
    /// Your e-mail address.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) email: String,
    /// The workspace, where your address belongs to several.
    #[arg(long, value_name = "NAME")]
    pub(super) workspace: Option<String>,
    /// Read the password from standard input instead of asking.
    #[arg(long)]
    pub(super) password_stdin: bool,
    /// The six digits of your authenticator app. (They are worth nothing half a minute later.)
    #[arg(long, value_name = "CODE")]
    pub(super) totp: Option<String>,
    /// Only log in; load the records later, with “sync”.
    #[arg(long)]
    pub(super) no_sync: bool,
}

#[derive(Args)]
#[group(multiple = false)]
pub(super) struct Logout {
    /// Send what waits first; stay logged in if that fails.
    #[arg(long)]
    pub(super) send: bool,
    /// Keep what waits, sealed so that only the workspace can open it, for delivery at the next login.
    #[arg(long)]
    pub(super) keep_sealed: bool,
    /// Give up what waits.
    #[arg(long)]
    pub(super) discard: bool,
}

#[derive(Args)]
pub(super) struct Watch {
    /// Seconds between two syncs, instead of what the workspace says.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(5..))]
    pub(super) interval: Option<u64>,
}

#[derive(Args)]
pub(super) struct List {
    /// The object, singular or plural.
    pub(super) object: String,
    /// A condition, as in the API: stage.kind = "open" and amount > 1000
    #[arg(long, value_name = "CONDITION")]
    pub(super) filter: Option<String>,
    /// Words that all must be found.
    #[arg(long, value_name = "WORDS")]
    pub(super) search: Option<String>,
    /// Fields to sort by, “-” before one for descending: -amount,name
    #[arg(long, value_name = "FIELDS", allow_hyphen_values = true)]
    pub(super) order: Option<String>,
    /// Fields to show: name,account.name
    #[arg(long, value_name = "FIELDS")]
    pub(super) columns: Option<String>,
    /// Most records.
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub(super) limit: u32,
}

#[derive(Args)]
pub(super) struct Show {
    /// The record's id.
    pub(super) id: String,
}

#[derive(Args)]
pub(super) struct Create {
    /// The object, singular or plural.
    pub(super) object: String,
    /// Its fields: name=“Wind park” amount=1200.50
    #[arg(value_name = "FIELD=VALUE")]
    pub(super) fields: Vec<String>,
}

#[derive(Args)]
pub(super) struct Edit {
    /// The record's id.
    pub(super) id: String,
    /// What changes: amount=1300 description= (nothing after “=” empties a field)
    #[arg(value_name = "FIELD=VALUE", required = true)]
    pub(super) fields: Vec<String>,
}

#[derive(Args)]
pub(super) struct Attach {
    /// The id of the record that the file is about.
    pub(super) id: String,
    /// The file.
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// Another name than the file's own.
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
}

#[derive(Args)]
pub(super) struct Content {
    /// The attachment's id.
    pub(super) id: String,
    /// Where to save it; a file that is there already stays as it is. Standard output unless it is said.
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
}

#[derive(Args)]
#[command(group(ArgGroup::new("wanted").args(["without", "fields"]).multiple(true)))]
pub(super) struct PendingWish {
    /// Take this change or file back as if it had never been made.
    #[arg(long, value_name = "CHANGE", group = "what")]
    pub(super) undo: Option<String>,
    /// Send this refused change or file again.
    #[arg(long, value_name = "CHANGE", group = "what")]
    pub(super) retry: Option<String>,
    /// Change what this change wants, then send it: pending --edit CHANGE name=“Wind park”
    #[arg(long, value_name = "CHANGE", group = "what", requires = "wanted")]
    pub(super) edit: Option<String>,
    /// With --edit: leave this field out of the change. May be given several times.
    #[arg(long, value_name = "FIELD", requires = "edit")]
    pub(super) without: Vec<String>,
    /// With --edit: the fields and what they shall be.
    #[arg(value_name = "FIELD=VALUE", requires = "edit")]
    pub(super) fields: Vec<String>,
}

#[derive(Args)]
pub(super) struct PageWish {
    /// The page's address, without the platform's.
    pub(super) path: String,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Choice {
    /// Write what was entered on this device after all.
    #[arg(long)]
    pub(super) mine: bool,
    /// Leave what the platform has.
    #[arg(long)]
    pub(super) theirs: bool,
}

#[derive(Args)]
pub(super) struct Resolve {
    /// The conflict's id, from “conflicts”.
    pub(super) id: String,
    #[command(flatten)]
    pub(super) choice: Choice,
}
