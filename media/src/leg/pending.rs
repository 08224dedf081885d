//! What has happened on a leg and has not been fetched. It waits here, in the leg, and merges with newer
//! state: a slow control side loses no state and costs no memory. Keys that were pressed wait with what heard them.

use std::net::SocketAddr;

use super::player::PlayEnd;
use crate::dsp::level::SpeechChange;
use crate::event::LegEvent;
use crate::id::PlayerId;

#[derive(Debug, Default)]
pub(crate) struct Pending {
    latched: Option<SocketAddr>,
    silent: bool,
    played: Option<(PlayerId, PlayEnd)>,
    /// Whether it speaks, and whether it did when that was last fetched.
    speaks: bool,
    spoke: bool,
}

impl Pending {
    pub(crate) fn latched(&mut self, source: SocketAddr) {
        self.latched = Some(source);
    }

    pub(crate) fn silent(&mut self) {
        self.silent = true;
    }

    pub(crate) fn played(&mut self, player: PlayerId, end: PlayEnd) {
        self.played = Some((player, end));
    }

    pub(crate) fn forget_played(&mut self) {
        self.played = None;
    }

    pub(crate) fn speaks(&mut self, speaks: bool) {
        self.speaks = speaks;
    }

    pub(crate) fn is_empty(&self) -> bool {
        let told_of_speech = self.speaks == self.spoke;
        self.latched.is_none() && !self.silent && self.played.is_none() && told_of_speech
    }

    pub(crate) fn take(&mut self) -> Option<LegEvent> {
        if let Some(source) = self.latched.take() {
            return Some(LegEvent::Latched { source });
        }
        if let Some((player, end)) = self.played.take() {
            return Some(LegEvent::Played { player, end });
        }
        if self.speaks != self.spoke {
            self.spoke = self.speaks;
            let change = if self.speaks { SpeechChange::Started } else { SpeechChange::Stopped };
            return Some(LegEvent::Speech(change));
        }
        std::mem::take(&mut self.silent).then_some(LegEvent::SilentFarEnd)
    }
}
