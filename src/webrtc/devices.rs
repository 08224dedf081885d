//! Browsers that can be called: those that have registered, by whose they are. Who comes and goes is told to the model.

use std::collections::{HashMap, HashSet};
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, mpsc};

use super::Browsers;
use super::ringing::Invitation;
use crate::call::{AccountSid, Handle, Reach};

/// Browsers that one identity may have registered at a time, as with the original. With one more the oldest has to go.
pub(super) const DEVICES_MAX: usize = 10;

/// Identities that are remembered when they have no browser any more: then they do not answer; who is not known does not exist.
const KNOWN_MAX: usize = 20_000;

/// Whose browsers.
type Owner = (AccountSid, String);

/// All that are registered: never more than there are connections over which they did so, and whoever was lately.
#[derive(Debug)]
pub(super) struct Devices {
    state: Mutex<State>,
    /// Rung when one registers.
    registered: Notify,
    /// Has the model told of who came or went.
    changed: mpsc::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    devices: HashMap<Owner, Vec<Device>>,
    /// Of whom the model has not been told yet.
    untold: HashSet<Owner>,
    last: u64,
}

#[derive(Debug)]
struct Device {
    number: u64,
    calls: mpsc::Sender<Invitation>,
}

/// A browser that is registered, until this is dropped.
#[derive(Debug)]
pub struct Registered {
    devices: Weak<Devices>,
    owner: Owner,
    number: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(devices) = self.devices.upgrade() {
            devices.remove(&self.owner, self.number);
        }
    }
}

impl Browsers {
    /// Lets a browser be called: invitations come to `calls`. Its other end is at an end when ten others have registered since.
    pub fn register(
        &self,
        account: AccountSid,
        identity: &str,
        calls: mpsc::Sender<Invitation>,
    ) -> Registered {
        self.0.devices.add((account, identity.to_owned()), calls)
    }

    /// How many browsers of an identity can be called now; `None` if it has had none since the node started.
    pub fn registered_of(&self, account: AccountSid, identity: &str) -> Option<usize> {
        self.0.devices.state().devices.get(&(account, identity.to_owned())).map(Vec::len)
    }

    /// When a browser registers next, counted from when this is asked.
    pub fn registered(&self) -> Notified<'_> {
        self.0.devices.registered.notified()
    }
}

impl Devices {
    /// None yet. Who comes and goes is told by a task on the current tokio runtime, as long as they are there.
    pub(super) fn start(calls: Handle) -> Arc<Self> {
        let (changed, changes) = mpsc::channel(1);
        let devices = Arc::new(Self { state: Mutex::default(), registered: Notify::new(), changed });
        tokio::spawn(tell(Arc::downgrade(&devices), changes, calls));
        devices
    }

    fn add(self: &Arc<Self>, owner: Owner, calls: mpsc::Sender<Invitation>) -> Registered {
        let mut state = self.state();
        state.last += 1;
        let number = state.last;
        let devices = state.devices.entry(owner.clone()).or_default();
        if devices.len() >= DEVICES_MAX {
            devices.remove(0);
        }
        devices.push(Device { number, calls });
        state.untold.insert(owner.clone());
        drop(state);
        self.registered.notify_waiters();
        // If there is no room it is about to be told anyway.
        let _ = self.changed.try_send(());
        Registered { devices: Arc::downgrade(self), owner, number }
    }

    fn remove(&self, owner: &Owner, number: u64) {
        let mut state = self.state();
        let Some(devices) = state.devices.get_mut(owner) else {
            return;
        };
        devices.retain(|device| device.number != number);
        if devices.is_empty() && state.devices.len() > KNOWN_MAX {
            state.devices.remove(owner);
        }
        state.untold.insert(owner.clone());
        drop(state);
        let _ = self.changed.try_send(());
    }

    /// The ways to all of an identity's, the oldest first.
    pub(super) fn of(&self, account: AccountSid, identity: &str) -> Vec<mpsc::Sender<Invitation>> {
        let state = self.state();
        let devices = state.devices.get(&(account, identity.to_owned()));
        devices.into_iter().flatten().map(|device| device.calls.clone()).collect()
    }

    fn untold(&self) -> Vec<(Owner, usize)> {
        let mut state = self.state();
        let owners = take(&mut state.untold).into_iter();
        let count = |owner: &Owner| state.devices.get(owner).map_or(0, Vec::len);
        owners.map(|owner| (count(&owner), owner)).map(|(count, owner)| (owner, count)).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was locked left it whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn tell(devices: Weak<Devices>, mut changes: mpsc::Receiver<()>, calls: Handle) {
    while changes.recv().await.is_some() {
        let Some(untold) = devices.upgrade().map(|devices| devices.untold()) else {
            return;
        };
        for ((account, identity), count) in untold {
            calls.agent_is_at(account, identity, Reach::Browser, count).await;
        }
    }
}
