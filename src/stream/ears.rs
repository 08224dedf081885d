//! What legs say and hear, for the streams that carry it: mu-law at 8 kHz, whatever their codecs. Each track of a leg is
//! resampled and encoded once, however many streams carry it.
//!
//! The time of a sound is counted in steps of 20 ms from the first that its stream heard: silence, hold and mute are
//! sounds as others, and where sounds are missing the count goes on.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use confab_media::dsp::resample::Downsampler;
use confab_media::{Codec, Encoder, EncoderSettings, LegId, SampleRate, Tap, TapSide, Tapped, Tick, Time};

use super::outbox::{CHUNK_LEN, Chunk, Outbox, Outgoing};
use super::protocol::{Track, Tracks};
use crate::sid::StreamSid;
use crate::worker::{Bell, Listener};

/// Milliseconds of a sound.
const CHUNK_MS: u64 = 20;

/// All streams that hear something.
#[derive(Debug)]
pub struct Ears {
    legs: Mutex<HashMap<LegId, Heard>>,
    /// Streams in all.
    count: AtomicUsize,
    bell: Bell,
}

/// A leg that is heard.
#[derive(Debug, Default)]
struct Heard {
    tracks: [Option<Coder>; 2],
    ears: Vec<Ear>,
}

/// A stream that hears a leg.
#[derive(Debug)]
struct Ear {
    stream: StreamSid,
    tracks: Tracks,
    outbox: Arc<Outbox>,
    clock: Clock,
    /// Something was left in its outbox since that was last rung at.
    has_news: bool,
    /// To be closed when what was tapped so far has been heard.
    is_closing: bool,
}

impl Ears {
    /// Nobody hears anything. `bell` wakes whoever hands out what is tapped.
    pub fn new(bell: Bell) -> Self {
        Self { legs: Mutex::default(), count: AtomicUsize::new(0), bell }
    }

    /// Lets a stream hear a leg from now on: what it hears comes into `outbox`.
    pub fn open(&self, leg: LegId, stream: StreamSid, tracks: Tracks, outbox: Arc<Outbox>) {
        let ear = Ear { stream, tracks, outbox, clock: Clock::default(), has_news: false, is_closing: false };
        self.lock().entry(leg).or_default().ears.push(ear);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.bell.wake();
    }

    /// Closes a stream's outbox behind what was tapped until now.
    pub fn close(&self, leg: LegId, stream: StreamSid) {
        if let Some(heard) = self.lock().get_mut(&leg) {
            heard.ears.iter_mut().filter(|ear| ear.stream == stream).for_each(|ear| ear.is_closing = true);
        }
        self.bell.wake();
    }

    /// A panic while it was locked left it whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<LegId, Heard>> {
        self.legs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener for Ears {
    fn is_listening(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    fn hear(&self, tap: &Tap) {
        let Tapped::Leg(leg) = tap.of else {
            return;
        };
        let track = match tap.side {
            TapSide::Received => Track::Inbound,
            TapSide::Sent => Track::Outbound,
            TapSide::Mix | TapSide::Apart | TapSide::Rest | TapSide::Seat(_) => return,
        };
        if let Some(heard) = self.lock().get_mut(&leg) {
            heard.hear(track, tap);
        }
    }

    fn caught_up(&self) {
        let mut legs = self.lock();
        legs.retain(|_, heard| {
            // Both tracks of a tick are there: they go out together.
            for ear in &mut heard.ears {
                if std::mem::take(&mut ear.has_news) {
                    ear.outbox.ring();
                }
            }
            let closed = heard.ears.extract_if(.., |ear| ear.is_closing);
            let closed = closed.map(|ear| ear.outbox.close()).count();
            self.count.fetch_sub(closed, Ordering::Relaxed);
            !heard.ears.is_empty()
        });
    }
}

impl Heard {
    fn hear(&mut self, track: Track, tap: &Tap) {
        if !self.ears.iter().any(|ear| ear.tracks.have(track)) {
            return;
        }
        let coder = &mut self.tracks[track.index()];
        if coder.as_ref().is_none_or(|coder| coder.rate != tap.frame.rate()) {
            // Another codec was agreed.
            *coder = Coder::new(tap.frame.rate());
        }
        let Some(coder) = coder else {
            return;
        };
        let payload = coder.encode(tap.frame.samples());
        for ear in self.ears.iter_mut().filter(|ear| ear.tracks.have(track)) {
            let timestamp = ear.clock.at(track, tap.at);
            // What finds no room is counted there.
            ear.has_news |= ear.outbox.leave(Outgoing::Media(Chunk { track, timestamp, payload }));
        }
    }
}

/// From frames of one rate to mu-law at 8 kHz.
#[derive(Debug)]
struct Coder {
    rate: SampleRate,
    downsampler: Downsampler,
    encoder: Encoder,
}

impl Coder {
    fn new(rate: SampleRate) -> Option<Self> {
        let encoder = Encoder::new(Codec::Pcmu, EncoderSettings::default()).ok()?;
        Some(Self { rate, downsampler: Downsampler::new(rate, SampleRate::Hz8000), encoder })
    }

    fn encode(&mut self, samples: &[i16]) -> [u8; CHUNK_LEN] {
        let (mut narrow, mut payload) = ([0; CHUNK_LEN], [0; CHUNK_LEN]);
        self.downsampler.resample(samples, &mut narrow);
        self.encoder.encode(&narrow, &mut payload);
        payload
    }
}

/// The time of a stream's sounds.
#[derive(Debug, Default)]
struct Clock {
    began: Option<Time>,
    /// When the next sound of each track should begin.
    next: [Option<u64>; 2],
}

impl Clock {
    /// The time of a sound that was heard `at` this moment: right behind the one before it, unless some are missing
    /// between them.
    fn at(&mut self, track: Track, at: Time) -> u64 {
        let began = *self.began.get_or_insert(at);
        let half = Tick::DURATION / 2;
        let steps = (at.since(began) + half).as_nanos() / Tick::DURATION.as_nanos();
        let measured = u64::try_from(steps).unwrap_or(u64::MAX).saturating_mul(CHUNK_MS);
        let next = &mut self.next[track.index()];
        // Two steps may be caught up at once, and are two sounds all the same.
        let timestamp = next.map_or(measured, |next| next.max(measured));
        *next = Some(timestamp + CHUNK_MS);
        timestamp
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use confab_media::{Decoder, Frame};

    use super::super::outbox::Next;
    use super::*;

    const LEG: LegId = LegId(7);

    fn ears() -> (Ears, Arc<Outbox>) {
        (Ears::new(Bell::default()), Arc::new(Outbox::new()))
    }

    fn tap(step: u64, side: TapSide, rate: SampleRate, sound: impl Fn(usize) -> i16) -> Tap {
        let mut frame = Frame::silence(rate);
        let first = step as usize * frame.samples().len();
        frame.samples_mut().iter_mut().enumerate().for_each(|(n, sample)| *sample = sound(first + n));
        let at = Time::from_nanos(1_000_000_007 + step * 20_000_000);
        Tap { of: Tapped::Leg(LEG), tick: Tick(step), at, side, frame, dropped_before: 0 }
    }

    async fn chunks(outbox: &Outbox) -> Vec<Chunk> {
        let mut all = Vec::new();
        outbox.close();
        while let Next::These(items) = outbox.next().await {
            all.extend(items.into_iter().filter_map(|item| match item {
                Outgoing::Media(chunk) => Some(chunk),
                Outgoing::Dtmf(_) => None,
            }));
        }
        all
    }

    #[tokio::test]
    async fn each_track_counts_its_time_on_over_silence_and_over_what_is_missing() {
        let (ears, outbox) = ears();
        ears.open(LEG, StreamSid::generate(), Tracks::Both, Arc::clone(&outbox));
        for step in [0, 1, 2, 5, 6] {
            for side in [TapSide::Received, TapSide::Sent] {
                ears.hear(&tap(step, side, SampleRate::Hz8000, |_| 0));
            }
        }
        // Another leg, and a conference.
        ears.hear(&Tap { of: Tapped::Leg(LegId(8)), ..tap(9, TapSide::Sent, SampleRate::Hz8000, |_| 0) });
        let heard = chunks(&outbox).await;
        for track in [Track::Inbound, Track::Outbound] {
            let times: Vec<u64> =
                heard.iter().filter(|chunk| chunk.track == track).map(|chunk| chunk.timestamp).collect();
            assert_eq!(times, [0, 20, 40, 100, 120]);
        }
        assert!(heard.iter().all(|chunk| chunk.payload == [0xff; CHUNK_LEN]), "silence is silence");
    }

    #[test]
    fn steps_that_are_late_or_caught_up_are_counted_as_the_steps_they_are() {
        let mut clock = Clock::default();
        let mut at = |ms: u64| clock.at(Track::Inbound, Time::from_nanos(ms * 1_000_000));
        assert_eq!([at(100), at(129), at(130), at(160), at(199)], [0, 20, 40, 60, 100]);
        assert_eq!(at(215), 120);
    }

    #[tokio::test]
    async fn a_tone_of_any_rate_is_the_same_tone_in_mu_law() {
        for rate in SampleRate::ALL {
            let (ears, outbox) = ears();
            ears.open(LEG, StreamSid::generate(), Tracks::Inbound, Arc::clone(&outbox));
            let step = std::f64::consts::TAU * 1_000.0 / f64::from(rate.hertz());
            for n in 0..50 {
                let tone = |at: usize| (8_000.0 * (at as f64 * step).sin()) as i16;
                ears.hear(&tap(n, TapSide::Received, rate, tone));
                ears.hear(&tap(n, TapSide::Sent, rate, |_| 1_000));
            }
            let heard = chunks(&outbox).await;
            assert_eq!(heard.len(), 50);
            let (mut decoder, mut sound) = (Decoder::new(Codec::Pcmu).expect("mu-law"), Vec::new());
            for chunk in &heard[5..] {
                let mut samples = [0; CHUNK_LEN];
                decoder.decode(&chunk.payload, &mut samples);
                sound.extend(samples.map(f64::from));
            }
            let part = |hertz: f64| {
                let step = std::f64::consts::TAU * hertz / 8_000.0;
                let (sin, cos) = sound.iter().enumerate().fold((0.0, 0.0), |(sin, cos), (n, sample)| {
                    let (s, c) = (n as f64 * step).sin_cos();
                    (sin + sample * s, cos + sample * c)
                });
                2.0 * f64::hypot(sin, cos) / sound.len() as f64
            };
            assert!((part(1_000.0) - 8_000.0).abs() < 300.0, "{rate:?}: {}", part(1_000.0));
            assert!(part(700.0) < 40.0, "{rate:?}: {}", part(700.0));
        }
    }

    #[tokio::test]
    async fn a_stream_that_is_closed_has_all_that_was_tapped_before_and_then_nobody_listens() {
        let (ears, outbox) = ears();
        let stream = StreamSid::generate();
        ears.open(LEG, stream, Tracks::Inbound, Arc::clone(&outbox));
        assert!(ears.is_listening());
        ears.close(LEG, stream);
        ears.hear(&tap(0, TapSide::Received, SampleRate::Hz8000, |_| 0));
        ears.caught_up();
        ears.hear(&tap(1, TapSide::Received, SampleRate::Hz8000, |_| 0));
        assert!(!ears.is_listening());
        assert_eq!(chunks(&outbox).await.len(), 1);
        assert!(Duration::from_millis(CHUNK_MS) == Tick::DURATION);
    }
}
