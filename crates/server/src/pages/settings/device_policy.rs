//! `/settings/device-policy`: what a workspace asks of its devices.

use askama::Template;
use axum::{http::StatusCode, response::Response};
use fieldstone_protocol::guard::Reaction;
use fieldstone_ui::{PageError, PageResult, locale::Locale};

use super::{
    Settings,
    programs::{Fields, Submitted},
};
use crate::sync::{
    DeviceRules,
    keys::Use,
    policy::{reaction, reaction_name},
};

const PATH: &str = "/settings/device-policy";
const REACTIONS: [(&str, &str); 4] = [
    ("", "device-policy-default"),
    ("report", "device-policy-report"),
    ("shut_down", "device-policy-shut-down"),
    ("erase", "device-policy-erase"),
];

/// A number with its texts.
struct Number {
    name: &'static str,
    label: &'static str,
    help: &'static str,
    value: String,
    is_wrong: bool,
}

/// What is done about one family of threats: name, key of its label, what is chosen.
struct Family {
    name: &'static str,
    label: &'static str,
    chosen: String,
}

#[derive(Template)]
#[template(path = "settings/device_policy.html")]
struct Page<'a> {
    locale: &'a Locale,
    numbers: Vec<Number>,
    families: Vec<Family>,
    reactions: [(&'static str, &'static str); 4],
    may_keep_sealed: bool,
    /// Numbers of the keys that are in use.
    keys: Option<(i32, i32)>,
}

/// What stands in the form.
struct Typed {
    interval: String,
    offline: String,
    storage: String,
    sealed: bool,
    families: [String; 4],
    wrong: [bool; 3],
}

const FAMILIES: [(&str, &str); 4] = [
    ("debugger", "device-policy-debugger"),
    ("tools", "device-policy-tools"),
    ("machine", "device-policy-machine"),
    ("root", "device-policy-root"),
];

impl Typed {
    fn of(rules: &DeviceRules) -> Self {
        let text = |number: Option<i64>| number.map_or_else(String::new, |it| it.to_string());
        let name = |reaction: Option<Reaction>| reaction.map_or("", reaction_name).to_owned();
        Self {
            interval: rules.interval_s.to_string(),
            offline: text(rules.offline_max_s.map(|it| i64::from(it) / 3_600)),
            storage: text(rules.storage_max.map(|it| it / 1_000_000)),
            sealed: rules.may_keep_sealed,
            families: [rules.debugger, rules.tools, rules.machine, rules.root].map(name),
            wrong: [false; 3],
        }
    }

    /// What was typed, and what it means if all of it means something.
    fn read(fields: &Fields) -> (Self, Option<DeviceRules>) {
        let text = |name: &str| fields.get(name).to_owned();
        let mut typed = Self {
            interval: text("interval"),
            offline: text("offline"),
            storage: text("storage"),
            sealed: fields.get("sealed") == "yes",
            families: FAMILIES.map(|(name, _)| text(name)),
            wrong: [false; 3],
        };
        let number = |text: &str, unit: i64| match text {
            "" => Some(None),
            text => text.parse::<i64>().ok()?.checked_mul(unit).map(Some),
        };
        let interval = typed
            .interval
            .parse()
            .ok()
            .filter(|it| DeviceRules::INTERVAL.contains(it));
        let offline = number(&typed.offline, 3_600)
            .and_then(|it| it.map(i32::try_from).transpose().ok())
            .filter(|it| it.is_none_or(|it| DeviceRules::OFFLINE.contains(&it)));
        let storage = number(&typed.storage, 1_000_000)
            .filter(|it| it.is_none_or(|it| DeviceRules::STORAGE.contains(&it)));
        typed.wrong = [interval.is_none(), offline.is_none(), storage.is_none()];
        let [debugger, tools, machine, root] = typed.families.each_ref().map(|name| reaction(name));
        let rules = match (interval, offline, storage) {
            (Some(interval_s), Some(offline_max_s), Some(storage_max)) => Some(DeviceRules {
                interval_s,
                offline_max_s,
                storage_max,
                may_keep_sealed: typed.sealed,
                debugger,
                tools,
                machine,
                root,
                ..DeviceRules::default()
            }),
            _ => None,
        };
        (typed, rules)
    }
}

/// `GET /settings/device-policy`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let rules = settings.store.device_rules().await?;
    respond(&settings, StatusCode::OK, Typed::of(&rules)).await
}

/// `POST /settings/device-policy`.
pub(crate) async fn submit(settings: Settings, submitted: Submitted) -> PageResult {
    let (typed, rules) = Typed::read(&Fields::read(submitted)?);
    match rules {
        Some(rules) => {
            settings.store.set_device_rules(&rules).await?;
            Ok(Settings::done_at(PATH, "device-policy"))
        }
        None => respond(&settings, StatusCode::UNPROCESSABLE_ENTITY, typed).await,
    }
}

/// `POST /settings/device-policy/keys`: a new key to seal to.
pub(crate) async fn replace_key(settings: Settings) -> Result<Response, PageError> {
    if settings.store.replace_device_key(Use::Sealing).await? {
        Ok(Settings::done_at(PATH, "device-key"))
    } else {
        Err(PageError::Conflict)
    }
}

async fn respond(settings: &Settings, status: StatusCode, typed: Typed) -> PageResult {
    let keys = settings.store.device_keys().await?;
    let [wrong_interval, wrong_offline, wrong_storage] = typed.wrong;
    let number = |name, label, help, value, is_wrong| Number {
        name,
        label,
        help,
        value,
        is_wrong,
    };
    let page = Page {
        locale: settings.locale(),
        numbers: vec![
            number(
                "interval",
                "device-policy-interval",
                "device-policy-interval-help",
                typed.interval,
                wrong_interval,
            ),
            number(
                "offline",
                "device-policy-offline",
                "device-policy-offline-help",
                typed.offline,
                wrong_offline,
            ),
            number(
                "storage",
                "device-policy-storage",
                "device-policy-storage-help",
                typed.storage,
                wrong_storage,
            ),
        ],
        families: FAMILIES
            .into_iter()
            .zip(typed.families)
            .map(|((name, label), chosen)| Family {
                name,
                label,
                chosen,
            })
            .collect(),
        reactions: REACTIONS,
        may_keep_sealed: typed.sealed,
        keys: keys.map(|keys| keys.numbers()),
    };
    settings.page_with(status, &page)
}

impl Page<'_> {
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "templates pass references"
    )]
    fn keys_advice(&self, keys: &(i32, i32)) -> String {
        let (signing, sealing) = keys;
        self.locale.t2(
            "device-policy-keys-advice",
            ("signing", signing.to_string()),
            ("sealing", sealing.to_string()),
        )
    }
}
