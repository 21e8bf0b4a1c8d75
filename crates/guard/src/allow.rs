//! What an app declares about itself: everything else that is found in its process is not its own.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

/// Which libraries may be in the process besides the program itself. Wherever they are, they have to be in a folder of the system or of
/// the app, belong to the system, and be writable by nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Libraries {
    /// Any that meet this: for apps that bring a toolkit with modules of its own.
    AnyOfTheSystem,
    /// Only those whose file name is one of these, or begins with one and goes on with a version, as `libc.so` does with `.6`.
    Listed(&'static [&'static str]),
}

/// An engine that makes code while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jit {
    /// The file name of its library, without version. Nothing is allowed unless that library is in the process and may be.
    pub engine: &'static str,
    /// The names of its mappings; `""` for anonymous ones.
    pub names: &'static [&'static str],
    /// The most executable mappings that it makes.
    pub mappings_max: usize,
}

impl Jit {
    /// Android's runtime.
    pub const ART: Self = Self {
        engine: "libart.so",
        names: &[
            "/memfd:jit-cache (deleted)",
            "/memfd:jit-zygote-cache (deleted)",
            "/dev/ashmem/dalvik-jit-code-cache (deleted)",
            "[anon:dalvik-jit-code-cache]",
        ],
        mappings_max: 4,
    };
    /// `JavaScriptCore` in `WebKitGTK`, when it runs in the app's own process.
    pub const WEBKITGTK: Self = Self {
        engine: "libjavascriptcoregtk-4.1.so",
        names: &["", "[anon:JSC]"],
        mappings_max: 256,
    };
}

/// What an app declares.
#[derive(Debug, Clone)]
pub struct Allowances {
    /// Its libraries.
    pub libraries: Libraries,
    /// The engine that makes code in its process, if there is one.
    pub jit: Option<Jit>,
    /// Folders of the app's own besides the system's, where its package is installed and the app can't write.
    pub folders: Vec<String>,
    /// The most threads that it ever has.
    pub threads_max: usize,
    /// Who traces this process with the app's own consent.
    pub tracer: Tracer,
}

/// The one process that may trace this one: its own supervisor. Zero as long as there is none.
#[derive(Debug, Clone, Default)]
pub struct Tracer(Arc<AtomicU32>);

impl Tracer {
    /// Says who it is.
    pub fn expect(&self, thread: u32) {
        self.0.store(thread, Ordering::SeqCst);
    }

    /// Who it is.
    pub fn expected(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}
