//! Calls and conferences as the model keeps them: what others may see, and what only the model needs.

use confab_media::QualityReport;
use tokio::sync::mpsc;

use super::handle::Signal;
use super::media::{ConferencePlace, LegPlace};
use super::quality::CallQuality;
use super::sid::{CallSid, ConferenceSid};
use super::view::{CallView, ConferenceView, ParticipantView};

/// A call and its leg.
pub(super) struct Call {
    pub(super) view: CallView,
    pub(super) seat: ParticipantView,
    pub(super) leg: LegPlace,
    /// How its adapter is told.
    pub(super) signals: mpsc::Sender<Signal>,
    /// Whether the leg was handed to its media thread.
    pub(super) connected: bool,
    /// How it sounded when that was asked last, or at its end.
    pub(super) report: Option<Box<QualityReport>>,
}

/// A conference and who sits in it, the newest last.
pub(super) struct Conference {
    pub(super) view: ConferenceView,
    pub(super) place: ConferencePlace,
    pub(super) seats: Vec<CallSid>,
}

impl Call {
    pub(super) fn quality(&self) -> CallQuality {
        CallQuality { status: self.view.status, report: self.report.as_deref().copied() }
    }

    pub(super) const fn conference(&self) -> ConferenceSid {
        self.seat.conference_sid
    }
}
