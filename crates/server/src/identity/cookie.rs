//! Cookies that hold a secret: `__Host-`, so that browsers insist on `Secure`, `Path=/` and no `Domain`.

use http::{HeaderMap, header};
use zeroize::Zeroizing;

use super::random;

/// How long a browser keeps a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasting {
    /// Until it is closed. The server decides when it means nothing any more.
    Session,
    /// So many minutes.
    Minutes(i64),
}

/// The secret in a request's cookie of this name. Two cookies of one name are none: somebody is playing.
pub(super) fn secret(headers: &HeaderMap, name: &str) -> Option<Zeroizing<String>> {
    let mut found = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='));
    let (value, None) = (found.next()?, found.next()) else {
        return None;
    };
    random::is_secret(value).then(|| Zeroizing::new(value.to_owned()))
}

/// The `Set-Cookie` value.
pub(super) fn set(name: &str, secret: &str, lasting: Lasting) -> Zeroizing<String> {
    let age = match lasting {
        Lasting::Session => String::new(),
        Lasting::Minutes(minutes) => format!("; Max-Age={}", minutes * 60),
    };
    Zeroizing::new(format!(
        "{name}={secret}; Path=/; Secure; HttpOnly; SameSite=Lax{age}"
    ))
}

/// The `Set-Cookie` value that takes a cookie away.
pub(super) fn clear(name: &str) -> String {
    format!("{name}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0")
}
