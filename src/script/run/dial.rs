//! Dial: a conference, or others who are called, of whom the first to answer is connected.

use confab_media::{Plays, SampleRate, Sound};
use tokio::time::Instant;
use tracing::debug;

use super::super::verbs::dial::{Dial, DialTo};
use super::wait::{Other, Woken};
use super::{Flow, Runner};

/// The key that ends a connection where `hangupOnStar` says so.
pub(super) const STAR: char = '*';

impl Runner {
    pub(super) async fn dial(&mut self, dial: Dial) -> Flow {
        match &dial.to {
            DialTo::Conference(conference) => self.dial_conference(&dial, conference).await,
            DialTo::Parties(parties) => self.dial_parties(&dial, parties).await,
            DialTo::Queue(queue) => self.dial_queue(&dial, queue).await,
        }
    }

    /// Waits until the call is connected no more; what happens then if it is not what comes after the verb.
    pub(super) async fn connected(&mut self, dial: &Dial, since: Instant) -> Option<Flow> {
        let until = Some(since + dial.time_limit);
        loop {
            match self.wait(None, until).await {
                Woken::Left => return None,
                Woken::Time => break,
                Woken::Key(digit) if dial.hang_up_on_star && digit.expose() == STAR => break,
                Woken::Other(Other::Referred(call, to)) => {
                    if let Some(flow) = self.referred(dial, call, to).await {
                        return Some(flow);
                    }
                }
                Woken::Gone(Flow::Over) => return Some(Flow::Over),
                Woken::Gone(flow) => {
                    self.leave().await;
                    return Some(flow);
                }
                Woken::Key(_) | Woken::Played | Woken::Other(_) => {}
            }
        }
        self.leave().await;
        None
    }

    pub(super) async fn leave(&self) {
        if let Err(error) = self.scripts.calls.leave_conference(self.call.sid).await {
            debug!(call = %self.call.sid, %error, "in no conference");
        }
    }

    /// The caller hears that it rings.
    pub(super) async fn ring_back(&mut self) {
        let played = self.scripts.calls.play(self.call.sid, ringing_tone(), Plays::Forever).await;
        if let Err(error) = played {
            debug!(call = %self.call.sid, %error, "no ringing tone");
        }
    }
}

/// Two tones for two seconds, silence for four (ITU-T E.180, North America).
fn ringing_tone() -> Sound {
    const RATE: f64 = 8_000.0;
    const PEAK: f64 = 2_500.0;
    let sample = |n: usize| {
        let t = n as f64 / RATE * std::f64::consts::TAU;
        (PEAK * ((440.0 * t).sin() + (480.0 * t).sin())) as i16
    };
    let samples: Vec<i16> = (0..6 * 8_000).map(|n| if n < 2 * 8_000 { sample(n) } else { 0 }).collect();
    Sound::new(SampleRate::Hz8000, samples)
}
