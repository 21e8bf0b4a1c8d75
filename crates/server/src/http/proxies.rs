//! Where a request comes from when proxies stand before the server, and which trace it belongs to.
//!
//! A header is believed from a trusted proxy only, and only the one header that is configured: whoever asks can send either. The address is
//! the last one that no trusted proxy has; what stands before it anybody may have written. A trace (W3C Trace Context) is taken up when a
//! trusted proxy names it; what it lets through of its own callers is its business.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use serde::Deserialize;

/// Say which trace a request belongs to.
const TRACE: [HeaderName; 2] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// Proxies whose word counts; none unless they are configured.
///
/// ```toml
/// [proxies]
/// trusted = ["10.0.0.0/8", "2001:db8::/32"]
/// header = "x-forwarded-for"                   # or "forwarded" (RFC 7239)
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrustedProxies {
    trusted: Arc<[IpNet]>,
    header: ProxyHeader,
}

/// The header in which the proxies say who asks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ProxyHeader {
    #[default]
    XForwardedFor,
    Forwarded,
}

impl TrustedProxies {
    fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted
            .iter()
            .any(|network| network.contains(&address))
    }

    /// Who asks, when `peer` is at the other end of the connection.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer;
        let said = match self.header {
            ProxyHeader::XForwardedFor => said(headers, "x-forwarded-for"),
            ProxyHeader::Forwarded => said(headers, "forwarded"),
        };
        for entry in said.iter().rev() {
            if !self.trusts(client) {
                break;
            }
            let address = match self.header {
                ProxyHeader::XForwardedFor => address(entry),
                ProxyHeader::Forwarded => entry.split(';').find_map(|pair| {
                    let (name, value) = pair.trim().split_once('=')?;
                    name.eq_ignore_ascii_case("for").then(|| address(value))?
                }),
            };
            // A proxy that doesn't know or doesn't say: nobody before it can be believed.
            let Some(address) = address else { break };
            client = address;
        }
        client
    }
}

/// The entries of a list in all headers of this name, in their order.
fn said<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    headers
        .get_all(name)
        .iter()
        .map(|value| value.to_str().unwrap_or_default())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .collect()
}

/// An address as proxies write it: plain, with a port, in brackets, in quotation marks.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let address = bare
        .unwrap_or(text)
        .parse()
        .ok()
        .or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

/// Middleware: from here on the peer of a request is whoever asked the outermost trusted proxy, and nobody else has named a trace.
pub(crate) async fn see_through(
    State(proxies): State<TrustedProxies>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(peer)| *peer);
    if !peer.is_some_and(|peer| proxies.trusts(peer.ip())) {
        for name in TRACE {
            request.headers_mut().remove(name);
        }
    }
    if let Some(peer) = peer {
        let client = proxies.client(peer.ip(), request.headers());
        if client != peer.ip() {
            let client = SocketAddr::new(client, 0);
            request.extensions_mut().insert(ConnectInfo(client));
        }
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::middleware;
    use tower::ServiceExt as _;

    use super::*;

    fn client(header: &str, peer: &str, lines: &[(&'static str, &str)]) -> String {
        let text = format!("trusted = [\"10.0.0.0/8\", \"2001:db8::/32\"]\nheader = \"{header}\"");
        let proxies: TrustedProxies = toml::from_str(&text).unwrap();
        let headers = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let ask = |peer, lines: &[(&'static str, &str)]| client("x-forwarded-for", peer, lines);
        let name = "x-forwarded-for";
        assert_eq!(ask("203.0.113.9", &[(name, "192.0.2.1")]), "203.0.113.9");
        assert_eq!(ask("10.0.0.1", &[(name, "192.0.2.1")]), "192.0.2.1");
        assert_eq!(ask("::ffff:10.0.0.1", &[(name, "192.0.2.1")]), "192.0.2.1");
        // What the client wrote itself stands before the address that the proxy added.
        assert_eq!(
            ask("10.0.0.1", &[(name, "127.0.0.1, 192.0.2.1")]),
            "192.0.2.1"
        );
        assert_eq!(
            ask(
                "10.0.0.1",
                &[(name, "127.0.0.1"), (name, "192.0.2.1, 10.0.0.2")]
            ),
            "192.0.2.1"
        );
        assert_eq!(
            ask("10.0.0.1", &[(name, "198.51.100.1, nonsense")]),
            "10.0.0.1"
        );
        assert_eq!(ask("10.0.0.1", &[(name, "192.0.2.1:4711")]), "192.0.2.1");
        assert_eq!(
            ask("10.0.0.1", &[(name, "[2001:db9::1]:4711")]),
            "2001:db9::1"
        );
        assert_eq!(ask("10.0.0.1", &[]), "10.0.0.1");
        // The other header is anybody's.
        assert_eq!(
            ask("10.0.0.1", &[("forwarded", "for=192.0.2.1")]),
            "10.0.0.1"
        );
    }

    #[test]
    fn the_standard_header_is_read_too() {
        let ask = |lines: &[(&'static str, &str)]| client("forwarded", "10.0.0.1", lines);
        assert_eq!(
            ask(&[("forwarded", "for=192.0.2.60;proto=https;by=10.0.0.1")]),
            "192.0.2.60"
        );
        assert_eq!(
            ask(&[("forwarded", "For=\"[2001:db9:cafe::17]:4711\"")]),
            "2001:db9:cafe::17"
        );
        assert_eq!(
            ask(&[("forwarded", "for=1.1.1.1, for=192.0.2.60")]),
            "192.0.2.60"
        );
        assert_eq!(ask(&[("forwarded", "for=unknown")]), "10.0.0.1");
        assert_eq!(ask(&[("x-forwarded-for", "192.0.2.60")]), "10.0.0.1");
    }

    #[tokio::test]
    async fn a_trace_is_taken_up_from_a_trusted_proxy_only() {
        #[expect(clippy::disallowed_methods, reason = "a route of this test alone")]
        let ask = async |trusted: &str, peer: Option<&str>| {
            let proxies: TrustedProxies =
                toml::from_str(&format!("trusted = [{trusted}]")).unwrap();
            let echo = |headers: HeaderMap| async move {
                TRACE
                    .map(|name| headers.contains_key(name).to_string())
                    .join(" ")
            };
            let router = axum::Router::new()
                .route("/", axum::routing::get(echo))
                .layer(middleware::from_fn_with_state(proxies, see_through));
            let mut request = http::Request::get("/")
                .header(
                    "traceparent",
                    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                )
                .header("tracestate", "a=b")
                .body(Body::empty())
                .unwrap();
            if let Some(peer) = peer {
                let peer = SocketAddr::new(peer.parse().unwrap(), 4711);
                request.extensions_mut().insert(ConnectInfo(peer));
            }
            let answer = router.oneshot(request).await.unwrap();
            let body = to_bytes(answer.into_body(), 100).await.unwrap();
            String::from_utf8(body.to_vec()).unwrap()
        };
        let proxy = "\"10.0.0.0/8\"";
        assert_eq!(ask(proxy, Some("10.0.0.1")).await, "true true");
        for (trusted, peer) in [
            (proxy, Some("203.0.113.9")),
            (proxy, None),
            ("", Some("10.0.0.1")),
            ("", Some("127.0.0.1")),
        ] {
            assert_eq!(
                ask(trusted, peer).await,
                "false false",
                "{trusted} {peer:?}"
            );
        }
    }

    #[test]
    fn nobody_is_trusted_unless_configured() {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static("x-forwarded-for"),
            "192.0.2.1".parse().unwrap(),
        )]);
        let peer = "127.0.0.1".parse().unwrap();
        assert_eq!(TrustedProxies::default().client(peer, &headers), peer);
    }
}
