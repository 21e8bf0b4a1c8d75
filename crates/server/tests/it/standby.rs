//! A database that only follows another one: never served from, and passed over where its primary is named too.

use std::fs;

use fieldstone_testkit::{Standby, free_port};

use crate::external::{External, private_file, sentence};

#[tokio::test]
async fn a_standby_is_never_served_from() {
    let external = External::start().await;
    let listen = free_port();
    let config = external.configure(listen);
    external.migrate(&config);

    let (primary, second) = (external.port(), free_port());
    let _standby = Standby::follow(
        &external.data_dir(),
        primary,
        &[("port", &second.to_string())],
    );
    let text = fs::read_to_string(&config).unwrap();
    let here = format!("localhost:{primary}/");

    let to_standby = external.path("standby.toml");
    private_file(
        &to_standby,
        &text.replace(&here, &format!("localhost:{second}/")),
    );
    let refused = external.run(&["serve"], &to_standby);
    assert_eq!(refused.status.code(), Some(1), "{}", sentence(&refused));
    let said = sentence(&refused);
    assert!(said.contains("only follows another one"), "{said}");

    // Both are named, the standby first: the primary serves.
    let both = external.path("both.toml");
    let hosts = format!("localhost:{second},localhost:{primary}/");
    private_file(&both, &text.replace(&here, &hosts));
    let mut serving = external.serve(&both);
    external.ready(&mut serving, listen).await;
    let served = external
        .ask("SELECT (count(*) > 0)::text FROM pg_stat_activity WHERE usename = 'fieldstone_app'")
        .await;
    assert_eq!(served, "true", "from the primary");
}
