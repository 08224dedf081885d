//! News of calls, put into the words of the reference (§3.2) and handed to the courier, who delivers them in order.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use confab_media::SpeechChange;
use tokio::sync::mpsc;

use super::run::parameters;
use crate::call::{
    AccountSid, CallNews, CallStep, CallView, ConferenceEnd, ConferenceNews, ConferenceStep, HttpMethod,
    LeaveReason, News, ParticipantView, VoiceUrl, owed_ends,
};
use crate::store::{Store, StoreError};
use crate::webhook::{Client, Courier, Job, Method, Payload, Request, Spool as _, StoreSpool};

/// Hands on news until the model is gone.
pub async fn deliver(courier: Courier, web: Client, store: Store, mut news: mpsc::Receiver<News>) {
    while let Some(news) = news.recv().await {
        let job = match news {
            News::Call(news) => of_call(&news),
            News::Conference(news) => of_conference(&news),
            News::Promise(promise) => {
                // What the store has no room for was counted there.
                let _ = promise.keep(&store);
                continue;
            }
            News::Queue(definition) => {
                let _ = definition.keep(&store);
                continue;
            }
            News::Wake(to, call) => {
                tokio::spawn(wake(web.clone(), to, *call));
                continue;
            }
        };
        let over = job.is_last.then(|| job.key.clone());
        // What a full courier does is its own affair, and counted there.
        let _ = courier.send(job);
        if let Some(key) = over {
            // Behind the job in the store's queue, so that the end is always in one of the two.
            let _ = store.try_forget_promise(&key);
        }
    }
}

/// Puts into the spool the ends that an earlier life of the node promised to tell and, since it died, did not.
///
/// # Errors
/// When it cannot be read what was promised.
pub async fn keep_promises(store: &Store) -> Result<(), StoreError> {
    let spool = StoreSpool::new(store.clone());
    for (key, news) in owed_ends(store).await? {
        let job = match news {
            Some(News::Call(news)) => Some(of_call(&news)),
            Some(News::Conference(news)) => Some(of_conference(&news)),
            Some(News::Promise(_) | News::Queue(_) | News::Wake(..)) | None => None,
        };
        // One that a spool has no room for is promised still, and told after the next start.
        if job.is_none_or(|job| spool.put(&job).is_ok()) {
            let _ = store.try_forget_promise(&key);
        }
    }
    Ok(())
}

/// Tells whoever wakes an agent's phone that it is called. Once: what comes later wakes nobody in time. There are never more
/// on their way than calls that began within the last quarter of a minute.
async fn wake(web: Client, to: VoiceUrl, call: CallView) {
    let request = request(call.account, &to, parameters::of(&call)).about(call.sid.to_string());
    // A failure is noted by the client.
    let _ = web.notify(&request).await;
}

fn of_call(news: &CallNews) -> Job {
    let key = news.call.sid.to_string();
    let request = request(news.call.account, &news.to, told(news));
    job(key, news.number, news.step == CallStep::Completed, request)
}

fn of_conference(news: &ConferenceNews) -> Job {
    let key = news.conference.sid.to_string();
    let is_last = matches!(news.step, ConferenceStep::Ended { .. });
    job(key, news.number, is_last, request(news.conference.account, &news.to, told_of_conference(news)))
}

fn job(key: String, number: u32, is_last: bool, request: Request) -> Job {
    Job {
        // The end may be told by the next node, which may have missed a number: its name must be the same in any case.
        id: if is_last { format!("{key}-end") } else { format!("{key}-{number}") },
        is_last,
        request: request.about(key.clone()),
        key,
        accepted_at: SystemTime::now(),
    }
}

fn request(account: AccountSid, to: &VoiceUrl, told: Vec<(String, String)>) -> Request {
    let method = match to.method {
        HttpMethod::Get => Method::Get,
        HttpMethod::Post => Method::Post,
    };
    let payload = Payload::Form(told);
    Request { method, payload, ..Request::post(to.url.clone(), account.to_string(), Vec::new()) }
}

fn told(news: &CallNews) -> Vec<(String, String)> {
    let mut told = parameters::of(&news.call);
    if news.step == CallStep::Initiated {
        // Of the step, not of the call, which is queued.
        told.retain(|(name, _)| name != "CallStatus");
        told.push(parameters::named("CallStatus", "initiated"));
    }
    told.push(parameters::named("Timestamp", timestamp(Utc::now())));
    told.push(parameters::named("CallbackSource", "call-progress-events"));
    told.push(parameters::named("SequenceNumber", news.number));
    if let (CallStep::Completed, Some(ended)) = (news.step, news.call.ended) {
        let seconds = news.call.started.map_or(0, |started| (ended - started).num_seconds().max(0));
        told.push(parameters::named("CallDuration", seconds));
        // In minutes begun, as it is billed elsewhere.
        told.push(parameters::named("Duration", (seconds + 59) / 60));
        if let Some(status) = news.call.sip_status {
            told.push(parameters::named("SipResponseCode", status));
        }
    }
    told
}

/// As RFC 2822 has it.
fn timestamp(at: DateTime<Utc>) -> impl std::fmt::Display {
    at.format("%a, %d %b %Y %H:%M:%S +0000")
}

/// The reference's §3.3.
fn told_of_conference(news: &ConferenceNews) -> Vec<(String, String)> {
    let mut told = vec![
        parameters::named("ConferenceSid", news.conference.sid),
        parameters::named("FriendlyName", &news.conference.friendly_name),
        parameters::named("AccountSid", news.conference.account),
        parameters::named("SequenceNumber", news.number),
        parameters::named("Timestamp", timestamp(news.at)),
        parameters::named("StatusCallbackEvent", event_of(&news.step)),
    ];
    match &news.step {
        ConferenceStep::Started => {}
        ConferenceStep::Ended { label } => of_end(&mut told, news, label.as_deref()),
        ConferenceStep::Joined(seat)
        | ConferenceStep::Muted(seat)
        | ConferenceStep::Held(seat)
        | ConferenceStep::Modified(seat)
        | ConferenceStep::Speech(seat, _) => of_participant(&mut told, seat),
        ConferenceStep::Left { participant, call, reason } => {
            of_participant(&mut told, participant);
            told.push(parameters::named("ParticipantCallStatus", call.word()));
            told.push(parameters::named("ReasonParticipantLeft", leave_word(*reason)));
        }
        ConferenceStep::Announced { participant, url, failed } => {
            if let Some(seat) = participant {
                of_participant(&mut told, seat);
            }
            told.push(parameters::named("AnnounceUrl", url));
            if let Some(why) = failed {
                told.push(parameters::named("ReasonAnnouncementFailed", why));
            }
        }
    }
    told
}

const fn event_of(step: &ConferenceStep) -> &'static str {
    match step {
        ConferenceStep::Started => "conference-start",
        ConferenceStep::Ended { .. } => "conference-end",
        ConferenceStep::Joined(_) => "participant-join",
        ConferenceStep::Left { .. } => "participant-leave",
        ConferenceStep::Muted(seat) if seat.muted => "participant-mute",
        ConferenceStep::Muted(_) => "participant-unmute",
        ConferenceStep::Held(seat) if seat.hold => "participant-hold",
        ConferenceStep::Held(_) => "participant-unhold",
        ConferenceStep::Modified(_) => "participant-modify",
        ConferenceStep::Speech(_, SpeechChange::Started) => "participant-speech-start",
        ConferenceStep::Speech(_, SpeechChange::Stopped) => "participant-speech-stop",
        ConferenceStep::Announced { failed: None, .. } => "announcement-end",
        ConferenceStep::Announced { failed: Some(_), .. } => "announcement-fail",
    }
}

fn of_participant(told: &mut Vec<(String, String)>, seat: &ParticipantView) {
    told.push(parameters::named("CallSid", seat.call_sid));
    told.push(parameters::named("Muted", seat.muted));
    told.push(parameters::named("Hold", seat.hold));
    told.push(parameters::named("Coaching", seat.coaching));
    if let Some(coached) = seat.call_sid_to_coach {
        told.push(parameters::named("CallSidToCoach", coached));
    }
    told.push(parameters::named("EndConferenceOnExit", seat.end_on_exit));
    told.push(parameters::named("StartConferenceOnEnter", seat.start_on_enter));
    if let Some(label) = &seat.label {
        told.push(parameters::named("ParticipantLabel", label));
    }
}

fn of_end(told: &mut Vec<(String, String)>, news: &ConferenceNews, label: Option<&str>) {
    if let Some(call) = news.conference.call_sid_ending {
        told.push(parameters::named("CallSidEndingConference", call));
    }
    if let Some(label) = label {
        told.push(parameters::named("ParticipantLabelEndingConference", label));
    }
    if let Some(reason) = news.conference.reason_ended {
        told.push(parameters::named("ReasonConferenceEnded", reason.word()));
        told.push(parameters::named("Reason", sentence(reason)));
    }
}

/// Why it ended, for people.
const fn sentence(reason: ConferenceEnd) -> &'static str {
    match reason {
        ConferenceEnd::ViaApi => "The conference was ended over the API.",
        ConferenceEnd::LastParticipantLeft => "The last participant left.",
        ConferenceEnd::LastParticipantKicked => "The last participant was removed over the API.",
        ConferenceEnd::ModeratorLeft => "A participant with endConferenceOnExit left.",
        ConferenceEnd::ModeratorKicked => "A participant with endConferenceOnExit was removed over the API.",
    }
}

const fn leave_word(reason: LeaveReason) -> &'static str {
    match reason {
        LeaveReason::ConferenceEndedViaApi => "conference_ended_via_api",
        LeaveReason::ModeratorEndedConference => "moderator_ended_conference",
        LeaveReason::UpdatedViaApi => "participant_updated_via_api",
        LeaveReason::HungUp => "participant_hung_up",
        LeaveReason::AddFailed => "participant_add_failed",
    }
}
