//! Counts the requests whose answers are still being made or sent, so that a server told to stop knows when it may.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use tokio::sync::watch;

/// The requests in progress.
#[derive(Debug)]
pub(super) struct InFlight {
    /// Every request holds a receiver until its answer is sent.
    requests: watch::Sender<()>,
}

impl InFlight {
    pub(super) fn new() -> Self {
        Self {
            requests: watch::Sender::new(()),
        }
    }

    /// One more.
    pub(super) fn begin(&self) -> Request {
        Request(self.requests.subscribe())
    }

    /// Resolves when none is left.
    pub(super) async fn done(&self) {
        self.requests.closed().await;
    }
}

/// One request in progress, for as long as the value lives.
#[derive(Debug)]
pub(super) struct Request(#[expect(dead_code, reason = "held for its end")] watch::Receiver<()>);

impl Request {
    /// Makes the request last as long as the answer's body.
    pub(super) fn until_sent(self, body: Body) -> Body {
        Body::new(Counted {
            body,
            _request: self,
        })
    }
}

struct Counted {
    body: Body,
    _request: Request,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_request_lasts_until_its_answer_is_sent() {
        let in_flight = InFlight::new();
        assert!(in_flight.done().now_or_never().is_some());
        let request = in_flight.begin();
        assert!(in_flight.done().now_or_never().is_none());
        let body = request.until_sent(Body::from("answer"));
        assert!(in_flight.done().now_or_never().is_none());
        assert_eq!(axum::body::to_bytes(body, 100).await.unwrap(), "answer");
        assert!(in_flight.done().now_or_never().is_some());
    }
}
