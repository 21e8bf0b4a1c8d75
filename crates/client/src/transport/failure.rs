//! Why the platform didn't do what it was asked, in words for people and in words for the engine.

use std::time::Duration;

use crate::engine::Failure;

/// Why there is no answer. The texts are for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The address can't be read.
    #[error("This is no address of a platform. It looks like https://crm.example.com.")]
    NotAnAddress,
    /// It isn't encrypted.
    #[error("The address must begin with https://. Nothing is sent unencrypted.")]
    NotHttps,
    /// The certificate file.
    #[error("The file given with --ca holds no certificate in PEM form.")]
    NotACertificate,
    /// The client can't be made.
    #[error("This system's certificates can't be used.")]
    Setup(#[source] reqwest::Error),
    /// No connection, or it broke off.
    #[error(
        "The platform can't be reached. Check the network and the address; everything entered is kept on this device."
    )]
    Unreachable(#[source] reqwest::Error),
    /// The certificate or the version of TLS.
    #[error(
        "The platform's certificate can't be trusted, or the connection isn't TLS 1.3. Nothing was sent. If the platform has a certificate \
         of its own, name its authority with --ca FILE."
    )]
    Untrusted(#[source] reqwest::Error),
    /// It points elsewhere.
    #[error(
        "The platform sent this device to another address. That isn't followed; check the address."
    )]
    Redirect,
    /// The session isn't accepted.
    #[error(
        "{}",
        or(
            detail,
            "The platform doesn't accept this session any more. Log in again; nothing on this device was deleted."
        )
    )]
    SignedOut {
        /// What the platform says.
        detail: String,
    },
    /// The platform knows who asks, and doesn't let them.
    #[error("{}", or(detail, "The platform doesn't allow this."))]
    Forbidden {
        /// What the platform says.
        detail: String,
    },
    /// It asks for patience.
    #[error(
        "{}",
        or(
            detail,
            "The platform is busy or has a fault. Try again in a while; everything entered is kept on this device."
        )
    )]
    Busy {
        /// How long.
        retry_after: Option<Duration>,
        /// What the platform says.
        detail: String,
    },
    /// Another version.
    #[error(
        "This version of the app and the platform don't understand each other. Update the app."
    )]
    Incompatible,
    /// It doesn't accept the request.
    #[error("{}", or(detail, &format!("The platform doesn't accept this (status {status}). It may not offer synchronisation.")))]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the platform says.
        detail: String,
    },
    /// Something else answered.
    #[error(
        "What answered isn't a Fieldstone platform, or the answer was cut off. On a public network, sign in to the network first; \
         otherwise check the address."
    )]
    Unexpected,
}

fn or<'a>(detail: &'a str, otherwise: &'a str) -> &'a str {
    if detail.is_empty() { otherwise } else { detail }
}

impl TransportError {
    /// Tells a refused certificate from a network that isn't there.
    pub(crate) fn connection(error: reqwest::Error) -> Self {
        if is_of_tls(&error) {
            return Self::Untrusted(error);
        }
        Self::Unreachable(error)
    }
}

/// Whether TLS is among the causes. What an I/O error wraps isn't among its sources.
fn is_of_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    if error.is::<rustls::Error>() {
        return true;
    }
    let wrapped = error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref);
    wrapped.is_some_and(|wrapped| is_of_tls(wrapped)) || error.source().is_some_and(is_of_tls)
}

impl From<TransportError> for Failure {
    fn from(error: TransportError) -> Self {
        match error {
            // A device that was taken off the list isn't allowed anything; its standing says so.
            TransportError::SignedOut { .. } | TransportError::Forbidden { .. } => Self::SignedOut,
            TransportError::Busy { retry_after, .. } => Self::Busy { retry_after },
            TransportError::Incompatible => Self::Incompatible,
            TransportError::Refused { status, .. } => Self::Refused { status },
            TransportError::Untrusted(_) => Self::Untrusted,
            TransportError::Redirect => Self::Redirected,
            TransportError::Unexpected => Self::Garbled,
            _ => Self::Unreachable,
        }
    }
}
