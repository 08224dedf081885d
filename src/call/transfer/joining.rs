//! A far end that speaks with two others in two calls has them connected, and is out of it (RFC 5589 §7):
//!
//! ```text
//! customer ═ agent's first call            customer ═ expert
//! expert   ═ agent's second call    ──▶    (both calls of the agent end)
//! ```
//!
//! Whoever moves keeps their leg and its stream; the others notice nothing. Scripts that wait for their connection to end
//! wait on: it has not.

use tracing::info;

use crate::call::ending::Leaving;
use crate::call::handle::{CallError, HangUp, Signal};
use crate::call::model::{AfterLeaving, Model};
use crate::call::sid::{CallSid, ConferenceSid};
use crate::call::state::{JoinReply, Stage};
use crate::call::view::{CallStatus, ParticipantStatus};
use crate::call::voice::JoinTerms;

/// Orders that a move takes on each of two media threads at most: two leave, one is removed, one joins, and its conference may
/// need means for a codec.
const MOVE_ORDERS: usize = 6;

/// What a transferor is told when the others are connected.
const CONNECTED: u16 = 200;

/// Who goes where.
struct Move {
    /// Who moves.
    mover: CallSid,
    /// The transferor's call with them.
    from: CallSid,
    /// The transferor's call whose place they take.
    to: CallSid,
    conference: ConferenceSid,
}

impl Model {
    pub(super) fn connect_far_ends(&mut self, first: CallSid, second: CallSid) -> Result<(), CallError> {
        let moves = self.plan(first, second)?;
        let (from, to) = (moves.from, moves.to);
        info!(call = %moves.mover, conference = %moves.conference, "two far ends connected by a third");
        // Neither side ends because whoever dialled it is gone.
        for sid in [first, second] {
            self.free_dialled_by(sid);
        }
        self.signal(first, Signal::ReferAnswered(CONNECTED));
        let terms = self.terms_of(to);
        if let Some(mover) = self.calls.get(moves.mover) {
            self.media.leave_surely(&mover.leg);
        }
        self.vacate(moves.mover, Leaving::Transferred);
        self.transferred(from);
        self.take_seat(moves.mover, moves.conference, &terms);
        self.transferred(to);
        self.order_seat(moves.mover, moves.conference, JoinReply::Nobody);
        Ok(())
    }

    /// Whether it can be done, and how.
    fn plan(&self, first: CallSid, second: CallSid) -> Result<Move, CallError> {
        let (one, other) = (self.seated(first)?, self.seated(second)?);
        let is_same_account = self.account_of(first) == self.account_of(second);
        if first == second || one == other || !is_same_account {
            return Err(CallError::WrongState);
        }
        // Of two who are alone with the transferor, the one they asked second comes to the first.
        let moves = match (self.alone_with(one, first), self.alone_with(other, second)) {
            (_, Some(mover)) => Move { mover, from: second, to: first, conference: one },
            (Some(mover), None) => Move { mover, from: first, to: second, conference: other },
            (None, None) => return Err(CallError::WrongState),
        };
        let has_room =
            |sid| self.calls.get(sid).is_some_and(|call| self.media.has_room(&call.leg, MOVE_ORDERS));
        if has_room(moves.mover) && has_room(moves.to) { Ok(moves) } else { Err(CallError::Overloaded) }
    }

    /// The conference that a call sits in.
    fn seated(&self, sid: CallSid) -> Result<ConferenceSid, CallError> {
        let call = self.connected(sid)?;
        let is_seated = matches!(call.stage, Stage::Seated);
        call.conference().filter(|_| is_seated).ok_or(CallError::WrongState)
    }

    /// The one whom a call is connected with and nobody else.
    fn alone_with(&self, conference: ConferenceSid, sid: CallSid) -> Option<CallSid> {
        let found = self.conferences.get(conference).filter(|found| !found.view.is_listed)?;
        let others = found.seats.iter().copied().filter(|other| *other != sid);
        let seat = |sid| self.calls.get(sid).and_then(|call| call.seat.as_ref());
        // Who listens in is not whom they talk with.
        let other = others.into_iter().find(|&other| seat(other).is_some_and(|seat| seat.start_on_enter))?;
        let is_connected = seat(other).is_some_and(|seat| seat.status == ParticipantStatus::Connected);
        (self.seated(other).is_ok() && is_connected).then_some(other)
    }

    fn account_of(&self, sid: CallSid) -> Option<crate::call::sid::AccountSid> {
        self.calls.get(sid).map(|call| call.view.account)
    }

    /// Calls that a call's script has dialled are on their own.
    fn free_dialled_by(&mut self, dialler: CallSid) {
        let dialled: Vec<CallSid> = self.legs.values().copied().collect();
        for sid in dialled {
            if let Some(call) = self.calls.get_mut(sid).filter(|call| call.dialler == Some(dialler)) {
                call.dialler = None;
            }
        }
    }

    /// How somebody sits who takes a place: as whoever had it, but heard, and by all.
    fn terms_of(&self, sid: CallSid) -> JoinTerms {
        let mut terms = JoinTerms::named(String::new());
        if let Some(call) = self.calls.get(sid)
            && let Some(seat) = &call.seat
        {
            terms.label = seat.label.clone();
            terms.start_on_enter = seat.start_on_enter;
            terms.end_on_exit = seat.end_on_exit;
            terms.beep = call.sitting.beep;
            terms.wait = call.sitting.wait.clone();
        }
        terms
    }

    /// One of the transferor's calls ends, and what it was in goes on.
    fn transferred(&mut self, sid: CallSid) {
        self.signal(sid, Signal::HangUp(HangUp::Transferred));
        self.end_as(sid, CallStatus::Completed, Leaving::Transferred, AfterLeaving::Nobody);
    }
}
