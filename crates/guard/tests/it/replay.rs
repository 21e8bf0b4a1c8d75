//! Every device in `devices/` is classified as its file says. They were written from public documentation, not recorded on hardware.

use std::{collections::BTreeSet, fs, path::Path};

use fieldstone_guard::{Allowances, Jit, Libraries, Probes, Tracer, World};

use crate::recorded::Recorded;

fn allowances(device: &Recorded) -> Allowances {
    let phone = !device.system().is_linux() || device.system() == fieldstone_guard::System::Android;
    Allowances {
        libraries: if phone || device.about.contains("toolkit") {
            Libraries::AnyOfTheSystem
        } else {
            Libraries::Listed(&[
                "libc.so",
                "libgcc_s.so",
                "ld-linux-x86-64.so",
                "libcrypto.so",
            ])
        },
        jit: if phone {
            Some(Jit::ART)
        } else if device.about.contains("toolkit") {
            Some(Jit::WEBKITGTK)
        } else {
            None
        },
        folders: vec!["/data/app/".to_owned()],
        threads_max: 6,
        tracer: Tracer::default(),
    }
}

#[test]
fn devices_are_classified() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/devices");
    let mut seen = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let device = Recorded::load(&fs::read_to_string(&path).unwrap());
        let found = Probes::of(Box::new(device.clone()), &allowances(&device)).look();
        let families: BTreeSet<&str> = found.iter().map(|finding| finding.family.word()).collect();
        let expected: BTreeSet<&str> = device.expect.iter().map(String::as_str).collect();
        let evidence: Vec<String> = found.iter().map(ToString::to_string).collect();
        if families != expected {
            wrong.push(format!(
                "{name}: expected {expected:?}, found {evidence:#?}"
            ));
        }
        for words in &device.evidence {
            if !evidence
                .iter()
                .any(|evidence| evidence.contains(words.as_str()))
            {
                wrong.push(format!("{name}: nothing says “{words}”: {evidence:#?}"));
            }
        }
        seen += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 20, "{seen} devices");
}
