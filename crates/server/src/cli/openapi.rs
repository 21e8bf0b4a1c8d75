//! `fieldstone openapi`: prints the description of the API.

use clap::Args;

use super::{failure::Failure, output::say};
use crate::api::openapi_document;

/// Print the OpenAPI description of the API
#[derive(Debug, Args)]
pub(super) struct OpenApi;

impl OpenApi {
    #[expect(clippy::unused_self, reason = "every command is run the same way")]
    pub(super) fn run(self) -> Result<(), Failure> {
        let document = openapi_document();
        let text = serde_json::to_string_pretty(&document)
            .map_err(|error| Failure::new(format!("The description can't be written: {error}")))?;
        say(&text)
    }
}
