//! One cell's text as one field's value.

use fieldstone_model::{Field, FieldType, Problem, Value, fold::fold, validate};
use jiff::{civil, fmt::strtime::BrokenDownTime, tz::TimeZone};

use super::NumberFormat;

/// How texts become values of one field.
#[derive(Debug, Clone, Default)]
pub(super) struct Reading {
    /// Formats of dates and times, tried in order.
    pub(super) formats: Vec<String>,
    /// How numbers are written.
    pub(super) number: Option<NumberFormat>,
    /// What separates the options of a multiple choice.
    pub(super) separator: Option<String>,
    /// Time zone of times that don't say one.
    pub(super) zone: Option<TimeZone>,
}

impl Reading {
    /// Reads `text`, not a relation's, and checks it against the field's limits.
    pub(super) fn value(&self, field: &Field, text: &str) -> Result<Value, Problem> {
        if text.trim().is_empty() {
            return Ok(Value::Null);
        }
        let value = match &field.kind {
            kind if kind.scale().is_some() => {
                let plain = NumberFormat::default();
                let format = self.number.as_ref().unwrap_or(&plain);
                Value::Int(format.parse(kind, text)?)
            }
            FieldType::Date => self.date(field, text)?,
            FieldType::Time => self.time(field, text)?,
            FieldType::DateTime => self.date_time(field, text)?,
            FieldType::Choice { .. } => Value::Text(option(field, text)?),
            FieldType::MultiChoice { .. } => self.options(field, text)?,
            _ => Value::parse(field, text)?,
        };
        validate::check_value(field, &value)?;
        Ok(value)
    }

    fn parsed<T>(
        &self,
        text: &str,
        read: impl Fn(&BrokenDownTime) -> Result<T, jiff::Error>,
    ) -> Option<T> {
        self.formats.iter().find_map(|format| {
            BrokenDownTime::parse(format, text.trim())
                .and_then(|time| read(&time))
                .ok()
        })
    }

    fn date(&self, field: &Field, text: &str) -> Result<Value, Problem> {
        if self.formats.is_empty() {
            return Value::parse(field, text);
        }
        self.parsed(text, BrokenDownTime::to_date)
            .map(Value::Date)
            .ok_or(Problem::NotADate)
    }

    fn time(&self, field: &Field, text: &str) -> Result<Value, Problem> {
        if self.formats.is_empty() {
            return Value::parse(field, text);
        }
        self.parsed(text, BrokenDownTime::to_time)
            .map(Value::Time)
            .ok_or(Problem::NotATime)
    }

    /// An instant; a time without a zone is one of the mapping's zone, a date alone its midnight.
    fn date_time(&self, field: &Field, text: &str) -> Result<Value, Problem> {
        let zone = || self.zone.clone().unwrap_or(TimeZone::UTC);
        let local = |at: civil::DateTime| {
            zone()
                .to_timestamp(at)
                .ok()
                .and_then(|at| jiff::Timestamp::from_microsecond(at.as_microsecond()).ok())
        };
        let at = if self.formats.is_empty() {
            let text = text.trim();
            return Value::parse(field, text).or_else(|problem| {
                text.parse::<civil::DateTime>()
                    .ok()
                    .and_then(local)
                    .map(Value::DateTime)
                    .ok_or(problem)
            });
        } else {
            self.parsed(text, |time| match time.offset() {
                Some(_) => time.to_timestamp(),
                None => time
                    .to_datetime()
                    .or_else(|_| time.to_date().map(civil::DateTime::from))
                    .and_then(|at| zone().to_timestamp(at)),
            })
        };
        at.and_then(|at| jiff::Timestamp::from_microsecond(at.as_microsecond()).ok())
            .map(Value::DateTime)
            .ok_or(Problem::NotADateTime)
    }

    fn options(&self, field: &Field, text: &str) -> Result<Value, Problem> {
        let separator = self.separator.as_deref().unwrap_or(";");
        let mut chosen: Vec<String> = Vec::new();
        for part in text.split(separator).filter(|part| !part.trim().is_empty()) {
            let option = option(field, part)?;
            if !chosen.contains(&option) {
                chosen.push(option);
            }
        }
        let place = |value: &String| {
            let options = field.kind.options();
            options
                .iter()
                .position(|option| option.value == value.as_str())
        };
        chosen.sort_by_key(place);
        Ok(if chosen.is_empty() {
            Value::Null
        } else {
            Value::Choices(chosen)
        })
    }
}

/// The stored value of an option, by its value or its label, as people write them: `On hold` is `on_hold`.
fn option(field: &Field, text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let options = field.kind.options();
    let loose = |text: &str| fold(text).replace(['_', '-'], " ");
    let wanted = loose(text);
    options
        .iter()
        .find(|option| option.value == text)
        .or_else(|| {
            options.iter().find(|option| {
                loose(&option.value) == wanted
                    || option
                        .label
                        .as_deref()
                        .is_some_and(|label| loose(label) == wanted)
            })
        })
        .map(|option| option.value.to_string())
        .ok_or(Problem::UnknownChoice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldstone_model::Choice;

    fn reading(formats: &[&str]) -> Reading {
        Reading {
            formats: formats.iter().map(|format| (*format).to_owned()).collect(),
            ..Reading::default()
        }
    }

    #[test]
    fn dates_in_other_formats() {
        let field = Field::new(10, "on", FieldType::Date);
        let american = reading(&["%m/%d/%Y", "%d.%m.%Y"]);
        let day = Ok(Value::Date(civil::date(2007, 4, 26)));
        assert_eq!(american.value(&field, " 04/26/2007 "), day);
        assert_eq!(american.value(&field, "4/26/2007"), day);
        assert_eq!(american.value(&field, "26.04.2007"), day);
        for bad in ["26/04/2007", "02/30/2007", "04/26/2007 extra", "2007-04-26"] {
            assert_eq!(american.value(&field, bad), Err(Problem::NotADate), "{bad}");
        }
        assert_eq!(american.value(&field, "  "), Ok(Value::Null));
    }

    #[test]
    fn instants_take_the_zone() {
        let field = Field::new(10, "at", FieldType::DateTime);
        let mut local = reading(&["%d.%m.%Y %H:%M", "%Y-%m-%dT%H:%M:%S%z"]);
        local.zone = Some(TimeZone::fixed(jiff::tz::offset(2)));
        let at = |text: &str| Ok(Value::DateTime(text.parse().unwrap()));
        assert_eq!(
            local.value(&field, "01.07.2026 12:30"),
            at("2026-07-01T10:30:00Z")
        );
        assert_eq!(
            local.value(&field, "2026-07-01T12:30:00-0100"),
            at("2026-07-01T13:30:00Z")
        );
        local.formats.clear();
        assert_eq!(
            local.value(&field, "2026-07-01 12:30"),
            at("2026-07-01T10:30:00Z")
        );
        assert_eq!(
            local.value(&field, "2026-07-01T12:30:00Z"),
            at("2026-07-01T12:30:00Z")
        );
        assert_eq!(local.value(&field, "noon"), Err(Problem::NotADateTime));
    }

    #[test]
    fn options_by_value_or_label() {
        const OPTIONS: &[Choice] = &[Choice::new("on_hold"), Choice::new("done")];
        let one = Field::choice(10, "status", OPTIONS);
        let reading = Reading::default();
        assert_eq!(
            reading.value(&one, "On Hold"),
            Ok(Value::Text("on_hold".to_owned()))
        );
        assert_eq!(reading.value(&one, "held"), Err(Problem::UnknownChoice));
        let many = Field::new(
            11,
            "states",
            FieldType::MultiChoice {
                options: OPTIONS.into(),
            },
        );
        let both = Value::Choices(vec!["on_hold".to_owned(), "done".to_owned()]);
        assert_eq!(reading.value(&many, "done; on-hold;done"), Ok(both));
    }

    #[test]
    fn limits_are_checked() {
        let name = Field::text(10, "name", 255);
        let long = "x".repeat(10_000);
        assert_eq!(
            Reading::default().value(&name, &long),
            Err(Problem::TooLong { max: 255 })
        );
        assert_eq!(
            Reading::default().value(&name, "=HYPERLINK(\"x\")"),
            Ok(Value::Text("=HYPERLINK(\"x\")".to_owned()))
        );
    }
}
