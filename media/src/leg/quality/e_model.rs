//! The E-model (ITU-T G.107): from what a network did to a conversation to how its listener would judge it.
//!
//! One scale for all codecs, the narrowband one (R up to 93.2, MOS up to 4.5), so that legs can be compared: a
//! wideband codec earns nothing for its bandwidth, and loses as others do by delay and loss. Echo is taken as
//! the defaults of G.107 §7.2.1 have it (TELR 65 dB, WEPL 110 dB), so that delay costs a little from the
//! first millisecond on.

use std::time::Duration;

use crate::codec::Codec;

/// What a codec costs, and how well its concealment hides loss (ITU-T G.113).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CodecImpairment {
    /// Ie: what the codec itself takes from R.
    pub impairment: f64,
    /// Bpl: the more, the better loss is hidden.
    pub robustness: f64,
    /// From speech to packet: a frame of 20 ms, and what the coder must hear ahead.
    pub delay: Duration,
}

impl CodecImpairment {
    /// G.711 with concealment (G.113 appendix I, table I.2: Ie 0, Bpl 25.1 for random loss).
    pub const G711: Self = Self { impairment: 0.0, robustness: 25.1, delay: Duration::from_millis(20) };

    /// L16 is what G.711 is without its companding, and its losses are concealed the same way.
    pub const L16: Self = Self::G711;

    /// G.722 is not in the narrowband tables. Its own distortion is hardly heard (0 is our choice). It predicts
    /// from what came before, so that a loss is heard a little longer: we take the Bpl that G.113 has for G.729A,
    /// 19.0, which predicts as well. Its filters hear 1.6 ms ahead.
    pub const G722: Self = Self { impairment: 0.0, robustness: 19.0, delay: Duration::from_micros(21_600) };

    /// Opus is not in G.113, and published figures vary with bit rate. At the rates used here it is transparent on
    /// this scale (0 is our choice), and it conceals at least as well as G.711's concealment does. A packet restored
    /// from the next one's redundancy is not lost. It hears 6.5 ms ahead (RFC 6716 §4.2).
    pub const OPUS: Self = Self { impairment: 0.0, robustness: 25.1, delay: Duration::from_micros(26_500) };

    /// What `codec` costs.
    pub const fn of(codec: Codec) -> Self {
        match codec {
            Codec::Pcmu | Codec::Pcma => Self::G711,
            Codec::L16(_) => Self::L16,
            Codec::G722 => Self::G722,
            Codec::Opus => Self::OPUS,
        }
    }
}

/// What was done to one direction of a conversation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairments {
    /// The codec.
    pub codec: CodecImpairment,
    /// From one end of the network to the other.
    pub network_delay: Duration,
    /// How unevenly packets came.
    pub jitter: Duration,
    /// How long packets waited to be played. Where that is not known (at the far end) the jitter says:
    /// a receive buffer holds about twice as much.
    pub playout_delay: Option<Duration>,
    /// Part of the packets that were not played, 0 to 1: lost on the way, or discarded as too late.
    pub loss: f64,
    /// How much longer losses are than if they were random (G.107 §7.5, BurstR): 1 or more.
    pub burst_ratio: f64,
}

impl Impairments {
    /// The score that follows.
    pub fn score(&self) -> Score {
        let delay = self.delay().as_secs_f64() * 1_000.0;
        let rating = BASE - delay_impairment(delay) - self.equipment_impairment();
        Score((rating.clamp(0.0, 100.0) * 10.0).round() as u16)
    }

    fn delay(&self) -> Duration {
        let playout = self.playout_delay.unwrap_or_else(|| self.jitter.saturating_mul(2));
        self.codec.delay.saturating_add(self.network_delay).saturating_add(playout)
    }

    /// Ie,eff (G.107 §7.5, equation 7-29).
    fn equipment_impairment(&self) -> f64 {
        let loss = self.loss.clamp(0.0, 1.0) * 100.0;
        let own = self.codec.impairment;
        own + (95.0 - own) * loss / (loss / self.burst_ratio.max(1.0) + self.codec.robustness)
    }
}

/// Ro − Is with the defaults of G.107 §7.7: R of a call without delay is 93.2.
const BASE: f64 = SIGNAL_TO_NOISE - 1.4136;

/// Ro with the defaults.
const SIGNAL_TO_NOISE: f64 = 94.7688;

/// Talker echo loudness rating, in dB (G.107 table 2).
const TELR: f64 = 65.0;
/// Weighted echo path loss, in dB (G.107 table 2).
const WEPL: f64 = 110.0;

/// Id (G.107 §7.4) for a delay in milliseconds, the same each way: talker echo, listener echo, and that people
/// have to wait for each other.
fn delay_impairment(delay: f64) -> f64 {
    talker_echo(delay) + listener_echo(2.0 * delay) + too_late(delay)
}

/// Idte (G.107 equations 7-20 to 7-24).
fn talker_echo(delay: f64) -> f64 {
    let growth = 40.0 * ((1.0 + delay / 10.0) / (1.0 + delay / 150.0)).log10();
    let terv = TELR - growth + 6.0 * (-0.3 * delay * delay).exp();
    let re = 80.0 + 2.5 * (terv - 14.0);
    let half = (SIGNAL_TO_NOISE - re) / 2.0;
    (half + (half * half + 100.0).sqrt() - 1.0) * (1.0 - (-delay).exp())
}

/// Idle (G.107 equations 7-25 and 7-26) for a round trip in milliseconds.
fn listener_echo(round_trip: f64) -> f64 {
    let rle = 10.5 * (WEPL + 7.0) * (round_trip + 1.0).powf(-0.25);
    let half = (SIGNAL_TO_NOISE - rle) / 2.0;
    half + (half * half + 169.0).sqrt()
}

/// Idd (G.107 equations 7-27 and 7-28).
fn too_late(delay: f64) -> f64 {
    if delay <= 100.0 {
        return 0.0;
    }
    let x = (delay / 100.0).log2();
    let sixth = |x: f64| (1.0 + x.powi(6)).powf(1.0 / 6.0);
    25.0 * (sixth(x) - 3.0 * sixth(x / 3.0) + 2.0)
}

/// How a listener would judge: R of the E-model, kept in tenths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score(u16);

impl Score {
    /// R, 0 to 93.2: over 80 people are satisfied, under 60 nearly all are not (ITU-T G.109).
    pub fn r(self) -> f64 {
        f64::from(self.0) / 10.0
    }

    /// The mean opinion score that R stands for (G.107 annex B), 1.0 to 4.5.
    pub fn mos(self) -> f64 {
        let r = self.r();
        let mos = 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6;
        // The polynomial dips under 1 for the smallest R, where it has no meaning.
        if r <= 0.0 { 1.0 } else { mos.clamp(1.0, 4.5) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A call of G.711 that needs no time and loses nothing.
    const PERFECT: Impairments = Impairments {
        codec: CodecImpairment { delay: Duration::ZERO, ..CodecImpairment::G711 },
        network_delay: Duration::ZERO,
        jitter: Duration::ZERO,
        playout_delay: Some(Duration::ZERO),
        loss: 0.0,
        burst_ratio: 1.0,
    };

    fn after(millis: u64) -> Impairments {
        Impairments { network_delay: Duration::from_millis(millis), ..PERFECT }
    }

    #[test]
    fn the_defaults_give_the_recommendation_s_own_figures() {
        assert!((PERFECT.score().r() - 93.2).abs() < 0.06, "{}", PERFECT.score().r());
        assert!((PERFECT.score().mos() - 4.41).abs() < 0.005, "{}", PERFECT.score().mos());
    }

    #[test]
    fn delay_costs_little_up_to_150_ms_and_much_from_300_on() {
        let r = |millis| after(millis).score().r();
        assert!((88.0..92.5).contains(&r(100)), "{}", r(100));
        assert!((86.0..90.5).contains(&r(150)), "{}", r(150));
        assert!((60.0..75.0).contains(&r(400)), "{}", r(400));
    }

    #[test]
    fn loss_costs_what_g_113_says() {
        // 5 % of random loss: 95 * 5 / (5 + 25.1).
        let lossy = Impairments { loss: 0.05, ..PERFECT };
        let cost = PERFECT.score().r() - lossy.score().r();
        assert!((cost - 15.78).abs() < 0.11, "{cost}");
        let all = Impairments { loss: 1.0, burst_ratio: 100.0, ..PERFECT };
        assert!(all.score().mos() < 1.01, "{}", all.score().mos());
    }

    #[test]
    fn every_codec_has_its_figures() {
        for codec in Codec::ALL {
            let CodecImpairment { impairment, robustness, .. } = CodecImpairment::of(codec);
            assert!((0.0..95.0).contains(&impairment) && robustness > 0.0);
        }
        let lossy = |codec| Impairments { codec, loss: 0.03, ..PERFECT }.score();
        assert!(lossy(CodecImpairment::G722) < lossy(CodecImpairment::OPUS));
    }

    fn any_impairments() -> impl Strategy<Value = Impairments> {
        let codec = prop_oneof![
            Just(CodecImpairment::G711),
            Just(CodecImpairment::G722),
            Just(CodecImpairment::OPUS),
            Just(CodecImpairment::L16),
        ];
        let durations = (0u64..3_000, 0u64..2_000, proptest::option::of(0u64..1_000));
        (codec, durations, 0.0..=1.0, 1.0..50.0).prop_map(
            |(codec, (network, jitter, playout), loss, burst_ratio)| Impairments {
                codec,
                network_delay: Duration::from_millis(network),
                jitter: Duration::from_millis(jitter),
                playout_delay: playout.map(Duration::from_millis),
                loss,
                burst_ratio,
            },
        )
    }

    proptest! {
        #[test]
        fn more_of_anything_bad_is_never_better(
            less in any_impairments(),
            more in (0u64..1_000, 0u64..1_000, 0.0..1.0, 0.0..20.0),
        ) {
            let (millis, playout, loss, burst) = more;
            let millis = Duration::from_millis(millis);
            let worse = [
                Impairments { network_delay: less.network_delay + millis, ..less },
                Impairments { jitter: less.jitter + millis, ..less },
                Impairments {
                    playout_delay: less.playout_delay.map(|delay| delay + Duration::from_millis(playout)),
                    ..less
                },
                Impairments { loss: less.loss + loss, ..less },
                Impairments { burst_ratio: less.burst_ratio + burst, ..less },
                Impairments {
                    codec: CodecImpairment { impairment: less.codec.impairment + 5.0, ..less.codec },
                    ..less
                },
            ];
            for worse in worse {
                prop_assert!(worse.score() <= less.score(), "{worse:?}");
                prop_assert!(worse.score().mos() <= less.score().mos(), "{worse:?}");
            }
        }

        #[test]
        fn scores_stay_on_their_scale(impairments in any_impairments()) {
            let score = impairments.score();
            prop_assert!((0.0..=93.3).contains(&score.r()));
            prop_assert!((1.0..=4.5).contains(&score.mos()));
        }
    }
}
