//! Why the directory did not do what was asked.

use super::shelf::ShelfError;

/// Why the directory did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// The account has none of that name.
    #[error("there is no such one")]
    NotFound,
    /// The account has as many as it may.
    #[error("there are {max} {what} already, the most that are possible")]
    TooMany {
        /// Of what, in the plural.
        what: Limited,
        /// How many there may be.
        max: usize,
    },
    /// The number is on this node already.
    #[error("the number is in use on this node already")]
    NumberTaken,
    /// No account of this name is there to take the number.
    #[error("there is no such account to move the number to")]
    NoTarget,
    /// The account that is to take the number is not active.
    #[error("the account to move the number to is not active")]
    TargetInactive,
    /// The account that the number goes to has no such application.
    #[error("the account has no such application")]
    NoApplication,
    /// The main account's status is not for the API to change.
    #[error("the main account's status cannot be changed")]
    MainStatus,
    /// A closed account stays closed.
    #[error("the account is closed, for good")]
    Closed,
    /// It could not be written down, or read; nothing was changed.
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    /// What was written down is not what it should be.
    #[error("a document of kind `{kind}` cannot be read: {why}")]
    Unreadable {
        /// Its kind.
        kind: &'static str,
        /// Why.
        why: String,
    },
}

/// Of what an account may have only so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limited {
    /// Accounts below the main one.
    Accounts,
    /// Keys.
    Keys,
    /// Applications.
    Applications,
    /// Incoming phone numbers.
    Numbers,
}

impl std::fmt::Display for Limited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Accounts => "sub-accounts",
            Self::Keys => "keys",
            Self::Applications => "applications",
            Self::Numbers => "phone numbers",
        })
    }
}
