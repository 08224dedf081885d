//! The real model over media threads that stand still, for tests of what happens when queues are full.

use std::time::Duration;

use confab_media::playout::PlayoutSettings;
use confab_media::{Codec, DigitPassage, Direction, LegMedia, LegTerms};
use tokio::sync::mpsc;

use super::handle::CallMedia;
use super::handle::{Adapters, CallError, Handle, IncomingCall, ParticipantKey};
use super::model::Limits;
use super::outbound::DialRules;
use super::sid::{CallSid, ConferenceSid};
use super::view::{CallFilter, PageRequest};
use super::voice::{Destination, JoinTerms};
use crate::config::RtpPorts;
use crate::telemetry::Metrics;
use crate::worker::{Desk, Ports, Report, WorkerIndex, Workers};

/// A model whose one media thread takes no orders, with one call on its way into a conference.
pub(crate) struct Stalled {
    pub(crate) handle: Handle,
    pub(crate) call: CallSid,
    pub(crate) conference: ConferenceSid,
    /// The thread's end of its rings: whoever takes orders here plays the thread.
    pub(crate) desk: Desk,
    /// The model lives as long as its media threads may report.
    _reported: mpsc::Sender<(WorkerIndex, Report)>,
    _adapters: Adapters,
}

impl Stalled {
    /// With as many RTP ports as the tests need at a time.
    pub(crate) async fn start(limits: Limits) -> Self {
        Self::start_with(limits, RtpPorts::new(47_200, 47_299).expect("a range")).await
    }

    pub(crate) async fn start_with(limits: Limits, range: RtpPorts) -> Self {
        let (workers, mut desks) = Workers::stalled(1);
        let (reported, reports) = mpsc::channel(1);
        let ports = Ports::new([127, 0, 0, 1].into(), range, 0);
        let receiving = super::Receiving {
            timeout: Duration::from_secs(60),
            playout: PlayoutSettings::default(),
            digits: DigitPassage::default(),
        };
        let allow = DialRules::allowing(crate::config::OutboundAllow::default());
        let (handle, adapters) =
            super::start(workers, reports, ports, receiving, limits, allow, &Metrics::new());
        let call = admit(&handle, "stalled").await.expect("the first call is let in");
        let conferences = handle.list_conferences(Default::default(), everything()).await;
        let conference = conferences.expect("a list").items[0].sid;
        // Nobody will answer it.
        let connecting = handle.clone();
        tokio::spawn(async move { connecting.connect_call(call, media()).await });
        let desk = desks.remove(0);
        Self { handle, call, conference, desk, _reported: reported, _adapters: adapters }
    }

    /// Mutes until that is refused: then the thread's ring is full. Returns how many mutes found room.
    pub(crate) async fn fill_ring(&self) -> usize {
        let (refused, mut refusals) = mpsc::channel(1);
        for asked in 0.. {
            let (handle, refused) = (self.handle.clone(), refused.clone());
            let (conference, key) = (self.conference, ParticipantKey::Call(self.call));
            tokio::spawn(async move {
                if handle.mute_participant(conference, key, true).await == Err(CallError::Overloaded) {
                    // Only the first refusal counts.
                    let _ = refused.try_send(());
                }
            });
            // One request after the other, so that it is the ring that fills and not the queue before the model.
            self.settle().await;
            if refusals.try_recv().is_ok() {
                return asked;
            }
        }
        unreachable!("a ring without an end")
    }

    /// Returns when all that was asked before has been looked at, and its answers have been taken.
    pub(crate) async fn settle(&self) {
        tokio::task::yield_now().await;
        self.handle.list_calls(CallFilter::default(), everything()).await.expect("the model answers");
        tokio::task::yield_now().await;
    }
}

/// The account that everything in these tests belongs to.
pub(crate) fn account() -> super::AccountSid {
    "AC00000000000000000000000000000001".parse().expect("a SID")
}

/// Asks for a call to be let in, whose adapter never goes away.
pub(crate) async fn admit(handle: &Handle, conference: &str) -> Result<CallSid, super::NotAdmitted> {
    admit_to(handle, account(), conference).await
}

/// The same for a number of another account.
pub(crate) async fn admit_to(
    handle: &Handle,
    account: super::AccountSid,
    conference: &str,
) -> Result<CallSid, super::NotAdmitted> {
    let (signals, taken) = mpsc::channel(4);
    let incoming = IncomingCall {
        account,
        from: "caller".to_owned(),
        to: format!("conf-{conference}"),
        trunk: None,
        destination: Destination::Conference(JoinTerms::named(conference)),
        status: None,
        signals,
    };
    let admission = handle.admit_call(incoming).await?;
    std::mem::forget(taken);
    Ok(admission.call)
}

pub(crate) fn media() -> CallMedia {
    let leg = LegMedia {
        codec: Codec::Pcmu,
        payload_type: 0,
        telephone_event: None,
        telephone_event_offered: None,
        remote: ([127, 0, 0, 1], 9).into(),
        signalling: None,
        direction: Direction::BOTH,
        terms: LegTerms::default(),
    };
    CallMedia { leg, srtp: None, ice: None }
}

pub(crate) fn everything() -> PageRequest {
    PageRequest { page: 0, size: 1_000 }
}
