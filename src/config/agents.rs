//! Agents: people with SIP phones of their own who log in here, call, and are called as `client:NAME`.

use std::collections::BTreeMap;
use std::fmt;

use super::Secret;

/// The most agents in the file: what a node of 2,000 calls could hardly serve at once.
pub(super) const AGENTS_MAX: usize = 10_000;

/// One agent.
#[derive(Clone, Debug)]
pub struct Agent {
    /// The name: the user of the phone's address and of its password.
    pub name: String,
    /// The password.
    pub password: Secret,
    /// The realm that the phone is asked in. Default: the node's.
    pub realm: Option<String>,
    /// The SID of the account that the agent belongs to. Default: the node's own.
    pub account: Option<String>,
    /// Phones that may be registered at a time; one more takes the place of the one heard of least recently.
    pub devices_max: usize,
    /// Which of the phones ring.
    pub ring: Ring,
}

/// Which phones of an agent ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ring {
    /// All at the same time.
    #[default]
    All,
    /// One after the other, those with the highest `q` first.
    Order,
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} devices", self.name, self.devices_max)?;
        if let Some(realm) = &self.realm {
            write!(f, ", realm {realm}")?;
        }
        if let Some(account) = &self.account {
            write!(f, ", account {account}")?;
        }
        f.write_str(match self.ring {
            Ring::All => "",
            Ring::Order => ", ringing in order",
        })
    }
}

/// All agents, by their names.
#[derive(Clone, Debug, Default)]
pub struct Agents(BTreeMap<String, Agent>);

impl Agents {
    pub(super) const fn new(agents: BTreeMap<String, Agent>) -> Self {
        Self(agents)
    }

    /// The agent of a name.
    pub fn get(&self, name: &str) -> Option<&Agent> {
        self.0.get(name)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Agent> {
        self.0.values()
    }
}
