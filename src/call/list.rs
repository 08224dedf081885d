//! Lists, filtered and cut into pages.

use super::handle::CallError;
use super::history::{Kept, Owed, Unkept};
use super::model::Model;
use super::sid::{CallSid, ConferenceSid};
use super::view::{
    CallFilter, CallView, ConferenceFilter, ConferenceView, Page, PageRequest, ParticipantFilter,
    ParticipantView,
};

impl Model {
    pub(super) fn list_calls(&self, filter: &CallFilter, request: PageRequest) -> Page<CallView> {
        let calls = self.calls.newest_first().map(|call| &call.view);
        page(calls.filter(|call| filter.takes(call)), request)
    }

    pub(super) fn list_conferences(
        &self,
        filter: &ConferenceFilter,
        request: PageRequest,
    ) -> Page<ConferenceView> {
        let conferences = self.conferences.newest_first().map(|conference| &conference.view);
        let conferences = conferences.filter(|conference| conference.is_listed);
        page(conferences.filter(|conference| filter.takes(conference)), request)
    }

    pub(super) fn unkept_calls(&self, filter: &CallFilter, count: usize) -> Unkept<CallView> {
        let calls = self.calls.unkept().map(|call| &call.view);
        Unkept::of(calls, |call| filter.takes(call), |call| call.sid.to_string(), CallView::age, count)
    }

    pub(super) fn unkept_conferences(
        &self,
        filter: &ConferenceFilter,
        count: usize,
    ) -> Unkept<ConferenceView> {
        let conferences = self.conferences.unkept().map(|conference| &conference.view);
        let listed = conferences.filter(|conference| conference.is_listed);
        let takes = |conference: &ConferenceView| filter.takes(conference);
        Unkept::of(listed, takes, |conference| conference.sid.to_string(), ConferenceView::age, count)
    }

    /// All that no store has confirmed and one should keep.
    pub(super) fn owed(&self) -> Owed {
        let conferences = self.conferences.unkept().map(|conference| &conference.view);
        Owed {
            calls: self.calls.unkept().map(|call| call.view.clone()).collect(),
            conferences: conferences.filter(|conference| conference.is_listed).cloned().collect(),
        }
    }

    pub(super) fn kept(&mut self, kept: &Kept) {
        kept.calls.iter().for_each(|call| self.calls.keep(*call));
        kept.conferences.iter().for_each(|conference| self.conferences.keep(*conference));
    }

    /// Forgets a call that is over, before its time.
    pub(super) fn forget_call(&mut self, sid: CallSid) -> Result<(), CallError> {
        let call = self.calls.get(sid).ok_or(CallError::NoCall)?;
        if !call.view.status.is_final() {
            return Err(CallError::WrongState);
        }
        self.calls.forget(sid);
        Ok(())
    }

    pub(super) fn list_participants(
        &self,
        conference: ConferenceSid,
        filter: ParticipantFilter,
        request: PageRequest,
    ) -> Result<Page<ParticipantView>, CallError> {
        let conference = self.conferences.get(conference).ok_or(CallError::NoConference)?;
        let newest_first = conference.seats.iter().rev();
        let seats = newest_first.filter_map(|&sid| self.calls.get(sid)?.seat.as_ref());
        Ok(page(seats.filter(|seat| filter.takes(seat)), request))
    }
}

pub(super) fn page<'a, T: Clone + 'a>(all: impl Iterator<Item = &'a T>, request: PageRequest) -> Page<T> {
    let mut rest = all.skip(request.page.saturating_mul(request.size));
    let items = rest.by_ref().take(request.size).cloned().collect();
    Page { items, request, more: rest.next().is_some() }
}

impl CallFilter {
    pub(super) fn takes(&self, call: &CallView) -> bool {
        self.account.is_none_or(|account| account == call.account)
            && self.parent.is_none_or(|parent| Some(parent) == call.parent)
            && self.to.as_ref().is_none_or(|to| *to == call.to)
            && self.from.as_ref().is_none_or(|from| *from == call.from)
            && self.status.is_none_or(|status| status == call.status)
            && self.started.contains(call.started)
            && self.ended.contains(call.ended)
    }
}

impl ConferenceFilter {
    pub(super) fn takes(&self, conference: &ConferenceView) -> bool {
        self.account.is_none_or(|account| account == conference.account)
            && self.friendly_name.as_ref().is_none_or(|name| *name == conference.friendly_name)
            && self.status.is_none_or(|status| status == conference.status)
            && self.created.contains(Some(conference.created))
            && self.updated.contains(Some(conference.updated))
    }
}

impl ParticipantFilter {
    pub(super) fn takes(&self, seat: &ParticipantView) -> bool {
        self.muted.is_none_or(|muted| muted == seat.muted)
            && self.hold.is_none_or(|hold| hold == seat.hold)
            && self.coaching.is_none_or(|coaching| coaching == seat.coaching)
    }
}
