//! Figures of roll-ups: worked out when records are read, for a page of them at once, over what the reader may see.

use std::collections::HashMap;
use std::future::Future;

use fieldstone_model::{
    Filter, Object, Path, Record, Registry, RollUp, Value, query::Environment, roll_up::Checked,
};
use jiff::civil::Date;

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
/// One aggregate for each roll-up. A figure over what the reader doesn't see is none, and so is one that can't be had: the records are shown all
/// the same. `today` is the reader's, and asked for where there are roll-ups alone.
pub async fn fill<S: Store>(
    store: &S,
    registry: &Registry,
    object: &str,
    today: impl Future<Output = Result<Date, StoreError>> + Send,
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
    Box::pin(async {
        let environment = Environment {
            me: store.user().id,
            today: today.await?,
        };
        fill_these(store, registry, object, environment, &wanted, records).await
    })
    .await
}

async fn fill_these<S: Store>(
    store: &S,
    registry: &Registry,
    object: &Object,
    environment: Environment,
    wanted: &[(usize, &RollUp)],
    records: &mut [Record],
) -> Result<(), StoreError> {
    let ids: Vec<Value> = records.iter().map(|record| Value::Id(record.id)).collect();
    for (at, roll_up) in wanted {
        let checked = roll_up.check(registry, &object.name, environment).ok();
        let figures = figures(store, checked, &ids).await;
        let Some(figures) = had(figures, &object.name)? else {
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

/// What there is to show. Only what is wrong with the whole request is passed on.
fn had<T>(figures: Result<Option<T>, StoreError>, object: &str) -> Result<Option<T>, StoreError> {
    match figures {
        Err(error @ (StoreError::SessionEnded | StoreError::SchemaChanged)) => Err(error),
        Err(error) => {
            tracing::warn!(object, %error, "a roll-up could not be worked out");
            Ok(None)
        }
        figures => figures,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_figure_that_fails_leaves_the_others() {
        let shown = |error| had::<()>(Err(error), "account");
        assert!(matches!(shown(StoreError::Busy), Ok(None)));
        assert!(matches!(shown(StoreError::internal("no number")), Ok(None)));
        assert!(matches!(shown(StoreError::Denied), Ok(None)));
        // The request is to be made anew, or not at all.
        assert!(shown(StoreError::SessionEnded).is_err());
        assert!(shown(StoreError::SchemaChanged).is_err());
    }
}
