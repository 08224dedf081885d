//! What a request says of a seat in a conference: how somebody takes it, and how that is changed.

use super::conference_recordings;
use super::dial::webhook;
use super::error::ApiError;
use super::form::Parameters;
use crate::call::{
    Beep, CallSid, CoachChange, ConferenceCallback, ConferenceWord, ConferenceWords, HttpMethod, JoinTerms,
    SeatChange, SeatSound, VoiceUrl, is_label,
};

/// All that an update of a participant takes.
pub(super) const CHANGEABLE: [&str; 12] = [
    "AnnounceMethod",
    "AnnounceUrl",
    "BeepOnExit",
    "CallSidToCoach",
    "Coaching",
    "EndConferenceOnExit",
    "Hold",
    "HoldMethod",
    "HoldUrl",
    "Muted",
    "WaitMethod",
    "WaitUrl",
];

/// How somebody who is dialled takes their seat.
pub(super) fn join_terms(conference: String, parameters: &Parameters) -> Result<JoinTerms, ApiError> {
    jitter_buffer(parameters)?;
    let participants_max = match parameters.one("MaxParticipants")? {
        None => None,
        Some(value) => match value.parse() {
            Ok(most @ 2..=250) => Some(most),
            _ => return Err(ApiError::value("MaxParticipants", value, "a whole number from 2 to 250")),
        },
    };
    let coach = match coaching(parameters, flag(parameters, "Coaching")?)? {
        Some(CoachChange::Of(coached)) => Some(coached),
        Some(CoachChange::Nobody) | None => None,
    };
    Ok(JoinTerms {
        conference,
        listens_in: None,
        label: parameters.one("Label")?.map(label).transpose()?,
        muted: flag(parameters, "Muted")?.unwrap_or(false),
        start_on_enter: flag(parameters, "StartConferenceOnEnter")?.unwrap_or(true),
        end_on_exit: flag(parameters, "EndConferenceOnExit")?.unwrap_or(false),
        participants_max,
        beep: beep(parameters)?,
        wait: wait(parameters)?.unwrap_or_default(),
        coach,
        news: news(parameters)?,
        record: conference_recordings::of_participant(parameters)?,
    })
}

/// It is checked, and all participants have the node's buffer, which adapts to each.
fn jitter_buffer(parameters: &Parameters) -> Result<(), ApiError> {
    match parameters.one("JitterBufferSize")? {
        None | Some("off" | "small" | "medium" | "large") => Ok(()),
        Some(value) => Err(ApiError::value("JitterBufferSize", value, "off, small, medium or large")),
    }
}

fn beep(parameters: &Parameters) -> Result<Beep, ApiError> {
    let Some(value) = parameters.one("Beep")? else {
        return Ok(Beep::BOTH);
    };
    // Python's SDK writes `False`.
    let chosen = Beep::WRITTEN.into_iter().find(|(word, _)| word.eq_ignore_ascii_case(value));
    chosen
        .map(|(_, beep)| beep)
        .ok_or_else(|| ApiError::value("Beep", value, "true, false, onEnter or onExit"))
}

/// An empty URL is silence.
fn wait(parameters: &Parameters) -> Result<Option<SeatSound>, ApiError> {
    match parameters.one("WaitUrl")? {
        None => Ok(None),
        Some("") => Ok(Some(SeatSound::Silence)),
        Some(_) => Ok(webhook(parameters, "WaitUrl", "WaitMethod")?.map(SeatSound::At)),
    }
}

fn news(parameters: &Parameters) -> Result<Option<ConferenceCallback>, ApiError> {
    let Some(url) = webhook(parameters, "ConferenceStatusCallback", "ConferenceStatusCallbackMethod")? else {
        return Ok(None);
    };
    let asked = parameters.all("ConferenceStatusCallbackEvent");
    let mut words = Vec::new();
    for word in asked.iter().flat_map(|value| value.split_whitespace()) {
        words.push(ConferenceWord::parse(word).ok_or_else(|| {
            let right = "start, end, join, leave, mute, hold, modify, speaker or announcement";
            ApiError::value("ConferenceStatusCallbackEvent", word, right)
        })?);
    }
    if words.is_empty() {
        words = vec![ConferenceWord::Start, ConferenceWord::End];
    }
    Ok(Some(ConferenceCallback { url, events: words.into_iter().collect::<ConferenceWords>() }))
}

/// What an update asks for.
pub(super) fn change(parameters: &Parameters) -> Result<SeatChange, ApiError> {
    Ok(SeatChange {
        muted: lenient_flag(parameters, "Muted")?,
        hold: lenient_flag(parameters, "Hold")?,
        hold_sound: hold(parameters)?.map(SeatSound::At),
        announce: webhook(parameters, "AnnounceUrl", "AnnounceMethod")?,
        wait: wait(parameters)?,
        beep_on_exit: lenient_flag(parameters, "BeepOnExit")?,
        end_on_exit: lenient_flag(parameters, "EndConferenceOnExit")?,
        coaching: coaching(parameters, lenient_flag(parameters, "Coaching")?)?,
    })
}

/// Unlike the others it is asked with GET unless the request says otherwise.
fn hold(parameters: &Parameters) -> Result<Option<VoiceUrl>, ApiError> {
    let is_said = parameters.one("HoldMethod")?.is_some_and(|method| !method.is_empty());
    let url = webhook(parameters, "HoldUrl", "HoldMethod")?;
    Ok(url.map(|url| VoiceUrl { method: if is_said { url.method } else { HttpMethod::Get }, ..url }))
}

/// Whom to coach; nothing if the request does not say.
fn coaching(parameters: &Parameters, coaching: Option<bool>) -> Result<Option<CoachChange>, ApiError> {
    let coached = match parameters.one("CallSidToCoach")? {
        None | Some("") => None,
        Some(value) => {
            let right = "the SID of a call: CA and 32 hexadecimal digits";
            Some(value.parse::<CallSid>().map_err(|_| ApiError::value("CallSidToCoach", value, right))?)
        }
    };
    match (coaching, coached) {
        (Some(false), _) => Ok(Some(CoachChange::Nobody)),
        (Some(true) | None, Some(coached)) => Ok(Some(CoachChange::Of(coached))),
        (Some(true), None) => Err(ApiError::parameter(
            "Coaching=true needs CallSidToCoach, the SID of the call that is to hear the coach.".to_owned(),
        )),
        (None, None) => Ok(None),
    }
}

fn label(text: &str) -> Result<String, ApiError> {
    if is_label(text) {
        return Ok(text.to_owned());
    }
    Err(ApiError::call(
        16_024,
        "Label must be 1 to 128 characters without a slash or a line break, and must not look like a call's SID.",
    ))
}

/// A word that is neither is refused: in a filter it would silently list the wrong people.
pub(super) fn flag(parameters: &Parameters, name: &str) -> Result<Option<bool>, ApiError> {
    match parameters.one(name)? {
        None => Ok(None),
        Some(value) if value.eq_ignore_ascii_case("true") => Ok(Some(true)),
        Some(value) if value.eq_ignore_ascii_case("false") => Ok(Some(false)),
        Some(value) => Err(ApiError::value(name, value, "true or false")),
    }
}

/// In an update a word that is neither counts as false, as it does at the original.
fn lenient_flag(parameters: &Parameters, name: &str) -> Result<Option<bool>, ApiError> {
    Ok(parameters.one(name)?.map(|value| value.eq_ignore_ascii_case("true")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_beep_is_read_as_sdks_write_it() {
        let beep_of = |form: &str| {
            let parameters = Parameters::parse(form.as_bytes(), "The body").expect("well-formed");
            join_terms("desk".to_owned(), &parameters).map(|terms| terms.beep)
        };
        let beep = |on_enter, on_exit| Beep { on_enter, on_exit };
        for (form, expected) in [
            ("", beep(true, true)),
            ("Beep=true", beep(true, true)),
            ("Beep=True", beep(true, true)),
            ("Beep=false", beep(false, false)),
            ("Beep=False", beep(false, false)),
            ("Beep=onEnter", beep(true, false)),
            ("Beep=onexit", beep(false, true)),
        ] {
            assert_eq!(beep_of(form).ok(), Some(expected), "{form}");
        }
        for form in ["Beep=", "Beep=no", "Beep=0"] {
            assert!(beep_of(form).is_err(), "{form}");
        }
    }
}
