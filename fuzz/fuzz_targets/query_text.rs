//! Filters, orders and cursors as people and programs write them: read or refused, and what was read is written so that it can be read again.
#![no_main]

use std::sync::LazyLock;

use fieldstone_model::query::{
    Environment, depends_on_date, filter_parts, parse_filter, parse_order,
};
use fieldstone_model::{Registry, fold};
use fieldstone_store::{decode_cursor, encode_cursor};
use libfuzzer_sys::fuzz_target;

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::standard);

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let environment = Environment {
        me: "005000000000001".parse().expect("an id"),
        today: jiff::civil::date(2026, 2, 28),
    };
    for name in ["deal", "contact", "task"] {
        let object = REGISTRY.object(name).expect("the object");
        let _ = parse_filter(&REGISTRY, object, environment, text);
        for part in filter_parts(text) {
            let _ = parse_filter(&REGISTRY, object, environment, &part);
        }
        for order in parse_order(text) {
            let _ = REGISTRY.resolve(object, &order.path);
        }
    }
    let _ = depends_on_date(text);
    if let Ok(cursor) = decode_cursor(text) {
        assert_eq!(decode_cursor(&encode_cursor(&cursor)), Ok(cursor));
    }
    // Searching for what was folded finds what it was folded from.
    let folded = fold::fold(text);
    assert_eq!(fold::fold(&folded), folded);
    let _ = fold::words(text, 16);
    let _ = fold::fold_phone(text);
});
