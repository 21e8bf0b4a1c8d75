//! Numbers as people write them in files: decimal commas, thousands separators, currency signs, accounting brackets.

use fieldstone_model::{
    FieldType, Problem,
    value::{NUMBER_MAX, push_scaled},
};
use serde::{Deserialize, Serialize};

/// How numbers of a column are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NumberFormat {
    /// The decimal mark: `.` or `,`.
    pub decimal: char,
    /// What separates thousands; nothing does unless it is said.
    pub thousands: Option<char>,
    /// Multiplies the number, e.g. by 1,000,000 where a column is in millions.
    pub multiply: i64,
    /// Rounds half away from zero where there are more decimals than the field keeps; otherwise that is an error.
    pub round: bool,
}

impl Default for NumberFormat {
    fn default() -> Self {
        Self {
            decimal: '.',
            thousands: None,
            multiply: 1,
            round: false,
        }
    }
}

impl NumberFormat {
    /// Reads `text` as an integer of 10^-scale, the scale being that of `kind`.
    pub(super) fn parse(&self, kind: &FieldType, text: &str) -> Result<i64, Problem> {
        let scale = kind.scale().unwrap_or(0);
        let wrong = || Problem::NotANumber { scale };
        let (negative, text) = bare(text);
        let (whole, fraction) = text.split_once(self.decimal).unwrap_or((text, ""));
        let mut digits: i128 = 0;
        let mut seen = 0_u32;
        let mut groups = Groups::default();
        for c in whole.chars() {
            if Some(c) == self.thousands || (self.thousands == Some(' ') && is_space(c)) {
                groups.close().ok_or_else(wrong)?;
                continue;
            }
            groups.digits += 1;
            digits = push_digit(digits, c, &mut seen).ok_or_else(wrong)?;
        }
        groups.end().ok_or_else(wrong)?;
        let fraction = fraction.trim_end_matches('0');
        for c in fraction.chars() {
            digits = push_digit(digits, c, &mut seen).ok_or_else(wrong)?;
        }
        if seen == 0 && !text.contains('0') {
            return Err(wrong());
        }
        let decimals = u32::try_from(fraction.len()).map_err(|_| wrong())?;
        let scaled = self
            .scaled(digits, decimals, u32::from(scale))
            .ok_or_else(wrong)?;
        let number = i64::try_from(scaled)
            .ok()
            .filter(|number| number.abs() <= NUMBER_MAX)
            .ok_or_else(|| out_of_range(scale))?;
        Ok(if negative { -number } else { number })
    }

    /// `digits`·10^-decimals times the factor, as an integer of 10^-scale.
    fn scaled(&self, digits: i128, decimals: u32, scale: u32) -> Option<i128> {
        let exact = digits.checked_mul(i128::from(self.multiply))?;
        if decimals <= scale {
            return exact.checked_mul(10_i128.checked_pow(scale - decimals)?);
        }
        let unit = 10_i128.checked_pow(decimals - scale)?;
        if exact % unit == 0 {
            return Some(exact / unit);
        }
        self.round
            .then(|| (exact + exact.signum() * (unit / 2)) / unit)
    }
}

/// Digits between thousands separators: three, save in the first group.
#[derive(Default)]
struct Groups {
    digits: u32,
    closed: u32,
}

impl Groups {
    fn close(&mut self) -> Option<()> {
        let fits = if self.closed == 0 {
            (1..=3).contains(&self.digits)
        } else {
            self.digits == 3
        };
        self.closed += 1;
        self.digits = 0;
        fits.then_some(())
    }

    fn end(&self) -> Option<()> {
        (self.closed == 0 || self.digits == 3).then_some(())
    }
}

/// Thirty digits are more than any field keeps, and few enough to calculate with.
fn push_digit(number: i128, c: char, seen: &mut u32) -> Option<i128> {
    *seen += u32::from(number != 0 || c != '0').max(u32::from(*seen == 0));
    if *seen > 30 {
        return None;
    }
    number
        .checked_mul(10)?
        .checked_add(i128::from(c.to_digit(10)?))
}

/// Whether it is negative, and the digits and marks alone.
fn bare(text: &str) -> (bool, &str) {
    let mut negative = false;
    let mut text = text.trim();
    if let Some(inner) = text
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'))
    {
        negative = true;
        text = inner;
    }
    loop {
        let before = text;
        text = text.trim_matches(|c| is_space(c) || is_currency(c) || c == '%');
        if !negative && let Some(rest) = text.strip_prefix(['-', '\u{2212}']) {
            negative = true;
            text = rest;
        } else if !negative && let Some(rest) = text.strip_suffix('-') {
            negative = true;
            text = rest;
        } else if text.len() > 1
            && let Some(rest) = text.strip_prefix('+')
        {
            text = rest;
        }
        if text == before {
            return (negative, text);
        }
    }
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{A0}' | '\u{202F}' | '\u{2009}')
}

/// Unicode's currency signs that are in use.
fn is_currency(c: char) -> bool {
    matches!(c, '$' | '¢' | '£' | '¤' | '¥' | '\u{20A0}'..='\u{20CF}')
}

fn out_of_range(scale: u8) -> Problem {
    let text = |number| {
        let mut out = String::new();
        push_scaled(&mut out, number, scale);
        out
    };
    Problem::OutOfRange {
        min: text(-NUMBER_MAX),
        max: text(NUMBER_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(format: &NumberFormat, text: &str) -> Option<i64> {
        format.parse(&FieldType::Money, text).ok()
    }

    #[test]
    fn plain_numbers() {
        let plain = NumberFormat::default();
        for (text, cents) in [
            ("1054.0", 105_400),
            ("$ 1054.5", 105_450),
            ("12 €", 1_200),
            ("-3", -300),
            ("(3.10)", -310),
            ("0", 0),
            ("+7", 700),
            ("0.000", 0),
            ("-$5", -500),
        ] {
            assert_eq!(money(&plain, text), Some(cents), "{text}");
        }
        for bad in [
            "",
            "-",
            "1,5",
            "1e3",
            "abc",
            "1.005",
            "1.2.3",
            "--5",
            "=1+1",
            "9999999999999999",
        ] {
            assert_eq!(money(&plain, bad), None, "{bad}");
        }
    }

    #[test]
    fn commas_and_thousands() {
        let german = NumberFormat {
            decimal: ',',
            thousands: Some('.'),
            ..NumberFormat::default()
        };
        assert_eq!(money(&german, "1.234.567,89 €"), Some(123_456_789));
        assert_eq!(money(&german, "12.34"), None);
        assert_eq!(money(&german, "1.23,4"), None);
        let french = NumberFormat {
            decimal: ',',
            thousands: Some(' '),
            ..NumberFormat::default()
        };
        assert_eq!(money(&french, "1\u{202F}234,5"), Some(123_450));
    }

    #[test]
    fn factors_and_rounding() {
        let millions = NumberFormat {
            multiply: 1_000_000,
            ..NumberFormat::default()
        };
        assert_eq!(money(&millions, "1100.04"), Some(110_004_000_000));
        let rounded = NumberFormat {
            round: true,
            ..NumberFormat::default()
        };
        let degrees = FieldType::Decimal { scale: 6 };
        assert_eq!(
            rounded.parse(&degrees, "-75.55271309999999"),
            Ok(-75_552_713)
        );
        assert_eq!(money(&rounded, "-0.005"), Some(-1));
    }
}
