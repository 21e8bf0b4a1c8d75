//! Rules about one file at a time, and about where files lie.

use std::path::Path;

use super::{Finding, Source};

/// A file longer than this asks to be split; its unit tests don't count.
const LONGEST: usize = 600;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 7] = [
    "util", "utils", "helper", "helpers", "manager", "common", "misc",
];

/// Where a ban is lifted: the injected clock reads the wall clock, the modules that check connections take them from the pool, and the
/// tables of routes make routers.
const LIFTS_BANS: [&str; 6] = [
    "crates/server/src/api/mod.rs",
    "crates/server/src/api/route.rs",
    "crates/ui/src/page.rs",
    "crates/model/src/clock.rs",
    "crates/server/src/database/",
    "crates/server/src/identity/auth_pool.rs",
];

/// Crates that talk to the kernel and may therefore hold `unsafe`.
const UNSAFE_CRATES: [&str; 2] = ["crates/guard/", "crates/fscrypt/"];

/// Checks one file.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    if source.path.starts_with("crates/ui/") {
        for (number, line) in source.text.lines().enumerate() {
            let line = line.to_lowercase();
            if line.contains("postgres") || line.contains("sqlite") {
                findings.push(Finding::at(
                    &source.path,
                    number + 1,
                    "pages know no database",
                ));
            }
        }
    }
    if Path::new(&source.path)
        .extension()
        .is_none_or(|extension| extension != "rs")
    {
        return findings;
    }
    if !source
        .text
        .lines()
        .next()
        .is_some_and(|line| line.starts_with("//! "))
    {
        findings.push(Finding::at(
            &source.path,
            1,
            "begins with a //! line that says what the file is",
        ));
    }
    let length = length(source);
    if length > LONGEST {
        findings.push(Finding::new(
            &source.path,
            format!("has {length} lines, tests aside; split it below {LONGEST}"),
        ));
    }
    let names = Path::new(&source.path).with_extension("");
    for name in names
        .iter()
        .filter_map(|name| name.to_str())
        .filter(|name| EMPTY_NAMES.contains(name))
    {
        findings.push(Finding::new(
            &source.path,
            format!("'{name}' says nothing; name it after what it holds"),
        ));
    }
    let mut in_tests = is_test(&source.path);
    for (number, line) in source.text.lines().enumerate() {
        in_tests |= line == "mod tests {";
        let code = code(line);
        let mut say = |text: &str| findings.push(Finding::at(&source.path, number + 1, text));
        if words(&code).any(|word| word == "unsafe")
            && !UNSAFE_CRATES
                .iter()
                .any(|allowed| source.path.starts_with(allowed))
        {
            say("only guard, fscrypt and the keystore glue of app may be unsafe");
        }
        let may_lift = LIFTS_BANS
            .iter()
            .any(|allowed| source.path.starts_with(allowed))
            || in_tests;
        if code.contains("clippy::disallowed_methods") && !may_lift {
            say(
                "lifts the ban on the wall clock, the raw pool, the simple protocol or routes outside their tables",
            );
        }
    }
    findings
}

/// Checks where files lie.
pub(super) fn check_layout(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Source { path, .. } in sources {
        let parts = path.split('/').collect::<Vec<_>>();
        if let ["crates", _, "tests", name, ..] = parts[..]
            && name != "it"
            && path.split('.').next_back() == Some("rs")
        {
            findings.push(Finding::new(
                path,
                "belongs in tests/it/: one integration binary per crate links once",
            ));
        }
    }
    let readme = sources.iter().find(|source| source.path == "README.md");
    let commands = readme.map_or(0, |readme| {
        readme
            .text
            .lines()
            .filter(|line| line.starts_with("./x "))
            .count()
    });
    if commands != 2 {
        findings.push(Finding::new(
            "README.md",
            format!("shows {commands} commands; it has exactly two, ./x up and ./x test"),
        ));
    }
    findings
}

/// The lines that count: unit tests at the end of a file and test binaries don't.
fn length(source: &Source) -> usize {
    if is_test(&source.path) {
        return 0;
    }
    let tests = |line: &&str| !line.starts_with("#[cfg(test)]");
    source.text.lines().take_while(tests).count()
}

fn is_test(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.starts_with("crates/testkit/")
}

/// A line without its comment and without what stands between quotation marks.
fn code(line: &str) -> String {
    let unquoted = line.split('"').step_by(2).collect::<Vec<_>>().join("\"");
    unquoted.split("//").next().unwrap_or_default().to_owned()
}

/// The identifiers and keywords in a line of code.
fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|char: char| !char.is_alphanumeric() && char != '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&source(path, text))
            .into_iter()
            .map(|finding| finding.text)
            .collect()
    }

    #[test]
    fn a_file_says_what_it_is() {
        assert!(found("crates/model/src/deal.rs", "//! Deals.\n").is_empty());
        assert_eq!(found("crates/model/src/deal.rs", "use std::fs;\n").len(), 1);
        assert_eq!(found("crates/model/src/deal.rs", "").len(), 1);
        assert!(found("crates/ui/assets/app.js", "let deals;").is_empty());
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_are_not_counted() {
        let long = format!("//! Long.\n{}", "fn f() {}\n".repeat(LONGEST));
        assert_eq!(found("crates/model/src/long.rs", &long).len(), 1);
        let tested = format!(
            "//! Short.\n#[cfg(test)]\n{}",
            "fn f() {}\n".repeat(LONGEST)
        );
        assert!(found("crates/model/src/short.rs", &tested).is_empty());
        assert!(found("crates/server/tests/it/long.rs", &long).is_empty());
    }

    #[test]
    fn an_empty_name_is_found_wherever_it_stands() {
        assert_eq!(found("crates/model/src/util.rs", "//! Things.\n").len(), 1);
        assert_eq!(
            found("crates/model/src/helpers/date.rs", "//! Dates.\n").len(),
            1
        );
        assert!(found("crates/model/src/utility_bill.rs", "//! Bills.\n").is_empty());
    }

    #[test]
    fn unsafe_is_for_those_who_talk_to_the_kernel() {
        let text = "//! Block.\nfn f() { unsafe { g() } }\n";
        assert_eq!(found("crates/server/src/f.rs", text).len(), 1);
        assert!(found("crates/guard/src/f.rs", text).is_empty());
        let named = format!(
            "//! No unsafe here.\n#![forbid(unsafe_code)]\nlet word = {:?};\n",
            "unsafe"
        );
        assert!(found("crates/server/src/f.rs", &named).is_empty());
    }

    #[test]
    fn pages_know_no_database() {
        assert_eq!(
            found("crates/ui/src/list.rs", "//! Lists, from PostgreSQL.\n").len(),
            1
        );
        assert_eq!(
            found("crates/ui/templates/list.html", "<p>SQLite</p>").len(),
            1
        );
        assert!(found("crates/store/src/list.rs", "//! Lists, from PostgreSQL.\n").is_empty());
    }

    #[test]
    fn lifting_a_ban_is_found() {
        let text = "//! Clock.\n#[allow(clippy::disallowed_methods, reason = \n";
        assert_eq!(found("crates/server/src/f.rs", text).len(), 1);
        assert!(found("crates/model/src/clock.rs", text).is_empty());
        let tested = text.replace(".\n", ".\nmod tests {\n");
        assert!(found("crates/server/src/f.rs", &tested).is_empty());
        assert!(found("crates/server/tests/it/main.rs", text).is_empty());
    }

    #[test]
    fn one_integration_binary_and_two_commands() {
        let readme = source("README.md", "```\n./x up\n./x test\n```\n");
        assert!(check_layout(&[readme, source("crates/server/tests/it/main.rs", "")]).is_empty());
        let readme = source("README.md", "```\n./x up\n./x test\n./x ci\n```\n");
        let findings = check_layout(&[readme, source("crates/server/tests/other.rs", "")]);
        assert_eq!(findings.len(), 2, "{findings:?}");
    }
}
