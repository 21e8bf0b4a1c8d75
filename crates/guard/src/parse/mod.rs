//! Parsers of what the kernel and the linker write. Each takes any bytes whatever and never panics: some of them an attacker can write.

pub mod elf;
pub mod environ;
pub mod maps;
pub mod mounts;
pub mod pagemap;
pub mod status;
