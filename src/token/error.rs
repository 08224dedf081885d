//! Why a token lets nobody in: the original's codes, which its SDKs know.

/// Why a token lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is none.
    #[error("the access token is none: {0}")]
    Malformed(&'static str),
    /// Its header is not that of an access token.
    #[error("the access token's header is wrong: {0}")]
    Header(&'static str),
    /// Who signed it, or for whom, is not known here.
    #[error(
        "the access token's `iss` is no key of the account in its `sub`, or that account is not active; a key that is older \
         than the node's support of access tokens cannot sign any: make another"
    )]
    Issuer,
    /// Its time is over.
    #[error("the access token has expired")]
    Expired,
    /// Its time has not begun.
    #[error("the access token is not valid yet: its `nbf` is in the future")]
    NotYet,
    /// What it grants is not of use here.
    #[error("the access token's grants are wrong: {0}")]
    Grants(&'static str),
    /// It was not signed with the key that it names.
    #[error("the access token's signature is not that of the key in its `iss`")]
    Signature,
    /// It would be valid for too long.
    #[error("the access token is valid for more than 24 hours")]
    TooLong,
}

impl TokenError {
    /// The original's number of it.
    pub const fn code(self) -> u32 {
        match self {
            Self::Malformed(_) => 20101,
            Self::Header(_) => 20102,
            Self::Issuer => 20103,
            Self::Expired => 20104,
            Self::NotYet => 20105,
            Self::Grants(_) => 20106,
            Self::Signature => 20107,
            Self::TooLong => 20157,
        }
    }
}
