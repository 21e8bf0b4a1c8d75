//! The embedded database under a server: started, and started again when it ends although nobody told it to.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::failure::Failure;
use crate::cluster::{Cluster, ClusterError};
use crate::data_dir::DataDir;
use crate::room::Room;

/// Starts the database, with the command that takes its log away where backups are made.
pub(super) async fn start(
    data_dir: &DataDir,
    archive: Option<&str>,
) -> Result<Cluster, ClusterError> {
    match archive {
        Some(command) => Cluster::start_archiving(data_dir, command).await,
        None => Cluster::start(data_dir).await,
    }
}

/// Starts the database again whenever it has ended: at once, or as soon as there is room on its disk. Until then requests are told to wait.
/// Returns when that would mend nothing, since it can't be started or has ended too often of late.
pub(super) async fn keep_running(
    cluster: &mut Cluster,
    data_dir: &DataDir,
    archive: Option<&str>,
) -> Failure {
    let mut ends = RecentEnds::default();
    loop {
        let ended = cluster.ended().await;
        let room = Room::of(&[data_dir.inside()]);
        if !room.is_left() {
            tracing::error!(
                "The disk is full, and the database has ended. It is started again as soon as there is room; what was acknowledged is safe"
            );
            match start_with_room(&room, data_dir, archive).await {
                Ok(again) => *cluster = again,
                Err(failure) => return failure,
            }
            tracing::info!("There is room again, and the database runs");
            continue;
        }
        let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
        let log = data_dir.log();
        let log = log.display();
        if ends.are_too_many(Instant::now()) {
            return Failure::new(format!(
                "The database ended unexpectedly ({how}), again and again; its log is in {log}."
            ));
        }
        tracing::error!(
            "The database ended unexpectedly ({how}) and is started again; its log is in {log}"
        );
        match start(data_dir, archive).await {
            Ok(again) => *cluster = again,
            Err(error) => return error.into(),
        }
        tracing::info!("The database runs again; what was acknowledged is there");
    }
}

/// Starts the database once there is room for it.
async fn start_with_room(
    room: &Room,
    data_dir: &DataDir,
    archive: Option<&str>,
) -> Result<Cluster, Failure> {
    const EVERY: Duration = Duration::from_secs(1);
    loop {
        tokio::time::sleep(EVERY).await;
        if !room.is_left() {
            continue;
        }
        match start(data_dir, archive).await {
            Ok(again) => return Ok(again),
            Err(error) if room.is_left() => return Err(error.into()),
            Err(error) => tracing::warn!("{error}"),
        }
    }
}

/// When the database ended of late: one that can't live is not started for ever.
#[derive(Default)]
struct RecentEnds(VecDeque<Instant>);

impl RecentEnds {
    const MOST: usize = 5;
    const WITHIN: Duration = Duration::from_mins(5);

    /// Whether it has ended too often, with this time.
    fn are_too_many(&mut self, now: Instant) -> bool {
        self.0.retain(|end| now.duration_since(*end) < Self::WITHIN);
        self.0.push_back(now);
        self.0.len() > Self::MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_ends_again_and_again_is_given_up() {
        let (mut ends, begun) = (RecentEnds::default(), Instant::now());
        let after = |minutes| begun + Duration::from_mins(minutes);
        for minute in [0, 1, 1, 2, 2] {
            assert!(!ends.are_too_many(after(minute)));
        }
        assert!(ends.are_too_many(after(3)));
        // Those of long ago no longer count.
        assert!(!ends.are_too_many(after(7)));
    }
}
