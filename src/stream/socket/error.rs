//! Why a stream has no socket, or no longer one, each with the reference's code.

use crate::webhook::FailureKind;

/// Why a stream has no socket, or no longer one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SocketError {
    /// The URL is none of WebSockets.
    #[error("the URL does not begin with wss:// or ws://")]
    Scheme,
    /// The URL cannot be read.
    #[error("the URL is not one that can be requested: {0}")]
    Url(&'static str),
    /// The account is not known any more.
    #[error("the account is not known any more, so the request could not be signed")]
    NoKey,
    /// No connection: the network, the guard or TLS.
    #[error("{0}")]
    Reach(FailureKind),
    /// Connected, and not a WebSocket within the time for that.
    #[error("the server did not answer the handshake within {0} s")]
    HandshakeTimedOut(u64),
    /// The server answered with another status than 101. A redirect is one, and is not followed.
    #[error("the server answered the handshake with the status {0} instead of 101")]
    Status(u16),
    /// The server's answer was not one to a handshake.
    #[error("the server's handshake is not right: {0}")]
    Handshake(String),
    /// The server ended the WebSocket, with this status (RFC 6455 §7.4) if it said one.
    #[error("the server closed the WebSocket{}", said(*.0))]
    Closed(Option<u16>),
    /// The connection ended without a word.
    #[error("the connection broke")]
    Broken,
    /// What came is not what a WebSocket carries.
    #[error("the server broke the protocol: {0}")]
    Protocol(String),
    /// The server took nothing for too long.
    #[error("the server took nothing for {0} s")]
    Stalled(u64),
}

fn said(status: Option<u16>) -> String {
    status.map_or_else(String::new, |status| format!(" with the status {status}"))
}

/// Normal closure (RFC 6455 §7.4.1).
const NORMAL: u16 = 1000;

impl SocketError {
    /// The reference's code for it.
    pub const fn code(&self) -> u32 {
        match self {
            Self::NoKey => 31900,
            Self::HandshakeTimedOut(_) | Self::Stalled(_) => 31901,
            Self::Broken => 31903,
            Self::Status(_) | Self::Handshake(_) => 31920,
            Self::Closed(_) => 31921,
            Self::Scheme => 31922,
            Self::Url(_) => 31923,
            Self::Protocol(_) => 31924,
            Self::Reach(kind) => match kind {
                FailureKind::BadUrl(_) | FailureKind::BadRetryPolicy => 31923,
                FailureKind::ConnectTimedOut | FailureKind::ReadTimedOut | FailureKind::TimedOut => 31901,
                FailureKind::ConnectRefused => 31902,
                FailureKind::Broken => 31903,
                FailureKind::Refused | FailureKind::UnknownHost | FailureKind::NotConnected => 31904,
                FailureKind::Tls
                | FailureKind::CertificateName
                | FailureKind::CertificateExpired
                | FailureKind::CertificateUntrusted => 31910,
                FailureKind::TooManyRedirects
                | FailureKind::BadRedirect
                | FailureKind::Status(_)
                | FailureKind::TooLarge(_)
                | FailureKind::ContentType
                | FailureKind::NoKey
                | FailureKind::TooLate => 31900,
            },
        }
    }

    /// Whether the server said that it wants no more: no status, or that of an ordinary end.
    pub const fn is_wanted(&self) -> bool {
        matches!(self, Self::Closed(None | Some(NORMAL)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_the_code_that_the_reference_has_for_it() {
        use FailureKind as Kind;
        let reach = SocketError::Reach;
        for (error, code) in [
            (SocketError::NoKey, 31900),
            (reach(Kind::ConnectTimedOut), 31901),
            (SocketError::HandshakeTimedOut(5), 31901),
            (SocketError::Stalled(60), 31901),
            (reach(Kind::ConnectRefused), 31902),
            (SocketError::Broken, 31903),
            (reach(Kind::Broken), 31903),
            (reach(Kind::UnknownHost), 31904),
            (reach(Kind::Refused), 31904),
            (reach(Kind::NotConnected), 31904),
            (reach(Kind::Tls), 31910),
            (reach(Kind::CertificateName), 31910),
            (reach(Kind::CertificateExpired), 31910),
            (reach(Kind::CertificateUntrusted), 31910),
            (SocketError::Status(302), 31920),
            (SocketError::Handshake("no".to_owned()), 31920),
            (SocketError::Closed(None), 31921),
            (SocketError::Scheme, 31922),
            (SocketError::Url("none"), 31923),
            (reach(Kind::BadUrl("none")), 31923),
            (SocketError::Protocol("mask".to_owned()), 31924),
        ] {
            assert_eq!(error.code(), code, "{error}");
        }
    }
}
