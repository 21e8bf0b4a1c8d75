//! Custom objects, fields and stages made by a mapping.

use super::*;

const INSPECTIONS: &str = r#"
    [object]
    label = "Inspection"
    plural_label = "Inspections"
    [[fields]]
    name = "longitude"
    type = "decimal"
    scale = 6
    [[fields]]
    name = "on"
    type = "date"
    required = true
    [[fields]]
    name = "kind"
    type = "choice"
    options = ["Routine", "Follow-up"]
    [map]
    name = "Establishments"
    external_id = { template = "inspection-{#}" }
    longitude = { column = "Longitude", number = { round = true } }
    on = { column = "Date", formats = "%m/%d/%Y" }
    kind = { column = "Type", values = { "Followup" = "Follow-up" } }
"#;

#[tokio::test]
async fn a_custom_object_is_made_and_filled() {
    let fake = Fake::new();
    let file = "Establishments,Longitude,Date,Type\n\
        \"A & H Bagels, Inc.\",-75.55271309999999,04/26/2007,Routine\n\
        Café,-75.1,12/27/2007,Followup\n\
        Nowhere,-75.1,,Routine\n\
        Somewhere,-75.1,12/27/2007,Surprise\n";
    for trial in [true, false] {
        let tried = try_import(&fake, "inspection", file, INSPECTIONS, |request| {
            request.trial = trial;
        })
        .await
        .unwrap();
        assert_eq!(counts(&tried), [2, 0, 0, 2]);
        assert_eq!(
            tried.report.made,
            [
                "object inspection",
                "field longitude",
                "field on",
                "field kind"
            ]
        );
    }
    let records = all(&fake, "inspection").await;
    assert_eq!(records[0].get("longitude").as_int(), Some(-75_552_713));
    assert_eq!(text(&records[1], "kind"), "follow_up");
    assert_eq!(text(&records[1], "external_id"), "inspection-2");
}

#[tokio::test]
async fn stages_are_made_once() {
    let fake = Fake::new();
    let mapping = r#"
        [[stages]]
        name = "Engaging"
        kind = "open"
        probability = 40
        [[stages]]
        name = "won"
        kind = "won"
        [map]
        name = "name"
        stage_id = { column = "stage", find = "stage.name" }
    "#;
    let file = "name,stage\na,Engaging\nb,Won\n";
    for trial in [true, false] {
        let tried = try_import(&fake, "deal", file, mapping, |request| {
            request.trial = trial;
        })
        .await
        .unwrap();
        assert_eq!(counts(&tried), [2, 0, 0, 0]);
        assert_eq!(tried.report.made, ["stage Engaging"]);
    }
    let deals = all(&fake, "deal").await;
    assert_eq!(deals[0].get("probability").as_int(), Some(4_000));
    let again = import(&fake, "deal", file, mapping).await;
    assert!(again.report.made.is_empty());
}

#[tokio::test]
async fn a_field_of_another_type_is_refused() {
    let fake = Fake::new();
    let mapping = "[[fields]]\nname = \"city\"\ntype = \"date\"\n[map]\nname = \"name\"";
    let error = try_import(&fake, "account", "name\nx\n", mapping, |_| {})
        .await
        .err()
        .unwrap();
    assert!(error.to_string().contains("of type text"), "{error}");
}
