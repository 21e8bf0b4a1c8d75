//! One page as the app shows it, printed: what scripts and people look at without the app's window.

use std::path::Path;

use serde_json::json;

use super::{Failure, arguments::PageWish, output::Output, with_records};
use crate::pages;

pub(super) async fn page(home: &Path, what: PageWish, output: &Output) -> Result<(), Failure> {
    let page = with_records(home, async |device| {
        Ok(pages::show(device, &what.path).await?)
    })
    .await?;
    output.page(
        &json!({ "path": page.path, "status": page.status, "html": page.html }),
        &page.html,
    )?;
    if page.status < 400 {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "The page {} answered with status {}.",
            page.path, page.status
        )))
    }
}
