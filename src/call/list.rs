//! Lists, filtered and cut into pages.

use super::handle::CallError;
use super::model::Model;
use super::sid::ConferenceSid;
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
            // Nobody coaches yet.
            && self.coaching != Some(true)
    }
}
