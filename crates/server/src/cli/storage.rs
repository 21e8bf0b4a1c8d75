//! How the data folder is encrypted: what `up` is told about it, and `fieldstone storage encrypt`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::failure::Failure;
use super::output::say;
use super::up::default_data_dir;
use crate::cluster;
use crate::data_dir::DataDir;
use crate::storage::{Encryption, Storage, StorageKey, encrypt_existing};

/// What `up` is told.
#[derive(Debug, Clone, Args)]
pub(super) struct StorageOptions {
    /// How the data is encrypted where it lies
    #[arg(
        long = "storage-encryption",
        value_name = "WAY",
        default_value = "auto",
        env = "FIELDSTONE_STORAGE_ENCRYPTION"
    )]
    encryption: Encryption,

    /// The file with the key, kept by a secrets manager [default: one among the data folder's secrets, made on first use]
    #[arg(
        long = "storage-key",
        value_name = "FILE",
        env = "FIELDSTONE_STORAGE_KEY_FILE"
    )]
    key: Option<PathBuf>,
}

impl StorageOptions {
    /// Opens the storage, which says once how it is protected.
    pub(super) fn open(&self, data_dir: &DataDir) -> Result<Storage, Failure> {
        let storage = Storage::open(data_dir, self.encryption, &self.key(data_dir))?;
        tracing::info!("The data is encrypted by {}", storage.describe());
        Ok(storage)
    }

    fn key(&self, data_dir: &DataDir) -> StorageKey {
        StorageKey::new(data_dir, self.key.clone())
    }
}

/// Encrypt the data of a folder that isn't
#[derive(Debug, Args)]
pub(super) struct StorageCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Encrypt the data of a stopped installation
    Encrypt {
        /// The data folder [default: ~/.local/share/fieldstone, for root /var/lib/fieldstone]
        #[arg(long, value_name = "DIR", env = "FIELDSTONE_DATA")]
        data: Option<PathBuf>,

        #[command(flatten)]
        options: StorageOptions,
    },
}

impl StorageCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let Command::Encrypt { data, options } = self.command;
        let folder = data.map_or_else(default_data_dir, Ok)?;
        if !DataDir::holds_data(&folder) {
            return Err(Failure::new(format!(
                "There is no Fieldstone in {}.",
                folder.display()
            )));
        }
        let data_dir = DataDir::open(&folder)?;
        let _lock = data_dir.lock()?;
        cluster::stop_left_over(&data_dir).await?;
        let key = options.key(&data_dir);
        let how =
            tokio::task::block_in_place(|| encrypt_existing(&data_dir, options.encryption, &key))?;
        say(&format!(
            "The data in {} is now encrypted by {how}.",
            folder.display()
        ))?;
        say(
            "Its old blocks stay on the disk until they are overwritten; where that matters, move to a disk that never held them.",
        )?;
        say(&format!(
            "Keep a copy of {} elsewhere: without it the data can't be read by anybody.",
            key.path().display()
        ))
    }
}
