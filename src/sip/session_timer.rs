//! Session timers (RFC 4028), as the called side: how long a call may go without a sign that the other side's
//! signalling still lives, and who has to give it.

use std::time::Duration;

/// The shortest interval we accept (RFC 4028 §4 recommends no less).
pub(super) const MIN_SE: u32 = 90;

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

/// The interval asked for is shorter than [`MIN_SE`] (RFC 4028 §9: 422).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IntervalTooSmall;

/// Decides from a request's `Session-Expires` value and whether it supports `timer`. No interval asked for, no
/// timer.
pub(super) fn agree(
    session_expires: Option<&str>,
    supported: bool,
) -> Result<Option<SessionTimer>, IntervalTooSmall> {
    let Some((interval, refresher)) = session_expires.and_then(parse) else {
        return Ok(None);
    };
    if interval < MIN_SE {
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
        agree(Some(value), supported).unwrap().unwrap()
    }

    #[test]
    fn no_interval_no_timer() {
        assert_eq!(agree(None, true), Ok(None));
        assert_eq!(agree(Some("soon"), true), Ok(None));
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
        assert_eq!(agree(Some("60"), true), Err(IntervalTooSmall));
        assert_eq!(agree(Some("60"), false), Ok(None));
    }

    #[test]
    fn we_refresh_at_half_time_and_give_up_before_the_end() {
        assert_eq!(agreed("1800;refresher=uas", true).act_after(), Duration::from_secs(900));
        assert_eq!(agreed("1800", true).act_after(), Duration::from_secs(1_768));
        assert_eq!(agreed("90", true).act_after(), Duration::from_secs(60));
    }
}
