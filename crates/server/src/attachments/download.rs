//! Downloads: all of an attachment's content or a range of it, opened part by part as it is sent.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use fieldstone_model::RecordId;
use futures_util::{StreamExt as _, stream};
use http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::storage::Object;
use super::{ObjectStorage, StorageError, Upload};

/// Everything but `attr-char` (RFC 8187).
const NAME: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'%')
    .add(b'\'')
    .add(b'(')
    .add(b')')
    .add(b'*')
    .add(b',')
    .add(b'/')
    .add(b':')
    .add(b';')
    .add(b'<')
    .add(b'=')
    .add(b'>')
    .add(b'?')
    .add(b'@')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'{')
    .add(b'}');

/// Bytes of a content: from the first to before the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub start: u64,
    /// The one after the last.
    pub end: u64,
}

/// Content that is there.
#[derive(Debug, Clone)]
pub struct Download {
    objects: ObjectStorage,
    tenant: String,
    attachment: RecordId,
    upload: Upload,
}

impl Download {
    pub(super) fn new(
        objects: ObjectStorage,
        tenant: String,
        attachment: RecordId,
        upload: Upload,
    ) -> Self {
        Self {
            objects,
            tenant,
            attachment,
            upload,
        }
    }

    /// The answer to a request with these headers, to be saved as `name`: all of it, a range of it, or that it is what the caller has.
    ///
    /// It is never shown in place: whatever it calls itself, it is a file from somebody, not a page of ours.
    ///
    /// An answer begins once its first part is at hand, so that an object store that is out of reach is told of and not cut off.
    pub async fn answer(self, request: &HeaderMap, name: &str) -> Result<Response, StorageError> {
        let tag = format!("\"{}\"", self.upload.sha256.as_deref().unwrap_or_default());
        let mut response = Response::new(Body::empty());
        let size = self.upload.size;
        let headers = response.headers_mut();
        let mut set = |name, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(ETAG, &tag);
        set(ACCEPT_RANGES, "bytes");
        let named = |header: &str| request.get(header).and_then(|value| value.to_str().ok());
        if named("if-none-match").is_some_and(|known| known == "*" || known.contains(&tag)) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
        set(CONTENT_TYPE, &self.upload.content_type);
        set(CONTENT_DISPOSITION, &disposition(name));
        set(CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'");
        // Sent as it is, so that ranges and lengths are those of the file.
        set(CONTENT_ENCODING, "identity");
        let is_current = named("if-range").is_none_or(|known| known == tag);
        let asked = named("range").filter(|_| is_current);
        let span = match asked.map(|range| span_of(range, size)) {
            None | Some(Asked::All) => Span {
                start: 0,
                end: size,
            },
            Some(Asked::Part(span)) => {
                set(
                    CONTENT_RANGE,
                    &format!("bytes {}-{}/{size}", span.start, span.end - 1),
                );
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                span
            }
            Some(Asked::Beyond) => {
                set(CONTENT_RANGE, &format!("bytes */{size}"));
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                return Ok(response);
            }
        };
        let length = HeaderValue::from(span.end - span.start);
        response.headers_mut().insert(CONTENT_LENGTH, length);
        let mut content = Box::pin(self.read(span).peekable());
        if let Some(Err(_)) = content.as_mut().peek().await
            && let Some(Err(error)) = content.next().await
        {
            return Err(error);
        }
        *response.body_mut() = Body::from_stream(content);
        Ok(response)
    }

    /// The bytes of a span, part by part.
    pub fn read(
        self,
        span: Span,
    ) -> impl stream::Stream<Item = Result<Bytes, StorageError>> + Send + 'static {
        stream::try_unfold((self, span), |(download, span)| async move {
            if span.start >= span.end {
                return Ok(None);
            }
            let part = download.part_at(span.start).await?;
            let offset = span.start % download.upload.part_size;
            let from = usize::try_from(offset).unwrap_or(usize::MAX);
            let wanted = usize::try_from(span.end - span.start).unwrap_or(usize::MAX);
            let to = from.saturating_add(wanted).min(part.len());
            if from >= to {
                // A part that is shorter than the database says isn't the part that was put there.
                return Err(StorageError::Sealed(
                    fieldstone_vault::VaultError::DoesNotOpen,
                ));
            }
            let bytes = part.slice(from..to);
            let read = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let rest = Span {
                start: span.start + read,
                end: span.end,
            };
            Ok(Some((bytes, (download, rest))))
        })
    }

    /// The whole part with the byte at `position`.
    async fn part_at(&self, position: u64) -> Result<Bytes, StorageError> {
        let number = position / self.upload.part_size;
        let name = usize::try_from(number)
            .ok()
            .and_then(|at| self.upload.objects.get(at));
        let object = Object {
            tenant: &self.tenant,
            attachment: self.attachment.as_str(),
            name: name.map(String::as_str).unwrap_or_default(),
            number: u32::try_from(number).unwrap_or(u32::MAX),
        };
        self.objects.get(&object).await
    }
}

/// What a `Range` header asks for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    All,
    Part(Span),
    Beyond,
}

/// Reads a `Range` header (RFC 9110, 14.2). Several ranges at once, and what isn't understood, ask for all of it.
fn span_of(range: &str, size: u64) -> Asked {
    let Some((first, last)) = range
        .strip_prefix("bytes=")
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Asked::All;
    };
    let span = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(start), Ok(last)) if start <= last => Span {
            start,
            end: size.min(last.saturating_add(1)),
        },
        (Ok(start), Err(_)) if last.is_empty() => Span { start, end: size },
        (Err(_), Ok(length)) if first.is_empty() => Span {
            start: size.saturating_sub(length),
            end: size,
        },
        _ => return Asked::All,
    };
    if span.start < span.end {
        Asked::Part(span)
    } else {
        Asked::Beyond
    }
}

/// To be saved under this name (RFC 6266): in ASCII for those who read nothing else, and as it is.
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| match c {
            '"' | '\\' | '/' | '%' => '_',
            c if c.is_ascii_graphic() || c == ' ' => c,
            _ => '_',
        })
        .collect();
    format!(
        "attachment; filename=\"{plain}\"; filename*=UTF-8''{}",
        utf8_percent_encode(name, NAME)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_has_them() {
        let part = |start, end| Asked::Part(Span { start, end });
        for (range, asked) in [
            ("bytes=0-9", part(0, 10)),
            ("bytes=5-", part(5, 100)),
            ("bytes=-7", part(93, 100)),
            ("bytes=-700", part(0, 100)),
            ("bytes=90-900", part(90, 100)),
            ("bytes=100-", Asked::Beyond),
            ("bytes=-0", Asked::Beyond),
            ("bytes=9-5", Asked::All),
            ("bytes=0-1,5-6", Asked::All),
            ("lines=0-1", Asked::All),
            ("bytes=", Asked::All),
            ("bytes=-", Asked::All),
            ("bytes=0-18446744073709551615", part(0, 100)),
        ] {
            assert_eq!(span_of(range, 100), asked, "{range}");
        }
        assert_eq!(span_of("bytes=0-0", 0), Asked::Beyond);
    }

    #[test]
    fn names_can_not_break_out_of_their_header() {
        assert_eq!(
            disposition("Plan \"A\"; größe.pdf"),
            "attachment; filename=\"Plan _A_; gr__e.pdf\"; filename*=UTF-8''Plan%20%22A%22%3B%20gr%C3%B6%C3%9Fe.pdf"
        );
        let hostile = disposition("a\r\nset-cookie: x\u{202e}");
        assert!(!hostile.contains('\r') && !hostile.contains('\n') && hostile.is_ascii());
    }
}
