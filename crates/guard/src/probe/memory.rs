//! What can be executed in this process, allow-listed by where it comes from. Nothing is refused for its name, and nothing allowed for it
//! alone.

use std::collections::BTreeMap;

use super::Probe;
use crate::{
    allow::{Allowances, Libraries},
    finding::{Family, Finding},
    parse::{
        maps::{self, Mapping},
        pagemap,
    },
    world::{Kind, Reading, Status, System, World},
};

/// Where systems keep libraries.
const SYSTEM_FOLDERS: [&str; 13] = [
    "/usr/",
    "/lib/",
    "/lib64/",
    "/lib32/",
    "/nix/store/",
    "/gnu/store/",
    "/app/",
    "/snap/",
    "/system/",
    "/system_ext/",
    "/apex/",
    "/vendor/",
    "/product/",
];
/// The owner of files of the system inside a namespace of users that doesn't have them.
const NOBODY: u32 = 65_534;
/// Android's account for the installer.
const ANDROID_SYSTEM: u32 = 1000;
/// Writable by the group, or by everybody.
const OTHERS_WRITE: u32 = 0o022;
/// Writable by everybody.
const EVERYBODY_WRITES: u32 = 0o002;
const PAGE: u64 = 4096;
/// Most entries of the page map that are read at a time.
const PAGES_AT_ONCE: usize = 8192;

/// Looks at every executable mapping.
#[derive(Debug)]
pub struct Memory {
    allowances: Allowances,
    /// Mappings that were allowed once. A package that is updated meanwhile leaves them without a file, and they are as good as before.
    known: Vec<Mapping>,
    /// Paths that were judged, with the number of the file that was there.
    judged: BTreeMap<String, u64>,
}

impl Memory {
    /// With what the app has declared.
    pub fn new(allowances: Allowances) -> Self {
        Self {
            allowances,
            known: Vec::new(),
            judged: BTreeMap::new(),
        }
    }

    /// Why a mapping isn't allowed; `None` when it is.
    fn objection(
        &mut self,
        mapping: &Mapping,
        engine_is_there: bool,
        world: &dyn World,
    ) -> Option<String> {
        if is_kernels_own(mapping) {
            return None;
        }
        let range = format!("{:x}-{:x}", mapping.start, mapping.end);
        if self
            .allowances
            .jit
            .is_some_and(|jit| engine_is_there && jit.names.contains(&mapping.name.as_str()))
        {
            return None;
        }
        if !mapping.has_file() {
            return Some(format!(
                "executable memory without a file at {range} {}",
                mapping.name
            ));
        }
        if mapping.write {
            return Some(format!(
                "executable and writable: {} at {range}",
                mapping.name
            ));
        }
        if self.known.iter().any(|known| is_same(known, mapping)) {
            return None;
        }
        if mapping.is_deleted() {
            return Some(format!(
                "executable memory of a file that is nowhere: {}",
                mapping.name
            ));
        }
        if self.judged.get(&mapping.name) == Some(&mapping.inode) {
            self.known.push(mapping.clone());
            return None;
        }
        let objection = self.objection_to_file(mapping, world);
        if objection.is_none() {
            self.judged.insert(mapping.name.clone(), mapping.inode);
            self.known.push(mapping.clone());
        }
        objection
    }

    fn objection_to_file(&self, mapping: &Mapping, world: &dyn World) -> Option<String> {
        let path = mapping.name.as_str();
        let Some(status) = world.status(path) else {
            return Some(format!(
                "the file of executable memory is not where it says: {path}"
            ));
        };
        if status.kind != Kind::File {
            return Some(format!("executable memory of what is no file: {path}"));
        }
        if world.program().as_deref() == Some(path) && status.inode == mapping.inode {
            // The program itself, wherever its user has put it: its bytes are checked, not its place.
            return None;
        }
        let own = self
            .allowances
            .folders
            .iter()
            .any(|folder| path.starts_with(folder.as_str()));
        if !own && !SYSTEM_FOLDERS.iter().any(|folder| path.starts_with(folder)) {
            return Some(format!(
                "a library from outside the system's folders: {path}"
            ));
        }
        if let Some(writable) = writable_by_others(path, status, world) {
            return Some(format!(
                "a library that others can write to: {path} ({writable})"
            ));
        }
        if own {
            return None;
        }
        match self.allowances.libraries {
            Libraries::Listed(names) if !names.iter().any(|name| is_named(path, name)) => {
                Some(format!("a library that the app doesn't use: {path}"))
            }
            Libraries::Listed(_) | Libraries::AnyOfTheSystem => None,
        }
    }
}

impl Probe for Memory {
    fn look(&mut self, world: &dyn World, found: &mut Vec<Finding>) {
        let mut say =
            |check, evidence: &str| found.push(Finding::new(Family::Tools, check, evidence));
        let Reading::Found(text) = world.process("maps") else {
            return say(
                "mapping",
                "the kernel doesn't show this process's memory map",
            );
        };
        let mappings = match maps::parse(&text) {
            Ok(mappings) => mappings,
            Err(error) => return say("mapping", &error.to_string()),
        };
        let executable = || mappings.iter().filter(|mapping| mapping.execute);
        if executable().next().is_none() {
            return say("mapping", "the memory map shows no code at all");
        }
        let engine = self.allowances.jit.map(|jit| jit.engine);
        let engine_is_there = engine.is_some_and(|engine| {
            executable().any(|mapping| {
                mapping.has_file()
                    && is_named(&mapping.name, engine)
                    && self.objection_to_file(mapping, world).is_none()
            })
        });
        let mut made = 0;
        for mapping in executable() {
            if let Some(objection) = self.objection(mapping, engine_is_there, world) {
                say("mapping", &objection);
                continue;
            }
            let jit = self
                .allowances
                .jit
                .filter(|jit| jit.names.contains(&mapping.name.as_str()));
            if let Some(jit) = jit {
                made += 1;
                if made == jit.mappings_max + 1 {
                    say(
                        "mapping",
                        &format!("more made code than {} makes", jit.engine),
                    );
                }
            } else if mapping.has_file()
                && let Some(address) = written_page(mapping, world)
            {
                let offset = address - mapping.start + mapping.offset;
                say(
                    "code",
                    &format!(
                        "code was written to in memory: {} at offset {offset:#x}",
                        mapping.name
                    ),
                );
            }
        }
        self.known
            .retain(|known| mappings.iter().any(|mapping| is_same(known, mapping)));
    }
}

/// What the kernel maps into every process. Its names are not paths, and no process can give a mapping such a name.
fn is_kernels_own(mapping: &Mapping) -> bool {
    mapping.inode == 0
        && !mapping.write
        && matches!(
            mapping.name.as_str(),
            "[vdso]" | "[vsyscall]" | "[vectors]" | "[sigpage]"
        )
}

fn is_same(known: &Mapping, mapping: &Mapping) -> bool {
    let name = mapping
        .name
        .strip_suffix(" (deleted)")
        .unwrap_or(&mapping.name);
    known.start == mapping.start
        && known.end == mapping.end
        && known.offset == mapping.offset
        && known.inode == mapping.inode
        && known.device == mapping.device
        && (known.name == mapping.name || known.name == name)
}

/// Whether a path's file is `name`, or `name` and a version.
fn is_named(path: &str, name: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or_default();
    file.strip_prefix(name).is_some_and(|rest| {
        rest.is_empty()
            || (rest.starts_with('.')
                && rest
                    .bytes()
                    .all(|byte| byte == b'.' || byte.is_ascii_digit()))
    })
}

/// Who besides the system can write to a file, or put another in its place.
fn writable_by_others(path: &str, file: Status, world: &dyn World) -> Option<String> {
    let android = world.system() == System::Android;
    // Android's own folders belong to its own groups.
    let others = if android {
        EVERYBODY_WRITES
    } else {
        OTHERS_WRITE
    };
    let is_bad = |status: Status| {
        let systems = status.owner == 0
            || (status.owner == NOBODY && world.user() != NOBODY)
            || (status.owner == ANDROID_SYSTEM && android);
        !systems || status.mode & others != 0
    };
    if is_bad(file) {
        return Some(format!(
            "owner {}, mode {:o}",
            file.owner,
            file.mode & 0o7777
        ));
    }
    let folders = path
        .match_indices('/')
        .skip(1)
        .filter_map(|(at, _)| path.get(..at));
    for folder in folders {
        match world.status(folder) {
            Some(status) if is_bad(status) => return Some(format!("folder {folder}")),
            _ => {}
        }
    }
    None
}

/// The address of a page of a mapping that is no longer the file's.
fn written_page(mapping: &Mapping, world: &dyn World) -> Option<u64> {
    let mut address = mapping.start;
    while address < mapping.end {
        let count = usize::try_from((mapping.end - address) / PAGE)
            .ok()?
            .min(PAGES_AT_ONCE);
        if count == 0 {
            return None;
        }
        // Where the kernel doesn't show it, the digests and the comparison with the files remain.
        let entries = world.pages(address, count)?;
        if let Some(at) = entries.iter().position(|entry| pagemap::is_copy(*entry)) {
            return Some(address + u64::try_from(at).ok()? * PAGE);
        }
        address += u64::try_from(count).ok()? * PAGE;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_not_another_library() {
        assert!(is_named("/usr/lib/x86_64-linux-gnu/libc.so.6", "libc.so"));
        assert!(is_named("/usr/lib/libm.so", "libm.so"));
        assert!(!is_named("/usr/lib/libc.so.6.evil", "libc.so"));
        assert!(!is_named("/usr/lib/libcurl.so.4", "libc.so"));
        assert!(!is_named("/usr/lib/evil-libc.so.6", "libc.so"));
    }
}
