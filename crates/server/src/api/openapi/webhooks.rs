//! The shapes of webhooks and of what they are told.

use super::{
    programs::{instant_or_null, whole_or_null},
    shapes::{
        Named, closed, flag, free, id, instant, list, many, named, one, shape, text, text_or_null,
        whole,
    },
};
use crate::webhooks::URL_MAX;

/// Webhooks.
pub(super) fn all() -> Vec<Named> {
    let own = || {
        vec![
            ("id", id()),
            ("name", one(text())),
            ("url", one(text())),
            ("active", one(flag())),
            ("created_at", instant()),
            (
                "failed",
                one(whole().description(Some("Deliveries of the last 30 days that were given up."))),
            ),
        ]
    };
    let mut created = own();
    created.push(("secret", one(text())));
    let name = || one(text().max_length(Some(255)));
    let url = || one(text().max_length(usize::try_from(URL_MAX).ok()));
    vec![
        (
            "WebhookList",
            shape(vec![("webhooks", many(list(named("Webhook"))))]),
        ),
        ("Webhook", shape(own())),
        ("CreatedWebhook", shape(created)),
        (
            "NewWebhook",
            closed(vec![("name", name()), ("url", url())], Vec::new()),
        ),
        (
            "WebhookPatch",
            closed(
                Vec::new(),
                vec![("name", name()), ("url", url()), ("active", one(flag()))],
            ),
        ),
        ("WebhookSecret", shape(vec![("secret", one(text()))])),
        (
            "DeliveryList",
            shape(vec![("deliveries", many(list(named("Delivery"))))]),
        ),
        (
            "Delivery",
            shape(vec![
                ("id", one(text())),
                (
                    "state",
                    one(text().description(Some("`waiting`, `sent` or `failed`."))),
                ),
                ("attempts", one(whole())),
                (
                    "status",
                    one(whole_or_null()
                        .description(Some("The status of the last answer, if there was one."))),
                ),
                ("problem", one(text_or_null())),
                ("created_at", instant()),
                ("tried_at", instant_or_null()),
                ("due_at", instant_or_null()),
                ("body", one(free().description(Some("What is sent.")))),
            ]),
        ),
        ("Queued", shape(vec![("id", one(text()))])),
    ]
}
