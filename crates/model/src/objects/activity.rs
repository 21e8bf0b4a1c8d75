//! What activities share: the record they are about, and when somebody is reminded of them.

use crate::{Choice, Field, objects::SUBJECTS};

/// The record an activity is about.
pub(crate) const ABOUT: Field = Field::any_relation(11, "about_id", SUBJECTS).salesforce("WhatId");

/// How long before it begins or is due somebody wants to be reminded. `app.tell_reminders` and [`reminder_minutes`] know the same names.
pub(crate) const REMINDERS: &[Choice] = &[
    Choice::new("at_time"),
    Choice::new("minutes_10"),
    Choice::new("minutes_30"),
    Choice::new("hours_1"),
    Choice::new("hours_2"),
    Choice::new("days_1"),
    Choice::new("days_2"),
    Choice::new("weeks_1"),
];

/// The hour at which a task without a time counts as due when somebody is reminded of it.
pub const DUE_HOUR: i8 = 9;

/// How many minutes before a reminder of this name comes.
pub fn reminder_minutes(name: &str) -> Option<i64> {
    Some(match name {
        "at_time" => 0,
        "minutes_10" => 10,
        "minutes_30" => 30,
        "hours_1" => 60,
        "hours_2" => 120,
        "days_1" => 24 * 60,
        "days_2" => 2 * 24 * 60,
        "weeks_1" => 7 * 24 * 60,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reminder_has_its_time() {
        for reminder in REMINDERS {
            assert!(
                reminder_minutes(&reminder.value).is_some(),
                "{}",
                reminder.value
            );
        }
    }
}
