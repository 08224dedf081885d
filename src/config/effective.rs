//! What came of everything that was given: the configuration, and for each value where it came from. It is
//! logged at start so that nobody has to guess which of three places won.

use std::fmt;
use std::path::{Path, PathBuf};

use tracing::{info, warn};

use super::Config;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A flag, by its name.
    Flag(String),
    /// An environment variable, by its name.
    Environment(String),
    /// The configuration file, as it was named, and the line in it.
    File(String, usize),
    /// The credentials kept in the data directory at an earlier start.
    Kept(PathBuf),
    /// Made at this start, and kept there.
    Made(PathBuf),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "flag {name}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(path, line) => write!(f, "{path} line {line}"),
            Self::Kept(path) => write!(f, "kept in {}", path.display()),
            Self::Made(path) => write!(f, "made now, kept in {}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One value as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The key it has in the file.
    pub key: String,
    /// The value, redacted if it is a secret.
    pub value: String,
    /// Where it came from.
    pub source: Source,
}

/// A checked configuration and where it came from.
#[derive(Debug)]
pub struct Effective {
    /// What the node is to do.
    pub config: Config,
    /// Every value, as it may be shown.
    pub lines: Vec<Line>,
    /// What the operator should know and that did not stop the start.
    pub notices: Vec<String>,
    pub(super) made: Option<PathBuf>,
}

impl Effective {
    /// The file of the credentials, if they were made at this start: then, and only then, they are to be
    /// printed.
    pub fn credentials_made(&self) -> Option<&Path> {
        self.made.as_deref()
    }

    /// Logs every value with its source, and the notices.
    pub fn announce(&self) {
        for Line { key, value, source } in &self.lines {
            info!(key, value, %source, "effective configuration");
        }
        for notice in &self.notices {
            warn!("{notice}");
        }
    }
}
