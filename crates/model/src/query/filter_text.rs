//! Filters as text: `amount >= 1000 and (stage.name = "Won" or close_date < :today+14)`.
//!
//! ```text
//! filter  = and ("or" and)*          and  = part ("and" part)*
//! part    = "not" part | "(" filter ")" | path test
//! test    = ("=" | "!=" | "<" | "<=" | ">" | ">=" | "contains" | "startswith") value
//!         | "in" "(" value ("," value)* ")" | "is" ["not"] "null"
//! value   = "quoted" | 'quoted' | word | :me | :today | :today+7 | :today-7
//!         | :month | :month-1 | :year | :year+1      (the first days of these)
//! ```

use jiff::{Span, civil::Date};

use super::{Comparison, Filter, Path, QueryError, TERMS_MAX};
use crate::{Field, FieldType, Object, RecordId, Registry, Value};

/// Levels of parentheses and `not` that are followed.
const DEPTH_MAX: usize = 20;

/// What `:me`, and the days that move along, stand for.
#[derive(Debug, Clone, Copy)]
pub struct Environment {
    /// The user who asks.
    pub me: RecordId,
    /// The user's local date.
    pub today: Date,
}

/// Whether what a filter's text means depends on the day.
pub fn depends_on_date(text: &str) -> bool {
    [":today", ":month", ":year"]
        .iter()
        .any(|variable| text.contains(variable))
}

/// Reads a filter on `object`, with the types of its fields; blank text is [`Filter::All`].
pub fn parse_filter(
    registry: &Registry,
    object: &Object,
    environment: Environment,
    text: &str,
) -> Result<Filter, QueryError> {
    let mut parser = Parser {
        registry,
        object,
        environment,
        tokens: tokenize(text)?,
        at: 0,
        terms: 0,
    };
    if parser.tokens.is_empty() {
        return Ok(Filter::All);
    }
    let filter = parser.any(0)?;
    match parser.peek() {
        None => Ok(filter),
        Some(_) => Err(parser.missing("“and”, “or” or the end")),
    }
}

/// The parts of a filter's text that all have to hold, as they were written: what stands between the outermost `and`s.
///
/// A text whose outermost word is `or`, or that can't be read, is one part; blank text has none.
pub fn filter_parts(text: &str) -> Vec<String> {
    let text = text.trim();
    let whole = || {
        let part = (!text.is_empty()).then(|| text.to_owned());
        part.into_iter().collect()
    };
    let Ok(tokens) = tokenize(text) else {
        return whole();
    };
    let chars: Vec<char> = text.chars().collect();
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    let cut = |from: usize, to: usize| -> String {
        let part: String = chars.get(from..to).unwrap_or_default().iter().collect();
        part.trim().to_owned()
    };
    for token in &tokens {
        match (&token.kind, token.text.as_str()) {
            (Kind::Punctuation, "(") => depth += 1,
            (Kind::Punctuation, ")") => depth = depth.saturating_sub(1),
            (Kind::Word, word) if depth == 0 && word.eq_ignore_ascii_case("or") => return whole(),
            (Kind::Word, word) if depth == 0 && word.eq_ignore_ascii_case("and") => {
                parts.push(cut(start, token.at));
                start = token.at + word.len();
            }
            _ => {}
        }
    }
    parts.push(cut(start, chars.len()));
    if parts.iter().any(String::is_empty) {
        return whole();
    }
    parts
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Word,
    Quoted,
    Operator,
    Punctuation,
}

#[derive(Debug, Clone)]
struct Token {
    kind: Kind,
    text: String,
    at: usize,
}

fn tokenize(text: &str) -> Result<Vec<Token>, QueryError> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let start = at;
        at += 1;
        let (kind, text) = match c {
            c if c.is_whitespace() => continue,
            '(' | ')' | ',' => (Kind::Punctuation, c.to_string()),
            '=' => (Kind::Operator, "=".to_owned()),
            '!' | '<' | '>' => {
                let with_equals = chars.get(at) == Some(&'=');
                at += usize::from(with_equals);
                (
                    Kind::Operator,
                    if with_equals {
                        format!("{c}=")
                    } else {
                        c.to_string()
                    },
                )
            }
            '"' | '\'' => {
                let mut quoted = String::new();
                loop {
                    let next = *chars.get(at).ok_or(QueryError::Syntax {
                        at: chars.len(),
                        expected: "a closing quotation mark",
                    })?;
                    at += 1;
                    match next {
                        '\\' => quoted.extend(chars.get(at).inspect(|_| at += 1)),
                        next if next == c => break,
                        next => quoted.push(next),
                    }
                }
                (Kind::Quoted, quoted)
            }
            _ => {
                let ends = |c: &char| c.is_whitespace() || "(),=!<>\"'".contains(*c);
                while chars.get(at).is_some_and(|c| !ends(c)) {
                    at += 1;
                }
                (
                    Kind::Word,
                    chars.get(start..at).unwrap_or_default().iter().collect(),
                )
            }
        };
        tokens.push(Token {
            kind,
            text,
            at: start,
        });
    }
    Ok(tokens)
}

struct Parser<'a> {
    registry: &'a Registry,
    object: &'a Object,
    environment: Environment,
    tokens: Vec<Token>,
    at: usize,
    terms: usize,
}

impl Parser<'_> {
    fn any(&mut self, depth: usize) -> Result<Filter, QueryError> {
        let mut parts = vec![self.all(depth)?];
        while self.word("or") {
            parts.push(self.all(depth)?);
        }
        Ok(if parts.len() == 1 {
            parts.remove(0)
        } else {
            Filter::Or(parts)
        })
    }

    fn all(&mut self, depth: usize) -> Result<Filter, QueryError> {
        let mut parts = vec![self.part(depth)?];
        while self.word("and") {
            parts.push(self.part(depth)?);
        }
        Ok(if parts.len() == 1 {
            parts.remove(0)
        } else {
            Filter::And(parts)
        })
    }

    fn part(&mut self, depth: usize) -> Result<Filter, QueryError> {
        if depth > DEPTH_MAX {
            return Err(QueryError::TooLarge);
        }
        if self.word("not") {
            return Ok(Filter::Not(Box::new(self.part(depth + 1)?)));
        }
        if self.punctuation("(") {
            let filter = self.any(depth + 1)?;
            return if self.punctuation(")") {
                Ok(filter)
            } else {
                Err(self.missing("a closing parenthesis"))
            };
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Result<Filter, QueryError> {
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(QueryError::TooLarge);
        }
        let name = self
            .take(&Kind::Word)
            .ok_or_else(|| self.missing("a field"))?;
        let path = Path::from_text(&name.text);
        let registry = self.registry;
        let field = registry
            .resolve(self.object, &path)
            .ok_or_else(|| QueryError::UnknownField(path.to_string()))?
            .field
            .clone();
        if !field.is_filterable() {
            return Err(QueryError::NotFilterable(path.to_string()));
        }
        if self.word("is") {
            let negated = self.word("not");
            if !self.word("null") {
                return Err(self.missing("“null”"));
            }
            let filter = Filter::Empty { path };
            return Ok(if negated {
                Filter::Not(Box::new(filter))
            } else {
                filter
            });
        }
        if self.word("in") {
            return self.list(path, &field);
        }
        let comparison = self
            .operator()
            .ok_or_else(|| self.missing("a comparison"))?;
        if !comparison.suits(&field.kind) {
            return Err(QueryError::BadComparison(path.to_string()));
        }
        let value = self.value(&path, &field)?;
        Ok(Filter::Compare {
            path,
            comparison,
            value,
        })
    }

    fn list(&mut self, path: Path, field: &Field) -> Result<Filter, QueryError> {
        if !self.punctuation("(") {
            return Err(self.missing("an opening parenthesis"));
        }
        let mut values = Vec::new();
        loop {
            values.push(self.value(&path, field)?);
            if values.len() > TERMS_MAX {
                return Err(QueryError::TooLarge);
            }
            if self.punctuation(")") {
                return Ok(Filter::In { path, values });
            }
            if !self.punctuation(",") {
                return Err(self.missing("a comma or a closing parenthesis"));
            }
        }
    }

    fn value(&mut self, path: &Path, field: &Field) -> Result<Value, QueryError> {
        let token = match self.peek() {
            Some(token) if matches!(token.kind, Kind::Word | Kind::Quoted) => token.clone(),
            _ => return Err(self.missing("a value")),
        };
        self.at += 1;
        if token.kind == Kind::Word && token.text.starts_with(':') {
            return self.variable(&token, field);
        }
        let bad = |problem| QueryError::BadValue {
            field: path.to_string(),
            problem,
        };
        match (&field.kind, Value::parse(field, &token.text).map_err(bad)?) {
            (_, Value::Null) => Err(bad(crate::Problem::Required)),
            // One option is looked for among several.
            (FieldType::MultiChoice { .. }, _) => Ok(Value::Text(token.text)),
            (_, value) => Ok(value),
        }
    }

    fn variable(&self, token: &Token, field: &Field) -> Result<Value, QueryError> {
        let wrong = || QueryError::Syntax {
            at: token.at,
            expected: "“:me” for a user, or “:today±days”, “:month±months” or “:year±years” for a date",
        };
        if token.text == ":me" && field.kind.is_relation() {
            return Ok(Value::Id(self.environment.me));
        }
        let today = self.environment.today;
        let (from, unit, offset) = if let Some(offset) = token.text.strip_prefix(":today") {
            (today, Span::new().days(1), offset)
        } else if let Some(offset) = token.text.strip_prefix(":month") {
            (today.first_of_month(), Span::new().months(1), offset)
        } else if let Some(offset) = token.text.strip_prefix(":year") {
            (today.first_of_year(), Span::new().years(1), offset)
        } else {
            return Err(wrong());
        };
        let offset: i64 = if offset.is_empty() {
            0
        } else {
            offset.parse().map_err(|_| wrong())?
        };
        let date = unit
            .checked_mul(offset)
            .and_then(|span| from.checked_add(span))
            .ok()
            .filter(|date| crate::value::is_storable_date(*date))
            .ok_or_else(wrong)?;
        match field.kind {
            FieldType::Date => Ok(Value::Date(date)),
            FieldType::DateTime => date
                .to_zoned(jiff::tz::TimeZone::UTC)
                .map(|at| Value::DateTime(at.timestamp()))
                .map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }

    fn operator(&mut self) -> Option<Comparison> {
        use Comparison::{
            Contains, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual, StartsWith,
        };
        let text = self.peek()?.text.to_ascii_lowercase();
        let found = [
            Equal,
            NotEqual,
            Less,
            LessOrEqual,
            Greater,
            GreaterOrEqual,
            Contains,
            StartsWith,
        ]
        .into_iter()
        .find(|comparison| comparison.operator() == text)?;
        self.at += 1;
        Some(found)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self, kind: &Kind) -> Option<Token> {
        let token = self.peek().filter(|token| token.kind == *kind)?.clone();
        self.at += 1;
        Some(token)
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self
            .peek()
            .is_some_and(|token| token.kind == Kind::Word && token.text.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn punctuation(&mut self, text: &str) -> bool {
        let found = self
            .peek()
            .is_some_and(|token| token.kind == Kind::Punctuation && token.text == text);
        self.at += usize::from(found);
        found
    }

    fn missing(&self, expected: &'static str) -> QueryError {
        let end = self
            .tokens
            .last()
            .map_or(0, |token| token.at + token.text.chars().count());
        QueryError::Syntax {
            at: self.peek().map_or(end, |token| token.at),
            expected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Filter, QueryError> {
        let registry = Registry::standard();
        let me = "0050000000000Aa".parse().unwrap();
        let environment = Environment {
            me,
            today: date(2026, 3, 1),
        };
        parse_filter(
            &registry,
            registry.object("deal").unwrap(),
            environment,
            text,
        )
    }

    #[test]
    fn precedence_and_types() {
        let filter = parse("amount >= 1000 and (account.name startswith 'ac' or not close_date < :today+14) and owner_id = :me").unwrap();
        let Filter::And(parts) = filter else {
            panic!("expected a conjunction")
        };
        assert_eq!(
            parts[0],
            Filter::compare("amount", Comparison::GreaterOrEqual, Value::Int(100_000))
        );
        let Filter::Or(inner) = &parts[1] else {
            panic!("expected a disjunction")
        };
        assert_eq!(
            inner[1],
            Filter::Not(Box::new(Filter::compare(
                "close_date",
                Comparison::Less,
                Value::Date(date(2026, 3, 15))
            )))
        );
    }

    #[test]
    fn errors_say_where_and_what() {
        assert_eq!(
            parse("amount"),
            Err(QueryError::Syntax {
                at: 6,
                expected: "a comparison"
            })
        );
        assert_eq!(
            parse("nothing = 1"),
            Err(QueryError::UnknownField("nothing".to_owned()))
        );
        assert!(matches!(
            parse("amount = abc"),
            Err(QueryError::BadValue { .. })
        ));
        assert!(matches!(
            parse("name = \"open"),
            Err(QueryError::Syntax { .. })
        ));
        assert!(matches!(
            parse("close_date < :today-900000"),
            Err(QueryError::Syntax { .. })
        ));
        for text in [":month+999999", ":monthly", ":year-x", ":yea"] {
            assert!(matches!(
                parse(&format!("close_date < {text}")),
                Err(QueryError::Syntax { .. })
            ));
        }
        assert!(parse("amount < :month").is_err());
        assert!(matches!(parse(&"(".repeat(500)), Err(QueryError::TooLarge)));
        assert_eq!(parse(&"not ".repeat(500)), Err(QueryError::TooLarge));
    }

    #[test]
    fn a_month_and_a_year_are_those_of_the_day_it_is_read() {
        let registry = Registry::standard();
        let read = |today, value: &str| {
            let environment = Environment {
                me: "0050000000000Aa".parse().unwrap(),
                today,
            };
            let deal = registry.object("deal").unwrap();
            let text = format!("close_date < {value}");
            match parse_filter(&registry, deal, environment, &text).unwrap() {
                Filter::Compare {
                    value: Value::Date(date),
                    ..
                } => date,
                other => panic!("expected a comparison with a date, not {other:?}"),
            }
        };
        for (today, value, expected) in [
            (date(2026, 1, 31), ":month", date(2026, 1, 1)),
            (date(2026, 1, 31), ":month+1", date(2026, 2, 1)),
            (date(2026, 2, 1), ":month", date(2026, 2, 1)),
            (date(2026, 12, 31), ":month+1", date(2027, 1, 1)),
            (date(2026, 3, 31), ":month-1", date(2026, 2, 1)),
            (date(2026, 12, 31), ":year", date(2026, 1, 1)),
            (date(2028, 2, 29), ":year+1", date(2029, 1, 1)),
        ] {
            assert_eq!(read(today, value), expected, "{value} on {today}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,80}|[a-z :=<>!()'\",.0-9]{0,80}") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn parts_are_cut_where_the_outermost_and_stands() {
        let parts = |text| filter_parts(text);
        assert_eq!(
            parts("amount > 5 AND (a = 1 or b = 2) and name = \"x and y (\""),
            ["amount > 5", "(a = 1 or b = 2)", "name = \"x and y (\""]
        );
        for whole in [
            "a = 1 and b = 2 or c = 3",
            "a = 1 and",
            "name = \"open",
            "a = 1",
        ] {
            assert_eq!(parts(whole), [whole]);
        }
        assert!(parts("  ").is_empty());
    }
}
