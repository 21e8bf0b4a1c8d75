//! One try of one delivery: the address looked up and checked, the request signed, the answer's status.
//!
//! A receiver is a customer's server, whose choice of TLS isn't ours: 1.2 is the floor, as its certificate is always verified. No redirect is
//! followed.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use jiff::Timestamp;
use url::{Host, Url};

use super::{Networks, Secret};

/// Most characters of an address.
pub(crate) const URL_MAX: u32 = 2_000;
/// How long a receiver may take for everything.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why an address can't be told anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressProblem {
    /// No address, or one with a name and a password in it.
    Unreadable,
    /// It has more than [`URL_MAX`] characters.
    TooLong,
    /// It isn't encrypted.
    Unencrypted,
    /// It lies in a network that isn't open to webhooks.
    Closed,
}

/// Reads an address as it is kept: whoever takes one in trims it first. One with a name is looked up at each try, not here.
pub(crate) fn check_url(text: &str, networks: &Networks) -> Result<Url, AddressProblem> {
    if usize::try_from(URL_MAX).is_ok_and(|max| text.chars().count() > max) {
        return Err(AddressProblem::TooLong);
    }
    if text.trim() != text {
        return Err(AddressProblem::Unreadable);
    }
    let url = Url::parse(text).map_err(|_| AddressProblem::Unreadable)?;
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return Err(AddressProblem::Unreadable);
    }
    let address = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) => None,
        None => return Err(AddressProblem::Unreadable),
    };
    match url.scheme() {
        "https" => {}
        "http" if address.is_some_and(|address| networks.names(address)) => {}
        "http" => return Err(AddressProblem::Unencrypted),
        _ => return Err(AddressProblem::Unreadable),
    }
    if address.is_some_and(|address| !networks.allows(address)) {
        return Err(AddressProblem::Closed);
    }
    Ok(url)
}

/// What a try came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tried {
    /// The receiver answered with this status.
    Answered(u16),
    /// It could not be told, and why; names a text.
    Failed(&'static str),
}

impl Tried {
    /// Whether the receiver has it.
    pub(super) fn is_taken(self) -> bool {
        matches!(self, Self::Answered(status) if (200..300).contains(&status))
    }
}

/// What is sent.
#[derive(Debug)]
pub(super) struct Parcel<'a> {
    pub(super) id: &'a str,
    pub(super) url: &'a str,
    pub(super) body: &'a str,
    pub(super) secret: &'a Secret,
}

/// Sends it once.
pub(super) async fn send(parcel: &Parcel<'_>, networks: &Networks, now: Timestamp) -> Tried {
    tokio::time::timeout(PATIENCE, attempt(parcel, networks, now))
        .await
        .unwrap_or(Tried::Failed("timeout"))
}

async fn attempt(parcel: &Parcel<'_>, networks: &Networks, now: Timestamp) -> Tried {
    let url = match check_url(parcel.url, networks) {
        Ok(url) => url,
        Err(AddressProblem::Closed | AddressProblem::Unencrypted) => {
            return Tried::Failed("closed");
        }
        Err(AddressProblem::Unreadable | AddressProblem::TooLong) => {
            return Tried::Failed("unreadable");
        }
    };
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Tried::Failed("unreadable");
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let Ok(found) = tokio::net::lookup_host((bare, port)).await else {
        return Tried::Failed("unknown");
    };
    let found: Vec<SocketAddr> = found.collect();
    // One closed address among open ones is a trick, or a mistake.
    if found.is_empty() || !found.iter().all(|found| networks.allows(found.ip())) {
        return Tried::Failed("closed");
    }
    let client = reqwest::Client::builder()
        .tls_version_min(reqwest::tls::Version::TLS_1_2)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(PATIENCE)
        .pool_max_idle_per_host(0)
        // The connection goes where it was looked, whatever the name means by then.
        .resolve_to_addrs(bare, &found)
        .user_agent(concat!("Fieldstone/", env!("CARGO_PKG_VERSION")))
        .build();
    let Ok(client) = client else {
        return Tried::Failed("broken");
    };
    let timestamp = now.as_second();
    let sent = client
        .post(url)
        .header("content-type", "application/json")
        .header("fieldstone-delivery", parcel.id)
        .header("fieldstone-timestamp", timestamp)
        .header(
            "fieldstone-signature",
            parcel.secret.sign(timestamp, parcel.body),
        )
        .body(parcel.body.to_owned())
        .send()
        .await;
    match sent {
        // What it says besides is nobody's business: it may come from where nobody should read.
        Ok(answer) => Tried::Answered(answer.status().as_u16()),
        Err(error) if error.is_timeout() => Tried::Failed("timeout"),
        Err(_) => Tried::Failed("unreachable"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fieldstone_testkit::TestCertificate;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    #[test]
    fn addresses_are_checked_as_they_are_entered() {
        let none = Networks::default();
        let open = Networks::new(["127.0.0.0/8".parse().unwrap()]);
        assert!(check_url("https://hooks.example/a?b=c", &none).is_ok());
        for (text, problem) in [
            ("", AddressProblem::Unreadable),
            ("hooks.example", AddressProblem::Unreadable),
            // What is checked is what is kept.
            (" https://hooks.example/", AddressProblem::Unreadable),
            ("https://hooks.example/\n", AddressProblem::Unreadable),
            ("ftp://hooks.example/", AddressProblem::Unreadable),
            (
                "https://me:secret@hooks.example/",
                AddressProblem::Unreadable,
            ),
            ("https://hooks.example/#a", AddressProblem::Unreadable),
            ("http://hooks.example/", AddressProblem::Unencrypted),
            ("https://127.0.0.1/", AddressProblem::Closed),
            ("https://[::1]/", AddressProblem::Closed),
            ("https://2130706433/", AddressProblem::Closed),
            ("https://0x7f.1/", AddressProblem::Closed),
            ("https://169.254.169.254/latest", AddressProblem::Closed),
        ] {
            assert_eq!(check_url(text, &none), Err(problem), "{text}");
        }
        let long = |count: usize| format!("https://hooks.example/{}", "a".repeat(count - 22));
        assert!(check_url(&long(2_000), &none).is_ok());
        assert_eq!(check_url(&long(2_001), &none), Err(AddressProblem::TooLong));
        let padded = format!("{} ", long(2_000));
        assert_eq!(check_url(&padded, &none), Err(AddressProblem::TooLong));
        assert!(check_url("http://127.0.0.1:9000/", &open).is_ok());
        assert_eq!(
            check_url("http://localhost:9000/", &open),
            Err(AddressProblem::Unencrypted)
        );
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_followed() {
        let secret = Secret::generate().unwrap();
        let parcel = Parcel {
            id: "1",
            url: "https://localhost:1/",
            body: "{}",
            secret: &secret,
        };
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!(
            send(&parcel, &Networks::default(), now).await,
            Tried::Failed("closed")
        );
    }

    /// A receiver on this machine whose certificate comes from nobody; answers its address and whatever it was told in the end.
    async fn stranger() -> (String, tokio::task::JoinHandle<Vec<u8>>) {
        let certificate = TestCertificate::alone(&["127.0.0.1"]);
        let tls = certificate.server(&[&rustls::version::TLS12, &rustls::version::TLS13]);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        let told = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut told = Vec::new();
            if let Ok(mut stream) = TlsAcceptor::from(Arc::new(tls)).accept(stream).await {
                let _ = stream.read_to_end(&mut told).await;
            }
            told
        });
        (url, told)
    }

    #[tokio::test]
    async fn a_receiver_that_can_not_prove_who_it_is_is_told_nothing() {
        let (url, told) = stranger().await;
        let secret = Secret::generate().unwrap();
        let parcel = Parcel {
            id: "1",
            url: &url,
            body: "{\"a\":1}",
            secret: &secret,
        };
        let open = Networks::new(["127.0.0.0/8".parse().unwrap()]);
        let tried = send(&parcel, &open, Timestamp::UNIX_EPOCH).await;
        assert_eq!(tried, Tried::Failed("unreachable"));
        assert!(told.await.unwrap().is_empty());
    }
}
