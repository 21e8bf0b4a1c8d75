//! `/settings/roles`: what each role may do, from the table that every check asks.

use askama::Template;
use fieldstone_model::{Capability, Role};
use fieldstone_ui::{PageResult, locale::Locale};

use super::Settings;

#[derive(Template)]
#[template(path = "settings/roles.html")]
struct Page<'a> {
    locale: &'a Locale,
    own: Role,
    /// Strongest first, as people read it.
    roles: [Role; 4],
}

impl Page<'_> {
    fn capabilities(&self) -> Vec<(Capability, String)> {
        let text = |capability: Capability| {
            let key = format!("capability-{}", capability.name().replace('.', "-"));
            (capability, self.locale.t(&key).into_owned())
        };
        Role::Owner.capabilities().map(text).collect()
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "templates pass references"
    )]
    fn role(&self, role: &Role) -> String {
        self.locale.t(&format!("role-{role}")).into_owned()
    }
}

/// `GET /settings/roles`.
pub(crate) async fn show(settings: Settings) -> PageResult {
    let [viewer, member, admin, owner] = Role::ALL;
    settings.page(&Page {
        locale: settings.locale(),
        own: settings.viewer.role,
        roles: [owner, admin, member, viewer],
    })
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn every_capability_has_words_in_every_language() {
        for tag in ["en", "de"] {
            let locale = Locale::new(tag, TimeZone::UTC, "EUR");
            for capability in Role::Owner.capabilities() {
                let key = format!("capability-{}", capability.name().replace('.', "-"));
                assert!(locale.find(&key).is_some(), "{tag}: {key}");
            }
        }
    }
}
