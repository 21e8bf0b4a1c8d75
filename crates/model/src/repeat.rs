//! When what repeats comes again: every so many days, weeks, months or years from a first date.
//!
//! Dates are counted from the first one, never from the last: what is due on the 31st comes on the last day of shorter months and on the
//! 31st again afterwards.

use jiff::{Span, ToSpan as _, civil::Date};

use crate::Value;

/// Most units between two dates.
pub const EVERY_MAX: i64 = 999;

/// The unit that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rhythm {
    /// Days.
    Daily,
    /// Weeks.
    Weekly,
    /// Months.
    Monthly,
    /// Years.
    Yearly,
}

impl Rhythm {
    /// All of them, the shortest first.
    pub const ALL: [Self; 4] = [Self::Daily, Self::Weekly, Self::Monthly, Self::Yearly];

    /// As it is stored; iCalendar says the same in capitals (RFC 5545, 3.3.10).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Yearly => "yearly",
        }
    }

    /// Reads the stored value.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rhythm| rhythm.name() == name)
    }

    fn span(self, count: i64) -> Option<Span> {
        match self {
            Self::Daily => Span::new().try_days(count),
            Self::Weekly => Span::new().try_weeks(count),
            Self::Monthly => Span::new().try_months(count),
            Self::Yearly => Span::new().try_years(count),
        }
        .ok()
    }

    /// Whole units between two dates, or one more.
    fn between(self, from: Date, to: Date) -> i64 {
        let days = to.duration_since(from).as_hours() / 24;
        let months = i64::from(to.year() - from.year()) * 12 + i64::from(to.month() - from.month());
        match self {
            Self::Daily => days,
            Self::Weekly => days / 7,
            Self::Monthly => months,
            Self::Yearly => months / 12,
        }
    }
}

/// How one thing repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeat {
    /// The date everything is counted from.
    pub from: Date,
    /// The unit that is counted.
    pub rhythm: Rhythm,
    /// How many units lie between two dates.
    pub every: i64,
    /// The last date on which it may come.
    pub until: Option<Date>,
}

impl Repeat {
    /// How a task with these values repeats; `None` when it doesn't.
    pub fn of_task<'a>(value: impl Fn(&str) -> &'a Value) -> Option<Self> {
        let date = |name: &str| match value(name) {
            Value::Date(date) => Some(*date),
            _ => None,
        };
        Some(Self {
            rhythm: value("repeat").as_text().and_then(Rhythm::from_name)?,
            from: date("repeat_from").or_else(|| date("due_date"))?,
            every: value("repeat_every")
                .as_int()
                .unwrap_or(1)
                .clamp(1, EVERY_MAX),
            until: date("repeat_until"),
        })
    }

    /// The first of its dates after `after`.
    pub fn next(&self, after: Date) -> Option<Date> {
        let mut turn = (self.rhythm.between(self.from, after) / self.every - 1).max(1);
        loop {
            let date = self
                .from
                .checked_add(self.rhythm.span(turn.checked_mul(self.every)?)?)
                .ok()?;
            if date > after {
                return Some(date).filter(|date| self.until.is_none_or(|until| *date <= until));
            }
            turn += 1;
        }
    }

    /// Its dates after `after` and before `end`.
    pub fn between(self, after: Date, end: Date) -> impl Iterator<Item = Date> {
        std::iter::successors(self.next(after), move |date| self.next(*date))
            .take_while(move |date| *date < end)
    }

    /// The next date for something due on `due` that is done on `done`: what was missed meanwhile is not made up for.
    pub fn after(&self, due: Date, done: Date) -> Option<Date> {
        // Where it is still yesterday, today's isn't missed.
        let missed = done.checked_sub(1.day()).unwrap_or(done);
        self.next(due.max(missed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn repeat(from: Date, rhythm: Rhythm, every: i64) -> Repeat {
        Repeat {
            from,
            rhythm,
            every,
            until: None,
        }
    }

    #[test]
    fn short_months_have_a_last_day_and_long_ones_the_day_itself() {
        let monthly = repeat(date(2026, 1, 31), Rhythm::Monthly, 1);
        let dates: Vec<_> = monthly
            .between(date(2026, 1, 31), date(2026, 6, 1))
            .collect();
        assert_eq!(
            dates,
            [
                date(2026, 2, 28),
                date(2026, 3, 31),
                date(2026, 4, 30),
                date(2026, 5, 31)
            ]
        );
        let yearly = repeat(date(2024, 2, 29), Rhythm::Yearly, 1);
        assert_eq!(yearly.next(date(2024, 2, 29)), Some(date(2025, 2, 28)));
        assert_eq!(yearly.next(date(2027, 12, 1)), Some(date(2028, 2, 29)));
    }

    #[test]
    fn every_so_many_units_are_counted_from_the_first() {
        let fortnightly = repeat(date(2026, 3, 2), Rhythm::Weekly, 2);
        assert_eq!(fortnightly.next(date(2026, 3, 2)), Some(date(2026, 3, 16)));
        assert_eq!(fortnightly.next(date(2026, 3, 16)), Some(date(2026, 3, 30)));
        assert_eq!(fortnightly.next(date(2026, 3, 20)), Some(date(2026, 3, 30)));
        // Before the first date there is the second: the first is the thing itself.
        assert_eq!(fortnightly.next(date(2026, 1, 1)), Some(date(2026, 3, 16)));
    }

    #[test]
    fn it_ends_and_what_was_missed_is_not_made_up_for() {
        let mut daily = repeat(date(2026, 3, 1), Rhythm::Daily, 1);
        assert_eq!(
            daily.after(date(2026, 3, 1), date(2026, 3, 10)),
            Some(date(2026, 3, 10))
        );
        assert_eq!(
            daily.after(date(2026, 3, 10), date(2026, 3, 1)),
            Some(date(2026, 3, 11))
        );
        daily.until = Some(date(2026, 3, 2));
        assert_eq!(daily.next(date(2026, 3, 1)), Some(date(2026, 3, 2)));
        assert_eq!(daily.next(date(2026, 3, 2)), None);
        let last = repeat(Date::MAX, Rhythm::Yearly, EVERY_MAX);
        assert_eq!(last.next(Date::MAX), None);
    }

    #[test]
    fn each_date_is_the_one_counting_alone_finds() {
        for rhythm in Rhythm::ALL {
            for every in [1, 2, 5, 12] {
                let repeat = repeat(date(2023, 8, 31), rhythm, every);
                let counted: Vec<Date> = (1..40)
                    .filter_map(|turn| repeat.from.checked_add(rhythm.span(turn * every)?).ok())
                    .collect();
                let found: Vec<Date> = repeat
                    .between(repeat.from, *counted.last().unwrap())
                    .collect();
                assert_eq!(found, counted[..counted.len() - 1], "{rhythm:?} {every}");
            }
        }
    }
}
