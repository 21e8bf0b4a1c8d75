//! Files in the object store, part by part: each is sealed anew in its place.

use super::{Change, KeyError, Sealed};
use crate::attachments::{Object, ObjectStorage, StorageError};

/// Parts looked up at once.
const AT_ONCE: i64 = 500;

const PARTS: &str = "SELECT p.id, p.number, p.object FROM (
        SELECT c.tenant_id, c.content_id AS id, c.number, c.object FROM app.content_part c
        UNION ALL SELECT i.tenant_id, i.upload_id, i.number, i.object FROM app.import_part i WHERE i.object IS NOT NULL) p
    WHERE p.tenant_id = $1 AND (p.id, p.number) > ($2, $3) ORDER BY p.id, p.number LIMIT $4";

impl Change<'_> {
    /// Looks at the head of every part, and seals those anew that need it. A part that has gone meanwhile needs nothing.
    pub(super) async fn seal_objects(
        &self,
        objects: &ObjectStorage,
        sealed: &mut Sealed,
        progress: &mut (dyn FnMut(Sealed) + Send),
    ) -> Result<(), KeyError> {
        let tenant = self.tenant.as_str();
        let mut after = (String::new(), -1);
        loop {
            let rows = self
                .owner
                .query(PARTS, &[&tenant, &after.0, &after.1, &AT_ONCE])
                .await?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = (last.try_get(0)?, last.try_get(1)?);
            for row in &rows {
                let number: i32 = row.try_get(1)?;
                let object = Object {
                    tenant,
                    attachment: row.try_get(0)?,
                    name: row.try_get(2)?,
                    number: number.unsigned_abs(),
                };
                match objects.seal_anew(&object).await {
                    Ok(true) => sealed.objects += 1,
                    Ok(false)
                    | Err(StorageError::Unusable(object_store::Error::NotFound { .. })) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            progress(*sealed);
        }
    }
}
