//! Generated dirty files: whatever is in them, no row is lost and nothing but rows comes in.

use proptest::{collection::vec, prelude::*};

use super::*;

#[tokio::test]
async fn every_kind_of_dirt_is_a_row_error_and_the_rest_goes_on() {
    let fake = Fake::new();
    let mut file = b"\xEF\xBB\xBFname,phone,founded,email\r\n".to_vec();
    file.extend_from_slice("Café Zürich,,1990,\r\n".as_bytes());
    file.extend_from_slice(b"ragged\r\n");
    file.extend_from_slice(b"too,many,1990,,cells\r\n");
    file.extend_from_slice(b"Caf\xE9,,1990,\r\n");
    file.extend_from_slice(format!("{},,,\r\n", "n".repeat(10_000)).as_bytes());
    file.extend_from_slice(b"=1+1,,,\r\n");
    file.extend_from_slice(b",,,\r\n");
    file.extend_from_slice(b"\r\n");
    file.extend_from_slice(b"nul\0,,,\r\n");
    file.extend_from_slice(b"old,,around 1900,\r\n");
    file.extend_from_slice(b"mail,,,not an address\r\n");
    file.extend_from_slice(format!("long,,,{}\r\n", "x".repeat(rows::CELL_MAX + 1)).as_bytes());
    file.extend_from_slice("last – good,,2000,\r\n".as_bytes());
    let tried = import(&fake, "account", &file, "").await;
    assert_eq!(counts(&tried), [3, 0, 1, 8]);
    let errors = tried.errors();
    assert_eq!(errors.len(), 9);
    for (row, part) in errors[1..].iter().zip([
        "1 cells; the header has 4",
        "5 cells",
        "UTF-8",
        "255 characters",
        "control characters",
        "around 1900",
        "not an address",
        "1 MiB",
    ]) {
        assert!(row[4].contains(part), "{part}: {}", row[4]);
    }
    assert_eq!(errors[2][5], "cells", "a cell too many is kept");
    assert_eq!(
        errors[8][3].len(),
        rows::CELL_MAX + 1,
        "a failed row is kept whole"
    );
    let names: Vec<_> = all(&fake, "account")
        .await
        .iter()
        .map(|record| text(record, "name").to_owned())
        .collect();
    assert_eq!(names, ["Café Zürich", "=1+1", "last – good"]);
}

#[tokio::test]
async fn two_hundred_columns_are_fine() {
    let fake = Fake::new();
    let header: Vec<String> = (0..199)
        .map(|at| format!("column {at}"))
        .chain(["name".to_owned()])
        .collect();
    let row: Vec<String> = (0..199)
        .map(|at| format!("value {at}"))
        .chain(["Wide".to_owned()])
        .collect();
    let tried = import(
        &fake,
        "account",
        format!("{}\n{}\n", header.join("\t"), row.join("\t")),
        "",
    )
    .await;
    assert_eq!(counts(&tried), [1, 0, 0, 0]);
    assert_eq!(tried.report.ignored.len(), 199);
}

#[tokio::test]
async fn utf16_and_windows_files_are_read() {
    let file = "name,city\nMüller & Söhne,Köln\n";
    let utf16: Vec<u8> = [0xFF, 0xFE]
        .into_iter()
        .chain(file.encode_utf16().flat_map(u16::to_le_bytes))
        .collect();
    let windows: Vec<u8> = file
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect();
    for bytes in [utf16, windows] {
        let fake = Fake::new();
        assert_eq!(
            counts(&import(&fake, "account", bytes, "").await),
            [1, 0, 0, 0]
        );
        assert_eq!(
            text(&all(&fake, "account").await[0], "name"),
            "Müller & Söhne"
        );
    }
}

fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[A-D]",
        1 => Just(String::new()),
        1 => "[-=+@\t]?[a-z \"\n;,']{0,6}",
        1 => "\\PC{0,4}",
        1 => Just("x".repeat(300)),
    ]
}

fn row() -> impl Strategy<Value = Vec<String>> {
    prop_oneof![8 => vec(cell(), 4), 1 => vec(cell(), 1..7)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn rows_in_are_rows_out(rows in vec(row(), 0..40), rule in 0..4_usize, chunk in 1..9_usize) {
        let rule = ["", "skip", "update", "create"][rule];
        let dedupe = if rule.is_empty() { String::new() } else { format!("[dedupe]\nby = \"external_id\"\nrule = \"{rule}\"\n") };
        let mapping = format!(
            "delimiter = \",\"\n{dedupe}[map]\nname = \"name\"\nexternal_id = \"id\"\nemail = \"mail\"\nparent_id = {{ column = \"parent\", find = \"account.name\" }}"
        );
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        writer.write_record(["name", "id", "parent", "mail"]).unwrap();
        for row in &rows {
            writer.write_record(row).unwrap();
        }
        let file = writer.into_inner().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let fake = Fake::new();
            let tried = try_import(&fake, "account", &file, &mapping, |request| request.chunk = chunk).await.unwrap();
            let [created, updated, skipped, failed] = counts(&tried);
            let written = rows.len() as u64;
            assert_eq!(tried.report.progress.read, written);
            assert_eq!(created + updated + skipped + failed, written, "{:?}", tried.report);
            assert_eq!(tried.report.up_to_row, written);
            let accounts = all(&fake, "account").await;
            assert_eq!(accounts.len() as u64, created);
            let errors = tried.errors();
            assert_eq!(errors.len().saturating_sub(1) as u64, failed);
            for error in errors.iter().skip(1) {
                let kept = rows.iter().any(|row| {
                    let mut wanted: Vec<String> = row.iter().map(|cell| crate::spreadsheet::harmless(cell).into_owned()).collect();
                    wanted.resize(wanted.len().max(4), String::new());
                    let mut found = error.clone();
                    found.remove(4);
                    found == wanted
                });
                assert!(kept, "{error:?}");
            }
            let mut ids: Vec<_> = accounts.iter().map(|record| text(record, "external_id")).filter(|id| !id.is_empty()).collect();
            let all_ids = ids.len();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), all_ids, "external ids stay unique");
        });
    }
}
