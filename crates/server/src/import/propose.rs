//! Proposes what each column of a file could become: by its name in English and German, by what such columns are often called, by near
//! misses, and by what stands in it.

use fieldstone_model::{Field, FieldType, Object, Registry, fold::fold};
use fieldstone_ui::locale::{Language, Locale};
use jiff::{civil::Date, tz::TimeZone};
use strsim::jaro_winkler;

use super::{
    Peek,
    choices::{Choices, Dates, Existing},
};

/// Names as near as this are taken for the same: a letter wrong in a word.
const NEAR: f64 = 0.93;
/// Bytes of a column's name that is compared with what fields are called.
const COMPARED_MAX: usize = 255;

/// What columns are often called: object (nothing for all), field, names.
#[rustfmt::skip]
const NAMES: &[(&str, &str, &[&str])] = &[
    ("account", "name", &["company", "company name", "account", "account name", "organisation", "organization", "firma", "firmenname", "unternehmen", "kunde", "customer"]),
    ("account", "industry", &["sector", "branche", "sektor"]),
    ("account", "annual_revenue", &["revenue", "turnover", "umsatz", "jahresumsatz"]),
    ("account", "employees", &["number of employees", "headcount", "mitarbeiter", "mitarbeiterzahl", "anzahl mitarbeiter"]),
    ("account", "founded", &["year established", "established", "year founded", "gruendungsjahr", "gegruendet"]),
    ("account", "parent_id", &["parent", "parent account", "subsidiary of", "konzern", "muttergesellschaft", "mutter"]),
    ("contact", "account_id", &["company", "organisation", "organization", "firma", "unternehmen", "kunde", "customer"]),
    ("lead", "company", &["account", "organisation", "organization", "firma", "unternehmen"]),
    ("deal", "name", &["opportunity", "opportunity name", "deal", "verkaufschance", "geschaeft", "titel", "title"]),
    ("deal", "stage_id", &["stage", "deal stage", "phase", "sales stage", "verkaufsphase", "status"]),
    ("deal", "amount", &["value", "deal value", "close value", "wert", "betrag", "summe", "volumen", "auftragswert"]),
    ("deal", "close_date", &["closing date", "expected close", "close", "abschluss", "abschlussdatum"]),
    ("deal", "open_date", &["engage date", "start date", "opened", "beginn", "eroeffnet"]),
    ("deal", "account_id", &["company", "customer", "kunde", "firma", "unternehmen"]),
    ("deal", "contact_id", &["contact person", "ansprechpartner"]),
    ("product", "name", &["product", "product name", "article", "artikel", "produkt", "bezeichnung"]),
    ("product", "code", &["sku", "product code", "article number", "artikelnummer", "artikel nr"]),
    ("product", "price", &["sales price", "list price", "unit price", "preis", "listenpreis"]),
    ("product", "family", &["series", "category", "product family", "serie", "kategorie", "gruppe", "produktfamilie"]),
    ("task", "due_date", &["due", "deadline", "faellig", "faellig am", "termin"]),
    ("task", "subject", &["title", "task", "aufgabe", "titel"]),
    ("", "first_name", &["given name", "forename", "vorname"]),
    ("", "last_name", &["surname", "family name", "nachname", "familienname", "name"]),
    ("", "email", &["mail", "e mail", "email address", "e mail address", "mailadresse", "e mail adresse"]),
    ("", "phone", &["telephone", "phone number", "tel", "telefon", "telefonnummer", "festnetz"]),
    ("", "mobile", &["cell", "cell phone", "mobile phone", "handy", "mobil", "mobiltelefon"]),
    ("", "street", &["address", "street address", "address line 1", "strasse", "anschrift", "adresse"]),
    ("", "postal_code", &["zip", "zip code", "postcode", "plz", "postleitzahl"]),
    ("", "city", &["town", "ort", "stadt", "wohnort"]),
    ("", "region", &["state", "province", "county", "bundesland", "kanton"]),
    ("", "country", &["land", "nation", "office location", "location", "standort"]),
    ("", "website", &["web", "url", "homepage", "site", "internet", "webseite"]),
    ("", "job_title", &["position", "title", "function", "funktion", "titel"]),
    ("", "owner_id", &["owner", "sales agent", "sales rep", "account manager", "responsible", "besitzer", "betreuer", "verantwortlich", "vertreter"]),
    ("", "external_id", &["id", "number", "nummer", "external key", "customer number", "kundennummer", "opportunity id", "datensatz id"]),
    ("", "description", &["notes", "comment", "comments", "remarks", "beschreibung", "notizen", "bemerkung", "kommentar"]),
];

/// Letters and digits alone, folded.
fn letters(text: &str) -> String {
    fold(text)
        .replace("ae", "a")
        .replace("oe", "o")
        .replace("ue", "u")
        .replace("ss", "s")
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect()
}

/// Choices for a file, for the person to look over.
pub fn propose(
    registry: &Registry,
    object: &Object,
    peek: &Peek,
    locale: &Locale,
    may_add_fields: bool,
) -> Choices {
    let mut choices = Choices {
        dates: dates(peek, locale),
        comma: comma(peek),
        ..Choices::default()
    };
    let fields: Vec<(&Field, Vec<String>)> = object
        .writable_fields()
        .map(|field| (field, names_of(object, field)))
        .collect();
    let mut scored = Vec::new();
    for (at, column) in peek.header.iter().enumerate() {
        let column = letters(column);
        if column.is_empty() || peek.is_ambiguous(at) {
            continue;
        }
        for (place, (field, names)) in fields.iter().enumerate() {
            if let Some(score) = score(&column, names).filter(|_| fits(field, peek, at, &choices)) {
                scored.push((score, at, place));
            }
        }
    }
    // The surest first; each column and each field is given once.
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    choices.targets = vec![String::new(); peek.header.len()];
    let mut taken = vec![false; fields.len()];
    for (_, at, place) in scored {
        if let (Some(target), Some(taken), Some((field, _))) = (
            choices.targets.get_mut(at),
            taken.get_mut(place),
            fields.get(place),
        ) && target.is_empty()
            && !*taken
        {
            *taken = true;
            *target = target_of(registry, field, peek, at);
        }
    }
    if object.custom && may_add_fields {
        for (at, target) in choices.targets.iter_mut().enumerate() {
            if target.is_empty() && !peek.is_ambiguous(at) {
                *target = format!("new:{}", kind_of(peek, at, choices.dates, choices.comma));
            }
        }
    }
    fill_name(object, peek, &mut choices);
    (choices.by, choices.rule) = sameness(object, &choices.targets);
    choices
}

/// What a field is called: its API name, its labels in every language, its Salesforce name, and what people often call it.
fn names_of(object: &Object, field: &Field) -> Vec<String> {
    let mut names = vec![letters(&field.name)];
    names.extend(field.relation_name().map(letters));
    names.extend(field.salesforce.map(letters));
    for language in Language::ALL {
        names.push(letters(
            &Locale::new(language.tag(), TimeZone::UTC, "EUR").field(object, field),
        ));
    }
    for (of, name, more) in NAMES {
        if (of.is_empty() || *of == object.name) && *name == field.name {
            names.extend(more.iter().map(|name| letters(name)));
        }
    }
    if field.name == object.name_field {
        names.push(letters(&object.name));
        names.push(letters(&format!("{} name", object.name)));
    }
    names
}

/// How sure it is that a column of this name is the field of these names. Earlier names are surer.
fn score(column: &str, names: &[String]) -> Option<f64> {
    let exact = names.iter().position(|name| name == column);
    if let Some(place) = exact {
        return Some(2.0 - f64::from(u32::try_from(place).unwrap_or(99)) / 100.0);
    }
    // Comparing takes time with the length, and no field's name is as long.
    if column.len() > COMPARED_MAX {
        return None;
    }
    let near = names
        .iter()
        .filter(|name| name.len() > 3)
        .map(|name| jaro_winkler(name, column));
    near.filter(|near| *near >= NEAR).max_by(f64::total_cmp)
}

/// Whether what stands in the column could be the field's.
fn fits(field: &Field, peek: &Peek, at: usize, choices: &Choices) -> bool {
    let mut samples = peek.samples(at).take(50).peekable();
    if samples.peek().is_none() {
        return true;
    }
    match &field.kind {
        FieldType::Email => samples.any(|text| text.contains('@')),
        FieldType::Date => samples.any(|text| is_date(text, choices.dates)),
        kind if kind.scale().is_some() => {
            samples.any(|text| text.chars().any(|c| c.is_ascii_digit()))
        }
        _ => true,
    }
}

/// The column's target; a relation with where its record is looked for.
fn target_of(registry: &Registry, field: &Field, peek: &Peek, at: usize) -> String {
    let places = places(registry, field);
    if places.is_empty() {
        return field.name.to_string();
    }
    let is_mail = peek.samples(at).any(|text| text.contains('@'));
    let is_id = peek
        .samples(at)
        .next()
        .is_some_and(|text| text.parse::<fieldstone_model::RecordId>().is_ok());
    let wanted = if is_id {
        "id"
    } else if is_mail {
        "email"
    } else {
        ""
    };
    let place = places
        .iter()
        .find(|place| place.rsplit_once('.').is_some_and(|(_, by)| by == wanted))
        .or_else(|| places.first());
    place.map_or_else(
        || field.name.to_string(),
        |place| format!("{}:{place}", field.name),
    )
}

/// Where a relation's record can be looked for, the likeliest first: `account.name`, `account.external_id`, …
pub fn places(registry: &Registry, field: &Field) -> Vec<String> {
    let targets: Vec<&str> = match &field.kind {
        FieldType::Relation { to } => vec![to.as_ref()],
        FieldType::AnyRelation { to } => to.iter().map(AsRef::as_ref).collect(),
        _ => Vec::new(),
    };
    let objects = targets
        .into_iter()
        .filter_map(|target| registry.object(target));
    objects
        .flat_map(|object| {
            let by = [
                object.name_field.as_ref(),
                "email",
                "external_id",
                "code",
                "id",
            ];
            by.into_iter()
                .filter(|by| {
                    object
                        .field(by)
                        .is_some_and(|by| by.indexed && by.is_filterable())
                })
                .map(|by| format!("{}.{by}", object.name))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// The type of a field made for a column.
fn kind_of(peek: &Peek, at: usize, dates: Dates, comma: bool) -> &'static str {
    let samples: Vec<&str> = peek.samples(at).collect();
    let all =
        |test: &dyn Fn(&str) -> bool| !samples.is_empty() && samples.iter().all(|text| test(text));
    let is_number = |text: &str| {
        let bare = text.trim_start_matches('-');
        let leading_zero = bare.len() > 1
            && bare.starts_with('0')
            && !bare.starts_with("0.")
            && !bare.starts_with("0,");
        !leading_zero
            && !bare.is_empty()
            && bare
                .chars()
                .all(|c| c.is_ascii_digit() || c == '.' || (c == ',' && comma))
    };
    if all(&|text| is_date(text, dates)) {
        "date"
    } else if all(&|text| {
        text.len() < 12
            && text.chars().all(|c| c.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'))
    }) {
        "integer"
    } else if all(&is_number) {
        "decimal"
    } else if samples.iter().any(|text| text.chars().count() > 200) {
        "long_text"
    } else {
        "text"
    }
}

/// A record needs a name: where no column is one, columns that say something together make it.
fn fill_name(object: &Object, peek: &Peek, choices: &mut Choices) {
    let name = object.name_field.as_ref();
    let is_wanted = object
        .field(name)
        .is_some_and(|field| field.required && field.is_writable());
    if !is_wanted || choices.targets.iter().any(|target| target == name) {
        return;
    }
    let texts = peek.header.iter().enumerate().filter(|(at, column)| {
        let worded = peek
            .samples(*at)
            .take(20)
            .any(|text| text.chars().filter(|c| c.is_alphabetic()).count() > 2);
        let id = letters(column).ends_with("id");
        worded && !id && !peek.is_ambiguous(*at) && !column.contains(['{', '}'])
    });
    // The related record first, then whatever the file says besides.
    let mut texts: Vec<(usize, &String)> = texts.collect();
    texts.sort_by_key(|(at, _)| {
        let target = choices.targets.get(*at).map_or("", String::as_str);
        if target.starts_with("account_id") {
            0
        } else if target.starts_with("owner_id") || target.starts_with("stage_id") {
            2
        } else {
            1
        }
    });
    let parts: Vec<String> = texts
        .iter()
        .take(2)
        .map(|(_, column)| format!("{{{column}}}"))
        .collect();
    if !parts.is_empty() {
        choices.constants.insert(name.to_owned(), parts.join(" – "));
    }
}

/// What says that two records are the same, and what to do then.
fn sameness(object: &Object, targets: &[String]) -> (String, Existing) {
    let is_there = |name: &str| targets.iter().any(|target| target == name);
    let known = |name: &str| object.field(name).is_some_and(|field| field.indexed);
    for (name, rule) in [
        ("external_id", Existing::Update),
        ("email", Existing::Skip),
        ("code", Existing::Skip),
    ] {
        if is_there(name) && known(name) {
            return (name.to_owned(), rule);
        }
    }
    let name = object.name_field.as_ref();
    if is_there(name) && known(name) && matches!(object.name.as_ref(), "account" | "product") {
        return (name.to_owned(), Existing::Skip);
    }
    (String::new(), Existing::Skip)
}

/// The three numbers of a date written with these separators.
fn numbers(text: &str) -> Option<[u16; 3]> {
    let date = text.split([' ', 'T']).next()?;
    let mut parts = date.split(['.', '/', '-']).map(str::parse);
    let found = [
        parts.next()?.ok()?,
        parts.next()?.ok()?,
        parts.next()?.ok()?,
    ];
    parts.next().is_none().then_some(found)
}

fn is_date(text: &str, dates: Dates) -> bool {
    let Some([first, second, third]) = numbers(text) else {
        return false;
    };
    let is_day = |day: u16, month: u16| (1..=31).contains(&day) && (1..=12).contains(&month);
    match dates {
        _ if first > 999 => text.get(..10).unwrap_or(text).parse::<Date>().is_ok(),
        Dates::Iso => false,
        Dates::Day => is_day(first, second) && third < 2200,
        Dates::Month => is_day(second, first) && third < 2200,
    }
}

/// How the file writes dates: what is no month can only be a day.
fn dates(peek: &Peek, locale: &Locale) -> Dates {
    let (mut days, mut months, mut dotted, mut slashed) = (0_usize, 0_usize, 0_usize, 0_usize);
    for text in (0..peek.header.len()).flat_map(|at| peek.samples(at)) {
        let Some([first, second, third]) = numbers(text) else {
            continue;
        };
        if first > 31 || second > 31 || third < 1 || (100..1900).contains(&third) {
            continue;
        }
        dotted += usize::from(text.contains('.'));
        slashed += usize::from(!text.contains('.'));
        days += usize::from(first > 12);
        months += usize::from(second > 12);
    }
    match (days, months) {
        _ if dotted + slashed == 0 => Dates::Iso,
        (0, 0) if dotted == 0 && locale.tag() == "en-US" => Dates::Month,
        (days, months) if months > days && dotted < slashed => Dates::Month,
        _ => Dates::Day,
    }
}

/// Whether the file's numbers have a decimal comma.
fn comma(peek: &Peek) -> bool {
    let (mut comma, mut point) = (0_usize, 0_usize);
    for text in (0..peek.header.len()).flat_map(|at| peek.samples(at)) {
        let bare = text.trim_matches(|c: char| !c.is_ascii_digit());
        if bare.is_empty()
            || !bare
                .chars()
                .all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | ' ' | '\''))
        {
            continue;
        }
        let last = bare.rfind([',', '.']);
        let Some((at, mark)) = last.and_then(|at| Some((at, bare.get(at..=at)?))) else {
            continue;
        };
        let decimals = bare.len() - at - 1;
        let others = bare.matches(['.', ',']).count() > bare.matches(mark).count();
        // Three digits after the only mark may be thousands.
        if decimals != 3 || others {
            comma += usize::from(mark == ",");
            point += usize::from(mark == "." && numbers(text).is_none());
        }
    }
    comma > point
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposal(object: &str, rows: &[&[&str]]) -> Choices {
        let registry = Registry::standard();
        let mut rows = rows
            .iter()
            .map(|row| row.iter().map(|cell| (*cell).to_owned()).collect());
        let peek = Peek {
            header: rows.next().unwrap(),
            rows: rows.collect(),
        };
        let locale = Locale::new("en", TimeZone::UTC, "EUR");
        propose(
            &registry,
            registry.object(object).unwrap(),
            &peek,
            &locale,
            true,
        )
    }

    #[test]
    fn columns_of_a_german_file() {
        let choices = proposal(
            "contact",
            &[
                &[
                    "Vorname",
                    "Nachname",
                    "Firma",
                    "E-Mail-Adresse",
                    "Telefonnumer",
                    "PLZ",
                    "Geburtstag",
                    "Lieblingsfarbe",
                ],
                &[
                    "Änne",
                    "Groß",
                    "Möbel Maier",
                    "a@x.example",
                    "030 1",
                    "01067",
                    "31.12.1970",
                    "blau",
                ],
            ],
        );
        assert_eq!(
            choices.targets,
            [
                "first_name",
                "last_name",
                "account_id:account.name",
                "email",
                "phone",
                "postal_code",
                "birthday",
                ""
            ]
        );
        assert_eq!(
            (choices.dates, choices.comma, choices.by.as_str()),
            (Dates::Day, false, "email")
        );
    }

    #[test]
    fn a_pipeline_without_names_gets_them_from_its_columns() {
        let choices = proposal(
            "deal",
            &[
                &[
                    "opportunity_id",
                    "sales_agent",
                    "product",
                    "account",
                    "deal_stage",
                    "engage_date",
                    "close_date",
                    "close_value",
                ],
                &[
                    "1C1I7A6R",
                    "Moses Frase",
                    "GTX Plus Basic",
                    "Cancity",
                    "Won",
                    "2016-10-20",
                    "2017-03-01",
                    "1054.0",
                ],
            ],
        );
        assert_eq!(
            choices.targets,
            [
                "external_id",
                "owner_id:user.name",
                "",
                "account_id:account.name",
                "stage_id:stage.name",
                "open_date",
                "close_date",
                "amount"
            ]
        );
        assert_eq!(choices.constants["name"], "{account} – {product}");
        assert_eq!(
            (choices.by.as_str(), choices.rule),
            ("external_id", Existing::Update)
        );
        assert_eq!(choices.dates, Dates::Iso);
    }

    #[test]
    fn numbers_and_days_are_read_as_the_file_writes_them() {
        let german = proposal(
            "deal",
            &[
                &["Name", "Betrag", "Abschlussdatum"],
                &["x", "1.234,50", "03.04.2026"],
                &["y", "12,5", "04.05.2026"],
            ],
        );
        assert_eq!((german.comma, german.dates), (true, Dates::Day));
        let american = proposal(
            "deal",
            &[
                &["name", "value", "close"],
                &["x", "1,234.50", "03/14/2026"],
            ],
        );
        assert_eq!((american.comma, american.dates), (false, Dates::Month));
    }
}
