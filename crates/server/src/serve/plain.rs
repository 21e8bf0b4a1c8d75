//! The answer to somebody who speaks plain HTTP to a TLS port: where to go instead.
//!
//! It must never redirect: a client that followed would already have sent its secrets in the clear, and would go on doing so.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// More of a request than this isn't read.
const LONGEST_HEAD: u64 = 8 * 1024;

/// Answers `400`, and lets the client read it before the connection closes. The caller bounds the time.
pub(super) async fn answer(mut stream: TcpStream) -> io::Result<()> {
    let local = stream.local_addr()?.to_string();
    let (reader, mut writer) = stream.split();
    let mut reader = reader.take(LONGEST_HEAD);
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if reader.read_buf(&mut head).await? == 0 {
            break;
        }
    }
    let host = host(&head).unwrap_or(&local);
    let body = format!("This port speaks HTTPS only: use https://{host}/\n");
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\n\
         cache-control: no-store\r\nx-content-type-options: nosniff\r\nconnection: close\r\n\r\n{body}"
    );
    writer.write_all(answer.as_bytes()).await?;
    writer.shutdown().await?;
    // Closing over unread bytes would reset the connection and take the answer with it.
    tokio::io::copy(&mut reader, &mut tokio::io::sink()).await?;
    Ok(())
}

/// The host that the request names, if it is nothing but a host.
fn host(head: &[u8]) -> Option<&str> {
    let head = str::from_utf8(head).ok()?;
    let value = head.split("\r\n").skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("host").then(|| value.trim())
    })?;
    let plain = value
        .chars()
        .all(|char| char.is_ascii_alphanumeric() || ".-:[]".contains(char));
    (plain && !value.is_empty() && value.len() <= 255).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_repeated_only_when_it_is_one() {
        assert_eq!(
            host(b"GET / HTTP/1.1\r\nHOST: crm.example:8443\r\n\r\n"),
            Some("crm.example:8443")
        );
        assert_eq!(
            host(b"GET / HTTP/1.1\r\nhost: [::1]:8443\r\n\r\n"),
            Some("[::1]:8443")
        );
        assert_eq!(host(b"GET / HTTP/1.1\r\nhost: a<script>\r\n\r\n"), None);
        assert_eq!(host(b"GET / HTTP/1.1\r\nhost: \r\n\r\n"), None);
        assert_eq!(host(b"nonsense"), None);
    }
}
