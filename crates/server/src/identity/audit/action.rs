//! The catalogue of audited events: every action name there is, in one table.
//!
//! [`record`](super::record) takes nothing else, and a test compares the names that migrations write, so an event that isn't listed here
//! can't come about. Each has a sentence for people in the texts, under `audit-` and its name with hyphens. A published name never changes
//! its meaning: it stays in logs for ever.

/// Makes the enum and its names from one table.
macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal;)+) => {
        /// Something that the audit log records.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Action {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Action {
            /// Every action, in the table's order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The name in the log: `noun.verb`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }
        }
    };
}

actions! {
    /// An operator made the workspace.
    WorkspaceCreate = "workspace.create";
    /// Somebody asked for the workspace's end.
    WorkspaceEndAsk = "workspace_end.ask";
    /// Somebody took the workspace's end back.
    WorkspaceEndStop = "workspace_end.stop";
    /// An operator set what the workspace may use.
    WorkspaceQuota = "workspace.quota";
    /// An owner let somebody in who helps; the target is the access.
    SupportGive = "support_access.give";
    /// Somebody who helps came in; the target is the access.
    SupportUse = "support_access.use";
    /// Access for somebody who helps ended; the target is the access.
    SupportEnd = "support_access.end";
    /// Somebody took away what is known of a person outside.
    PersonalDataExport = "personal_data.export";
    /// Somebody erased what is known of a person outside.
    PersonalDataErase = "personal_data.erase";
    /// An operator changed keys; the detail says which, and whether it was begun or finished.
    KeysRotate = "keys.rotate";
    /// Somebody was added; the target is their id.
    UserAdd = "user.add";
    /// An operator made a link with which somebody sets a password.
    SetupLinkMake = "setup_link.make";
    /// Somebody signed in.
    SessionStart = "session.start";
    /// A session ended before its time.
    SessionEnd = "session.end";
    /// A sign-in was refused.
    SessionRefuse = "session.refuse";
    /// Sign-ins as somebody were so many that further ones have to wait.
    SessionThrottle = "session.throttle";
    /// Somebody ended all their sessions but one.
    SessionsEnd = "sessions.end";
    /// A sign-in with a right password had a wrong code.
    CodeRefuse = "code.refuse";
    /// Somebody set up a second factor.
    TotpEnrol = "totp.enrol";
    /// Somebody removed their second factor.
    TotpRemove = "totp.remove";
    /// Somebody took the second factor of another; the target is their id.
    TotpReset = "totp.reset";
    /// Recovery codes were made; those from before are worth nothing.
    RecoveryCodesMake = "recovery_codes.make";
    /// A recovery code stood in for a code.
    RecoveryCodeUse = "recovery_code.use";
    /// How the workspace's people sign in was changed.
    SignInPolicyUpdate = "sign_in_policy.update";
    /// Somebody proved that it is them, to do something that weighs much.
    ProofGive = "proof.give";
    /// Somebody could not prove that it is them.
    ProofRefuse = "proof.refuse";
    /// Somebody changed their name, language or time zone.
    ProfileUpdate = "profile.update";
    /// A password was set; all sessions ended.
    PasswordSet = "password.set";
    /// An API token was made.
    ApiTokenAdd = "api_token.add";
    /// An API token was revoked.
    ApiTokenEnd = "api_token.end";
    /// A service account was made; the target is its id.
    ServiceAdd = "service_account.add";
    /// A service account was given another name or role.
    ServiceUpdate = "service_account.update";
    /// A service account was switched on.
    ServiceEnable = "service_account.enable";
    /// A service account was switched off; its tokens ended.
    ServiceDisable = "service_account.disable";
    /// How long tokens may live was changed.
    TokenPolicyUpdate = "token_policy.update";
    /// An application was registered.
    ApplicationAdd = "application.add";
    /// An application was given another name, other addresses or other scopes.
    ApplicationUpdate = "application.update";
    /// An application was switched on.
    ApplicationEnable = "application.enable";
    /// An application was switched off.
    ApplicationDisable = "application.disable";
    /// An application was removed, with all its sign-ins.
    ApplicationRemove = "application.remove";
    /// An application was given another secret.
    ApplicationSecret = "application.renew_secret";
    /// Somebody allowed an application what it asked for.
    ConsentGive = "consent.give";
    /// Somebody declined what an application asked for.
    ConsentRefuse = "consent.refuse";
    /// Somebody withdrew what they had allowed an application.
    ConsentWithdraw = "consent.withdraw";
    /// An application signed in for somebody.
    GrantStart = "grant.start";
    /// An application's sign-in was ended.
    GrantEnd = "grant.end";
    /// A code or refresh token came a second time: somebody has a copy, and the sign-in was ended.
    GrantReuse = "grant.reuse";
    /// A code was presented by whom or where it wasn't made for.
    GrantRefuse = "grant.refuse";
    /// Somebody made an address under which other programs read their calendar.
    CalendarFeedMake = "calendar_feed.make";
    /// Somebody ended it.
    CalendarFeedEnd = "calendar_feed.end";
    /// A webhook was made; the target is its id.
    WebhookAdd = "webhook.add";
    /// A webhook was given another name or address, or switched on or off.
    WebhookUpdate = "webhook.update";
    /// A webhook was given another secret.
    WebhookSecret = "webhook.renew_secret";
    /// A webhook was removed.
    WebhookRemove = "webhook.remove";
    /// A rule was made; the target is its id.
    RuleAdd = "rule.add";
    /// What a rule says was changed.
    RuleUpdate = "rule.update";
    /// A rule was switched on.
    RuleEnable = "rule.enable";
    /// A rule was switched off.
    RuleDisable = "rule.disable";
    /// A rule was removed.
    RuleRemove = "rule.remove";
    /// The audit log was exported.
    AuditExport = "audit.export";
    /// A file was imported; the target is its upload.
    ImportStart = "import.start";
    /// An import was taken back; the target is the import.
    ImportUndo = "import.undo";
    /// Records were exported.
    RecordsExport = "records.export";
    /// The chain of the audit log was checked.
    AuditVerify = "audit.verify";
    /// Somebody signed in on a device that keeps records; the target is its id.
    DeviceRegister = "device.register";
    /// A device was taken off the list; the target is its id.
    DeviceRevoke = "device.revoke";
    /// A device was ordered to erase everything; the target is its id.
    DeviceWipe = "device.wipe";
    /// A device said that it has erased everything; the target is its id.
    DeviceErase = "device.erase";
    /// Another key signs for devices, or is sealed to.
    DeviceKeyReplace = "device_key.replace";
    /// What the workspace asks of its devices was changed.
    DevicePolicyUpdate = "device_policy.update";
    /// What devices get was published; the target is the record set.
    RecordSetPublish = "record_set.publish";
    /// A record set was removed.
    RecordSetRemove = "record_set.remove";
    /// A change that a device had sealed was delivered; the target is the device.
    SealedChangeTake = "sealed_change.take";
    /// A change that a device had sealed waits for somebody who manages people.
    SealedChangeQuarantine = "sealed_change.quarantine";
    /// A change in quarantine was applied.
    SealedChangeRelease = "sealed_change.release";
    /// A change that had been sealed was given up.
    SealedChangeDismiss = "sealed_change.dismiss";
    /// A conflict was settled for somebody else; the target is the conflict.
    ConflictSettle = "conflict.settle";
    /// The guard of a device has seen a debugger, tools, a virtual machine or a rooted system; the target is the device.
    DeviceThreat = "device.threat";
    /// A letter could not be delivered; the target is its id.
    LetterGiveUp = "letter.give_up";
    /// Somebody was invited; the target is the invitation.
    InvitationSend = "invitation.send";
    /// An invitation was sent again.
    InvitationResend = "invitation.resend";
    /// An invitation was taken back.
    InvitationWithdraw = "invitation.withdraw";
    /// Somebody became a member by an invitation; the target is their id.
    InvitationAccept = "invitation.accept";
    /// Somebody's role was changed.
    UserChangeRole = "user.change_role";
    /// Somebody was shut out.
    UserDeactivate = "user.deactivate";
    /// Somebody was let in again.
    UserReactivate = "user.reactivate";
    /// Somebody left the workspace.
    UserLeave = "user.leave";
    /// A letter to set a new password was asked for.
    PasswordAskReset = "password.ask_reset";
    /// A password was set by a letter's link.
    PasswordReset = "password.reset";
    /// Somebody wants to use another address.
    EmailAskChange = "email.ask_change";
    /// A change of address was confirmed from one side.
    EmailConfirm = "email.confirm";
    /// A change of address was stopped.
    EmailStopChange = "email.stop_change";
    /// Somebody uses another address from now on.
    EmailChange = "email.change";
    /// A team was made.
    TeamCreate = "team.create";
    /// A team got another name or place.
    TeamUpdate = "team.update";
    /// A team was removed; those below it moved up.
    TeamDelete = "team.delete";
    /// Somebody came into a team.
    TeamJoin = "team.join";
    /// Somebody left a team.
    TeamLeave = "team.leave";
    /// Somebody sees more or fewer records from now on.
    UserSee = "user.see";
    /// New people see more or fewer records from now on.
    WorkspaceSee = "workspace.see";
    /// Who reads or sets a field was changed.
    FieldRestrict = "field.restrict";
}

impl Action {
    /// The action of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|action| action.name() == name)
    }

    /// The key of its sentence in the texts.
    pub fn text_key(self) -> String {
        format!("audit-{}", self.name().replace(['.', '_'], "-"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fieldstone_ui::locale::Locale;
    use jiff::tz::TimeZone;

    use super::*;

    #[test]
    fn names_are_nouns_with_verbs_and_each_is_there_once() {
        let names: BTreeSet<_> = Action::ALL.iter().map(|action| action.name()).collect();
        assert_eq!(names.len(), Action::ALL.len());
        for action in Action::ALL {
            let (noun, verb) = action.name().split_once('.').unwrap();
            for word in [noun, verb] {
                assert!(
                    !word.is_empty()
                        && word
                            .bytes()
                            .all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
                    "{action:?}"
                );
            }
            assert_eq!(Action::of(action.name()), Some(*action));
        }
        assert_eq!(Action::of("nothing.known"), None);
    }

    #[test]
    fn every_action_has_a_sentence_in_every_language() {
        for tag in ["en", "de"] {
            let locale = Locale::new(tag, TimeZone::UTC, "EUR");
            for action in Action::ALL {
                assert!(
                    locale.find(&action.text_key()).is_some(),
                    "{tag}: {} is missing in audit.ftl",
                    action.text_key()
                );
            }
        }
    }

    /// Whether a text of a migration is the name of an event, rather than of a capability.
    fn is_name(text: &str) -> bool {
        let is_word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        text.split_once('.')
            .is_some_and(|(noun, verb)| noun != "app" && is_word(noun) && is_word(verb))
            && !fieldstone_model::Role::Owner
                .capabilities()
                .any(|capability| capability.name() == text)
    }

    /// What SQL writes by itself is in the catalogue too.
    #[test]
    fn migrations_write_known_actions_only() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
        let mut seen = BTreeSet::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let sql = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for name in sql.split('\'').filter(|text| is_name(text)) {
                assert!(Action::of(name).is_some(), "{name} is not in the catalogue");
                seen.insert(name.to_owned());
            }
        }
        assert!(
            seen.contains("session.start") && seen.contains("api_token.end"),
            "{seen:?}"
        );
    }

    /// An action that nothing records would be a promise that nobody keeps.
    #[test]
    fn every_action_is_recorded_somewhere() {
        fn read(folder: &std::path::Path, all: &mut String) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    read(&path, all);
                } else if !path.ends_with("audit/action.rs") {
                    all.push_str(&std::fs::read_to_string(&path).unwrap());
                }
            }
        }
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let (mut code, mut sql) = (String::new(), String::new());
        read(&root.join("src"), &mut code);
        read(&root.join("migrations"), &mut sql);
        for action in Action::ALL {
            let variant = format!("Action::{action:?}");
            let is_in_code = code
                .split(&variant)
                .skip(1)
                .any(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
            let is_in_sql = sql.contains(&format!("'{}'", action.name()));
            assert!(is_in_code || is_in_sql, "nothing records {action:?}");
        }
    }
}
