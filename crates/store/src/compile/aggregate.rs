//! Figures over groups of records.

use fieldstone_model::{
    Registry,
    query::{Presence, QueryError},
};

use super::{
    Dialect, Sql, Writer,
    filter::write_where,
    source::{Place, Source},
    totals::Totals,
};
use crate::{Aggregate, Bucket, Function, Scope};

/// The statement of an aggregate over the scope's records. A row is: one value for each grouping, then one figure for each measure.
///
/// Texts are grouped by what they compare by and shown as one of the spellings found. Groups without a value come last. PostgreSQL
/// answers sums as text, and what it keeps totals of from these.
pub fn compile_aggregate(
    dialect: Dialect,
    registry: &Registry,
    aggregate: &Aggregate,
    scope: &Scope,
) -> Result<Sql, QueryError> {
    let root = aggregate.check(registry)?;
    let totals = Totals::of(dialect, root, aggregate);
    let mut source = Source::new(registry, root, scope);
    let groups = aggregate
        .groups
        .iter()
        .map(|group| {
            source
                .place_shown(&group.path)
                .map(|place| (place, group.bucket))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut sql = Writer::new(dialect);
    sql.push("SELECT ");
    let mut first = true;
    for (at, (place, bucket)) in groups.iter().enumerate() {
        separate(&mut sql, &mut first);
        if place.field.kind.is_folded() {
            sql.push("min(");
            place.write_value(&mut sql);
            sql.push(")");
        } else {
            write_group_key(&mut sql, place, *bucket, at);
        }
    }
    for measure in &aggregate.measures {
        separate(&mut sql, &mut first);
        match &measure.path {
            _ if totals.is_some() => Totals::write_measure(&mut sql, measure),
            None => {
                sql.push("count(*)");
            }
            Some(path) => {
                let place = source.place_shown(path)?;
                write_measure(&mut sql, &place, measure.function);
            }
        }
    }
    if first {
        sql.push("NULL");
    }
    let mut rest = Writer::new(dialect);
    write_where(
        &mut rest,
        &mut source,
        &aggregate.filter,
        &[],
        // Totals are of those that are there.
        if totals.is_some() {
            Presence::All
        } else {
            Presence::Living
        },
    )?;
    match totals {
        Some(totals) => totals.write_root(&mut sql, &mut rest),
        None => source.write_root(&mut sql),
    }
    source.write_joins(&mut sql);
    for (at, (place, _)) in groups
        .iter()
        .enumerate()
        .filter(|(_, (place, _))| place.field.custom)
    {
        place.write_key_join(&mut sql, &format!("g{at}"));
    }
    sql.push(&rest.text);
    if !groups.is_empty() {
        let keys: Vec<String> = groups
            .iter()
            .enumerate()
            .map(|(at, (place, bucket))| {
                let mut key = Writer::new(dialect);
                write_group_key(&mut key, place, *bucket, at);
                key.text
            })
            .collect();
        sql.push(" GROUP BY ").push(&keys.join(", "));
        if totals.is_some() {
            sql.push(" HAVING sum(t.records) > 0");
        }
        sql.push(" ORDER BY ")
            .push(&keys.join(" NULLS LAST, "))
            .push(" NULLS LAST");
    }
    sql.push(" LIMIT ").push(&aggregate.limit.to_string());
    Ok(Sql {
        text: sql.text,
        params: rest.params,
    })
}

fn separate(sql: &mut Writer, first: &mut bool) {
    if !std::mem::take(first) {
        sql.push(", ");
    }
}

fn write_group_key(sql: &mut Writer, place: &Place<'_>, bucket: Option<Bucket>, at: usize) {
    let mut key = Writer::new(sql.dialect);
    if place.field.custom {
        key.push("g")
            .push(&at.to_string())
            .push(".")
            .push(place.key_column());
    } else {
        place.write_key(&mut key);
    }
    let is_instant = matches!(place.field.kind, fieldstone_model::FieldType::DateTime);
    match (bucket, sql.dialect) {
        (None, _) => sql.push(&key.text),
        (Some(bucket), Dialect::Postgres) => {
            let unit = if bucket == Bucket::Month {
                "month"
            } else {
                "year"
            };
            let value = match (place.field.custom, is_instant) {
                (true, true) => format!(
                    "timestamp 'epoch' + {} * interval '1 microsecond'",
                    key.text
                ),
                (true, false) => format!("date '1970-01-01' + {}::integer", key.text),
                (false, true) => format!("{} AT TIME ZONE 'UTC'", key.text),
                (false, false) => key.text,
            };
            sql.push("date_trunc('")
                .push(unit)
                .push("', (")
                .push(&value)
                .push(")::timestamp)::date")
        }
        (Some(bucket), Dialect::Sqlite) => {
            // Division cuts towards zero, which before 1970 is the next second.
            let seconds = if is_instant {
                format!("({0} - 999999 * ({0} < 0)) / 1000000", key.text)
            } else {
                format!("{} * 86400", key.text)
            };
            let unit = if bucket == Bucket::Month {
                "month"
            } else {
                "year"
            };
            sql.push("unixepoch(")
                .push(&seconds)
                .push(", 'unixepoch', 'start of ")
                .push(unit)
                .push("') / 86400")
        }
    };
}

fn write_measure(sql: &mut Writer, place: &Place<'_>, function: Function) {
    let name = match function {
        Function::Count => "count(",
        Function::Sum => "sum(",
        Function::Min => "min(",
        Function::Max => "max(",
    };
    // SQLite fails where a sum leaves the range of integers: halves that can't are put together by `sum_of_halves`.
    if function == Function::Sum && sql.dialect == Dialect::Sqlite {
        let mut value = Writer::new(sql.dialect);
        write_measured(&mut value, place);
        let value = value.text;
        sql.push(&format!(
            "sum({value} / {HALF}) || ' ' || sum({value} % {HALF})"
        ));
        return;
    }
    sql.push(name);
    write_measured(sql, place);
    sql.push(")");
    // PostgreSQL sums integers as numeric, which may be more than a bigint: see `sum_figure`.
    if function == Function::Sum {
        sql.push("::text");
    }
}

/// What a number is cut at to be summed in halves.
const HALF: i128 = 1_000_000_000;

/// A sum that SQLite answered in halves.
pub fn sum_of_halves(halves: &str) -> Option<i128> {
    let (high, low) = halves.split_once(' ')?;
    let high: i128 = high.parse().ok()?;
    let low: i128 = low.parse().ok()?;
    Some(high * HALF + low)
}

fn write_measured(sql: &mut Writer, place: &Place<'_>) {
    if place.field.custom {
        // A custom number, date or instant has one key; the sub-select is a look-up in its primary key.
        sql.push("(SELECT m.")
            .push(place.key_column())
            .push(" FROM ")
            .table("field_value")
            .push(" m WHERE ");
        place.write_key_row(sql, "m");
        sql.push(" LIMIT 1)");
    } else {
        place.write_key(sql);
    }
}
