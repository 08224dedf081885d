//! The `CONFAB_*` variables of the environment. All of them must be known: a variable that was misspelt and
//! silently passed over is a node that does not do what its operator thinks.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::error::ConfigError;
use super::setting::{Setting, nearest};

/// What our variables begin with.
const PREFIX: &str = "CONFAB_";

/// Names the configuration file.
pub(super) const CONFIG_VARIABLE: &str = "CONFAB_CONFIG";

/// The variables that speak to the node.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Those of this process.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn of_process() -> Result<Self, ConfigError> {
        Self::of(std::env::vars_os())
    }

    /// Those among `variables` that begin with `CONFAB_`.
    ///
    /// # Errors
    /// When one of them is not known, or is not UTF-8.
    pub fn of(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, ConfigError> {
        let mut ours = BTreeMap::new();
        for (name, value) in variables {
            let name = name.to_string_lossy().into_owned();
            if !name.starts_with(PREFIX) {
                continue;
            }
            check_name(&name)?;
            let value = value.into_string().map_err(|_| ConfigError::NotText { name: name.clone() })?;
            ours.insert(name, value);
        }
        Ok(Self { variables: ours })
    }

    pub(super) fn value(&self, variable: &str) -> Option<&str> {
        self.variables.get(variable).map(String::as_str)
    }
}

fn check_name(name: &str) -> Result<(), ConfigError> {
    let known: Vec<String> = known_variables();
    if known.iter().any(|variable| variable == name) {
        return Ok(());
    }
    // The prefix is alike by definition; only what follows it says what was meant.
    let tails = known.iter().filter_map(|variable| variable.strip_prefix(PREFIX));
    let nearest = nearest(name.trim_start_matches(PREFIX), tails);
    Err(ConfigError::UnknownVariable {
        name: name.to_owned(),
        nearest: nearest.map(|tail| format!("{PREFIX}{tail}")),
    })
}

fn known_variables() -> Vec<String> {
    let settings = Setting::ALL.into_iter().map(Setting::variable);
    settings.chain([CONFIG_VARIABLE.to_owned()]).collect()
}
