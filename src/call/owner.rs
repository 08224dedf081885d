//! The task that owns the model: takes requests and reports one at a time.

use std::time::Duration;

use chrono::Utc;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::event::Journal;
use super::handle::{
    Adapters, Admission, Asked, CallEnd, CallError, Handle, IncomingCall, NotAdmitted, REQUESTS_MAX, Reply,
    Request,
};
use super::media::{Media, Receiving};
use super::model::{Limits, Model};
use super::outbound::DialRules;
use super::state::JoinReply;
use crate::sound::hold_music;
use crate::telemetry::Metrics;
use crate::worker::{Ports, Report, WorkerIndex, Workers};

/// How often orphaned calls are looked for. They only come from defects; a second is soon enough.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Starts the owner on the current runtime. It ends, and the media threads with it, when the last handle is
/// dropped.
pub fn start(
    workers: Workers,
    reports: mpsc::Receiver<(WorkerIndex, Report)>,
    ports: Ports,
    receiving: Receiving,
    limits: Limits,
    outbound: DialRules,
    metrics: &Metrics,
) -> (Handle, Adapters) {
    // Made now, which takes some milliseconds: the first who waits for a conference shall not keep everybody waiting.
    let _ = hold_music();
    let (requests, incoming) = mpsc::channel(REQUESTS_MAX);
    let journal = Journal::new(Utc::now());
    let events = journal.events();
    let media = Media::new(workers, ports.counted(metrics), receiving);
    let (model, adapters) = Model::new(media, limits, outbound, journal, metrics);
    tokio::spawn(own(model, incoming, reports));
    (Handle { requests, events, account: None, store: None }, adapters)
}

async fn own(
    mut model: Model,
    mut requests: mpsc::Receiver<Asked>,
    mut reports: mpsc::Receiver<(WorkerIndex, Report)>,
) {
    let mut sweep = tokio::time::interval(SWEEP_INTERVAL);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            request = requests.recv() => match request {
                Some(asked) => take(&mut model, asked),
                None => return,
            },
            Some((worker, report)) = reports.recv() => model.report(worker, report),
            _ = sweep.tick() => model.sweep(),
            () = at(model.next_turn()) => model.send_due(),
        }
        model.note_all_listeners();
    }
}

async fn at(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}

fn take(model: &mut Model, (account, request): Asked) {
    match account.and_then(|account| model.beyond(account, &request)) {
        Some(why) => request.refuse(why),
        None => handle(model, request),
    }
}

fn handle(model: &mut Model, request: Request) {
    match request {
        Request::AdmitCall(call, reply) => admit(model, call, reply),
        Request::UseBrowserPort(call, reply) => model.use_browser_port(call, reply),
        Request::ConnectCall(call, media, reply) => model.connect(call, media, reply),
        Request::SetCallMedia(call, media, reply) => model.set_media(call, media, reply),
        Request::CallProgressed(call, progress) => model.progressed(call, progress),
        Request::CallEnded(call, end, status) => model.call_ended(call, end, status),
        Request::AgentIsAt(account, name, by, devices) => model.agent_is_at((account, name), by, devices),
        Request::CallUsesTrunk(call, trunk) => model.uses_trunk(call, trunk),
        Request::AnswerCall(call, reply) => model.answer_call(call, reply),
        Request::RejectCall(call, how, reply) => model.reject(call, how, reply),
        Request::PlaceCall(order, reply) => model.place(*order, reply),
        Request::RedirectCall(call, voice, reply) => model.redirect(call, voice, reply),
        Request::JoinConference(call, terms, reply) => model.join(call, &terms, JoinReply::Joining(reply)),
        Request::LeaveConference(call, reply) => model.leave_conference(call, reply),
        Request::Bridge(one, other, reply) => model.bridge(one, other, reply),
        Request::Play(call, sound, plays, reply) => model.play(call, sound, plays, reply),
        Request::Feed(call, feed, reply) => model.feed(call, feed, reply),
        Request::StopPlaying(call, reply) => model.stop_playing(call, reply),
        Request::Queue(request) => model.queue_request(*request),
        Request::Transfer(request) => model.transfer(request),
        Request::Whispered(call, is_ready, reply) => answer(reply, model.whispered(call, is_ready)),
        Request::ChangeCall(call, change, reply) => answer(reply, model.change_call(call, change)),
        Request::HearDigit(call, key, reply) => model.hear_digit(call, key, reply),
        Request::PressDigits(call, keys, reply) => model.press_digits(call, &keys, reply),
        Request::Recording(request) => model.recording(request),
        Request::Stream(request) => model.streaming(request),
        Request::Capture(request) => model.capture(request),
        Request::Floor(request) => model.floor(request),
        Request::Stop(reply) => model.stop(reply),
        Request::ListCalls(filter, page, reply) => answer(reply, Ok(model.list_calls(&filter, page))),
        Request::FetchCall(call, reply) => {
            let call = model.calls.get(call).ok_or(CallError::NoCall);
            answer(reply, call.map(|call| call.view.clone()));
        }
        Request::CallQuality(call, reply) => model.quality(call, reply),
        Request::EndCall(call, how, reply) => model.end_call(call, how, reply),
        Request::ListConferences(filter, page, reply) => {
            answer(reply, Ok(model.list_conferences(&filter, page)));
        }
        Request::FetchConference(conference, reply) => {
            let view = model.conferences.get(conference).map(|conference| conference.view.clone());
            answer(reply, view.ok_or(CallError::NoConference));
        }
        Request::EndConference(conference, reply) => model.end_conference(conference, reply),
        Request::ListParticipants(conference, filter, page, reply) => {
            answer(reply, model.list_participants(conference, filter, page));
        }
        Request::FetchParticipant(conference, key, reply) => {
            let seat = model.participant(conference, &key).map(|call| call.seat.clone());
            answer(reply, seat.and_then(|seat| seat.ok_or(CallError::NoParticipant)));
        }
        Request::ChangeSeat(conference, key, change, reply) => {
            model.change_seat(conference, &key, *change, reply);
        }
        Request::Announce(conference, url, reply) => model.announce_to_everybody(conference, url, reply),
        Request::PlaySound(id, sound, plays, reply) => model.play_sound(id, sound, plays, reply),
        Request::SoundOver(id, failed) => model.sound_over(id, failed),
        Request::KickParticipant(conference, key, reply) => model.kick(conference, &key, reply),
        Request::UnkeptCalls(filter, count, reply) => answer(reply, Ok(model.unkept_calls(&filter, count))),
        Request::UnkeptConferences(filter, count, reply) => {
            answer(reply, Ok(model.unkept_conferences(&filter, count)));
        }
        Request::Owed(reply) => answer(reply, Ok(model.owed())),
        Request::Kept(kept) => model.kept(&kept),
        Request::ForgetCall(call, reply) => answer(reply, model.forget_call(call)),
    }
}

fn admit(model: &mut Model, call: IncomingCall, reply: oneshot::Sender<Result<Admission, NotAdmitted>>) {
    if let Err(Ok(admission)) = reply.send(model.admit(call)) {
        // The adapter is gone already.
        model.call_ended(admission.call, CallEnd::Failed, None);
    }
}

fn answer<T>(reply: Reply<T>, with: Result<T, CallError>) {
    // Whoever asked may have gone away.
    let _ = reply.send(with);
}
