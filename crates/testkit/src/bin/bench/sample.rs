//! Who asks and for what: the loaded tenants, and some deals of each.

use anyhow::Context as _;
use fieldstone_model::{RecordId, Role};
use fieldstone_server::database::Actor;
use tokio_postgres::Client;

/// One loaded tenant.
#[derive(Debug)]
pub(crate) struct Tenant {
    /// Its owner, by their API token.
    pub(crate) actor: Actor,
    /// The secret of that token.
    pub(crate) token: String,
    /// Some of its deals.
    pub(crate) deals: Vec<Deal>,
}

/// A deal that is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deal {
    /// Its id.
    pub(crate) id: RecordId,
    /// Its amount, in cents.
    pub(crate) amount: i64,
    /// Its custom field.
    pub(crate) score: i64,
}

/// Random numbers, the same in every run (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// One of these.
    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> anyhow::Result<&'a T> {
        let count = u64::try_from(from.len())?.max(1);
        from.get(usize::try_from(self.next() % count)?)
            .context("nothing to choose from")
    }
}

/// All loaded tenants, the large one first.
pub(crate) async fn tenants(admin: &Client) -> anyhow::Result<Vec<Tenant>> {
    let mut tenants = Vec::new();
    let rows = admin
        .query(
            "SELECT t.tenant_id, t.user_id, t.token, a.id, u.member_version FROM bench.tenant t \
             JOIN app.api_token a ON a.tenant_id = t.tenant_id JOIN app.\"user\" u ON u.tenant_id = t.tenant_id AND u.id = t.user_id ORDER BY t.n",
            &[],
        )
        .await?;
    for row in &rows {
        let id =
            |at: usize| -> anyhow::Result<RecordId> { Ok(row.try_get::<_, &str>(at)?.parse()?) };
        let actor = Actor {
            tenant: id(0)?,
            user: id(1)?,
            role: Role::Owner,
            member_version: row.try_get(4)?,
            credential: Some(id(3)?),
        };
        tenants.push(Tenant {
            actor,
            token: row.try_get(2)?,
            deals: Vec::new(),
        });
    }
    for row in &admin
        .query(
            "SELECT n, id, amount, score FROM bench.sample ORDER BY n, id",
            &[],
        )
        .await?
    {
        let tenant = tenants
            .get_mut(usize::try_from(row.try_get::<_, i64>(0)?)?)
            .context("a deal of an unknown tenant")?;
        tenant.deals.push(Deal {
            id: row.try_get::<_, &str>(1)?.parse()?,
            amount: row.try_get(2)?,
            score: row.try_get(3)?,
        });
    }
    Ok(tenants)
}

/// Who sees less than all of the large tenant, by name; `deals` are some of its deals.
pub(crate) async fn askers(
    admin: &Client,
    deals: &[Deal],
) -> anyhow::Result<Vec<(String, Tenant)>> {
    let sql = "SELECT k.name, k.tenant_id, k.user_id, k.token, a.id, u.member_version FROM bench.asker k \
        JOIN app.api_token a ON a.tenant_id = k.tenant_id AND a.user_id = k.user_id \
        JOIN app.\"user\" u ON u.tenant_id = k.tenant_id AND u.id = k.user_id";
    let rows = admin.query(sql, &[]).await?;
    let read = |row: &tokio_postgres::Row| {
        let id =
            |at: usize| -> anyhow::Result<RecordId> { Ok(row.try_get::<_, &str>(at)?.parse()?) };
        let actor = Actor {
            tenant: id(1)?,
            user: id(2)?,
            role: Role::Member,
            member_version: row.try_get(5)?,
            credential: Some(id(4)?),
        };
        let tenant = Tenant {
            actor,
            token: row.try_get(3)?,
            deals: deals.to_vec(),
        };
        Ok((row.try_get(0)?, tenant))
    };
    rows.iter().map(read).collect()
}
