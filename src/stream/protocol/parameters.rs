//! Parameters that an application gives a stream on its way: names and values, told to the server in `start`. They may be
//! anything, so they are never shown.

use std::fmt;

use serde::{Serialize, Serializer};

/// Characters of a name and its value together, as the reference bounds them.
pub const PARAMETER_LEN_MAX: usize = 500;

/// Parameters of one stream: as many as the reference numbers, `Parameter1` to `Parameter99`.
pub const PARAMETERS_MAX: usize = 99;

/// Names and values, each name once, in the order in which they were given.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

/// Why a parameter is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// No name.
    #[error("a parameter has no name")]
    NoName,
    /// Over [`PARAMETER_LEN_MAX`].
    #[error("a parameter's name and value have more than {PARAMETER_LEN_MAX} characters")]
    TooLong,
    /// Over [`PARAMETERS_MAX`].
    #[error("there are more than {PARAMETERS_MAX} parameters")]
    TooMany,
}

impl Parameters {
    /// Adds one, or gives one that is there another value.
    ///
    /// # Errors
    /// When it has no name, is too long, or is one too many.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ParameterError> {
        if name.is_empty() {
            return Err(ParameterError::NoName);
        }
        if name.chars().count() + value.chars().count() > PARAMETER_LEN_MAX {
            return Err(ParameterError::TooLong);
        }
        let count = self.0.len();
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => value.clone_into(known),
            None if count >= PARAMETERS_MAX => return Err(ParameterError::TooMany),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
        Ok(())
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// How many there are, never what.
impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parameters({})", self.0.len())
    }
}

/// As one object.
impl Serialize for Parameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}
