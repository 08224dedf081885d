//! Streams of calls: whose sound goes to which server while it is said, and who is told. The sound itself is the affair of
//! [`crate::stream`]: the model has legs tapped, begins and ends streams, and hears what became of them.

mod talk;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use confab_media::LegId;
use tokio::sync::mpsc;
use tracing::{error, info};

use super::handle::{CallError, Handle, Reply, Request};
use super::model::{Model, answer};
use super::sid::{AccountSid, CallSid, StreamSid};
use super::voice::VoiceUrl;
use crate::stream::protocol::{Opening, Parameters, Tracks};
use crate::stream::{Begin, Forks, Problem, Report, Speech, StreamUrl};

/// Tracks of one call that are streamed at a time, as the reference bounds them: a stream of both has two.
const TRACKS_MAX: usize = 4;

/// News of streams that may wait to be written down for delivery, as with calls.
const NEWS_MAX: usize = 16_384;

/// What a stream is to be.
#[derive(Clone, Debug)]
pub struct StreamTerms {
    /// Where to.
    pub url: StreamUrl,
    /// By which it can be stopped; its SID without one.
    pub name: Option<String>,
    /// What of the call.
    pub tracks: Tracks,
    /// Who is told what becomes of it.
    pub callback: Option<VoiceUrl>,
    /// What its server is told.
    pub parameters: Parameters,
}

/// A stream of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamView {
    /// Its name at the API.
    pub sid: StreamSid,
    /// Whose it is.
    pub account: AccountSid,
    /// The call.
    pub call: CallSid,
    /// What the application calls it.
    pub name: String,
    /// Whether it is over.
    pub is_stopped: bool,
    /// When it last changed.
    pub updated: DateTime<Utc>,
}

/// Which of a call's streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamKey {
    /// This one.
    Sid(StreamSid),
    /// The one under way that is called so.
    Name(String),
}

/// Something of a stream that somebody may want to be told of.
#[derive(Clone, Debug)]
pub struct StreamNews {
    /// Who asked for it.
    pub to: Option<VoiceUrl>,
    /// The stream.
    pub stream: StreamView,
    /// What.
    pub step: StreamStep,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether this is the last of its steps.
    pub is_last: bool,
    /// How many steps were told before.
    pub number: u32,
}

/// What can become of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamStep {
    /// Its server hears.
    Started,
    /// Its server is not there, or was lost.
    Failed(Problem),
    /// Something went wrong that does not end it. For whoever wrote the application only.
    Noted(Problem),
    /// It is over.
    Stopped,
}

/// What can be asked of streams.
pub(super) enum StreamRequest {
    Start(CallSid, Box<StreamTerms>, Reply<StreamView>),
    Stop(CallSid, StreamKey, Reply<StreamView>),
    Connect(CallSid, Box<(StreamTerms, Speech)>, Reply<StreamView>),
    Disconnect(CallSid, StreamSid, Reply<StreamView>),
    ForkWith(Forks, mpsc::Sender<StreamNews>),
    Reported(Report),
}

impl StreamRequest {
    /// The call it is about, if it is about one.
    pub(super) const fn call(&self) -> Option<CallSid> {
        match self {
            Self::Start(call, ..)
            | Self::Stop(call, ..)
            | Self::Connect(call, ..)
            | Self::Disconnect(call, ..) => Some(*call),
            Self::ForkWith(..) | Self::Reported(_) => None,
        }
    }

    /// Answers that it will not be done.
    pub(super) fn refuse(self, why: CallError) {
        match self {
            Self::Start(_, _, reply)
            | Self::Stop(_, _, reply)
            | Self::Connect(_, _, reply)
            | Self::Disconnect(_, _, reply) => answer(reply, Err(why)),
            Self::ForkWith(..) | Self::Reported(_) => {}
        }
    }
}

/// All streams that are not over. Bounded by the tracks that a call may have streamed, and what stopped a moment ago.
#[derive(Default)]
pub(super) struct Streams {
    forks: Option<Forks>,
    news: Option<mpsc::Sender<StreamNews>>,
    rows: HashMap<StreamSid, Row>,
    /// Those that hear their call.
    of_call: HashMap<CallSid, Vec<StreamSid>>,
}

/// A stream and what only the model needs.
struct Row {
    view: StreamView,
    leg: LegId,
    tracks: Tracks,
    /// Whether its server is heard in the call.
    talks: bool,
    callback: Option<VoiceUrl>,
    was_started: bool,
    told: u32,
}

impl Streams {
    /// Whether a call is streamed.
    pub(super) fn hear(&self, call: CallSid) -> bool {
        self.of_call.contains_key(&call)
    }

    /// Those of a call that hear it.
    pub(super) fn under_way(&self, call: CallSid) -> impl Iterator<Item = StreamSid> + '_ {
        self.of_call.get(&call).into_iter().flatten().copied()
    }

    fn of(&self, call: CallSid) -> impl Iterator<Item = &Row> {
        let sids = self.of_call.get(&call).map_or(&[][..], Vec::as_slice);
        sids.iter().filter_map(|sid| self.rows.get(sid))
    }

    fn tell(&mut self, sid: StreamSid, step: StreamStep) {
        let Some(row) = self.rows.get_mut(&sid) else {
            return;
        };
        let is_last = match &step {
            StreamStep::Stopped => true,
            StreamStep::Failed(_) => !row.was_started,
            StreamStep::Started | StreamStep::Noted(_) => false,
        };
        let (to, stream, number) = (row.callback.clone(), row.view.clone(), row.told);
        row.told += 1;
        let news = StreamNews { to, stream, step, at: Utc::now(), is_last, number };
        if self.news.as_ref().is_some_and(|told| told.try_send(news).is_err()) {
            error!(stream = %sid, "news of a stream was lost: nobody takes it");
        }
    }
}

impl Handle {
    /// Lets the node stream with these. What becomes of streams is taken from `reports`; what somebody may want to be told
    /// comes out of the receiver.
    pub fn stream_with(
        &self,
        forks: Forks,
        mut reports: mpsc::Receiver<Report>,
    ) -> mpsc::Receiver<StreamNews> {
        let (news, told) = mpsc::channel(NEWS_MAX);
        let request = Request::Stream(StreamRequest::ForkWith(forks, news));
        if self.requests.try_send((None, request)).is_err() {
            error!("nothing is streamed: the model takes no requests");
        }
        // The model lives as long as others ask it; the reports of streams do not count.
        let requests = self.requests.downgrade();
        tokio::spawn(async move {
            while let Some(report) = reports.recv().await {
                let Some(requests) = requests.upgrade() else {
                    return;
                };
                // An owner that is gone wants to know nothing more.
                let _ = requests.send((None, Request::Stream(StreamRequest::Reported(report)))).await;
            }
        });
        told
    }

    /// Streams a connected call from now on. Whether its server is there shows later.
    ///
    /// # Errors
    /// When it is not connected, is streamed often enough already, or another of its streams has the name.
    pub async fn start_stream(&self, call: CallSid, terms: StreamTerms) -> Result<StreamView, CallError> {
        self.ask(|reply| Request::Stream(StreamRequest::Start(call, Box::new(terms), reply))).await
    }

    /// Ends a stream.
    ///
    /// # Errors
    /// When there is none.
    pub async fn stop_stream(&self, call: CallSid, stream: StreamKey) -> Result<StreamView, CallError> {
        self.ask(|reply| Request::Stream(StreamRequest::Stop(call, stream, reply))).await
    }
}

impl Model {
    pub(super) fn streaming(&mut self, request: StreamRequest) {
        match request {
            StreamRequest::Start(call, terms, reply) => {
                let started = self.start_stream(call, *terms, None);
                answer(reply, started);
            }
            StreamRequest::Connect(call, begin, reply) => {
                let (terms, speech) = *begin;
                let started = self.start_stream(call, terms, Some(speech));
                answer(reply, started);
            }
            StreamRequest::Disconnect(call, stream, reply) => {
                let ended = self.disconnect_stream(call, stream);
                answer(reply, ended);
            }
            StreamRequest::Stop(call, key, reply) => {
                let stopped = self.stop_stream(call, &key);
                answer(reply, stopped);
            }
            StreamRequest::ForkWith(forks, news) => {
                (self.streams.forks, self.streams.news) = (Some(forks), Some(news));
            }
            StreamRequest::Reported(report) => self.streamed(report),
        }
    }

    fn start_stream(
        &mut self,
        sid: CallSid,
        terms: StreamTerms,
        speech: Option<Speech>,
    ) -> Result<StreamView, CallError> {
        let Some(forks) = self.streams.forks.clone() else {
            return Err(CallError::NotStreaming);
        };
        let call = self.connected(sid)?;
        let (account, leg) = (call.view.account, call.leg.leg);
        let talks = speech.is_some();
        let alike = self.streams.of(sid).filter(|row| row.talks == talks);
        let tracks: usize = alike.map(|row| row.tracks.each().len()).sum();
        if tracks + terms.tracks.each().len() > if talks { 1 } else { TRACKS_MAX } {
            return Err(CallError::StreamsFull);
        }
        let stream = StreamSid::generate();
        let name = terms.name.unwrap_or_else(|| stream.to_string());
        if self.streams.of(sid).any(|row| row.view.name == name) {
            return Err(CallError::StreamNameTaken);
        }
        let view =
            StreamView { sid: stream, account, call: sid, name, is_stopped: false, updated: Utc::now() };
        let opening =
            Opening { account, call: sid, stream, tracks: terms.tracks, parameters: terms.parameters };
        // First those who listen, so that they know the leg when the first frame comes.
        forks.begin(Begin { leg, url: terms.url, opening, speech });
        if let Some(call) = self.calls.get(sid) {
            self.media.set_tap(&call.leg, true);
        }
        info!(%stream, call = %sid, "stream begun");
        let row = Row {
            view: view.clone(),
            leg,
            tracks: terms.tracks,
            talks,
            callback: terms.callback,
            was_started: false,
            told: 0,
        };
        self.streams.rows.insert(stream, row);
        self.streams.of_call.entry(sid).or_default().push(stream);
        Ok(view)
    }

    fn stop_stream(&mut self, call: CallSid, key: &StreamKey) -> Result<StreamView, CallError> {
        let found = self.streams.of(call).find(|row| match key {
            StreamKey::Sid(sid) => row.view.sid == *sid,
            StreamKey::Name(name) => row.view.name == *name,
        });
        let found = found.ok_or(CallError::NoStream)?;
        if found.talks {
            // Its script and its server end it, and the call.
            return Err(CallError::WrongState);
        }
        let sid = found.view.sid;
        self.let_go_of_stream(call, sid);
        self.end_stream(sid).ok_or(CallError::NoStream)
    }

    /// A call is over, and with it its streams.
    pub(super) fn end_streams(&mut self, call: CallSid) {
        for stream in self.streams.of_call.remove(&call).unwrap_or_default() {
            self.end_stream(stream);
        }
    }

    /// Has a stream hear no more. It is over when its server was told.
    fn end_stream(&mut self, sid: StreamSid) -> Option<StreamView> {
        let row = self.streams.rows.get_mut(&sid)?;
        (row.view.is_stopped, row.view.updated) = (true, Utc::now());
        if let Some(forks) = &self.streams.forks {
            forks.end(row.leg, sid);
        }
        Some(row.view.clone())
    }

    fn let_go_of_stream(&mut self, call: CallSid, sid: StreamSid) {
        if let Some(streams) = self.streams.of_call.get_mut(&call) {
            streams.retain(|stream| *stream != sid);
            if streams.is_empty() {
                self.streams.of_call.remove(&call);
                self.untap(call);
            }
        }
    }

    /// Takes the tap from the leg of a call, if nobody records it nor streams it any more.
    pub(super) fn untap(&mut self, sid: CallSid) {
        if self.is_tapped(sid) {
            return;
        }
        if let Some(call) = self.calls.get(sid).filter(|call| call.is_connected()) {
            self.media.set_tap(&call.leg, false);
        }
    }

    /// Whether a call is recorded or streamed by itself.
    pub(super) fn is_tapped(&self, sid: CallSid) -> bool {
        self.recordings.hear(sid) || self.streams.hear(sid)
    }

    fn streamed(&mut self, report: Report) {
        match report {
            Report::Started(sid) => {
                if let Some(row) = self.streams.rows.get_mut(&sid) {
                    row.was_started = true;
                }
                info!(stream = %sid, "stream started");
                self.streams.tell(sid, StreamStep::Started);
            }
            Report::Failed(sid, problem) => {
                info!(stream = %sid, code = problem.code, message = problem.message, "stream without server");
                self.streams.tell(sid, StreamStep::Failed(problem));
            }
            Report::Noted(sid, problem) => self.streams.tell(sid, StreamStep::Noted(problem)),
            Report::Ended(sid) => self.stream_ended(sid),
        }
    }

    fn stream_ended(&mut self, sid: StreamSid) {
        let Some(row) = self.streams.rows.get_mut(&sid) else {
            return;
        };
        (row.view.is_stopped, row.view.updated) = (true, Utc::now());
        let (call, was_started, talks) = (row.view.call, row.was_started, row.talks);
        // It may have ended by itself.
        self.let_go_of_stream(call, sid);
        if was_started {
            self.streams.tell(sid, StreamStep::Stopped);
        }
        if talks {
            self.tell_talked(call, sid);
        }
        info!(stream = %sid, "stream over");
        self.streams.rows.remove(&sid);
    }
}
