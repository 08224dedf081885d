//! The paths between the rates of a conference: what is said at one is heard at the others.

use super::bus::Bus;
use crate::dsp::converter::RateConverter;
use crate::frame::{FRAME_LEN_MAX, SampleRate};

/// One for each rate there is.
const RATES: usize = SampleRate::ALL.len();

/// A converter for each pair of rates that is there, by the rate it converts from and the one it converts to.
#[derive(Default)]
pub(super) struct Converters {
    paths: [[Option<Box<RateConverter>>; RATES]; RATES],
    /// Whether sound of an earlier tick is still in one. It is asked in each tick of paths that nobody uses, so it lies with the
    /// others and not with its path.
    rings: [[bool; RATES]; RATES],
}

impl Converters {
    /// The paths from `rate` to all others and back.
    pub(super) fn between(rate: SampleRate) -> Self {
        let mut converters = Self::default();
        for other in SampleRate::ALL.into_iter().filter(|other| *other != rate) {
            for (from, to) in [(rate, other), (other, rate)] {
                converters.paths[from.index()][to.index()] = Some(Box::new(RateConverter::new(from, to)));
            }
        }
        converters
    }

    /// Takes from `others` what is not there yet.
    pub(super) fn take_missing(&mut self, others: &mut Self) {
        for (paths, others) in self.paths.iter_mut().zip(&mut others.paths) {
            for (path, other) in paths.iter_mut().zip(others) {
                if path.is_none() {
                    *path = other.take();
                }
            }
        }
    }

    /// Adds what was said at one rate to what is heard at the other.
    pub(super) fn convert(&mut self, from: &Bus, to: &mut Bus) {
        let (at, until) = (from.rate().index(), to.rate().index());
        let (path, rings) = (&mut self.paths[at][until], &mut self.rings[at][until]);
        let Some(path) = path.as_mut().filter(|_| from.speaks() || *rings) else {
            return;
        };
        // A tick is longer than the filters are, so one tick of silence empties them.
        *rings = from.speaks();
        let mut converted = [0; FRAME_LEN_MAX];
        let converted = &mut converted[..to.rate().frame_len()];
        path.convert(from.said(), converted);
        to.add_converted(converted);
    }

    /// Nobody hears at the rate `to` in this tick: what is in the paths to it would be old when somebody does.
    pub(super) fn pause(&mut self, to: SampleRate) {
        for (paths, rings) in self.paths.iter_mut().zip(&mut self.rings) {
            if std::mem::take(&mut rings[to.index()])
                && let Some(path) = &mut paths[to.index()]
            {
                path.reset();
            }
        }
    }
}
