//! What is wrong in a call script, and where.

use std::fmt;

use super::code::Code;

/// Why a document, or a verb of it, cannot be run. The sentence says what, where and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} ({code})")]
pub struct ScriptError {
    /// Which kind: see [`code`](super::code).
    pub code: Code,
    /// What, where as `line:column`, and what would be right.
    pub message: String,
}

/// What was passed over, or taken as something else than it says; the document runs all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Which kind: see [`code`](super::code).
    pub code: Code,
    /// What, where as `line:column`, and what happens instead.
    pub message: String,
}

/// A place in a document, both from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Characters of a value that a message quotes.
const QUOTED_MAX: usize = 60;

/// A value as messages show it: short, on one line, without control characters.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String =
            self.0.chars().take(QUOTED_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let rest = if self.0.chars().nth(QUOTED_MAX).is_some() { "..." } else { "" };
        write!(f, "\"{shown}{rest}\"")
    }
}
