//! Importing: the store's bulk writes by themselves, and whole files through the engine.

use std::time::Instant;

use anyhow::Context as _;
use fieldstone_model::{Change, Value, Values};
use fieldstone_store::Store as _;

use super::layers::Layers;
use super::load::Size;

/// Rows of one bulk write.
const CHUNK: u32 = 500;

/// One figure.
#[derive(Debug)]
pub(crate) struct Imported {
    /// What was done.
    pub(crate) name: &'static str,
    /// How fast.
    pub(crate) rows_per_second: f64,
}

/// Measures all ways of writing many rows, into the large tenant.
pub(crate) async fn measure(layers: &Layers, size: Size) -> anyhow::Result<Vec<Imported>> {
    Ok(vec![Imported {
        name: "bulk writes of 500 deals through the store",
        rows_per_second: bulk(layers, size).await?,
    }])
}

async fn bulk(layers: &Layers, size: Size) -> anyhow::Result<f64> {
    let store = layers.store(&layers.large()?.actor).await?;
    let begun = Instant::now();
    let chunks = size.import / CHUNK;
    for chunk in 0..chunks {
        let mut changes = Vec::new();
        for row in 0..CHUNK {
            let number = chunk * CHUNK + row;
            let id = store.new_id("deal").context("no deals")?;
            let values = Values::new()
                .with(
                    "name",
                    Value::Text(format!("Kestrel Premium upgrade {number}")),
                )
                .with("amount", Value::Int(i64::from(number) * 100))
                .with("score", Value::Int(i64::from(number)));
            changes.push(Change::Create {
                object: "deal".to_owned(),
                id,
                values,
            });
        }
        store.apply(&changes).await?;
    }
    Ok(f64::from(chunks * CHUNK) / begun.elapsed().as_secs_f64())
}
