//! Which addresses may be told anything: those of the public internet, and networks that the operator has named.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use serde::Deserialize;

/// Networks besides the public internet that webhooks may lead to; none unless the operator names them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Networks(Arc<[IpNet]>);

impl Networks {
    /// These networks.
    pub fn new(named: impl IntoIterator<Item = IpNet>) -> Self {
        Self(named.into_iter().collect())
    }

    /// Whether an address may be connected to.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        self.names(address) || is_public(address.to_canonical())
    }

    /// Whether the operator has named the address's network; only there it may be without encryption.
    pub(crate) fn names(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Everything that the registry of special addresses (RFC 6890 and its successors) doesn't set apart.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || a >= 224
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (18..20).contains(&b)))
}

/// Only global unicast, without what carries an IPv4 address inside or leads back to this network.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let is_global = a & 0xe000 == 0x2000;
    let is_special = (a == 0x2001 && b < 0x0200) || a == 0x2002 || (a == 0x2001 && b == 0x0db8);
    is_global && !is_special && a != 0x3fff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leads_into_a_network_of_our_own() {
        let none = Networks::default();
        for inside in [
            "127.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.0.8",
            "192.88.99.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "3fff::1",
        ] {
            assert!(!none.allows(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "93.184.216.34",
            "1.1.1.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
        ] {
            assert!(none.allows(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn the_operator_opens_what_they_name() {
        let named = Networks::new(["10.1.0.0/16".parse().unwrap()]);
        assert!(named.allows("10.1.2.3".parse().unwrap()));
        assert!(named.allows("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!named.allows("10.2.0.1".parse().unwrap()));
    }
}
