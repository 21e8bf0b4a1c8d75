//! Importing in the browser: bring a file, say which column is which, see what will happen, let it happen, take it back.
//!
//! A page never applies anything itself: the job does, in the person's name, with the rights they have then.

mod arrival;
mod bring;
mod draft;
mod failed;
mod history;
mod running;

pub(crate) use bring::{arrive, create, expect, new, part};
pub(crate) use draft::{again, choose, discard};
pub(crate) use failed::failed_rows;
pub(crate) use history::{list, undo};
pub(crate) use running::{cancel, go_on, progress};

use std::sync::Arc;

use axum::extract::State;
use fieldstone_model::{Clock, RecordId};
use fieldstone_ui::{PageError, PageResult};

use super::{Entrance, inside::Inside, path_id::PathId};
use crate::import::uploads::{State as Stage, Upload};

const PATH: &str = "/imports";

/// `GET /imports/{id}`: a draft, an import under way, or one that is done with.
pub(crate) async fn show(
    State(entrance): State<Entrance>,
    inside: Inside,
    PathId(id): PathId,
) -> PageResult {
    if id.prefix() == "0IM" {
        return history::one(&inside, id).await;
    }
    let upload = own(&inside, id).await?;
    match upload.state {
        Stage::Arriving => Err(PageError::NotFound),
        Stage::Draft => draft::page(&inside, &upload, &entrance.clock).await,
        Stage::Queued | Stage::Running => Ok(running::page(&inside, &upload)),
        Stage::Ended => match upload.run {
            Some(run) => history::one(&inside, run).await,
            None => Ok(running::stopped(&inside, &upload)),
        },
    }
}

/// One of the caller's own uploads.
async fn own(inside: &Inside, id: RecordId) -> Result<Upload, PageError> {
    inside
        .store
        .import_upload(id)
        .await?
        .ok_or(PageError::NotFound)
}

/// What tells the time, as pages pass it on.
type PageClock = Arc<dyn Clock>;
