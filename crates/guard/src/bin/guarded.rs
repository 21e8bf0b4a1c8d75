//! A process that is guarded as a release of the app is, and does nothing else: what the tests attack, and what watching is measured on.
//!
//! `fieldstone-guarded [--alone]`: with `--alone` it has no supervisor.

use std::{
    io::{self, Read as _, Write as _},
    process::ExitCode,
};

use fieldstone_guard::{
    Allowances, Device, Guard, Libraries, Policy, Probes, Secret, Tracer, protect,
};

fn main() -> ExitCode {
    let allowances = Allowances {
        libraries: Libraries::Listed(&[
            "libc.so",
            "libgcc_s.so",
            "libm.so",
            "ld-linux-x86-64.so",
            "ld-linux-aarch64.so",
        ]),
        jit: None,
        folders: Vec::new(),
        threads_max: 4,
        tracer: Tracer::default(),
    };
    let say = Box::new(|sighting: &fieldstone_guard::Sighting| {
        for finding in &sighting.findings {
            let _ = writeln!(io::stderr(), "{:?} {finding}", sighting.action);
        }
    });
    let policy = Policy::release(Device::Desktop);
    let guard = if std::env::args().any(|argument| argument == "--alone") {
        let Ok(probes) = Probes::of_this_system(&allowances) else {
            return ExitCode::FAILURE;
        };
        Guard::start(policy, probes, say)
    } else {
        protect(policy, &allowances, say)
    };
    let mut secret: Secret<32> = Secret::new();
    secret.bytes_mut().fill(0xa5);
    let _ = writeln!(
        io::stdout(),
        "ready {} {:x}",
        std::process::id(),
        secret.bytes().as_ptr().addr()
    );
    // Until whoever started it goes away.
    let mut rest = Vec::new();
    let _ = io::stdin().read_to_end(&mut rest);
    drop(guard);
    ExitCode::SUCCESS
}
