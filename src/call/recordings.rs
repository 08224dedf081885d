//! Recordings of calls and conferences: who is recorded, how far it got, and who is told. The sound itself is the recorder's affair
//! ([`crate::recording`]): the model has legs and conferences tapped, gives orders, and hears what became of them.
//!
//! What the files say is the truth: at the start all that there are come from their manifests, and only what is under way
//! is known here alone.

mod about;
mod conference;
mod request;
mod view;

use std::collections::{HashMap, VecDeque};

use chrono::Utc;
use confab_media::{Tapped, Time};
use tokio::sync::mpsc;
use tracing::{error, info};

pub use self::conference::{ConferenceRecording, ConferenceTracks};
pub use self::view::{
    RecordingCallback, RecordingChange, RecordingEvents, RecordingFilter, RecordingSource, RecordingStatus,
    RecordingTerms, RecordingTrack, RecordingView,
};
use self::{about::About, conference::Tapping, view::shape};
use super::event::What;
use super::handle::{CallError, CallEvent, Handle, Reply, Request};
use super::list::page;
use super::model::{Model, answer};
use super::records::Records;
use super::sid::{AccountSid, CallSid, ConferenceSid, RecordingSid};
use super::view::{Page, PageRequest};
use super::voice::VoiceUrl;
use crate::recording::{Begin, Manifest, Name, Recorder, Report, Shape};
use crate::worker::now as now_on_threads;

/// Recordings of one call, or one conference, at a time. An application has some of its own, a compliance desk another; more are a mistake.
const OF_ONE_MAX: usize = 8;

/// News of recordings that may wait to be written down for delivery, as with calls.
const NEWS_MAX: usize = 16_384;

/// Something of a recording that somebody wants to be told of.
#[derive(Clone, Debug)]
pub struct RecordingNews {
    /// Who.
    pub to: VoiceUrl,
    /// What, in a word.
    pub word: &'static str,
    /// It is told in the older way, as the end of a conference's recording.
    pub is_record_end: bool,
    /// The recording, right after it.
    pub recording: RecordingView,
}

/// What can be asked of recordings.
pub(super) enum RecordingRequest {
    Start(CallSid, Box<RecordingTerms>, Reply<RecordingView>),
    StartConference(ConferenceSid, Box<ConferenceRecording>, Reply<RecordingView>),
    Change(RecordingSid, RecordingChange, Reply<RecordingView>),
    Fetch(RecordingSid, Reply<RecordingView>),
    Await(RecordingSid, Reply<RecordingView>),
    List(RecordingFilter, PageRequest, Reply<Page<RecordingView>>),
    Delete(RecordingSid, Reply<()>),
    RecordWith(Recorder, Vec<Manifest>, mpsc::Sender<RecordingNews>),
    Reported(Report),
}

/// All recordings that are known.
pub(super) struct Recordings {
    recorder: Option<Recorder>,
    rows: Records<RecordingSid, Recording>,
    /// Those under way, the newest last.
    of_call: HashMap<CallSid, Vec<RecordingSid>>,
    of_conference: HashMap<ConferenceSid, Vec<RecordingSid>>,
    /// What is to be recorded of calls that are not answered yet.
    on_answer: HashMap<CallSid, RecordingTerms>,
    news: Option<mpsc::Sender<RecordingNews>>,
    /// Ends for which the recorder had no room. Bounded by the recordings under way.
    unfinished: VecDeque<RecordingSid>,
    /// Whose files are being deleted.
    deleting: HashMap<RecordingSid, Reply<()>>,
}

/// A recording and what only the model needs.
struct Recording {
    view: RecordingView,
    callback: Option<RecordingCallback>,
    /// Who waits for it to be on the disk.
    waiting: Vec<Reply<RecordingView>>,
    /// What is copied for it, if it is of a conference.
    tapping: Option<Tapping>,
}

/// What can happen to a recording that somebody may want to be told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happening {
    Begun,
    Paused,
    Resumed,
    Stopped,
    /// It is on the disk, or there is nothing of it.
    Over,
}

impl Recordings {
    pub(super) fn new() -> Self {
        Self {
            recorder: None,
            rows: Records::new(),
            of_call: HashMap::new(),
            of_conference: HashMap::new(),
            on_answer: HashMap::new(),
            news: None,
            unfinished: VecDeque::new(),
            deleting: HashMap::new(),
        }
    }

    /// Those under way of a call, and of a conference.
    pub(super) fn under_way(
        &self,
        call: CallSid,
        conference: Option<ConferenceSid>,
    ) -> impl Iterator<Item = RecordingSid> + '_ {
        let of_conference = conference.and_then(|conference| self.of_conference.get(&conference));
        self.of_call.get(&call).into_iter().chain(of_conference).flatten().copied()
    }

    /// All under way of an account, the oldest first.
    pub(super) fn all_under_way(&self, account: AccountSid) -> Vec<RecordingView> {
        let under_way = self.of_call.values().chain(self.of_conference.values()).flatten();
        let views = under_way.filter_map(|sid| self.rows.get(*sid)).map(|recording| &recording.view);
        let mut found: Vec<_> = views.filter(|view| view.account == account).cloned().collect();
        found.sort_by_key(|view| view.created);
        found
    }

    /// Whose it is.
    pub(super) fn owner(&self, sid: RecordingSid) -> Option<AccountSid> {
        self.rows.get(sid).map(|recording| recording.view.account)
    }

    /// Whether a call is recorded.
    pub(super) fn hear(&self, call: CallSid) -> bool {
        self.of_call.contains_key(&call)
    }

    fn tell(&self, recording: &Recording, happening: Happening) {
        let Some(callback) = &recording.callback else {
            return;
        };
        for word in callback.events.words(happening, recording.view.status) {
            let news = RecordingNews {
                to: callback.url.clone(),
                word,
                is_record_end: callback.is_record_end,
                recording: recording.view.clone(),
            };
            if self.news.as_ref().is_some_and(|told| told.try_send(news).is_err()) {
                error!(recording = %recording.view.sid, "news of a recording was lost: nobody takes it");
            }
        }
    }
}

impl Handle {
    /// Lets the node record with this recorder, which has `found` what there is already. What it reports is taken from
    /// `reports`; what somebody wants to be told comes out of the receiver.
    pub fn record_with(
        &self,
        recorder: Recorder,
        mut reports: mpsc::Receiver<Report>,
        found: Vec<Manifest>,
    ) -> mpsc::Receiver<RecordingNews> {
        let (news, told) = mpsc::channel(NEWS_MAX);
        let request = RecordingRequest::RecordWith(recorder, found, news);
        if self.requests.try_send((None, Request::Recording(request))).is_err() {
            error!("nothing is recorded: the model takes no requests");
        }
        // The model lives as long as others ask it; the recorder's reports do not count.
        let requests = self.requests.downgrade();
        tokio::spawn(async move {
            while let Some(report) = reports.recv().await {
                let Some(requests) = requests.upgrade() else {
                    return;
                };
                let request = Request::Recording(RecordingRequest::Reported(report));
                // An owner that is gone wants to know nothing more.
                let _ = requests.send((None, request)).await;
            }
        });
        told
    }

    /// Records a connected call from now on.
    ///
    /// # Errors
    /// When it is not connected, is recorded often enough already, or the node does not record.
    pub async fn start_recording(
        &self,
        call: CallSid,
        terms: RecordingTerms,
    ) -> Result<RecordingView, CallError> {
        self.ask_recordings(|reply| RecordingRequest::Start(call, Box::new(terms), reply)).await
    }

    /// Records a conference in progress from now on.
    ///
    /// # Errors
    /// When nobody is in it, it is over, is recorded often enough already, or the node does not record.
    pub async fn start_conference_recording(
        &self,
        conference: ConferenceSid,
        recording: ConferenceRecording,
    ) -> Result<RecordingView, CallError> {
        let request = |reply| RecordingRequest::StartConference(conference, Box::new(recording), reply);
        self.ask_recordings(request).await
    }

    /// Pauses a recording, goes on with it, or ends it.
    ///
    /// # Errors
    /// When there is none, or it is over.
    pub async fn change_recording(
        &self,
        recording: RecordingSid,
        change: RecordingChange,
    ) -> Result<RecordingView, CallError> {
        self.ask_recordings(|reply| RecordingRequest::Change(recording, change, reply)).await
    }

    /// One recording.
    ///
    /// # Errors
    /// When there is none.
    pub async fn fetch_recording(&self, recording: RecordingSid) -> Result<RecordingView, CallError> {
        self.ask_recordings(|reply| RecordingRequest::Fetch(recording, reply)).await
    }

    /// A recording when it is over, and on the disk if there is anything of it.
    ///
    /// # Errors
    /// When there is none.
    pub async fn finished_recording(&self, recording: RecordingSid) -> Result<RecordingView, CallError> {
        self.ask_recordings(|reply| RecordingRequest::Await(recording, reply)).await
    }

    /// Recordings, newest first.
    ///
    /// # Errors
    /// When the node is overloaded or stops.
    pub async fn list_recordings(
        &self,
        mut filter: RecordingFilter,
        page: PageRequest,
    ) -> Result<Page<RecordingView>, CallError> {
        filter.account = self.account.or(filter.account);
        self.ask_recordings(|reply| RecordingRequest::List(filter, page, reply)).await
    }

    /// Deletes a recording that is over; answers when its files are gone.
    ///
    /// # Errors
    /// When there is none, it is under way, or the disk keeps it.
    pub async fn delete_recording(&self, recording: RecordingSid) -> Result<(), CallError> {
        self.ask_recordings(|reply| RecordingRequest::Delete(recording, reply)).await
    }

    async fn ask_recordings<T>(
        &self,
        request: impl FnOnce(Reply<T>) -> RecordingRequest,
    ) -> Result<T, CallError> {
        self.ask(|reply| Request::Recording(request(reply))).await
    }
}

impl Model {
    pub(super) fn recording(&mut self, request: RecordingRequest) {
        match request {
            RecordingRequest::Start(call, terms, reply) => {
                let started = self.start_recording(call, *terms);
                answer(reply, started);
            }
            RecordingRequest::StartConference(conference, wanted, reply) => {
                let started = self.start_conference_recording(conference, *wanted);
                answer(reply, started);
            }
            RecordingRequest::Change(sid, change, reply) => {
                let changed = self.change_recording(sid, change);
                answer(reply, changed);
            }
            RecordingRequest::Fetch(sid, reply) => {
                let view = self.recordings.rows.get(sid).map(|recording| recording.view.clone());
                answer(reply, view.ok_or(CallError::NoRecording));
            }
            RecordingRequest::Await(sid, reply) => match self.recordings.rows.get_mut(sid) {
                None => answer(reply, Err(CallError::NoRecording)),
                Some(found) if found.view.status.is_final() => answer(reply, Ok(found.view.clone())),
                Some(found) => found.waiting.push(reply),
            },
            RecordingRequest::List(filter, request, reply) => {
                let all = self.recordings.rows.newest_first().map(|recording| &recording.view);
                answer(reply, Ok(page(all.filter(|view| filter.takes(view)), request)));
            }
            RecordingRequest::Delete(sid, reply) => self.delete_recording(sid, reply),
            RecordingRequest::RecordWith(recorder, found, news) => self.record_with(recorder, found, news),
            RecordingRequest::Reported(report) => self.recorded(report),
        }
    }

    fn record_with(&mut self, recorder: Recorder, found: Vec<Manifest>, news: mpsc::Sender<RecordingNews>) {
        let recordings = &mut self.recordings;
        (recordings.recorder, recordings.news) = (Some(recorder), Some(news));
        let mut found: Vec<(About, Manifest)> = found
            .into_iter()
            .filter_map(|manifest| Some((About::read(&manifest.about)?, manifest)))
            .collect();
        found.sort_by_key(|(about, _)| about.created);
        for (about, manifest) in found {
            let Some(view) = about.view(&manifest) else {
                continue;
            };
            let (sid, callback) = (view.sid, about.callback());
            let recording = Recording { view, callback, waiting: Vec::new(), tapping: None };
            if manifest.is_news {
                recordings.tell(&recording, Happening::Over);
            }
            recordings.rows.insert(sid, recording);
            recordings.rows.end(sid);
        }
    }

    fn start_recording(&mut self, sid: CallSid, terms: RecordingTerms) -> Result<RecordingView, CallError> {
        let Some(recorder) = self.recordings.recorder.clone() else {
            return Err(CallError::NotRecording);
        };
        let call = self.connected(sid)?;
        let (account, leg, rate) = (call.view.account, call.leg.leg, call.leg.sample_rate());
        if self.recordings.of_call.get(&sid).is_some_and(|active| active.len() >= OF_ONE_MAX) {
            return Err(CallError::RecordingsFull);
        }
        let (recording, now) = (RecordingSid::generate(), Utc::now());
        let shape = Shape { rate: recorder.rate_of(rate), ..shape(&terms, rate) };
        let view = RecordingView {
            sid: recording,
            account,
            call: sid,
            conference: None,
            tracks: shape.tracks.width(),
            track: terms.track,
            source: terms.source,
            status: RecordingStatus::InProgress,
            created: now,
            updated: now,
            seconds: None,
            size: None,
            error: None,
        };
        let name = name_of(recording);
        let about = About::of(&view, terms.callback.as_ref()).written();
        let begin = Begin {
            name,
            of: Tapped::Leg(leg),
            since: if self.is_tapped(sid) { now_on_threads() } else { Time::ZERO },
            seats: Vec::new(),
            terms: terms.for_recorder(shape),
            about,
        };
        // First the recorder, so that it knows the leg when the first frame comes.
        if !recorder.begin(begin) {
            return Err(CallError::Overloaded);
        }
        if let Some(call) = self.calls.get(sid) {
            self.media.set_tap(&call.leg, true);
        }
        info!(recording = %recording, call = %sid, "recording begun");
        let row =
            Recording { view: view.clone(), callback: terms.callback, waiting: Vec::new(), tapping: None };
        self.begun(row);
        self.recordings.of_call.entry(sid).or_default().push(recording);
        Ok(view)
    }

    /// A call is to be recorded from its answer on, if there is anything to be recorded.
    pub(super) fn record_when_answered(&mut self, sid: CallSid, terms: Option<RecordingTerms>) {
        self.recordings.on_answer.extend(terms.map(|terms| (sid, terms)));
    }

    /// A call was answered.
    pub(super) fn begin_recordings(&mut self, sid: CallSid) {
        if let Some(terms) = self.recordings.on_answer.remove(&sid)
            && let Err(error) = self.start_recording(sid, terms)
        {
            error!(call = %sid, %error, "not recorded");
        }
    }

    /// A call is over, and with it its recordings.
    pub(super) fn end_recordings(&mut self, sid: CallSid) {
        self.recordings.on_answer.remove(&sid);
        for recording in self.recordings.of_call.remove(&sid).unwrap_or_default() {
            self.end_recording(recording, RecordingStatus::Processing);
        }
    }

    fn change_recording(
        &mut self,
        sid: RecordingSid,
        change: RecordingChange,
    ) -> Result<RecordingView, CallError> {
        let Some(found) = self.recordings.rows.get(sid) else {
            return Err(CallError::NoRecording);
        };
        let status = found.view.status;
        let is_active = matches!(status, RecordingStatus::InProgress | RecordingStatus::Paused);
        let Some(recorder) = self.recordings.recorder.clone().filter(|_| is_active) else {
            return Err(CallError::RecordingOver);
        };
        let (is_taken, status, happening) = match change {
            RecordingChange::Stop => {
                self.stop_recording(sid);
                let stopped = self.recordings.rows.get(sid).map(|recording| recording.view.clone());
                return stopped.ok_or(CallError::NoRecording);
            }
            RecordingChange::Pause(behavior) => {
                (recorder.pause(&name_of(sid), Some(behavior)), RecordingStatus::Paused, Happening::Paused)
            }
            RecordingChange::Resume => {
                (recorder.pause(&name_of(sid), None), RecordingStatus::InProgress, Happening::Resumed)
            }
        };
        if !is_taken {
            return Err(CallError::Overloaded);
        }
        let before = self.recordings.rows.get(sid).map(|found| found.view.status);
        let view = self.set_recording(sid, |view| view.status = status).ok_or(CallError::NoRecording)?;
        if let Some(found) = self.recordings.rows.get(sid).filter(|_| before != Some(status)) {
            self.recordings.tell(found, happening);
        }
        Ok(view)
    }

    /// Ends a recording under way, before its call or conference is over.
    fn stop_recording(&mut self, sid: RecordingSid) {
        let Some((call, conference)) =
            self.recordings.rows.get(sid).map(|found| (found.view.call, found.view.conference))
        else {
            return;
        };
        match conference {
            Some(conference) => self.let_go_of_conference_recording(conference, sid),
            None => self.let_go_of_recording(call, sid),
        }
        self.end_recording(sid, RecordingStatus::Stopped);
        if let Some(found) = self.recordings.rows.get(sid) {
            self.recordings.tell(found, Happening::Stopped);
        }
    }

    /// Takes a recording from its call, and the tap from its leg with the last.
    fn let_go_of_recording(&mut self, call: CallSid, sid: RecordingSid) {
        let Some(active) = self.recordings.of_call.get_mut(&call) else {
            return;
        };
        active.retain(|recording| *recording != sid);
        if active.is_empty() {
            self.recordings.of_call.remove(&call);
            self.untap(call);
        }
    }

    fn end_recording(&mut self, sid: RecordingSid, status: RecordingStatus) {
        self.set_recording(sid, |view| view.status = status);
        self.recordings.unfinished.push_back(sid);
        self.finish_recordings();
    }

    /// Tells the recorder of ends, as many as it has room for.
    pub(super) fn finish_recordings(&mut self) {
        let Some(recorder) = &self.recordings.recorder else {
            return;
        };
        while let Some(sid) = self.recordings.unfinished.front() {
            if !recorder.finish(&name_of(*sid)) {
                return;
            }
            self.recordings.unfinished.pop_front();
        }
    }

    /// Changes what is known of a recording, and writes that down.
    fn set_recording(
        &mut self,
        sid: RecordingSid,
        change: impl FnOnce(&mut RecordingView),
    ) -> Option<RecordingView> {
        let view = &mut self.recordings.rows.get_mut(sid)?.view;
        let before = view.status;
        change(view);
        view.updated = Utc::now();
        if view.status != before {
            self.journal.append(view.updated, What::Recording(view.clone()));
        }
        Some(view.clone())
    }

    fn delete_recording(&mut self, sid: RecordingSid, reply: Reply<()>) {
        let found = self.recordings.rows.get(sid);
        let Some(found) = found.filter(|found| found.view.status != RecordingStatus::Deleted) else {
            return answer(reply, Err(CallError::NoRecording));
        };
        if !found.view.status.is_final() {
            return answer(reply, Err(CallError::RecordingUnderWay));
        }
        match &self.recordings.recorder {
            // Whoever asked first is answered by what they are told then: it is gone.
            Some(recorder) if recorder.delete(&name_of(sid)) => {
                self.recordings.deleting.insert(sid, reply);
            }
            Some(_) | None => answer(reply, Err(CallError::Overloaded)),
        }
    }

    fn recorded(&mut self, report: Report) {
        match report {
            Report::Ended(name, ending) => {
                info!(recording = %name, ?ending, "recording has ended by itself");
                self.ended_by_itself(&name);
            }
            Report::Failed(name) => self.ended_by_itself(&name),
            Report::Finished(manifest) => self.recording_finished(&manifest),
            Report::Deleted(name, is_gone) => {
                let Some(sid) = sid_of(&name) else {
                    return;
                };
                if is_gone {
                    self.set_recording(sid, |view| view.status = RecordingStatus::Deleted);
                    info!(recording = %sid, "recording deleted");
                }
                if let Some(reply) = self.recordings.deleting.remove(&sid) {
                    answer(reply, if is_gone { Ok(()) } else { Err(CallError::Overloaded) });
                }
            }
        }
    }

    fn ended_by_itself(&mut self, name: &Name) {
        let Some(sid) = sid_of(name) else {
            return;
        };
        let Some(view) = self.recordings.rows.get(sid).map(|recording| &recording.view) else {
            return;
        };
        let (call, conference) = (view.call, view.conference);
        let active = match conference {
            Some(conference) => self.recordings.of_conference.get(&conference),
            None => self.recordings.of_call.get(&call),
        };
        if !active.is_some_and(|active| active.contains(&sid)) {
            return;
        }
        self.stop_recording(sid);
        if let Some(call) = self.calls.get(call).filter(|_| conference.is_none()) {
            call.tell(CallEvent::Recorded(sid));
        }
    }

    fn recording_finished(&mut self, manifest: &Manifest) {
        let Some(sid) = sid_of(&manifest.name) else {
            return;
        };
        self.set_recording(sid, |view| view.finish(manifest));
        if let Some(found) = self.recordings.rows.get_mut(sid) {
            let (view, waiting) = (found.view.clone(), std::mem::take(&mut found.waiting));
            info!(recording = %sid, status = view.status.word(), seconds = view.seconds, "recording over");
            waiting.into_iter().for_each(|reply| answer(reply, Ok(view.clone())));
        }
        if let Some(found) = self.recordings.rows.get(sid) {
            self.recordings.tell(found, Happening::Over);
        }
        self.recordings.rows.end(sid);
    }
}

/// A recording's name at the recorder: its SID, and nothing else.
fn name_of(sid: RecordingSid) -> Name {
    sid.to_string().parse().expect("a SID is two letters and 32 hexadecimal digits")
}

fn sid_of(name: &Name) -> Option<RecordingSid> {
    name.to_string().parse().ok()
}
