//! Values as forms, files and programs bring them: read or refused; what is read fits its field, is kept under a key, and reads as itself again.
#![no_main]

use std::sync::LazyLock;

use fieldstone_model::{RecordId, Registry, Value, validate};
use libfuzzer_sys::fuzz_target;

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::standard);

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    if let Ok(id) = text.parse::<RecordId>() {
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    let _ = validate::is_email(text);
    let json = serde_json::from_str::<serde_json::Value>(text).ok();
    for object in REGISTRY.objects() {
        for field in &object.fields {
            let read = Value::parse(field, text).ok();
            let from_json = json
                .as_ref()
                .and_then(|json| Value::from_json(field, json).ok());
            for value in [read, from_json].into_iter().flatten() {
                let _ = validate::check_value(field, &value);
                let mut written = String::new();
                value.write_json(&field.kind, &mut written);
                let written = serde_json::from_str(&written).expect("JSON");
                let again = Value::from_json(field, &written);
                assert_eq!(again.as_ref(), Ok(&value), "{} as {:?}", field.name, value);
            }
        }
    }
});
