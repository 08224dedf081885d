//! SRTP of one leg, both ways.

use crate::srtp::{Protector, SrtpPair, Unprotector};

/// What protects and opens a leg's datagrams. Built on the control side.
pub struct LegSrtp {
    pub(super) protector: Protector,
    pub(super) unprotector: Unprotector,
}

impl LegSrtp {
    /// With the keys that were agreed on.
    pub fn new(keys: &SrtpPair) -> Box<Self> {
        Box::new(Self { protector: Protector::new(&keys.send), unprotector: Unprotector::new(&keys.receive) })
    }
}

/// Goes on with what was agreed anew, and returns what is to travel home. Keys that did not change go on counting;
/// under new ones, what is on the way under the old is still taken.
pub(super) fn renew(srtp: &mut Option<Box<LegSrtp>>, newer: Option<Box<LegSrtp>>) -> Option<Box<LegSrtp>> {
    match (srtp.as_mut(), newer) {
        (Some(current), Some(newer)) => {
            let LegSrtp { protector, unprotector } = *newer;
            current.protector.rekey(protector);
            current.unprotector.rekey(unprotector);
            None
        }
        (_, newer) => std::mem::replace(srtp, newer),
    }
}

impl std::fmt::Debug for LegSrtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LegSrtp").finish_non_exhaustive()
    }
}
