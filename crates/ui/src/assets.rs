//! The pages' script, style and icons: embedded, named by content, compressed at build time.

use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

include!(concat!(env!("OUT_DIR"), "/assets/assets.rs"));

struct Asset {
    name: &'static str,
    content_type: &'static str,
    plain: &'static [u8],
    brotli: &'static [u8],
    gzip: &'static [u8],
}

/// Answers `GET /assets/{name}`.
///
/// A name holds a fingerprint of its content, so whoever has it may keep it for ever.
pub(crate) fn serve(name: &str, headers: &HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let accepted = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|it| it.to_str().ok())
        .unwrap_or_default();
    let (body, coding) = match preferred_coding(accepted) {
        Coding::Brotli => (asset.brotli, Some("br")),
        Coding::Gzip => (asset.gzip, Some("gzip")),
        Coding::Identity => (asset.plain, None),
    };
    let mut response = (
        [
            (header::CONTENT_TYPE, asset.content_type),
            (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            (header::VARY, "accept-encoding"),
        ],
        body,
    )
        .into_response();
    if let Some(coding) = coding {
        response.headers_mut().insert(
            header::CONTENT_ENCODING,
            header::HeaderValue::from_static(coding),
        );
    }
    response
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    Brotli,
    Gzip,
    Identity,
}

/// Picks the smallest coding that `Accept-Encoding` allows (RFC 9110 §12.5.3).
fn preferred_coding(accepted: &str) -> Coding {
    let quality = |coding: &str| {
        let mut any = None;
        for item in accepted.split(',') {
            let mut parts = item.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let quality = parts
                .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
                .map_or(1.0, |it| it.trim().parse::<f32>().unwrap_or(0.0));
            if name.eq_ignore_ascii_case(coding) {
                return quality;
            }
            if name == "*" {
                any = Some(quality);
            }
        }
        any.unwrap_or(0.0)
    };
    let (brotli, gzip) = (quality("br"), quality("gzip"));
    if brotli > 0.0 && brotli >= gzip {
        Coding::Brotli
    } else if gzip > 0.0 {
        Coding::Gzip
    } else {
        Coding::Identity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(name: &str, accepted: &'static str) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::ACCEPT_ENCODING,
            header::HeaderValue::from_static(accepted),
        );
        serve(name, &headers)
    }

    fn name_of(address: &str) -> &str {
        address.trim_start_matches("/assets/")
    }

    #[test]
    fn the_smallest_accepted_coding_wins() {
        assert_eq!(preferred_coding("gzip, deflate, br, zstd"), Coding::Brotli);
        assert_eq!(preferred_coding("gzip"), Coding::Gzip);
        assert_eq!(preferred_coding("br;q=0, gzip;q=0.5"), Coding::Gzip);
        assert_eq!(preferred_coding("br;q=0.1, gzip;q=0.5"), Coding::Gzip);
        assert_eq!(preferred_coding("*"), Coding::Brotli);
        assert_eq!(preferred_coding(""), Coding::Identity);
        assert_eq!(preferred_coding("identity;q=1, *;q=0"), Coding::Identity);
    }

    #[test]
    fn files_are_kept_for_ever_and_unknown_names_are_not_found() {
        let response = ask(name_of(APP_CSS), "br");
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_ENCODING], "br");
        assert_eq!(
            response.headers()[header::CACHE_CONTROL],
            "public, max-age=31536000, immutable"
        );
        assert_eq!(
            ask("app-000000000000.css", "br").status(),
            StatusCode::NOT_FOUND
        );
        assert_eq!(ask("../Cargo.toml", "br").status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn first_load_stays_small() {
        let total: usize = ASSETS.iter().map(|asset| asset.brotli.len()).sum();
        assert!(
            total < 60 * 1024,
            "script, style and icons are {total} bytes compressed"
        );
    }
}
