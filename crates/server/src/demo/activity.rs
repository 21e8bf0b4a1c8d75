//! Tasks, events, calls and notes about other records.

use fieldstone_model::{RecordId, Value, Values};
use jiff::civil::Date;

use super::{
    making::{Making, shift, text},
    sales::until,
    words::{CALLS, EVENTS, NOTES, TASKS},
};

/// A record that activities are about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject {
    pub(super) id: RecordId,
    pub(super) owner: RecordId,
    /// When it began.
    pub(super) day: Date,
}

/// Adds so many tasks, events, calls and notes, each some days after its subject began; a few lie ahead.
pub(super) fn activities(
    making: &mut Making<'_>,
    subjects: &[Subject],
    counts: [usize; 4],
) -> Option<()> {
    let makers = [task, event, call, note];
    for (count, make) in counts.into_iter().zip(makers) {
        for _ in 0..count {
            let subject = *making.random.pick(subjects)?;
            // Most are about what is going on now.
            let recent = making.random.chance(60);
            let days = making.random.range(0, 40);
            let day = if recent {
                shift(making.today, 14 - days)
            } else {
                shift(subject.day, days).min(shift(making.today, 14))
            };
            make(making, subject, day)?;
        }
    }
    Some(())
}

fn about(subject: Subject) -> Values {
    Values::new()
        .with("about_id", Value::Id(subject.id))
        .with("owner_id", Value::Id(subject.owner))
}

fn task(making: &mut Making<'_>, subject: Subject, day: Date) -> Option<()> {
    let status = if day < making.today && making.random.chance(88) {
        "done"
    } else {
        making
            .random
            .word(&["open", "open", "open", "in_progress", "waiting"])
    };
    let priorities = [("normal", 70), ("low", 15), ("high", 15)];
    let values = about(subject)
        .with("subject", text(making.random.word(TASKS)))
        .with("status", text(status))
        .with("priority", text(*making.random.weighted(&priorities)?))
        .with("due_date", Value::Date(day));
    making.add("task", shift(day, -7), values).map(drop)
}

fn event(making: &mut Making<'_>, subject: Subject, day: Date) -> Option<()> {
    let starts = making.time(day);
    let ends = until(making, starts);
    let place = making.place();
    let values = about(subject)
        .with("subject", text(making.random.word(EVENTS)))
        .with("starts_at", Value::DateTime(starts))
        .with("ends_at", Value::DateTime(ends))
        .with("location", text(place));
    making.add("event", shift(day, -5), values).map(drop)
}

fn call(making: &mut Making<'_>, subject: Subject, day: Date) -> Option<()> {
    let day = day.min(making.day(-1));
    let outcomes = [
        ("reached", 60),
        ("no_answer", 22),
        ("voicemail", 12),
        ("busy", 6),
    ];
    let outcome = *making.random.weighted(&outcomes)?;
    let minutes = if outcome == "reached" {
        making.random.log_normal(8, 0.8, 1, 90)
    } else {
        0
    };
    let values = about(subject)
        .with("subject", text(making.random.word(CALLS)))
        .with(
            "direction",
            text(making.random.word(&["outgoing", "outgoing", "incoming"])),
        )
        .with("outcome", text(outcome))
        .with("at", Value::DateTime(making.time(day)))
        .with("minutes", Value::Int(minutes))
        .with("phone", text(making.phone()));
    making.add("call", day, values).map(drop)
}

fn note(making: &mut Making<'_>, subject: Subject, day: Date) -> Option<()> {
    let (title, body) = making.random.pick(NOTES).copied()?;
    let values = about(subject)
        .with("title", text(title))
        .with("body", text(body));
    making.add("note", day, values).map(drop)
}
