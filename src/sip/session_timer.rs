//! Session timers (RFC 4028), as the called side: how long a call may go without a sign that the other side's
//! signalling still lives, and who has to give it.

use std::time::Duration;

/// The shortest interval we accept, in seconds (RFC 4028 §4 recommends no less).
pub const SESSION_INTERVAL_MIN: u32 = 90;

/// Who sends the refreshes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresher {
    /// The caller.
    Them,
    /// We.
    Us,
}

/// What was agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionTimer {
    pub(super) interval: u32,
    pub(super) refresher: Refresher,
    /// The caller knows timers, so the answer may require it.
    supported: bool,
}

/// The interval asked for is shorter than the shortest we accept (RFC 4028 §9: 422).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IntervalTooSmall;

/// Decides from a request's `Session-Expires` value and whether it supports `timer`. No interval asked for, no
/// timer. One shorter than `interval_min` seconds is refused.
pub(super) fn agree(
    session_expires: Option<&str>,
    supported: bool,
    interval_min: u32,
) -> Result<Option<SessionTimer>, IntervalTooSmall> {
    let Some((interval, refresher)) = session_expires.and_then(parse) else {
        return Ok(None);
    };
    if interval < interval_min {
        // One who does not know timers cannot understand 422 (RFC 4028 §8.1); a proxy put the value there.
        return if supported { Err(IntervalTooSmall) } else { Ok(None) };
    }
    // RFC 4028 §9, table 2.
    let refresher = match (supported, refresher) {
        (false, _) | (true, Some(Refresher::Us)) => Refresher::Us,
        (true, Some(Refresher::Them) | None) => Refresher::Them,
    };
    Ok(Some(SessionTimer { interval, refresher, supported }))
}

/// What the far end's answer to our INVITE says (RFC 4028 §7.2): it alone wants a timer, since we asked for none.
/// Seen from us, who called, `uac` are we.
pub(super) fn answered_to_us(session_expires: Option<&str>) -> Option<SessionTimer> {
    let (interval, refresher) = session_expires.and_then(parse)?;
    let refresher = match refresher {
        Some(Refresher::Us) => Refresher::Them,
        Some(Refresher::Them) | None => Refresher::Us,
    };
    Some(SessionTimer { interval: interval.max(SESSION_INTERVAL_MIN), refresher, supported: true })
}

fn parse(value: &str) -> Option<(u32, Option<Refresher>)> {
    let mut parts = value.split(';').map(str::trim);
    let interval = parts.next()?.parse().ok()?;
    let refresher = parts.find_map(|part| {
        let (name, role) = part.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("refresher") {
            return None;
        }
        match role.trim().to_ascii_lowercase().as_str() {
            "uac" => Some(Refresher::Them),
            "uas" => Some(Refresher::Us),
            _ => None,
        }
    });
    Some((interval, refresher))
}

impl SessionTimer {
    /// The value of our `Session-Expires` in the answer to the caller's request.
    pub(super) fn answer(&self) -> String {
        let refresher = match self.refresher {
            Refresher::Them => "uac",
            Refresher::Us => "uas",
        };
        format!("{};refresher={refresher}", self.interval)
    }

    /// The value of our `Session-Expires` when we refresh: seen from the one who asks, the refresher is the UAC.
    pub(super) fn refresh(&self) -> String {
        format!("{};refresher=uac", self.interval)
    }

    /// The same with the interval of the answer to our refresh, which may be shorter than ours (RFC 4028 §9), but
    /// for nobody shorter than the shortest.
    pub(super) fn answered(self, session_expires: Option<&str>, interval_min: u32) -> Self {
        let answered = session_expires.and_then(parse).map_or(self.interval, |(interval, _)| interval);
        Self { interval: answered.clamp(interval_min.min(self.interval), self.interval), ..self }
    }

    /// Whether the answer says `Require: timer` (RFC 4028 §9: if the caller refreshes, it must know).
    pub(super) fn is_required(&self) -> bool {
        self.supported && self.refresher == Refresher::Them
    }

    /// When to act, counted from the last refresh: to refresh at half the interval if that is ours, otherwise to
    /// give the call up a little before the interval is over (RFC 4028 §10).
    pub(super) fn act_after(&self) -> Duration {
        let seconds = match self.refresher {
            Refresher::Us => self.interval / 2,
            Refresher::Them => self.interval - (self.interval / 3).min(32),
        };
        Duration::from_secs(seconds.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(value: &str, supported: bool) -> SessionTimer {
        agree(Some(value), supported, SESSION_INTERVAL_MIN).unwrap().unwrap()
    }

    #[test]
    fn no_interval_no_timer() {
        assert_eq!(agree(None, true, SESSION_INTERVAL_MIN), Ok(None));
        assert_eq!(agree(Some("soon"), true, SESSION_INTERVAL_MIN), Ok(None));
    }

    #[test]
    fn a_caller_who_knows_timers_refreshes_unless_it_asks_us_to() {
        assert_eq!(agreed("1800", true).answer(), "1800;refresher=uac");
        assert!(agreed("1800", true).is_required());
        assert_eq!(agreed("1800 ; refresher=UAS", true).answer(), "1800;refresher=uas");
        assert_eq!(agreed("1800", false).answer(), "1800;refresher=uas");
        assert!(!agreed("1800", false).is_required());
    }

    #[test]
    fn too_short_an_interval_is_refused_only_to_those_who_understand() {
        assert_eq!(agree(Some("60"), true, SESSION_INTERVAL_MIN), Err(IntervalTooSmall));
        assert_eq!(agree(Some("60"), false, SESSION_INTERVAL_MIN), Ok(None));
    }

    #[test]
    fn we_refresh_at_half_time_and_give_up_before_the_end() {
        assert_eq!(agreed("1800;refresher=uas", true).act_after(), Duration::from_secs(900));
        assert_eq!(agreed("1800", true).act_after(), Duration::from_secs(1_768));
        assert_eq!(agreed("90", true).act_after(), Duration::from_secs(60));
    }

    #[test]
    fn the_answer_to_a_refresh_may_shorten_the_interval_but_not_too_much() {
        let timer = agreed("1800;refresher=uas", true);
        let interval = |answer| timer.answered(answer, SESSION_INTERVAL_MIN).interval;
        assert_eq!(interval(None), 1_800);
        assert_eq!(interval(Some("600;refresher=uac")), 600);
        assert_eq!(interval(Some("7200")), 1_800);
        assert_eq!(interval(Some("1")), SESSION_INTERVAL_MIN);
    }
}
