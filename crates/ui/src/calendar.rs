//! The calendar: meetings and tasks of a month, a week or a day, one's own or everybody's.

use askama::Template;
use fieldstone_model::{Comparison, Filter, Query, Record, Value, query::LIMIT_MAX};
use fieldstone_store::{Page as Records, Store};
use futures_util::try_join;
use jiff::{
    Span, ToSpan as _,
    civil::{Date, Weekday},
};

use crate::{
    error::PageError,
    home::Whose,
    list::table::name_of,
    request::{PageResult, Pairs, Session},
};

/// How much of it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Month,
    Week,
    Day,
}

struct Entry {
    href: String,
    name: String,
    /// The time of day; none for what lasts all day.
    time: Option<String>,
    icon: &'static str,
    done: bool,
    late: bool,
}

struct Day {
    /// The day of the month, and the whole date.
    number: String,
    full: String,
    moment: String,
    href: String,
    new: String,
    outside: bool,
    today: bool,
    entries: Vec<Entry>,
}

#[derive(Template)]
#[template(path = "calendar/calendar.html")]
struct Page<'a, S: Store> {
    session: &'a Session<S>,
    title: String,
    reach: Reach,
    whose: Whose,
    date: Date,
    weekdays: Vec<String>,
    weeks: Vec<Vec<Day>>,
    is_cut: bool,
}

/// `GET /calendar?reach=month&date=2026-03-01&whose=mine`.
pub(crate) async fn show<S: Store + Clone + 'static>(session: Session<S>) -> PageResult {
    let today = session.viewer.today();
    let reach = match session.parameters.get("reach") {
        Some("week") => Reach::Week,
        Some("day") => Reach::Day,
        _ => Reach::Month,
    };
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
    let (events, tasks) = found(&session, whose, from, until).await?;
    let mut days: Vec<Day> = Vec::new();
    let mut at = from;
    while at < until {
        let mut entries: Vec<Entry> = tasks
            .records
            .iter()
            .filter(|task| *task.get("due_date") == Value::Date(at))
            .map(|task| entry(&session, "task", task, at))
            .collect();
        entries.extend(
            events
                .records
                .iter()
                .filter(|event| starts_on(&session, event) == Some(at))
                .map(|event| entry(&session, "event", event, at)),
        );
        days.push(Day {
            number: at.day().to_string(),
            full: locale.date(at),
            moment: at.to_string(),
            href: address(Reach::Day, at, whose),
            new: format!(
                "/events/new{}",
                Pairs::default()
                    .with("starts_at", format!("{at}T09:00:00Z"))
                    .with("back", address(reach, date, whose))
                    .to_query()
            ),
            outside: reach == Reach::Month && at.month() != date.month(),
            today: at == today,
            entries,
        });
        at = at.checked_add(1.day()).map_err(|_| PageError::Invalid)?;
    }
    let weekdays = weekdays(&session, reach, date);
    let mut weeks = Vec::new();
    let mut rest = days.into_iter().peekable();
    while rest.peek().is_some() {
        weeks.push(rest.by_ref().take(7).collect());
    }
    let heading = heading(&session, reach, date, (from, until));
    let page = Page {
        title: heading.clone(),
        reach,
        whose,
        date,
        weekdays,
        weeks,
        is_cut: events.next.is_some() || tasks.next.is_some(),
        session: &session,
    };
    Ok(session.page(format!("{}: {heading}", locale.t("calendar")), &page))
}

/// Meetings and tasks of the days from `from` until before `until`.
async fn found<S: Store + Clone + 'static>(
    session: &Session<S>,
    whose: Whose,
    from: Date,
    until: Date,
) -> Result<(Records, Records), PageError> {
    let locale = &session.viewer.locale;
    let instant = |date: Date| {
        let zoned = date
            .to_zoned(locale.time_zone().clone())
            .map_err(|_| PageError::Invalid)?;
        Ok::<_, PageError>(Value::DateTime(zoned.timestamp()))
    };
    let between = |field: &str, from: Value, until: Value| {
        Filter::compare(field, Comparison::GreaterOrEqual, from).and(Filter::compare(
            field,
            Comparison::Less,
            until,
        ))
    };
    let events = Query::new("event")
        .columns(["subject", "starts_at"])
        .filter(whose.filter(session))
        .filter(between("starts_at", instant(from)?, instant(until)?))
        .order("starts_at", false)
        .limit(LIMIT_MAX);
    let tasks = Query::new("task")
        .columns(["subject", "due_date", "status"])
        .filter(whose.filter(session))
        .filter(between("due_date", Value::Date(from), Value::Date(until)))
        .order("due_date", false)
        .limit(LIMIT_MAX);
    Ok(try_join!(
        session.store.list(&events),
        session.store.list(&tasks)
    )?)
}

/// Names of the days above the columns.
fn weekdays<S: Store>(session: &Session<S>, reach: Reach, date: Date) -> Vec<String> {
    let name = |day: i8| {
        let key = format!("weekday-{day}");
        session.viewer.locale.t(&key).into_owned()
    };
    match reach {
        Reach::Day => vec![name(date.weekday().to_monday_one_offset())],
        Reach::Week | Reach::Month => (1..=7).map(name).collect(),
    }
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
        date.checked_sub(i64::from(date.weekday().since(Weekday::Monday)).days())
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

fn starts_on<S: Store>(session: &Session<S>, event: &Record) -> Option<Date> {
    match event.get("starts_at") {
        Value::DateTime(at) => Some(session.viewer.locale.local(*at).date()),
        _ => None,
    }
}

fn entry<S: Store>(session: &Session<S>, object: &str, record: &Record, day: Date) -> Entry {
    let locale = &session.viewer.locale;
    let time = match record.get("starts_at") {
        Value::DateTime(at) => Some(locale.time(locale.local(*at).time())),
        _ => None,
    };
    let known = session.registry().object(object);
    let done = record.get("status").as_text() == Some("done");
    Entry {
        href: format!(
            "/{}/{}",
            known.map_or(object, |object| object.plural.as_ref()),
            record.id
        ),
        name: known
            .map(|object| name_of(session, object, record))
            .unwrap_or_default(),
        time,
        icon: if object == "task" { "task" } else { "event" },
        done,
        late: object == "task" && !done && day < session.viewer.today(),
    }
}

fn address(reach: Reach, date: Date, whose: Whose) -> String {
    let reach = match reach {
        Reach::Month => "month",
        Reach::Week => "week",
        Reach::Day => "day",
    };
    let pairs = Pairs::default()
        .with("reach", reach)
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
