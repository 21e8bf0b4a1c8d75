//! Numbers, money, dates and times, as each locale writes and reads them.

use std::fmt::Write as _;

use jiff::{Timestamp, civil};

use super::{Language, Locale};

/// How a region writes numbers and dates.
#[derive(Debug)]
pub(super) struct Conventions {
    pub(super) tag: &'static str,
    decimal: char,
    group: char,
    date: DateOrder,
    clock: Clock,
    /// Whether the currency's sign stands before the number.
    currency_first: bool,
}

#[derive(Debug, Clone, Copy)]
enum DateOrder {
    /// Mar 1, 2026
    MonthDay,
    /// 1 Mar 2026
    DayMonth,
    /// 01.03.2026
    Dotted,
}

#[derive(Debug, Clone, Copy)]
enum Clock {
    Twelve,
    TwentyFour,
}

const fn conventions(
    tag: &'static str,
    decimal: char,
    group: char,
    date: DateOrder,
    clock: Clock,
    currency_first: bool,
) -> Conventions {
    Conventions {
        tag,
        decimal,
        group,
        date,
        clock,
        currency_first,
    }
}

/// The first of each language is its default.
static CONVENTIONS: [Conventions; 7] = [
    conventions("en", '.', ',', DateOrder::DayMonth, Clock::TwentyFour, true),
    conventions("en-US", '.', ',', DateOrder::MonthDay, Clock::Twelve, true),
    conventions(
        "en-GB",
        '.',
        ',',
        DateOrder::DayMonth,
        Clock::TwentyFour,
        true,
    ),
    conventions("de", ',', '.', DateOrder::Dotted, Clock::TwentyFour, false),
    conventions(
        "de-DE",
        ',',
        '.',
        DateOrder::Dotted,
        Clock::TwentyFour,
        false,
    ),
    conventions(
        "de-AT",
        ',',
        '.',
        DateOrder::Dotted,
        Clock::TwentyFour,
        true,
    ),
    conventions(
        "de-CH",
        '.',
        '’',
        DateOrder::Dotted,
        Clock::TwentyFour,
        true,
    ),
];

/// The tag of each.
pub(super) const fn tags() -> [&'static str; 7] {
    let mut tags = [""; CONVENTIONS.len()];
    let (mut left, mut rest): (&mut [&str], &[Conventions]) = (&mut tags, &CONVENTIONS);
    while let ([tag, others @ ..], [conventions, more @ ..]) = (left, rest) {
        *tag = conventions.tag;
        (left, rest) = (others, more);
    }
    tags
}

impl Conventions {
    pub(super) fn of_tag(tag: &str) -> &'static Self {
        let exact = CONVENTIONS
            .iter()
            .find(|it| it.tag.eq_ignore_ascii_case(tag));
        let language = Language::of_tag(tag).tag();
        exact
            .or_else(|| CONVENTIONS.iter().find(|it| it.tag == language))
            .unwrap_or(&CONVENTIONS[0])
    }
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

const MONATE: [&str; 12] = [
    "Jan", "Feb", "März", "Apr", "Mai", "Juni", "Juli", "Aug", "Sep", "Okt", "Nov", "Dez",
];

impl Locale {
    /// `number`·10^-`scale`, digits grouped, without trailing zeros after the decimal mark.
    pub fn number(&self, number: i64, scale: u8) -> String {
        let text = self.grouped(number, scale);
        if scale == 0 {
            return text;
        }
        text.trim_end_matches('0')
            .trim_end_matches(self.conventions.decimal)
            .to_owned()
    }

    /// A size in bytes, as people read it: in the largest unit of which there is one, to a tenth.
    pub fn bytes(&self, bytes: i64) -> String {
        const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
        let (mut tenths, mut unit) = (bytes.saturating_mul(10), 0);
        // What would be rounded up to a thousand belongs to the next unit.
        while tenths >= 9_995 && unit + 1 < UNITS.len() {
            tenths = tenths.saturating_add(500) / 1_000;
            unit += 1;
        }
        let name = UNITS.get(unit).copied().unwrap_or_default();
        format!("{}\u{a0}{name}", self.number(tenths, 1))
    }

    /// A count.
    pub fn count(&self, count: u64) -> String {
        self.grouped(i64::try_from(count).unwrap_or(i64::MAX), 0)
    }

    /// An amount in hundredths of the workspace's currency; cents only when there are any.
    pub fn money(&self, hundredths: i64) -> String {
        let (amount, scale) = if hundredths % 100 == 0 {
            (hundredths / 100, 0)
        } else {
            (hundredths, 2)
        };
        let amount = self.grouped(amount, scale);
        let sign = match &*self.currency {
            "EUR" => "€",
            "USD" => "$",
            "GBP" => "£",
            "JPY" => "¥",
            other => other,
        };
        // A code needs a space where a sign needs none.
        let gap = if sign.len() == 3 && sign.is_ascii() || matches!(self.language, Language::German)
        {
            "\u{a0}"
        } else {
            ""
        };
        match (self.conventions.currency_first, amount.strip_prefix('-')) {
            (true, Some(magnitude)) => format!("-{sign}{gap}{magnitude}"),
            (true, None) => format!("{sign}{gap}{amount}"),
            (false, _) => format!("{amount}\u{a0}{sign}"),
        }
    }

    /// A percentage in hundredths of a percent.
    pub fn percent(&self, hundredths: i64) -> String {
        let gap = if matches!(self.language, Language::German) {
            "\u{a0}"
        } else {
            ""
        };
        format!("{}{gap}%", self.number(hundredths, 2))
    }

    /// A calendar date.
    pub fn date(&self, date: civil::Date) -> String {
        let (year, day) = (date.year(), date.day());
        let month = usize::try_from(date.month() - 1)
            .ok()
            .and_then(|at| MONTHS.get(at))
            .copied()
            .unwrap_or_default();
        match self.conventions.date {
            DateOrder::MonthDay => format!("{month} {day}, {year}"),
            DateOrder::DayMonth => format!("{day} {month} {year}"),
            DateOrder::Dotted => format!("{day:02}.{:02}.{year}", date.month()),
        }
    }

    /// The short name of a date's month.
    pub fn month(&self, date: civil::Date) -> String {
        let names = if matches!(self.language, Language::German) {
            MONATE
        } else {
            MONTHS
        };
        let name = usize::try_from(date.month() - 1)
            .ok()
            .and_then(|at| names.get(at));
        name.copied().unwrap_or_default().to_owned()
    }

    /// A time of day, to the minute.
    pub fn time(&self, time: civil::Time) -> String {
        let (hour, minute) = (time.hour(), time.minute());
        match self.conventions.clock {
            Clock::TwentyFour => format!("{hour:02}:{minute:02}"),
            Clock::Twelve => {
                let half = if hour < 12 { "AM" } else { "PM" };
                format!(
                    "{}:{minute:02}\u{a0}{half}",
                    if hour % 12 == 0 { 12 } else { hour % 12 }
                )
            }
        }
    }

    /// An instant in the person's time zone.
    pub fn instant(&self, at: Timestamp) -> String {
        let local = self.local(at);
        format!("{}, {}", self.date(local.date()), self.time(local.time()))
    }

    /// An instant as that person's wall clock showed it.
    pub fn local(&self, at: Timestamp) -> civil::DateTime {
        at.to_zoned(self.time_zone.clone()).datetime()
    }

    /// The value of an `<input type="datetime-local">`.
    pub fn instant_input(&self, at: Timestamp) -> String {
        let local = self.local(at);
        local.strftime("%Y-%m-%dT%H:%M").to_string()
    }

    /// Reads the value of an `<input type="datetime-local">`. A time that a clock change skips moves forward.
    pub fn read_instant(&self, text: &str) -> Option<Timestamp> {
        let local: civil::DateTime = text.trim().parse().ok()?;
        local
            .to_zoned(self.time_zone.clone())
            .ok()
            .map(|zoned| zoned.timestamp())
    }

    /// What a person types for `number`: the locale's decimal mark, no grouping.
    pub fn number_input(&self, number: i64, scale: u8) -> String {
        let mut plain = String::new();
        fieldstone_model::value::push_scaled(&mut plain, number, scale);
        let plain = if scale > 0 {
            plain.trim_end_matches('0').trim_end_matches('.')
        } else {
            &plain
        };
        plain.replace('.', self.conventions.decimal.encode_utf8(&mut [0; 4]))
    }

    /// Turns a number as people type it into the plain form (`1234.5`); what can't be read comes back unchanged.
    ///
    /// A grouping mark counts as one only before three digits; a lone other mark is then taken as the decimal one.
    pub fn read_number(&self, text: &str) -> String {
        let (decimal, group) = (self.conventions.decimal, self.conventions.group);
        let compact: String = text
            .trim()
            .chars()
            .filter(|c| {
                !matches!(
                    c,
                    ' ' | '\u{a0}' | '\u{202f}' | '\'' | '’' | '%' | '€' | '$' | '£'
                )
            })
            .map(|c| if c == '\u{2212}' { '-' } else { c })
            .collect();
        let (whole, fraction) = compact.split_once(decimal).unwrap_or((&compact, ""));
        if fraction.contains(decimal) || fraction.contains(group) {
            return text.to_owned();
        }
        let mut groups = whole.split(group);
        let first = groups.next().unwrap_or_default();
        let rest: Vec<&str> = groups.collect();
        if rest.iter().all(|part| part.len() == 3)
            && (rest.is_empty() || (1..=3).contains(&first.trim_start_matches(['-', '+']).len()))
        {
            let mut plain: String = std::iter::once(first).chain(rest).collect();
            if compact.contains(decimal) {
                let _ = write!(plain, ".{fraction}");
            }
            return plain;
        }
        match (rest.as_slice(), compact.contains(decimal)) {
            ([single], false) => format!("{first}.{single}"),
            _ => text.to_owned(),
        }
    }

    fn grouped(&self, number: i64, scale: u8) -> String {
        let mut plain = String::new();
        fieldstone_model::value::push_scaled(&mut plain, number, scale);
        let (sign, digits) = plain
            .strip_prefix('-')
            .map_or(("", plain.as_str()), |digits| ("-", digits));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let mut out = String::with_capacity(plain.len() + whole.len() / 3 + 2);
        out.push_str(sign);
        for (at, digit) in whole.chars().enumerate() {
            if at > 0 && (whole.len() - at) % 3 == 0 {
                out.push(self.conventions.group);
            }
            out.push(digit);
        }
        if !fraction.is_empty() {
            out.push(self.conventions.decimal);
            out.push_str(fraction);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    fn locale(tag: &str, currency: &str) -> Locale {
        Locale::new(tag, TimeZone::get("Europe/Berlin").unwrap(), currency)
    }

    #[test]
    fn sizes_are_told_in_the_largest_unit() {
        let (en, de) = (locale("en-GB", "GBP"), locale("de", "EUR"));
        for (bytes, told) in [
            (0, "0\u{a0}B"),
            (999, "999\u{a0}B"),
            (1_000, "1\u{a0}kB"),
            (205_933, "205.9\u{a0}kB"),
            (999_950, "1\u{a0}MB"),
            (1 << 30, "1.1\u{a0}GB"),
        ] {
            assert_eq!(en.bytes(bytes), told);
        }
        assert_eq!(de.bytes(9_437_184), "9,4\u{a0}MB");
        assert!(de.bytes(i64::MAX).ends_with("TB"));
    }

    #[test]
    fn numbers_and_money_follow_the_region() {
        let (us, de, ch) = (
            locale("en-US", "USD"),
            locale("de", "EUR"),
            locale("de-CH", "CHF"),
        );
        assert_eq!(us.money(123_456_750), "$1,234,567.50");
        assert_eq!(de.money(123_456_750), "1.234.567,50\u{a0}€");
        assert_eq!(ch.money(123_456_700), "CHF\u{a0}1’234’567");
        assert_eq!(us.money(-5_000), "-$50");
        assert_eq!(de.number(-1_234_500, 3), "-1.234,5");
        assert_eq!(de.percent(1250), "12,5\u{a0}%");
        assert_eq!(us.count(999), "999");
        assert_eq!(us.count(1000), "1,000");
    }

    #[test]
    fn dates_follow_the_region_and_the_time_zone() {
        let at: Timestamp = "2026-03-29T00:30:00Z".parse().unwrap();
        assert_eq!(
            locale("en-US", "USD").instant(at),
            "Mar 29, 2026, 1:30\u{a0}AM"
        );
        assert_eq!(
            locale("en-GB", "GBP").date(civil::date(2026, 3, 1)),
            "1 Mar 2026"
        );
        assert_eq!(locale("de", "EUR").instant(at), "29.03.2026, 01:30");
        assert_eq!(
            locale("en-US", "USD").time(civil::time(0, 5, 0, 0)),
            "12:05\u{a0}AM"
        );
    }

    #[test]
    fn an_instant_survives_its_input() {
        let de = locale("de", "EUR");
        let at: Timestamp = "2026-07-01T12:34:00Z".parse().unwrap();
        assert_eq!(de.instant_input(at), "2026-07-01T14:34");
        assert_eq!(de.read_instant("2026-07-01T14:34"), Some(at));
        assert_eq!(
            de.read_instant("2026-03-29T02:30"),
            Some("2026-03-29T01:30:00Z".parse().unwrap())
        );
        assert_eq!(de.read_instant("tomorrow"), None);
    }

    #[test]
    fn typed_numbers_are_read_as_their_region_means_them() {
        let (us, de, ch) = (
            locale("en-US", "USD"),
            locale("de", "EUR"),
            locale("de-CH", "CHF"),
        );
        assert_eq!(us.read_number("$ 1,234.50"), "1234.50");
        assert_eq!(de.read_number("1.234,50 €"), "1234.50");
        assert_eq!(de.read_number("1.234"), "1234");
        assert_eq!(de.read_number("12.5"), "12.5");
        assert_eq!(us.read_number("1,5"), "1.5");
        assert_eq!(ch.read_number("1’234.5"), "1234.5");
        assert_eq!(us.read_number("\u{2212}5"), "-5");
        assert_eq!(us.read_number("1.2.3"), "1.2.3");
        assert_eq!(us.read_number("twelve"), "twelve");
        assert_eq!(us.read_number("12,34,567"), "12,34,567");
    }

    #[test]
    fn typed_form_reads_back() {
        for tag in ["en-US", "de", "de-CH"] {
            let locale = locale(tag, "EUR");
            for number in [0, 5, -5, 100, 123_456, -99_999_999] {
                let typed = locale.number_input(number, 2);
                let field =
                    fieldstone_model::Field::new(10, "n", fieldstone_model::FieldType::Money);
                assert_eq!(
                    fieldstone_model::Value::parse(&field, &locale.read_number(&typed)),
                    Ok(fieldstone_model::Value::Int(number)),
                    "{tag} {typed}"
                );
            }
        }
    }
}
