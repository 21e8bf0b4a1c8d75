//! The calendar: meetings and tasks of a month, a week or a day, one's own or everybody's; moved by hand or by keys.

mod found;
mod moving;

use std::collections::HashMap;

use askama::Template;
use fieldstone_model::objects::activity::DUE_HOUR;
use fieldstone_store::Store;
use futures_util::try_join;
use jiff::{
    Span, ToSpan as _,
    civil::{self, Date, Time},
};

use crate::{
    error::PageError,
    home::Whose,
    notice::Notice,
    request::{PageResult, Pairs, Session},
};
use found::{Entry, State};
pub(crate) use moving::submit;

/// The hours that are shown even when nothing is in them.
const WORK: (i8, i8) = (7, 18);

/// Most lines of a day in a month: beyond, the last one leads to the day.
const DAY_MAX: usize = 6;

/// How much of it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Month,
    Week,
    Day,
}

impl Reach {
    /// What an address or a form asks for.
    fn of(name: Option<&str>) -> Self {
        match name {
            Some("week") => Self::Week,
            Some("day") => Self::Day,
            _ => Self::Month,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Month => "month",
            Self::Week => "week",
            Self::Day => "day",
        }
    }
}

/// One place things can be put: a day, or an hour of it.
struct Cell {
    moment: String,
    /// The hour; empty for what lasts all day; none where days aren't divided.
    time: Option<String>,
    /// What the place is called, for whoever doesn't see the table.
    full: String,
    href: String,
    new: String,
    number: String,
    outside: bool,
    today: bool,
    entries: Vec<Entry>,
    /// What says how many more there are.
    more: Option<String>,
}

/// A week of a month, or an hour of each day.
struct Row {
    /// The hour.
    label: Option<String>,
    cells: Vec<Cell>,
}

#[derive(Template)]
#[template(path = "calendar/calendar.html")]
struct Page<'a, S: Store> {
    session: &'a Session<S>,
    title: String,
    reach: Reach,
    whose: Whose,
    date: Date,
    /// Names of the days above the columns; in a week each with where the day is shown alone, its date, and whether it is today.
    weekdays: Vec<Weekday>,
    rows: Vec<Row>,
    is_cut: bool,
    notice: Option<Notice>,
    /// The entry that was just moved.
    moved: String,
    whose_name: &'static str,
}

struct Weekday {
    name: String,
    day: Option<(String, String, String, bool)>,
}

/// `GET /calendar?reach=month&date=2026-03-01&whose=mine`.
pub(crate) async fn show<S: Store + Clone + 'static>(session: Session<S>) -> PageResult {
    let today = session.viewer.today();
    let reach = Reach::of(session.parameters.get("reach"));
    let asked: Option<Date> = session
        .parameters
        .get("date")
        .and_then(|date| date.parse().ok());
    let date = asked
        .filter(|date| (1900..=2200).contains(&date.year()))
        .unwrap_or(today);
    let whose = Whose::of(&session, Whose::Mine);
    let (from, until) = bounds(reach, date).ok_or(PageError::Invalid)?;
    let locale = &session.viewer.locale;
    let (found, notice) = try_join!(found::found(&session, whose, from, until), async {
        Notice::of_request(&session).await.map_err(PageError::from)
    })?;
    let days: Vec<Date> = std::iter::successors(Some(from), |day| day.tomorrow().ok())
        .take_while(|day| *day < until)
        .collect();
    let grid = Grid {
        session: &session,
        reach,
        date,
        whose,
        today,
    };
    let rows = grid.rows(&days, found.entries);
    let heading = heading(&session, reach, date, (from, until));
    let page = Page {
        title: heading.clone(),
        reach,
        whose,
        date,
        weekdays: grid.weekdays(&days),
        rows,
        is_cut: found.is_cut,
        notice,
        moved: session.parameter("moved").unwrap_or_default().to_owned(),
        whose_name: if whose == Whose::All { "all" } else { "mine" },
        session: &session,
    };
    Ok(session.page(format!("{}: {heading}", locale.t("calendar")), &page))
}

/// What the places of the page have in common.
struct Grid<'a, S: Store> {
    session: &'a Session<S>,
    reach: Reach,
    date: Date,
    whose: Whose,
    today: Date,
}

impl<S: Store> Grid<'_, S> {
    /// Weeks of a month, or the hours of days: those of work, and those in which there is something.
    fn rows(&self, days: &[Date], entries: Vec<Entry>) -> Vec<Row> {
        let mut by_place: HashMap<(Date, Option<i8>), Vec<Entry>> = HashMap::new();
        let divided = self.reach != Reach::Month;
        let hour = |entry: &Entry| entry.at.map(Time::hour).filter(|_| divided);
        let hours = entries.iter().filter_map(hour);
        let (first, last) = hours.fold(WORK, |(first, last), hour| {
            (first.min(hour), last.max(hour))
        });
        for entry in entries {
            by_place
                .entry((entry.day, hour(&entry)))
                .or_default()
                .push(entry);
        }
        let mut cell = |day: Date, hour: Option<i8>| {
            self.cell(day, hour, by_place.remove(&(day, hour)).unwrap_or_default())
        };
        if !divided {
            let weeks = days.chunks(7).map(|week| Row {
                label: None,
                cells: week.iter().map(|day| cell(*day, None)).collect(),
            });
            return weeks.collect();
        }
        std::iter::once(None)
            .chain((first..=last).map(Some))
            .map(|hour| Row {
                label: Some(match hour {
                    None => self
                        .session
                        .viewer
                        .locale
                        .t("calendar-all-day")
                        .into_owned(),
                    Some(hour) => self.session.viewer.locale.time(on_the_hour(hour)),
                }),
                cells: days.iter().map(|day| cell(*day, hour)).collect(),
            })
            .collect()
    }

    fn cell(&self, day: Date, hour: Option<i8>, mut entries: Vec<Entry>) -> Cell {
        let locale = &self.session.viewer.locale;
        let more = (self.reach == Reach::Month && entries.len() > DAY_MAX).then(|| {
            // What is done gives way first.
            entries.sort_by_key(|entry| entry.state == State::Done);
            let more = entries.split_off(DAY_MAX - 1).len();
            locale.t1("calendar-more", "count", locale.count(more as u64))
        });
        let begins = on_the_hour(hour.unwrap_or(DUE_HOUR));
        let instant = day
            .to_datetime(begins)
            .to_zoned(locale.time_zone().clone())
            .map(|at| at.timestamp().to_string())
            .unwrap_or_default();
        let full = match hour {
            Some(_) => format!("{}, {}", locale.date(day), locale.time(begins)),
            None => locale.date(day),
        };
        Cell {
            number: day.day().to_string(),
            full,
            moment: day.to_string(),
            time: (self.reach != Reach::Month)
                .then(|| hour.map_or_else(String::new, |hour| format!("{hour:02}:00"))),
            href: address(Reach::Day, day, self.whose),
            new: format!(
                "/events/new{}",
                Pairs::default()
                    .with("starts_at", instant)
                    .with("back", address(self.reach, self.date, self.whose))
                    .to_query()
            ),
            outside: self.reach == Reach::Month && day.month() != self.date.month(),
            today: day == self.today,
            entries,
            more,
        }
    }

    /// Names of the days above the columns.
    fn weekdays(&self, days: &[Date]) -> Vec<Weekday> {
        let locale = &self.session.viewer.locale;
        let name = |day: &Date| {
            let key = format!("weekday-{}", day.weekday().to_monday_one_offset());
            locale.t(&key).into_owned()
        };
        days.iter()
            .take(7)
            .map(|day| Weekday {
                name: name(day),
                day: (self.reach == Reach::Week).then(|| {
                    let href = address(Reach::Day, *day, self.whose);
                    (
                        href,
                        day.day().to_string(),
                        locale.date(*day),
                        *day == self.today,
                    )
                }),
            })
            .collect()
    }
}

fn on_the_hour(hour: i8) -> Time {
    Time::new(hour, 0, 0, 0).unwrap_or(Time::MIN)
}

fn heading<S: Store>(
    session: &Session<S>,
    reach: Reach,
    date: Date,
    (from, until): (Date, Date),
) -> String {
    let locale = &session.viewer.locale;
    match reach {
        Reach::Month => format!("{} {}", locale.month(date), date.year()),
        Reach::Week => format!(
            "{} – {}",
            locale.date(from),
            locale.date(until.yesterday().unwrap_or(until))
        ),
        Reach::Day => locale.date(date),
    }
}

/// The first day shown, and the first that isn't any more. Weeks begin on Mondays.
fn bounds(reach: Reach, date: Date) -> Option<(Date, Date)> {
    let monday = |date: Date| {
        date.checked_sub(i64::from(date.weekday().since(civil::Weekday::Monday)).days())
            .ok()
    };
    Some(match reach {
        Reach::Day => (date, date.tomorrow().ok()?),
        Reach::Week => {
            let from = monday(date)?;
            (from, from.checked_add(7.days()).ok()?)
        }
        Reach::Month => {
            let from = monday(date.first_of_month())?;
            let last = monday(date.last_of_month())?;
            (from, last.checked_add(7.days()).ok()?)
        }
    })
}

fn address(reach: Reach, date: Date, whose: Whose) -> String {
    let pairs = Pairs::default()
        .with("reach", reach.name())
        .with("date", date.to_string());
    let pairs = if whose == Whose::All {
        pairs.with("whose", "all")
    } else {
        pairs
    };
    format!("/calendar{}", pairs.to_query())
}

impl<S: Store> Page<'_, S> {
    fn t(&self, key: &str) -> std::borrow::Cow<'static, str> {
        self.session.viewer.locale.t(key)
    }

    /// Ways to look at it: address, key of the label, whether chosen.
    fn reaches(&self) -> [(String, &'static str, bool); 3] {
        [
            (Reach::Month, "home-month"),
            (Reach::Week, "calendar-week"),
            (Reach::Day, "calendar-day"),
        ]
        .map(|(reach, key)| {
            (
                address(reach, self.date, self.whose),
                key,
                reach == self.reach,
            )
        })
    }

    fn owners(&self) -> [(String, &'static str, bool); 2] {
        [(Whose::Mine, "home-mine"), (Whose::All, "home-all")].map(|(whose, key)| {
            (
                address(self.reach, self.date, whose),
                key,
                whose == self.whose,
            )
        })
    }

    fn turned(&self, by: i64) -> String {
        let span = match self.reach {
            Reach::Month => Span::new().months(by),
            Reach::Week => Span::new().weeks(by),
            Reach::Day => Span::new().days(by),
        };
        address(
            self.reach,
            self.date.checked_add(span).unwrap_or(self.date),
            self.whose,
        )
    }

    fn now(&self) -> String {
        address(self.reach, self.session.viewer.today(), self.whose)
    }

    fn may_write(&self) -> bool {
        self.session
            .registry()
            .object("event")
            .is_some_and(|event| self.session.may_write(event))
    }

    fn may_move(&self, entry: &Entry) -> bool {
        self.may_write() && entry.state != State::Planned
    }

    /// The time of day as forms write it; empty for what lasts all day.
    #[expect(clippy::unused_self, reason = "templates call methods")]
    fn clock(&self, entry: &Entry) -> String {
        entry
            .at
            .map(|at| at.strftime("%H:%M").to_string())
            .unwrap_or_default()
    }

    fn is_month(&self) -> bool {
        self.reach == Reach::Month
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn whole_weeks_are_shown() {
        assert_eq!(
            bounds(Reach::Month, date(2026, 3, 10)),
            Some((date(2026, 2, 23), date(2026, 4, 6)))
        );
        assert_eq!(
            bounds(Reach::Week, date(2026, 3, 8)),
            Some((date(2026, 3, 2), date(2026, 3, 9)))
        );
        assert_eq!(
            bounds(Reach::Day, date(2026, 3, 8)),
            Some((date(2026, 3, 8), date(2026, 3, 9)))
        );
        // A month that begins on a Monday and ends on a Sunday.
        assert_eq!(
            bounds(Reach::Month, date(2027, 2, 1)),
            Some((date(2027, 2, 1), date(2027, 3, 1)))
        );
    }
}
