//! What mute, hold, coaching, waiting and announcements together mean to the mixer.

use confab_media::{Audience, Hearing, LegId, LegSet, Seat};

/// All that bears on who hears a participant and what they hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Nobody is to hear them.
    pub(super) muted: bool,
    /// They are on hold.
    pub(super) hold: bool,
    /// Their phone holds us: what comes from it is its music, if anything, and not for a conference.
    pub(super) held_by_far_end: bool,
    /// The conference has not started.
    pub(super) waits: bool,
    /// They are told something, alone.
    pub(super) announced_to: bool,
    /// Whom they coach.
    pub(super) coaching: Coaching,
}

/// Whom a participant coaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coaching {
    /// Nobody: they are a participant as others.
    Nobody,
    /// This leg.
    Leg(LegId),
    /// Somebody who is gone. Whoever was to be heard by one only is not suddenly heard by all.
    Gone,
}

/// Where the participant stands in the primitive of who hears whom.
pub(super) fn seat(standing: Standing) -> Seat {
    let apart = standing.hold || standing.waits;
    let audience = match standing.coaching {
        _ if apart || standing.muted || standing.held_by_far_end => Audience::Nobody,
        Coaching::Nobody => Audience::Everyone,
        Coaching::Leg(leg) => LegSet::new(&[leg]).map_or(Audience::Nobody, Audience::Only),
        Coaching::Gone => Audience::Nobody,
    };
    let hearing = if apart || standing.announced_to { Hearing::Played } else { Hearing::Conference };
    Seat { audience, hearing }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each row: muted, hold, waits, announced to; who hears them when they coach nobody, and what they hear.
    const TABLE: [([bool; 4], bool, Hearing); 16] = [
        ([false, false, false, false], true, Hearing::Conference),
        ([false, false, false, true], true, Hearing::Played),
        ([false, false, true, false], false, Hearing::Played),
        ([false, false, true, true], false, Hearing::Played),
        ([false, true, false, false], false, Hearing::Played),
        ([false, true, false, true], false, Hearing::Played),
        ([false, true, true, false], false, Hearing::Played),
        ([false, true, true, true], false, Hearing::Played),
        ([true, false, false, false], false, Hearing::Conference),
        ([true, false, false, true], false, Hearing::Played),
        ([true, false, true, false], false, Hearing::Played),
        ([true, false, true, true], false, Hearing::Played),
        ([true, true, false, false], false, Hearing::Played),
        ([true, true, false, true], false, Hearing::Played),
        ([true, true, true, false], false, Hearing::Played),
        ([true, true, true, true], false, Hearing::Played),
    ];

    #[test]
    fn each_combination_has_its_audience_and_its_hearing() {
        let agent = LegId(7);
        let only = Audience::Only(LegSet::new(&[agent]).expect("one"));
        for ([muted, hold, waits, announced_to], is_heard, hearing) in TABLE {
            for (coaching, heard_by) in [
                (Coaching::Nobody, Audience::Everyone),
                (Coaching::Leg(agent), only),
                (Coaching::Gone, Audience::Nobody),
            ] {
                for held_by_far_end in [false, true] {
                    let standing = Standing { muted, hold, held_by_far_end, waits, announced_to, coaching };
                    let is_heard = is_heard && !held_by_far_end;
                    let audience = if is_heard { heard_by } else { Audience::Nobody };
                    assert_eq!(seat(standing), Seat { audience, hearing }, "{standing:?}");
                }
            }
        }
    }
}
