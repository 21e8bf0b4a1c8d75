//! Making the data: a migrated cluster, filled by `load.sql`.

use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use fieldstone_model::{Field, FieldType};
use fieldstone_server::cluster::{Cluster, ClusterOptions};
use fieldstone_server::data_dir::DataDir;
use fieldstone_server::database::{DEFAULT_DATABASE, prepare};
use tokio_postgres::{Config, NoTls};

const LOAD: &str = include_str!("load.sql");

/// How much data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Small tenants.
    pub(crate) tenants: u32,
    /// Deals of a small tenant.
    pub(crate) deals: u32,
    /// Deals of the large tenant.
    pub(crate) large: u32,
    /// Rows imported.
    pub(crate) import: u32,
    /// Records of a person with a device.
    pub(crate) field: u32,
}

impl Size {
    /// What the figures are about.
    pub(crate) const FULL: Self = Self {
        tenants: 1_000,
        deals: 1_000,
        large: 1_000_000,
        import: 50_000,
        field: 100_000,
    };
    /// Enough to see that everything runs.
    pub(crate) const QUICK: Self = Self {
        tenants: 100,
        deals: 1_000,
        large: 100_000,
        import: 5_000,
        field: 10_000,
    };
}

/// Fills `folder` unless it was filled completely before.
pub(crate) async fn load(folder: &Path, size: Size) -> anyhow::Result<()> {
    let data_dir = DataDir::open(folder)?;
    let _lock = data_dir.lock()?;
    let cluster = Cluster::start_with(&data_dir, &ClusterOptions::DURABLE).await?;
    let mut admin = cluster.admin_config();
    admin.dbname(DEFAULT_DATABASE);
    let filled = fill(&data_dir, &admin, size).await;
    cluster.stop().await?;
    filled
}

async fn fill(data_dir: &DataDir, admin: &Config, size: Size) -> anyhow::Result<()> {
    prepare(admin, &data_dir.role_passwords()?).await?;
    let (client, connection) = admin.connect(NoTls).await?;
    let driven = tokio::spawn(connection);
    let is_loaded = client
        .query_one("SELECT to_regclass('bench.loaded') IS NOT NULL", &[])
        .await?;
    if is_loaded.try_get(0)? {
        return Ok(());
    }
    let begun = Instant::now();
    eprintln!(
        "Loading {} × {} and {} deals …",
        size.tenants, size.deals, size.large
    );
    let mut field = Field::new(1000, "score", FieldType::Integer);
    field.label = Some("Score".to_owned());
    (field.indexed, field.custom) = (true, true);
    let facts = serde_json::to_string(&field)?;
    let settings = [
        ("bench.tenants", size.tenants.to_string()),
        ("bench.deals", size.deals.to_string()),
        ("bench.large", size.large.to_string()),
        ("bench.facts", facts),
    ];
    for (name, value) in &settings {
        client
            .execute("SELECT set_config($1, $2, false)", &[name, value])
            .await?;
    }
    client.batch_execute(LOAD).await.context("loading")?;
    client.batch_execute("VACUUM (ANALYZE)").await?;
    client.batch_execute("CHECKPOINT").await?;
    eprintln!("Loaded in {:.0} s.", begun.elapsed().as_secs_f64());
    drop(client);
    driven.await??;
    Ok(())
}
