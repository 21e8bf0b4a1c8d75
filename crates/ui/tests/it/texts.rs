//! Every text that a template or a page names is in the catalogue.

use std::{fs, path::Path};

use fieldstone_ui::locale::Locale;
use jiff::tz::TimeZone;

/// Every text in quotation marks right after one of `openings`, in the files under `folder`.
fn named(folder: &Path, openings: &[&str], found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            named(&path, openings, found);
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        for opening in openings {
            for part in source.split(opening).skip(1) {
                let key = part.split('"').next().unwrap();
                // Keys made from parts are checked where the parts are listed.
                if !key.contains('{') {
                    found.push((key.to_owned(), path.display().to_string()));
                }
            }
        }
    }
}

#[test]
fn every_text_that_is_named_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let openings = ["t(\"", "t1(\"", "t2(\""]
        .map(|call| {
            [
                format!("locale.{call}"),
                format!("self.{call}"),
                format!("frame.{call}"),
            ]
        })
        .concat();
    let openings: Vec<&str> = openings.iter().map(String::as_str).collect();
    let mut found = Vec::new();
    for folder in [
        "templates",
        "src",
        "../server/templates",
        "../server/src/pages",
    ] {
        named(&root.join(folder), &openings, &mut found);
    }
    assert!(found.len() > 100, "only {} texts are named", found.len());
    for tag in ["en", "de"] {
        let locale = Locale::new(tag, TimeZone::UTC, "EUR");
        let missing: Vec<_> = found
            .iter()
            .filter(|(key, _)| locale.find(key).is_none())
            .collect();
        assert!(missing.is_empty(), "{tag}: {missing:?}");
    }
}

#[test]
fn every_text_that_is_chosen_from_a_table_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let families = [
        "\"notice-",
        "\"history-",
        "\"home-",
        "\"error-",
        "\"sign-in-",
        "\"set-up-",
        "\"list-sort-",
        "\"list-count",
        "\"filter-",
        "\"test-",
    ];
    for family in families {
        let mut part = Vec::new();
        for folder in ["src", "../server/src/pages"] {
            named(&root.join(folder), &[family], &mut part);
        }
        found.extend(
            part.into_iter()
                .map(|(rest, path)| (format!("{}{rest}", &family[1..]), path)),
        );
    }
    let locale = Locale::new("de", TimeZone::UTC, "EUR");
    // Ids of elements share these prefixes.
    let ids = ["filter-value-error", "error-reference"];
    let missing: Vec<_> = found
        .iter()
        .filter(|(key, _)| !ids.contains(&key.as_str()) && locale.find(key).is_none())
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
