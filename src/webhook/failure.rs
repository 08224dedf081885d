//! Why a request failed: one code of the reference, one plain sentence, and a report for whoever keeps them. Nothing
//! here holds a query, a parameter, a cookie or a key.

use std::sync::Arc;
use std::time::Duration;

use super::request::{Method, Purpose};

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FailureKind {
    /// The URL cannot be requested.
    #[error("the URL is not one that can be requested: {0}")]
    BadUrl(&'static str),
    /// The URL's fragment names a retry policy that there is not.
    #[error("the URL's connection overrides name an unknown retry policy")]
    BadRetryPolicy,
    /// The host is at an address that requests may not go to.
    #[error("the host is at an address that this node may not send requests to")]
    Refused,
    /// The host has no address.
    #[error("the host's name was not resolved to any address")]
    UnknownHost,
    /// No connection within the time for it.
    #[error("no connection was made in time")]
    ConnectTimedOut,
    /// Nobody listens there.
    #[error("the connection was refused")]
    ConnectRefused,
    /// The network cannot reach it, or gave the connection up.
    #[error("no connection could be made")]
    NotConnected,
    /// A connection, and then nothing.
    #[error("the server did not answer in time")]
    ReadTimedOut,
    /// The time for everything was over.
    #[error("the whole request, with its redirects and retries, took too long")]
    TimedOut,
    /// What came was not HTTP, or stopped in its midst.
    #[error("the server's answer was broken off or is not HTTP")]
    Broken,
    /// More redirects than are followed.
    #[error("the server redirected more than 10 times")]
    TooManyRedirects,
    /// A redirect to nowhere.
    #[error("the server redirected to something that is not a URL which can be requested")]
    BadRedirect,
    /// An answer that is no success.
    #[error("the server answered with HTTP status {0}")]
    Status(u16),
    /// TLS could not be agreed on.
    #[error("the TLS handshake failed")]
    Tls,
    /// The certificate is somebody else's.
    #[error("the server's certificate is for another name")]
    CertificateName,
    /// The certificate is too old, or too young.
    #[error("the server's certificate has expired or is not valid yet")]
    CertificateExpired,
    /// Nobody whom we trust vouches for the certificate.
    #[error("the server's certificate is not signed by anybody whom this node trusts")]
    CertificateUntrusted,
    /// The body is longer than is read.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(u64),
    /// The body is of a kind that is not understood.
    #[error("the answer's Content-Type is missing or is none that is understood here")]
    ContentType,
    /// The account has no key to sign with.
    #[error("the account is not known any more, so the request could not be signed")]
    NoKey,
    /// News that is too old to be told: the node was not running while it could have been.
    #[error("the callback waited for too long, and was given up")]
    TooLate,
}

impl FailureKind {
    /// The reference's code for it.
    pub const fn code(&self) -> u32 {
        match self {
            Self::BadUrl(_) => 11100,
            // The reference counts private addresses among the causes of its general code.
            Self::Refused | Self::ReadTimedOut | Self::Status(_) | Self::NoKey | Self::TooLate => 11200,
            Self::ConnectTimedOut => 11201,
            Self::ConnectRefused => 11202,
            Self::TimedOut => 11203,
            Self::NotConnected => 11205,
            Self::Broken => 11206,
            Self::UnknownHost => 11210,
            Self::TooManyRedirects => 11215,
            Self::BadRedirect => 11216,
            Self::Tls => 11220,
            Self::CertificateName => 11235,
            Self::CertificateExpired => 11236,
            Self::CertificateUntrusted => 11237,
            Self::BadRetryPolicy => 11243,
            Self::TooLarge(_) => 11750,
            Self::ContentType => 12300,
        }
    }

    /// Whether the same request may succeed later. What the server or the account must change first does not count.
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::UnknownHost
            | Self::ConnectTimedOut
            | Self::ConnectRefused
            | Self::NotConnected
            | Self::ReadTimedOut
            | Self::TimedOut
            | Self::Broken
            | Self::Tls
            | Self::CertificateName
            | Self::CertificateExpired
            | Self::CertificateUntrusted
            // Request Timeout and Too Many Requests (RFC 9110 §15.5.9, RFC 6585 §4) say themselves that they pass.
            | Self::Status(408 | 429 | 500..=599) => true,
            Self::Status(_)
            | Self::BadUrl(_)
            | Self::BadRetryPolicy
            | Self::Refused
            | Self::TooManyRedirects
            | Self::BadRedirect
            | Self::TooLarge(_)
            | Self::ContentType
            | Self::NoKey
            | Self::TooLate => false,
        }
    }

    /// The name of its class in metrics.
    pub(super) const fn class(&self) -> &'static str {
        match self {
            Self::BadUrl(_) | Self::BadRetryPolicy | Self::NoKey => "bad_request",
            Self::Refused => "refused",
            Self::UnknownHost => "unknown_host",
            Self::ConnectTimedOut | Self::ConnectRefused | Self::NotConnected => "not_connected",
            Self::ReadTimedOut | Self::TimedOut | Self::TooLate => "timed_out",
            Self::Broken => "broken",
            Self::TooManyRedirects | Self::BadRedirect => "redirects",
            Self::Status(_) => "status",
            Self::Tls | Self::CertificateName | Self::CertificateExpired | Self::CertificateUntrusted => {
                "tls"
            }
            Self::TooLarge(_) | Self::ContentType => "content",
        }
    }

    /// One of each class.
    pub(super) const CLASSES: [&'static str; 10] = [
        "bad_request",
        "refused",
        "unknown_host",
        "not_connected",
        "timed_out",
        "broken",
        "redirects",
        "status",
        "tls",
        "content",
    ];
}

/// A request that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{kind} ({code}, {url})", code = self.code())]
pub struct Failure {
    /// Whose request it was.
    pub account_sid: String,
    /// The call or conference it was about.
    pub subject: Option<String>,
    /// What it was for.
    pub purpose: Purpose,
    /// How it was sent at first.
    pub method: Method,
    /// Where it was sent at first, without query, user and fragment. A text that is no URL is not repeated.
    pub url: String,
    /// Why it failed.
    pub kind: FailureKind,
    /// How long it took, with its redirects and retries.
    pub duration: Duration,
}

impl Failure {
    /// The reference's code for it.
    pub const fn code(&self) -> u32 {
        self.kind.code()
    }

    /// The HTTP status, if the server answered with one that is no success.
    pub const fn status(&self) -> Option<u16> {
        if let FailureKind::Status(status) = self.kind { Some(status) } else { None }
    }
}

/// Told of each failure, once, before the one who asked is. Must return at once.
pub type OnFailure = Arc<dyn Fn(&Failure) + Send + Sync>;
