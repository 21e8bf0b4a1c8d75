//! `watch`: it syncs by itself, lets others use the folder meanwhile, and stops when it is asked to.

use std::io::{BufRead as _, BufReader};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{Platform, first_id};

pub(super) fn it_sends_what_is_changed_meanwhile_and_stops_when_asked(platform: &Platform) {
    let device = platform.device("owner");
    let mut watch = device.start(&["watch", "--interval", "3600"]);
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || -> Value { serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap() };
    assert_eq!(next()["up_to_date"], true);
    // Another process changes a record: the watch notices, hours before it is due.
    let id = first_id(&device, "accounts");
    device.run(&["edit", &id, "city=Merseburg"]).ok();
    let synced = next();
    assert_eq!(
        (&synced["up_to_date"], &synced["pending"]),
        (&true.into(), &0.into())
    );
    kill(
        Pid::from_raw(i32::try_from(watch.id()).unwrap()),
        Signal::SIGTERM,
    )
    .unwrap();
    assert_eq!(watch.wait().unwrap().code(), Some(0));
    let lease = std::fs::read_to_string(device.home().join("lease")).unwrap();
    assert!(lease.starts_with("closed"), "{lease}");
    assert_eq!(
        device.run(&["pending"]).ok()["mutations"],
        serde_json::json!([])
    );
}

/// Ends every session of the member, as an administrator's "sign out everywhere" does.
pub(super) fn end_sessions(platform: &Platform) -> u64 {
    super::people::in_database(
        platform,
        "DELETE FROM app.session s USING app.\"user\" u WHERE u.tenant_id = s.tenant_id AND u.id = s.user_id AND u.role = 'member'",
    )
}
