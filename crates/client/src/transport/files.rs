//! The content of attachments, to the platform and from it.

use fieldstone_model::RecordId;
use reqwest::{
    Method, Response,
    header::{ACCEPT, CONTENT_TYPE, RANGE},
};
use serde::de::DeserializeOwned;

use super::{Transport, TransportError, body_of, refuse_json};

/// Where the content of an attachment is, below the platform's origin.
fn address(id: RecordId, what: &str) -> String {
    format!("/api/v1/records/attachment/{id}/{what}")
}

impl Transport {
    /// Announces the content of an attachment, or goes on with it; how the upload stands.
    pub(crate) async fn announce_file<T: DeserializeOwned>(
        &self,
        id: RecordId,
        announcement: &serde_json::Value,
    ) -> Result<T, TransportError> {
        let request = self
            .request(Method::POST, &address(id, "upload"))?
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json")
            .body(announcement.to_string());
        let response = request.send().await.map_err(TransportError::connection)?;
        let bytes = body_of(refuse_json(response).await?).await?;
        serde_json::from_slice(&bytes).map_err(|_| TransportError::Unexpected)
    }

    /// Sends one part.
    pub(crate) async fn put_file_part(
        &self,
        id: RecordId,
        number: u32,
        part: Vec<u8>,
    ) -> Result<(), TransportError> {
        let request = self
            .request(Method::PUT, &address(id, &format!("upload/parts/{number}")))?
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(part);
        let response = request.send().await.map_err(TransportError::connection)?;
        refuse_json(response).await.map(drop)
    }

    /// Says that all parts were sent.
    pub(crate) async fn complete_file(&self, id: RecordId) -> Result<(), TransportError> {
        let request = self
            .request(Method::POST, &address(id, "upload/completion"))?
            .header(CONTENT_TYPE, "application/json")
            .body("{}");
        let response = request.send().await.map_err(TransportError::connection)?;
        refuse_json(response).await.map(drop)
    }

    /// The content of an attachment from byte `start` on.
    pub(crate) async fn file_content(
        &self,
        id: RecordId,
        start: u64,
    ) -> Result<Response, TransportError> {
        let request = self
            .request(Method::GET, &address(id, "content"))?
            .header(RANGE, format!("bytes={start}-"));
        let response = request.send().await.map_err(TransportError::connection)?;
        let response = refuse_json(response).await?;
        let is_from_start = response
            .headers()
            .get("content-range")
            .and_then(|range| range.to_str().ok())
            .is_some_and(|range| range.starts_with(&format!("bytes {start}-")));
        if is_from_start {
            Ok(response)
        } else {
            Err(TransportError::Unexpected)
        }
    }
}
