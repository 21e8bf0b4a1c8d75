//! Figures of roll-ups: worked out when records are read, for a page of them at once, over what the reader may see.

use std::collections::HashMap;

use fieldstone_model::{
    Filter, Object, Path, Record, Registry, RollUp, Value, query::Environment, roll_up::Checked,
};
use jiff::{Timestamp, tz::TimeZone};

use crate::{Aggregate, Function, Store, StoreError};

/// Places and roll-ups of those columns that are one. A column of another record (`account.open_deals`) is none.
fn wanted<'a>(object: &'a Object, record: &Record) -> Vec<(usize, &'a RollUp)> {
    let columns = record.columns.iter().enumerate();
    columns
        .filter_map(|(at, column)| {
            let field = object.field(&column.name)?;
            Some((at, field.roll_up.as_deref()?))
        })
        .collect()
}

/// Fills in the roll-ups among the columns of `records`, which are of one object and have the same columns.
///
/// One aggregate for each roll-up. A figure over what the reader doesn't see is none.
pub async fn fill<S: Store>(
    store: &S,
    registry: &Registry,
    object: &str,
    now: Timestamp,
    records: &mut [Record],
) -> Result<(), StoreError> {
    let (Some(object), Some(first)) = (registry.object(object), records.first()) else {
        return Ok(());
    };
    let wanted = wanted(object, first);
    if wanted.is_empty() {
        return Ok(());
    }
    // Most reads want none: the others' state isn't carried along by all.
    Box::pin(fill_these(store, registry, object, now, &wanted, records)).await
}

async fn fill_these<S: Store>(
    store: &S,
    registry: &Registry,
    object: &Object,
    now: Timestamp,
    wanted: &[(usize, &RollUp)],
    records: &mut [Record],
) -> Result<(), StoreError> {
    let ids: Vec<Value> = records.iter().map(|record| Value::Id(record.id)).collect();
    let environment = Environment {
        me: store.user().id,
        today: now.to_zoned(TimeZone::UTC).date(),
    };
    for (at, roll_up) in wanted {
        let checked = roll_up.check(registry, &object.name, environment).ok();
        let Some(figures) = figures(store, checked, &ids).await? else {
            continue;
        };
        // No record to count is none; nothing to sum up is nothing.
        let nothing = if roll_up.sum.is_none() {
            Value::Int(0)
        } else {
            Value::Null
        };
        for record in &mut *records {
            let figure = figures.get(&Value::Id(record.id)).unwrap_or(&nothing);
            if let Some(place) = record.values.get_mut(*at) {
                *place = figure.clone();
            }
        }
    }
    Ok(())
}

/// The figure of each record that has one; none of them when the reader doesn't see what it is made of.
async fn figures<S: Store>(
    store: &S,
    checked: Option<Checked<'_>>,
    ids: &[Value],
) -> Result<Option<HashMap<Value, Value>>, StoreError> {
    let Some(Checked {
        object,
        by,
        sum,
        filter,
    }) = checked
    else {
        return Ok(None);
    };
    let of_these = Filter::In {
        path: Path::from_text(&by.name),
        values: ids.to_vec(),
    };
    let aggregate = Aggregate::new(object.name.clone())
        .filter(of_these)
        .filter(filter)
        .group(&by.name, None);
    let aggregate = match sum {
        Some(field) => aggregate.measure(Function::Sum, &field.name),
        None => aggregate.count(),
    };
    let rows = store.aggregate(&aggregate).await?;
    let figure = |row: crate::AggregateRow| {
        Some((
            row.keys.into_iter().next()?,
            row.figures.into_iter().next()?,
        ))
    };
    Ok(Some(rows.into_iter().filter_map(figure).collect()))
}
