//! What is played to one leg alone: prompts and music from memory, and what somebody outside makes.

use std::num::NonZeroU32;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::feed::Feed;
use crate::codec::Codec;
use crate::dsp::converter::{RateConverter, conversion_delay};
use crate::frame::{FRAME_LEN_MAX, Frame, SampleRate};
use crate::id::PlayerId;

/// Sound in memory, shared by all who are played it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sound {
    rate: SampleRate,
    samples: Arc<[i16]>,
}

impl Sound {
    /// Mono samples at a rate.
    pub fn new(rate: SampleRate, samples: impl Into<Arc<[i16]>>) -> Self {
        Self { rate, samples: samples.into() }
    }

    /// Samples a second.
    pub const fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Whether this is the other one, and not one that sounds like it.
    pub fn is_same(&self, other: &Self) -> bool {
        self.rate == other.rate && Arc::ptr_eq(&self.samples, &other.samples)
    }

    /// The sound, for one who does not keep it in memory.
    pub fn downgrade(&self) -> WeakSound {
        WeakSound { rate: self.rate, samples: Arc::downgrade(&self.samples) }
    }

    /// The samples.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    /// How long it is.
    pub fn duration(&self) -> Duration {
        duration(self.samples.len() as u64, self.rate)
    }
}

/// A sound as long as somebody else holds it.
#[derive(Clone, Debug)]
pub struct WeakSound {
    rate: SampleRate,
    samples: Weak<[i16]>,
}

impl WeakSound {
    /// The sound, if it is still held.
    pub fn upgrade(&self) -> Option<Sound> {
        Some(Sound { rate: self.rate, samples: self.samples.upgrade()? })
    }
}

impl std::fmt::Debug for Sound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sound").field("rate", &self.rate).field("duration", &self.duration()).finish()
    }
}

/// How often a sound is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plays {
    /// So many times, without a gap.
    Times(NonZeroU32),
    /// Until it is stopped.
    Forever,
}

impl Plays {
    /// Once.
    pub const ONCE: Self = Self::Times(NonZeroU32::MIN);
}

/// How playing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayEnd {
    /// All of it was played.
    Finished,
    /// It was stopped.
    Stopped,
}

/// Plays a sound to one leg, at whatever rate that hears. Built on the control side with all that it needs.
#[derive(Debug)]
pub struct Player {
    id: PlayerId,
    material: Material,
    /// To the rates that are not the sound's.
    ways: [RateConverter; 2],
    phase: Phase,
    /// Somebody wants it to end.
    is_stopped: bool,
    /// What it played before is cut off by the frame that it played last: a feed was cleared.
    is_cut: bool,
    /// Samples played, of all plays.
    played: u64,
}

/// Where its samples come from.
#[derive(Debug)]
enum Material {
    Sound {
        sound: Sound,
        /// The next sample.
        at: usize,
        /// Plays left, with the one under way.
        left: Plays,
    },
    Feed(Box<Feed>),
}

impl Material {
    const fn rate(&self) -> SampleRate {
        match self {
            Self::Sound { sound, .. } => sound.rate(),
            Self::Feed(feed) => feed.rate(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Playing,
    /// The next frame fades out, and is the last.
    Stopping,
    /// The sound is over; what a resampler still holds of it comes out in the next frame.
    Draining,
    Over(PlayEnd),
}

impl Player {
    /// A player at the beginning of the sound.
    pub fn new(id: PlayerId, sound: Sound, plays: Plays) -> Box<Self> {
        let phase = if sound.samples().is_empty() { Phase::Draining } else { Phase::Playing };
        Self::of(id, Material::Sound { sound, at: 0, left: plays }, phase)
    }

    /// A player of what is written elsewhere. It goes on until it is stopped; when nothing is there it plays silence. When
    /// a leg is played it, whoever writes knows of the marks that were passed
    /// ([`FeedWriter::passed`](crate::FeedWriter::passed)); for many there is no such thing.
    pub fn of_feed(id: PlayerId, feed: Feed) -> Box<Self> {
        Self::of(id, Material::Feed(Box::new(feed)), Phase::Playing)
    }

    fn of(id: PlayerId, material: Material, phase: Phase) -> Box<Self> {
        let rate = material.rate();
        let others = match rate {
            SampleRate::Hz8000 => [SampleRate::Hz16000, SampleRate::Hz48000],
            SampleRate::Hz16000 => [SampleRate::Hz8000, SampleRate::Hz48000],
            SampleRate::Hz48000 => [SampleRate::Hz8000, SampleRate::Hz16000],
        };
        let ways = others.map(|other| RateConverter::new(rate, other));
        Box::new(Self { id, material, ways, phase, is_stopped: false, is_cut: false, played: 0 })
    }

    /// Its name.
    pub const fn id(&self) -> PlayerId {
        self.id
    }

    /// The rate of its sound.
    pub(crate) const fn rate(&self) -> SampleRate {
        self.material.rate()
    }

    /// How much was played, all times together.
    pub fn played(&self) -> Duration {
        duration(self.played, self.material.rate())
    }

    /// What it plays goes through this codec.
    pub(super) fn is_heard_through(&mut self, codec: Codec) {
        if let Material::Feed(feed) = &mut self.material {
            let rate = codec.sample_rate();
            let encoding = duration(codec.delay() as u64, rate);
            feed.set_encoding_delay(encoding + conversion_delay(feed.rate(), rate));
        }
    }

    /// Takes in that what it played in this tick was encoded, and for how many of the last ticks that waits until their
    /// packet is full. Whether more marks of a feed than before have all of their sound in packets.
    pub(super) fn pack(&mut self, ticks_waiting: usize) -> bool {
        match &mut self.material {
            Material::Feed(feed) => feed.pack(ticks_waiting),
            Material::Sound { .. } => false,
        }
    }

    /// The packets with what it played were fetched.
    pub(super) fn was_sent(&self) {
        if let Material::Feed(feed) = &self.material {
            feed.was_sent();
        }
    }

    /// Ends at once: nobody hears it just now.
    pub(crate) fn end_unheard(&mut self) {
        self.phase = Phase::Over(PlayEnd::Stopped);
    }

    /// Ends with the next frame, which fades out: an edge would click.
    pub(crate) fn stop(&mut self) {
        self.is_stopped = true;
        if self.phase == Phase::Playing {
            self.phase = Phase::Stopping;
        }
    }

    /// Whether it is to end and has not.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopped && self.end().is_none()
    }

    /// Whether, and how, it has ended.
    pub(crate) const fn end(&self) -> Option<PlayEnd> {
        match self.phase {
            Phase::Over(end) => Some(end),
            Phase::Playing | Phase::Stopping | Phase::Draining => None,
        }
    }

    /// Writes the next 20 ms at the frame's rate; silence after the end.
    pub(crate) fn play(&mut self, out: &mut Frame) {
        let mut read = [0; FRAME_LEN_MAX];
        let read = &mut read[..self.rate().frame_len()];
        match self.phase {
            Phase::Playing => self.read(read),
            Phase::Stopping => {
                self.read(read);
                fade_out(read);
                self.phase = Phase::Over(PlayEnd::Stopped);
            }
            Phase::Draining => self.phase = Phase::Over(PlayEnd::Finished),
            Phase::Over(_) => {}
        }
        match self.ways.iter_mut().find(|way| way.to() == out.rate()) {
            Some(way) => {
                if self.is_cut {
                    way.reset();
                }
                way.convert(read, out.samples_mut());
            }
            None => out.samples_mut().copy_from_slice(read),
        }
    }

    /// Whether what it played before was cut off by the frame that it played last. Once.
    pub(super) fn take_cut(&mut self) -> bool {
        std::mem::take(&mut self.is_cut)
    }

    fn read(&mut self, out: &mut [i16]) {
        match &mut self.material {
            Material::Feed(feed) => {
                self.is_cut = feed.play(out);
                self.played += out.len() as u64;
            }
            Material::Sound { sound, at, left } => {
                let (read, is_over) = read_sound(sound, at, left, out);
                self.played += read as u64;
                if is_over {
                    self.phase = Phase::Draining;
                }
            }
        }
    }
}

/// Reads on, play after play: how many samples, and whether that was the last play.
fn read_sound(sound: &Sound, at: &mut usize, left: &mut Plays, out: &mut [i16]) -> (usize, bool) {
    let mut read = 0;
    while read < out.len() {
        let ahead = &sound.samples()[*at..];
        let n = ahead.len().min(out.len() - read);
        out[read..][..n].copy_from_slice(&ahead[..n]);
        read += n;
        *at += n;
        if *at == sound.samples().len() && !begin_again(at, left) {
            return (read, true);
        }
    }
    (read, false)
}

/// Whether it is played once more.
fn begin_again(at: &mut usize, left: &mut Plays) -> bool {
    *at = 0;
    match left {
        Plays::Forever => true,
        Plays::Times(times) => match NonZeroU32::new(times.get() - 1) {
            Some(fewer) => {
                *times = fewer;
                true
            }
            None => false,
        },
    }
}

fn duration(samples: u64, rate: SampleRate) -> Duration {
    Duration::from_micros(samples.saturating_mul(1_000_000) / u64::from(rate.hertz()))
}

pub(super) fn fade_out(samples: &mut [i16]) {
    let len = samples.len() as i32;
    for (i, sample) in samples.iter_mut().enumerate() {
        *sample = (i32::from(*sample) * (len - i as i32) / len) as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: SampleRate = SampleRate::Hz8000;

    fn sound(len: usize) -> Sound {
        Sound::new(RATE, (0..len).map(|n| n as i16 + 1).collect::<Vec<_>>())
    }

    fn play(player: &mut Player, rate: SampleRate, frames: usize) -> Vec<i16> {
        let mut heard = Vec::new();
        for _ in 0..frames {
            let mut frame = Frame::silence(rate);
            player.play(&mut frame);
            heard.extend_from_slice(frame.samples());
        }
        heard
    }

    #[test]
    fn a_sound_is_played_sample_for_sample_and_then_there_is_silence() {
        let mut player = Player::new(PlayerId(1), sound(400), Plays::ONCE);
        let heard = play(&mut player, RATE, 3);
        assert_eq!(heard[..400], sound(400).samples()[..]);
        assert!(heard[400..].iter().all(|&s| s == 0));
        assert_eq!(player.end(), None, "a resampler would still have some of it");
        assert!(play(&mut player, RATE, 2).iter().all(|&s| s == 0));
        assert_eq!(player.end(), Some(PlayEnd::Finished));
        assert_eq!(player.played(), Duration::from_millis(50));
    }

    #[test]
    fn plays_follow_each_other_without_a_gap() {
        let mut player = Player::new(PlayerId(1), sound(100), Plays::Times(NonZeroU32::new(3).unwrap()));
        let heard = play(&mut player, RATE, 3);
        assert_eq!(heard[..300], [sound(100).samples(); 3].concat());
        assert!(heard[300..].iter().all(|&s| s == 0));
        let mut forever = Player::new(PlayerId(1), sound(7), Plays::Forever);
        assert!(play(&mut forever, RATE, 500).iter().all(|&s| s != 0));
        assert_eq!(forever.end(), None);
    }

    #[test]
    fn a_player_that_is_stopped_fades_out_and_is_over() {
        let loud = Sound::new(RATE, vec![10_000; 8_000]);
        let mut player = Player::new(PlayerId(1), loud, Plays::Forever);
        play(&mut player, RATE, 5);
        player.stop();
        let last = play(&mut player, RATE, 1);
        assert_eq!(last[0], 10_000);
        assert!(last[159] < 100 && last.is_sorted_by(|a, b| a >= b));
        assert_eq!(player.end(), Some(PlayEnd::Stopped));
        assert!(play(&mut player, RATE, 1).iter().all(|&s| s == 0));
    }

    #[test]
    fn it_is_heard_at_every_rate_with_its_level() {
        let tone: Vec<i16> = (0..8_000).map(|n| ((f64::from(n) * 0.3).sin() * 8_000.0) as i16).collect();
        for rate in SampleRate::ALL {
            let mut player = Player::new(PlayerId(1), Sound::new(RATE, tone.clone()), Plays::ONCE);
            let heard = play(&mut player, rate, 50);
            let power = heard.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / heard.len() as f64;
            assert!((power.sqrt() - 8_000.0 / 2f64.sqrt()).abs() < 100.0, "{rate:?}: {}", power.sqrt());
        }
    }

    #[test]
    fn nothing_is_over_at_once() {
        let mut player = Player::new(PlayerId(1), sound(0), Plays::Forever);
        assert!(play(&mut player, RATE, 1).iter().all(|&s| s == 0));
        assert_eq!(player.end(), Some(PlayEnd::Finished));
    }
}
