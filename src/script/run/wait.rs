//! What a script waits for. Whatever it is, the call's end and a redirect come first.

use std::time::Duration;

use confab_media::{Digit, PlayerId};
use tokio::time::{Instant, sleep_until};

use super::fetch::Errand;
use super::{Flow, Runner};
use crate::call::{CallEvent, CallView, RecordingSid};

/// What a script was waiting for has happened, or something else did.
pub(super) enum Woken {
    /// It is time.
    Time,
    /// The sound is over.
    Played,
    /// A key was pressed.
    Key(Digit),
    /// The call left its conference.
    Left,
    /// A recording ended by itself.
    Recorded(RecordingSid),
    /// A call that this script dialled got further.
    Dialled(Box<CallView>),
    /// The script goes on elsewhere, or not at all.
    Gone(Flow),
}

impl Runner {
    /// Waits until something happens: `player` is over, it is `until`, or the call tells something.
    pub(super) async fn wait(&mut self, player: Option<PlayerId>, until: Option<Instant>) -> Woken {
        loop {
            let event = tokio::select! {
                event = self.events.recv() => event,
                () = at(until) => return Woken::Time,
            };
            return match event {
                None => Woken::Gone(Flow::Over),
                Some(CallEvent::Redirected(voice)) => Woken::Gone(Flow::Goto(Box::new(Errand::begin(voice)))),
                Some(CallEvent::Digit(pressed)) => Woken::Key(pressed.digit),
                Some(CallEvent::LeftConference { .. }) => Woken::Left,
                Some(CallEvent::Recorded(recording)) => Woken::Recorded(recording),
                Some(CallEvent::Dialled(view)) => Woken::Dialled(view),
                Some(CallEvent::Played { player: over, .. }) if Some(over) == player => Woken::Played,
                // Of a sound that something else took the place of.
                Some(CallEvent::Played { .. }) => continue,
            };
        }
    }

    /// Lets time pass.
    pub(super) async fn pause(&mut self, length: Duration) -> Flow {
        // As the first verb it delays the answer.
        let until = Some(Instant::now() + length);
        loop {
            match self.wait(None, until).await {
                Woken::Time => return Flow::Next,
                Woken::Gone(flow) => return flow,
                Woken::Played | Woken::Key(_) | Woken::Left | Woken::Recorded(_) | Woken::Dialled(_) => {}
            }
        }
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}
