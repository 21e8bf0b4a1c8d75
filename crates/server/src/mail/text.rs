//! A letter in the reader's language, as plain text with an HTML alternative, and as a message for the post.

use std::time::SystemTime;

use askama::Template;
use fieldstone_ui::locale::Locale;
use jiff::{Timestamp, tz::TimeZone};
use lettre::{
    Address, Message,
    message::{Mailbox, MultiPart},
};

use super::Letter;
use crate::store::NotificationKind;

/// A letter with everything that its text needs.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    /// Stays the same however often the letter is sent, so that a mailbox can tell a second copy.
    pub(super) id: &'a str,
    pub(super) letter: &'a Letter,
    /// Where it goes.
    pub(super) address: &'a str,
    /// Whom it goes to; empty when nobody knows yet.
    pub(super) name: &'a str,
    pub(super) locale: &'a str,
    pub(super) time_zone: &'a str,
    pub(super) workspace: &'a str,
    /// Where people find the server.
    pub(super) url: &'a str,
    /// The secret of its link.
    pub(super) secret: &'a str,
    pub(super) now: Timestamp,
}

/// A letter that can't be made into a message.
#[derive(Debug, thiserror::Error)]
#[error("the address or the message is not acceptable")]
pub(super) struct Unwritable;

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Html<'a> {
    tag: &'a str,
    subject: &'a str,
    greeting: &'a str,
    lead: Vec<&'a str>,
    button: Option<(&'a str, &'a str)>,
    end: Vec<&'a str>,
    footer: &'a str,
    url: &'a str,
}

impl Draft<'_> {
    /// The message, from `sender`.
    pub(super) fn message(&self, sender: &Mailbox) -> Result<Message, Unwritable> {
        let time_zone = TimeZone::get(self.time_zone).unwrap_or(TimeZone::UTC);
        let locale = Locale::new(self.locale, time_zone, "EUR");
        let key = self.letter.key();
        let facts = self.facts(&locale);
        let text = |part: &str| locale.t_with(&format!("letter-{key}-{part}"), &facts);
        let (subject, lead, end) = (text("subject"), text("lead"), text("end"));
        let greeting = if self.name.is_empty() {
            locale.t("letter-hello").into_owned()
        } else {
            locale.t_with("letter-hello-name", &facts)
        };
        let footer = locale.t_with("letter-footer", &facts);
        let link = self.letter.page().map(|page| {
            let link = if self.letter.has_plain_link() {
                format!("{}{page}", self.url)
            } else {
                format!("{}{page}?link={}", self.url, self.secret)
            };
            (text("button"), link)
        });

        let button = link
            .as_ref()
            .map(|(label, link)| format!("{label}:\n{link}\n\n"))
            .unwrap_or_default();
        let plain = format!(
            "{greeting}\n\n{lead}\n\n{button}{end}\n\n-- \n{footer}\n{}\n",
            self.url
        );
        let html = Html {
            tag: locale.tag(),
            subject: &subject,
            greeting: &greeting,
            lead: paragraphs(&lead),
            button: link
                .as_ref()
                .map(|(label, link)| (label.as_str(), link.as_str())),
            end: paragraphs(&end),
            footer: &footer,
            url: self.url,
        };
        let html = html.render().map_err(|_| Unwritable)?;

        let address: Address = self.address.parse().map_err(|_| Unwritable)?;
        let name = Some(one_line(self.name)).filter(|name| !name.is_empty());
        let domain = sender.email.domain();
        Message::builder()
            .date(SystemTime::from(self.now))
            .message_id(Some(format!("<{}@{domain}>", self.id)))
            .from(sender.clone())
            .to(Mailbox::new(name, address))
            .subject(one_line(&subject))
            // Nobody's holiday notice answers a letter of ours (RFC 3834).
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(plain, html))
            .map_err(|_| Unwritable)
    }

    /// What texts may name.
    fn facts(&self, locale: &Locale) -> Vec<(&'static str, String)> {
        let mut facts = vec![
            ("workspace", one_line(self.workspace)),
            ("name", one_line(self.name)),
            ("address", self.address.to_owned()),
            ("when", locale.instant(self.now)),
        ];
        match self.letter {
            Letter::Invitation {
                inviter,
                role,
                until,
            } => facts.extend([
                (
                    "inviter",
                    if inviter.is_empty() {
                        locale.t("letter-operator").into_owned()
                    } else {
                        one_line(inviter)
                    },
                ),
                ("role", locale.t(&format!("role-{role}")).into_owned()),
                ("until", locale.instant(*until)),
            ]),
            Letter::EmailOld { email } | Letter::EmailChanged { email } => {
                facts.push(("email", one_line(email)));
            }
            Letter::Digest { counts } => {
                let lines = counts.iter().filter_map(|(kind, count)| {
                    let known = NotificationKind::ALL.iter().find(|it| it.name() == kind)?;
                    let key = format!("notification-count-{}", known.name());
                    Some(locale.t1(&key, "count", *count))
                });
                facts.push(("lines", lines.collect::<Vec<_>>().join(", ")));
                facts.push(("total", counts.values().sum::<i64>().to_string()));
            }
            Letter::SecondFactorReset { by } => facts.push(("by", one_line(by))),
            Letter::RecoveryCodeUsed { left } => facts.push(("left", left.to_string())),
            Letter::PasswordReset
            | Letter::PasswordChanged
            | Letter::EmailNew
            | Letter::SecondFactorAdded
            | Letter::SecondFactorRemoved
            | Letter::RecoveryCodesMade => {}
        }
        facts
    }
}

/// RFC 3834, 5.
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl lettre::message::header::Header for AutoSubmitted {
    fn name() -> lettre::message::header::HeaderName {
        lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> lettre::message::header::HeaderValue {
        lettre::message::header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Without anything that could begin a new line, in a header or in a text.
fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
        .trim()
        .to_owned()
}

fn paragraphs(text: &str) -> Vec<&str> {
    text.split("\n\n").collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mail_parser::MessageParser;

    use super::*;

    fn draft<'a>(letter: &'a Letter, locale: &'a str) -> Draft<'a> {
        Draft {
            id: "6f1c",
            letter,
            address: "bob@example.com",
            name: "Bob Müller",
            locale,
            time_zone: "Europe/Berlin",
            workspace: "North & Co",
            url: "https://crm.example",
            secret: "s3cret",
            now: "2026-05-01T12:00:00Z".parse().unwrap(),
        }
    }

    fn sender() -> Mailbox {
        "Fieldstone <crm@crm.example>".parse().unwrap()
    }

    #[test]
    fn every_letter_has_its_texts_in_every_language() {
        for letter in Letter::samples() {
            for locale in ["en", "de"] {
                let sent = draft(&letter, locale)
                    .message(&sender())
                    .unwrap()
                    .formatted();
                let read = MessageParser::default().parse(&sent).unwrap();
                let (subject, text, html) = (
                    read.subject().unwrap(),
                    read.body_text(0).unwrap(),
                    read.body_html(0).unwrap(),
                );
                for part in [subject, &text, &html] {
                    assert!(!part.contains("letter-"), "a text is missing: {part}");
                }
                assert!(
                    text.contains("North & Co") && html.contains("North &#38; Co"),
                    "{html}"
                );
                assert!(text.contains("Bob Müller"), "{text}");
                let secret = if letter.has_plain_link() {
                    ""
                } else {
                    "?link=s3cret"
                };
                let link = letter
                    .page()
                    .map(|page| format!("https://crm.example{page}{secret}"));
                assert_eq!(
                    text.contains("?link="),
                    link.is_some() && !letter.has_plain_link()
                );
                if let Some(link) = link {
                    assert!(text.lines().any(|line| line == link), "{text}");
                    assert!(html.contains(&format!("href=\"{link}\"")), "{html}");
                }
            }
        }
    }

    #[test]
    fn nothing_that_somebody_typed_becomes_a_header() {
        let evil = "Eve\r\nBcc: all@example.com\r\n\r\nNo\u{2028}w: then\0";
        for letter in [
            Letter::Invitation {
                inviter: evil.into(),
                role: fieldstone_model::Role::Viewer,
                until: Timestamp::UNIX_EPOCH,
            },
            Letter::SecondFactorReset { by: evil.into() },
            Letter::EmailChanged { email: evil.into() },
        ] {
            let mut draft = draft(&letter, "en");
            draft.name = evil;
            draft.workspace = evil;
            let message = draft.message(&sender()).unwrap();
            assert_eq!(message.envelope().to().len(), 1);
            let sent = String::from_utf8(message.formatted()).unwrap();
            let (head, _) = sent.split_once("\r\n\r\n").unwrap();
            let names: BTreeSet<&str> = head
                .split("\r\n")
                .filter(|line| !line.starts_with([' ', '\t']))
                .map(|line| line.split(':').next().unwrap())
                .collect();
            let known = [
                "Auto-Submitted",
                "Content-Type",
                "Date",
                "From",
                "MIME-Version",
                "Message-ID",
                "Subject",
                "To",
            ];
            assert_eq!(names, BTreeSet::from(known), "{head}");
            assert!(!head.contains("Bcc: all@example.com\r\n"), "{head}");
        }
        let mut draft = draft(&Letter::PasswordChanged, "en");
        for address in [
            "bob@example.com\r\nBcc: all@example.com",
            "Bob <bob@example.com>",
            "bob",
        ] {
            draft.address = address;
            assert!(draft.message(&sender()).is_err(), "{address}");
        }
    }
}
