//! F1–F12, as far as the platform can see them: what it does for devices. What a device does is seen on the device.

use super::{Check, Seen, Subject, pass, transport, unseen};
use crate::database::connect;

/// Each claim of the field app.
pub(super) async fn checks(subject: &Subject) -> Vec<Check> {
    let on_device = |what: &str| unseen(format!("seen on a device: {what}"));
    vec![
        Check::new("F1", on_device("which edition it runs")),
        Check::new(
            "F2",
            on_device(
                "which addresses it talks to; this platform is one of them and asks nobody else",
            ),
        ),
        Check::new("F3", on_device("which system of record it was pointed at")),
        Check::new("F4", over_the_air(subject).await),
        Check::new("F5", scopes(subject).await),
        Check::new(
            "F6",
            on_device("`fieldstone-device status` says how its database is encrypted"),
        ),
        Check::new("F7", on_device("its key is made there and never sent")),
        Check::new("F8", logins(subject).await),
        Check::new("F9", on_device("which keystore holds its key")),
        Check::new("F10", on_device("what its guard looks for")),
        Check::new("F11", on_device("what its guard does")),
        Check::new(
            "F12",
            on_device("`./x dist` measures what can be read in the released program"),
        ),
    ]
}

/// The platform's side of F4 is P1: a device is let in by the same door.
async fn over_the_air(subject: &Subject) -> Seen {
    let super::Pass(seen) = transport::tls(subject).await?;
    pass(format!("the platform's side: {seen}"))
}

/// The platform's side of F5: what devices were served is known, and who has which cursor.
async fn scopes(subject: &Subject) -> Seen {
    let owner = connect(&subject.owner).await?;
    let row = owner
        .query_one("SELECT (SELECT count(*) FROM app.sync_device WHERE revoked_at IS NULL), (SELECT count(*) FROM app.sync_cursor)", &[])
        .await?;
    let (devices, cursors): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    if devices == 0 {
        return unseen("no device has synchronised with this platform yet");
    }
    pass(format!(
        "the platform's side: {devices} devices, {cursors} positions kept for them"
    ))
}

/// The platform's side of F8: what was kept sealed opens only here, and a login key belongs to one login.
async fn logins(subject: &Subject) -> Seen {
    let owner = connect(&subject.owner).await?;
    let row = owner
        .query_one(
            "SELECT count(login_key), count(DISTINCT (tenant_id, login_key)) FROM app.sync_device WHERE login_key IS NOT NULL",
            &[],
        )
        .await?;
    let (keys, distinct): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    if keys == 0 {
        return unseen(
            "seen on a device: what is left of a login; no login has registered a key here yet",
        );
    }
    if keys != distinct {
        return super::fail(format!("{} logins share a key", keys - distinct));
    }
    pass(format!(
        "the platform's side: {keys} logins, each with a key of its own"
    ))
}
