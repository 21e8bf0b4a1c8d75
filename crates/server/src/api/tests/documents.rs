//! The OpenAPI document: it lists what the router routes, and it keeps its shape.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::api::{ROUTES, openapi_document};

#[test]
fn the_document_has_every_route_and_no_other() {
    let document = openapi_document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            documented.insert(format!(
                "{} {path} {}",
                method.to_uppercase(),
                operation["operationId"].as_str().unwrap()
            ));
        }
    }
    let routed: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| format!("{} {} {}", route.method, route.path, route.operation))
        .collect();
    assert_eq!(documented, routed);
}

/// A reference to something that isn't there would break every generated client.
#[test]
fn every_reference_leads_somewhere() {
    fn references<'a>(json: &'a Json, found: &mut BTreeSet<&'a str>) {
        match json {
            Json::Object(members) => {
                found.extend(members.get("$ref").and_then(Json::as_str));
                members
                    .values()
                    .for_each(|member| references(member, found));
            }
            Json::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let document = openapi_document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 30);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[test]
fn standard_objects_have_typed_schemas() {
    let document = openapi_document();
    let deal = &document["components"]["schemas"]["Deal"]["properties"];
    assert_eq!(deal["close_date"]["format"], "date");
    assert_eq!(deal["status"]["readOnly"], true);
    let input = &document["components"]["schemas"]["DealInput"];
    assert!(input["properties"]["status"].is_null());
    assert_eq!(input["description"], "A new record needs: name.");
}

#[test]
fn the_document_keeps_its_shape() {
    insta::assert_snapshot!(super::pretty(&openapi_document()));
}
