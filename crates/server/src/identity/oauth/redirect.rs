//! Where an application may have people sent back to.
//!
//! An address is compared as text, character by character (RFC 9700, 4.1.3); only the port of a loopback address is free, since a program
//! can't know it in advance (RFC 8252, 7.3). Nothing is ever normalised before it is compared.

use url::Url;

/// Most bytes of an address.
pub const LEN_MAX: usize = 2000;

/// Why an address can't be registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedirectProblem {
    /// It isn't an address, or not written in its plain form.
    NotPlain,
    /// It has a fragment, or a name before the host.
    Extra,
    /// It isn't `https`, a loopback address or a scheme like `com.example.app`.
    Scheme,
}

impl RedirectProblem {
    /// The key of the text that says what to do.
    pub const fn text_key(self) -> &'static str {
        match self {
            Self::NotPlain => "redirect-not-plain",
            Self::Extra => "redirect-extra",
            Self::Scheme => "redirect-scheme",
        }
    }
}

/// Whether an application can be registered with this address.
///
/// `https` to anywhere; `http` to this computer, named by number and never as `localhost`, which may be somebody else's (RFC 8252, 8.3);
/// or a scheme of the application's own, which is a domain turned around and so has a dot (RFC 8252, 7.1). That also leaves out
/// `javascript:`, `data:` and their like.
pub fn check(address: &str) -> Result<(), RedirectProblem> {
    let is_plain = address.len() <= LEN_MAX
        && address.bytes().all(|byte| {
            byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>' | b'*')
        });
    let url = Url::parse(address).map_err(|_| RedirectProblem::NotPlain)?;
    if !is_plain || url.cannot_be_a_base() {
        return Err(RedirectProblem::NotPlain);
    }
    if url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
        return Err(RedirectProblem::Extra);
    }
    // Upper case, dot segments, a default port: two ways of writing one address would be a way around the comparison.
    if url.as_str() != address && url.as_str() != format!("{address}/") {
        return Err(RedirectProblem::NotPlain);
    }
    let is_allowed = match url.scheme() {
        "https" => url.host_str().is_some_and(|host| !host.is_empty()),
        "http" => loopback(address).is_some(),
        scheme => scheme.contains('.'),
    };
    is_allowed.then_some(()).ok_or(RedirectProblem::Scheme)
}

/// Whether the address that a request names is the registered one.
pub fn matches(registered: &str, sent: &str) -> bool {
    if registered == sent {
        return true;
    }
    match (loopback(registered), loopback(sent)) {
        (Some(registered), Some(sent)) => registered == sent,
        _ => false,
    }
}

/// Whether anybody's program could be behind an address: one of this computer or of a scheme, rather than of a domain.
///
/// Who is there can't be known, so consent is asked each time (RFC 8252, 8.6).
pub fn is_native(address: &str) -> bool {
    !address.starts_with("https://")
}

/// What a page's policy has to allow so that its form may lead there: the origin, or the scheme.
pub fn policy_source(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    match url.scheme() {
        // A policy has no way to write an IPv6 address.
        "http" if address.starts_with("http://[") => Some("http:".to_owned()),
        "https" | "http" => Some(url.origin().ascii_serialization()),
        scheme => Some(format!("{scheme}:")),
    }
}

/// Who is behind an address, for people: a host, or nothing for a program of this computer.
pub fn host(address: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    (url.scheme() == "https").then(|| url.host_str().map(str::to_owned))?
}

/// `address` with more parameters.
pub fn with_parameters(address: &str, parameters: &[(&str, &str)]) -> String {
    let separator = if address.contains('?') { '&' } else { '?' };
    let query = serde_urlencoded::to_string(parameters).unwrap_or_default();
    format!("{address}{separator}{query}")
}

/// Host and everything behind the port, if it is a loopback address.
fn loopback(address: &str) -> Option<(&str, &str)> {
    let authority = address.strip_prefix("http://")?;
    let host = ["127.0.0.1", "[::1]"]
        .into_iter()
        .find(|host| authority.starts_with(host))?;
    let rest = authority.strip_prefix(host)?;
    let rest = match rest.strip_prefix(':') {
        Some(rest) => {
            let end = rest
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(rest.len());
            let (port, rest) = rest.split_at_checked(end)?;
            (!port.starts_with('0') && port.parse::<u16>().is_ok()).then_some(rest)?
        }
        None => rest,
    };
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((host, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_addresses_are_registered() {
        for good in [
            "https://app.example/callback",
            "https://app.example",
            "https://app.example:8443/callback?tenant=1",
            "http://127.0.0.1/callback",
            "http://127.0.0.1:1234/callback",
            "http://[::1]/callback",
            "app.fieldstone.device:/callback",
            "com.example.app://callback/",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn tricks_are_not_registered() {
        use RedirectProblem::{Extra, NotPlain, Scheme};
        for (bad, problem) in [
            ("", NotPlain),
            ("callback", NotPlain),
            ("//app.example/", NotPlain),
            ("HTTPS://app.example/", NotPlain),
            ("https://App.example/", NotPlain),
            ("https://app.example:443/", NotPlain),
            ("https://app.example/a/../b", NotPlain),
            ("https://app.example/a/%2e%2e/b", NotPlain),
            ("https://app.example/a b", NotPlain),
            ("https://app.example\\@evil.example/", NotPlain),
            ("https://*.example/", NotPlain),
            ("https:app.example/", NotPlain),
            ("https://app.example/\r\nset-cookie:a=b", NotPlain),
            ("https://äpp.example/", NotPlain),
            ("https://app.example/#", Extra),
            ("https://app.example/#token", Extra),
            ("https://me@app.example/", Extra),
            ("https://me:secret@app.example/", Extra),
            ("http://app.example/", Scheme),
            ("http://localhost/", Scheme),
            ("http://127.0.0.2/", Scheme),
            ("http://127.1/", NotPlain),
            ("http://[::ffff:127.0.0.1]/", NotPlain),
            ("javascript:alert(1)", NotPlain),
            ("data:text/html,x", NotPlain),
            ("file:///etc/passwd", Scheme),
            ("fieldstone:/callback", Scheme),
            ("com.example.app:callback", NotPlain),
        ] {
            assert_eq!(check(bad), Err(problem), "{bad:?}");
        }
        assert!(check(&format!("https://app.example/{}", "a".repeat(2000))).is_err());
    }

    #[test]
    fn only_a_loopback_port_is_free() {
        for (registered, sent) in [
            ("https://app.example/cb", "https://app.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:54321/cb"),
            ("http://127.0.0.1:8080/cb", "http://127.0.0.1/cb"),
            ("http://[::1]/cb", "http://[::1]:1/cb"),
            ("http://127.0.0.1/cb?a=b", "http://127.0.0.1:9/cb?a=b"),
            ("http://127.0.0.1", "http://127.0.0.1:9"),
            ("com.example.app:/cb", "com.example.app:/cb"),
        ] {
            assert!(matches(registered, sent), "{registered} {sent}");
        }
        for (registered, sent) in [
            ("https://app.example/cb", "https://app.example:444/cb"),
            ("https://app.example/cb", "https://app.example/cb/"),
            ("https://app.example/cb", "https://app.example/cb?x=1"),
            ("https://app.example/cb", "https://app.example/cb#x"),
            ("https://app.example/cb", "https://app.example/x/../cb"),
            (
                "https://app.example/cb",
                "https://app.example@evil.example/cb",
            ),
            (
                "https://app.example/cb",
                "https://app.example.evil.example/cb",
            ),
            ("https://app.example/cb", "HTTPS://app.example/cb"),
            ("https://app.example/cb", "https://APP.example/cb"),
            ("https://app.example/cb", "http://app.example/cb"),
            ("http://127.0.0.1/cb", "http://[::1]/cb"),
            ("http://127.0.0.1/cb", "http://localhost/cb"),
            ("http://127.0.0.1/cb", "https://127.0.0.1/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:80@evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1@evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:0/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:080/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:65536/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:80/../cb"),
            ("http://127.0.0.1/cb", "HTTP://127.0.0.1/cb"),
            (
                "http://127.0.0.1/cb",
                "http://127.0.0.1:80\\@evil.example/cb",
            ),
            ("http://127.0.0.1", "http://127.0.0.1:9evil.example"),
            ("com.example.app:/cb", "com.example.app:/CB"),
            ("com.example.app:/cb", "COM.example.app:/cb"),
            ("com.example.app:/cb", "com.example.app://cb"),
        ] {
            assert!(!matches(registered, sent), "{registered} {sent}");
        }
    }

    #[test]
    fn a_page_may_lead_there_and_nowhere_else() {
        let source = |address| policy_source(address).unwrap();
        assert_eq!(source("https://app.example/a?b"), "https://app.example");
        assert_eq!(source("http://127.0.0.1:5/a"), "http://127.0.0.1:5");
        assert_eq!(source("http://[::1]:5/a"), "http:");
        assert_eq!(
            source("app.fieldstone.device:/cb"),
            "app.fieldstone.device:"
        );
        assert_eq!(
            with_parameters("https://a.example/?b=1", &[("c", "ä &"), ("d", "")]),
            "https://a.example/?b=1&c=%C3%A4+%26&d="
        );
    }

    proptest! {
        /// What matches leads to the same host, however it is written.
        #[test]
        fn a_match_never_leads_elsewhere(sent in "(http://)(127\\.0\\.0\\.1|\\[::1\\]|evil\\.example)?[:@/?#\\\\.a-z0-9]{0,12}") {
            let registered = "http://127.0.0.1/cb";
            if matches(registered, &sent) {
                let url = Url::parse(&sent).unwrap();
                prop_assert_eq!(url.host_str(), Some("127.0.0.1"));
                prop_assert_eq!(url.path(), "/cb");
                prop_assert!(url.username().is_empty() && url.fragment().is_none());
            }
        }
    }
}
