//! What protects a folder, as far as it can be seen from here: by the kernel's word, never by a configuration's.

use std::fs;
use std::path::{Path, PathBuf};

use fieldstone_fscrypt::{Protection, protection};

use super::image::backing_file;
use super::mounts::{self, Mount};
use super::programs::run;

/// Most layers of devices that are looked through.
const DEEPEST: u32 = 8;

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It is encrypted.
    Encrypted {
        /// By what, in words.
        by: String,
        /// Whether that is AES with 256 bits: seen, not supposed.
        aes256: bool,
        /// Whether what was committed survives a loss of power.
        power_safe: bool,
    },
    /// It may be; it can't be seen from here why not.
    Unknown(String),
    /// It is not.
    Plain(String),
}

impl Seen {
    /// Whether it was seen to be encrypted with AES-256.
    pub fn is_encrypted(&self) -> bool {
        matches!(self, Self::Encrypted { aes256: true, .. })
    }

    /// What was seen, in words.
    pub fn words(&self) -> &str {
        match self {
            Self::Encrypted { by, .. } => by,
            Self::Unknown(why) | Self::Plain(why) => why,
        }
    }

    fn aes256(by: impl Into<String>) -> Self {
        Self::Encrypted {
            by: by.into(),
            aes256: true,
            power_safe: true,
        }
    }
}

/// Looks at an existing file or folder, or at the nearest folder above that exists.
pub fn observe(path: &Path) -> Seen {
    let Some(path) = path
        .ancestors()
        .find_map(|path| fs::canonicalize(path).ok())
    else {
        return Seen::Unknown(format!("{} can't be looked at", path.display()));
    };
    look(&path, DEEPEST)
}

fn look(path: &Path, depth: u32) -> Seen {
    match protection(path) {
        Ok(Protection::Aes256(key)) => {
            return Seen::aes256(format!("fscrypt, AES-256-XTS, key {key}"));
        }
        Ok(Protection::Other) => {
            return Seen::Encrypted {
                by: "fscrypt with another policy than AES-256".to_owned(),
                aes256: false,
                power_safe: true,
            };
        }
        Ok(Protection::None) => {}
        Err(error) => return Seen::Unknown(error.to_string()),
    }
    let Some(mount) = mounts::over(path) else {
        return Seen::Unknown(format!("what {} lies on is not known", path.display()));
    };
    match mount.kind.as_str() {
        "fuse.gocryptfs" => Seen::Encrypted {
            by: "gocryptfs, AES-256-GCM, not power-safe".to_owned(),
            aes256: true,
            power_safe: false,
        },
        "zfs" => zfs(&mount),
        "tmpfs" | "ramfs" => Seen::Plain(format!("{} lies in memory", path.display())),
        kind if kind.starts_with("nfs") || kind == "cifs" || kind == "overlay" => {
            Seen::Unknown(format!(
                "{} lies on {kind}, and what is below that can't be seen from here",
                path.display()
            ))
        }
        _ => device(
            &PathBuf::from(format!("/sys/dev/block/{}", mount.device)),
            &mount.source,
            depth,
        ),
    }
}

/// A data set says itself what it is encrypted with.
fn zfs(mount: &Mount) -> Seen {
    let arguments = [
        "get",
        "-H",
        "-o",
        "value",
        "encryption",
        mount.source.as_str(),
    ];
    match run("zfs", "zfsutils-linux", arguments, None) {
        Ok(answer) if answer.trim().starts_with("aes-256") => {
            Seen::aes256(format!("ZFS, {}, {}", answer.trim(), mount.source))
        }
        Ok(answer) if answer.trim() == "off" => Seen::Plain(format!(
            "the ZFS data set {} is not encrypted",
            mount.source
        )),
        Ok(answer) => Seen::Encrypted {
            by: format!("ZFS, {}, {}", answer.trim(), mount.source),
            aes256: false,
            power_safe: true,
        },
        Err(error) => Seen::Unknown(error.to_string()),
    }
}

/// A block device, and what it is made of.
fn device(sys: &Path, name: &str, depth: u32) -> Seen {
    let Some(depth) = depth.checked_sub(1) else {
        return Seen::Unknown(format!("{name} lies on too many layers"));
    };
    let Ok(sys) = fs::canonicalize(sys) else {
        return Seen::Unknown(format!("the device {name} can't be looked at"));
    };
    let text = |file: &str| {
        fs::read_to_string(sys.join(file))
            .ok()
            .map(|text| text.trim().to_owned())
    };
    if text("dm/uuid").is_some_and(|uuid| uuid.starts_with("CRYPT-")) {
        return mapped(&text("dm/name").unwrap_or_default());
    }
    if let Some(file) = sys
        .file_name()
        .and_then(|name| backing_file(&format!("/dev/{}", name.to_string_lossy())))
    {
        return look(&file, depth);
    }
    let parts: Vec<PathBuf> = fs::read_dir(sys.join("slaves"))
        .map(|parts| parts.flatten().map(|part| part.path()).collect())
        .unwrap_or_default();
    if let Some(worst) = parts
        .iter()
        .map(|part| {
            device(
                part,
                &part.file_name().unwrap_or_default().to_string_lossy(),
                depth,
            )
        })
        .min_by_key(Seen::is_encrypted)
    {
        return worst;
    }
    if sys.join("partition").exists()
        && let Some(disk) = sys.parent()
    {
        return device(disk, name, depth);
    }
    let model = text("device/model").unwrap_or_default();
    provider(
        &model,
        &fs::read_to_string("/sys/class/dmi/id/sys_vendor").unwrap_or_default(),
        name,
    )
}

/// dm-crypt shows its cipher to root; the key's digits are shown as zeros.
fn mapped(name: &str) -> Seen {
    match run("dmsetup", "dmsetup", ["table", name], None) {
        Ok(table) => crypt_table(&table, name),
        Err(_) => Seen::Encrypted {
            by: format!("LUKS (dm-crypt) on {name}, whose cipher only root can see"),
            aes256: false,
            power_safe: true,
        },
    }
}

/// `0 SECTORS crypt CIPHER KEY …`, the key as hexadecimal digits or as `:BYTES:TYPE:NAME`.
fn crypt_table(table: &str, name: &str) -> Seen {
    let mut words = table.split_whitespace().skip(3);
    let cipher = words.next().unwrap_or_default();
    let key = words.next().unwrap_or_default();
    let bytes = key
        .strip_prefix(':')
        .and_then(|reference| reference.split(':').next()?.parse().ok())
        .unwrap_or(key.len() / 2);
    // XTS takes two keys of 256 bits.
    let needed = if cipher.contains("xts") { 64 } else { 32 };
    Seen::Encrypted {
        by: format!("LUKS (dm-crypt) on {name}, {cipher}, {} bits", bytes * 8),
        aes256: cipher.starts_with("aes-") && bytes >= needed
            || cipher.starts_with("capi:") && cipher.contains("aes") && bytes >= needed,
        power_safe: true,
    }
}

/// What the maker of a disk says of all its disks.
fn provider(model: &str, vendor: &str, name: &str) -> Seen {
    if model.starts_with("PersistentDisk") || model.starts_with("Google") {
        return Seen::aes256(format!(
            "{name} is a Google persistent disk, which are all encrypted with AES-256"
        ));
    }
    if vendor.starts_with("Microsoft") && model.starts_with("Virtual Disk") {
        return Seen::aes256(format!(
            "{name} is an Azure managed disk, which are all encrypted with AES-256"
        ));
    }
    if model.starts_with("Amazon Elastic Block Store") {
        return Seen::Unknown(format!(
            "{name} is an Amazon volume, and whether it is an encrypted one can't be seen from inside"
        ));
    }
    Seen::Plain(format!("{name} is a plain device"))
}

/// Swap areas that would hold pages of memory in the clear.
pub fn unencrypted_swap() -> Vec<String> {
    let table = fs::read_to_string("/proc/swaps").unwrap_or_default();
    table
        .lines()
        .skip(1)
        .filter_map(|line| line.split_whitespace().next())
        .filter(|area| {
            let name = area.strip_prefix("/dev/").map(Path::new);
            // Compressed memory is no disk.
            let in_memory = name.is_some_and(|name| name.to_string_lossy().starts_with("zram"));
            let seen = match name {
                Some(name) if !in_memory => {
                    device(&Path::new("/sys/class/block").join(name), area, DEEPEST)
                }
                _ => observe(Path::new(area)),
            };
            !in_memory && !matches!(seen, Seen::Encrypted { .. })
        })
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cipher_of_a_mapped_device_is_read() {
        let zeros = "0".repeat(128);
        let seen = |text: &str| crypt_table(text, "data").is_encrypted();
        assert!(seen(&format!(
            "0 409600 crypt aes-xts-plain64 {zeros} 0 8:1 32768"
        )));
        assert!(seen(
            "0 409600 crypt aes-xts-plain64 :64:logon:cryptsetup:uuid-d0 0 8:1 32768"
        ));
        assert!(!seen(
            "0 409600 crypt aes-xts-plain64 :32:logon:cryptsetup:uuid-d0 0 8:1 32768"
        ));
        assert!(!seen(&format!(
            "0 409600 crypt twofish-xts-plain64 {zeros} 0 8:1 32768"
        )));
        assert!(!seen(""));
    }

    #[test]
    fn only_a_provider_that_encrypts_everything_is_believed() {
        assert!(provider("PersistentDisk", "Google", "sda").is_encrypted());
        assert!(provider("Virtual Disk", "Microsoft Corporation", "sda").is_encrypted());
        assert!(matches!(
            provider("Amazon Elastic Block Store", "Amazon EC2", "nvme0n1"),
            Seen::Unknown(_)
        ));
        assert!(matches!(
            provider("Samsung SSD", "Lenovo", "sda"),
            Seen::Plain(_)
        ));
    }

    #[test]
    fn memory_is_not_encrypted() {
        assert!(!observe(Path::new("/proc")).is_encrypted());
        assert!(!observe(Path::new("/nowhere/at/all")).is_encrypted());
    }
}
