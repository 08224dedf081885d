//! Runs call scripts: one task a call, from its first document to its end.
//!
//! ```text
//! model ── arrival ──▶ Runner: fetch a document ─▶ verb after verb ─▶ the end: hang up
//!                        ▲            │                │
//!                        └── Goto ◀───┴── action, Redirect, a redirect over the API
//! ```
//!
//! A runner asks the model and is told by it; it touches neither media nor SIP. Whatever it waits for, it also waits for
//! the call's end and for a redirect, so neither is ever late.

mod announce;
mod conference;
mod connect;
mod dial;
mod dial_parties;
mod dial_queue;
mod enqueue;
mod fetch;
mod gather;
pub(super) mod parameters;
mod pay;
mod record;
mod refer;
mod sounds;
mod started;
mod wait;
mod whisper;

pub use self::sounds::serve_sounds;
use std::collections::VecDeque;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use tracing::{debug, info};
use url::Url;

use self::announce::Problem;
use self::fetch::Errand;
use self::wait::QueueTurn;
use super::code::Code;
use super::debugger::{Debugger, Severity};
use super::verbs::{Redirect, Reject, RejectReason};
use super::{Callback, Document, Method, Use, Verb};
use crate::call::{
    Arrival, CallError, CallEvent, CallStatus, CallTokens, CallView, EndCall, Handle, HttpMethod,
    RecordingSid, Rejection, VoiceSource, VoiceUrl,
};
use crate::pay::Payments;
use crate::sound::{Library, Saying};
use crate::webhook::{Client, Cookies, Failure};

/// What all scripts need.
pub struct Scripts {
    /// The model.
    pub calls: Handle,
    /// Who fetches documents and sounds.
    pub web: Client,
    /// Who speaks.
    pub saying: Arc<Saying>,
    /// What is read and played.
    pub library: Arc<Library>,
    /// Who takes payments.
    pub payments: Payments,
    /// Who is told what goes wrong.
    pub debugger: Debugger,
    /// What allows a caller to be passed on as who they are.
    pub call_tokens: Arc<CallTokens>,
    /// Where this node's API is for whoever is told of it: `http://host:port`.
    pub public_url: String,
}

/// Documents that one call may go through. A script that redirects to itself for ever must end some day; a menu that
/// somebody walks through for hours does not come near.
const DOCUMENTS_MAX: u32 = 10_000;

/// Runs scripts until the model is gone.
pub async fn serve(scripts: Arc<Scripts>, mut arrivals: mpsc::Receiver<Arrival>) {
    let tasks = TaskTracker::new();
    while let Some(arrival) = arrivals.recv().await {
        let runner = Runner::new(Arc::clone(&scripts), arrival.call, arrival.events);
        let errand = Errand::begin(arrival.voice);
        match arrival.is_whisper {
            false => tasks.spawn(runner.follow(errand)),
            true => tasks.spawn(runner.whisper(errand)),
        };
    }
}

/// One call's script.
struct Runner {
    scripts: Arc<Scripts>,
    call: CallView,
    events: mpsc::Receiver<CallEvent>,
    /// What happened while something else was done.
    held: VecDeque<CallEvent>,
    cookies: Cookies,
    /// The document under way: what its relative URLs are relative to, and where an empty one leads.
    document: Source,
    /// What the document under way is for, which says what verbs it can have.
    purpose: Use,
    /// Whether it waits in a queue.
    is_queued: bool,
    /// Recordings that were started with a name.
    named: Vec<(String, RecordingSid)>,
    /// Names of streams that were started.
    streamed: Vec<String>,
}

/// Where a document came from.
#[derive(Clone)]
enum Source {
    Web { url: VoiceUrl, base: Url },
    Inline(String),
}

/// What a verb leads to.
enum Flow {
    /// The next verb.
    Next,
    /// Another document.
    Goto(Box<Errand>),
    /// Another document, because somebody asked the call to follow it.
    Redirected(Box<Errand>),
    /// Out of the queue.
    Leave,
    /// What happens to the call in its queue.
    Queue(QueueTurn),
    /// Nothing: the call is over, or is to end.
    Over,
}

const fn method(method: Method) -> HttpMethod {
    match method {
        Method::Get => HttpMethod::Get,
        Method::Post => HttpMethod::Post,
    }
}

impl Runner {
    fn new(scripts: Arc<Scripts>, call: CallView, events: mpsc::Receiver<CallEvent>) -> Self {
        let document = Source::Inline(String::new());
        Self {
            scripts,
            call,
            events,
            held: VecDeque::new(),
            cookies: Cookies::default(),
            document,
            purpose: Use::Call,
            is_queued: false,
            named: Vec::new(),
            streamed: Vec::new(),
        }
    }

    async fn follow(mut self, first: Errand) {
        let mut errand = Some(first);
        for _ in 0..DOCUMENTS_MAX {
            let Some(next) = errand.take() else {
                break;
            };
            match self.fetch(next).await {
                Some(document) => match self.perform(document).await {
                    Flow::Goto(next) | Flow::Redirected(next) => errand = Some(*next),
                    // A call that waits in no queue leaves none.
                    Flow::Next | Flow::Leave | Flow::Queue(_) | Flow::Over => break,
                },
                None => break,
            }
        }
        self.hang_up().await;
    }

    /// Goes through a document: what its last verb led to.
    async fn perform(&mut self, document: Document) -> Flow {
        for warning in &document.warnings {
            self.warn(warning.code, &warning.message);
        }
        for verb in document.verbs {
            let flow = Box::pin(self.verb(verb)).await;
            if !matches!(flow, Flow::Next) {
                return flow;
            }
        }
        Flow::Next
    }

    async fn verb(&mut self, verb: Verb) -> Flow {
        match verb {
            Verb::Reject(reject) => self.reject(&reject).await,
            Verb::Redirect(Redirect { to }) => self.go_to(&to, Vec::new()),
            Verb::Hangup => Flow::Over,
            Verb::Pause(pause) => self.pause(pause.length).await,
            Verb::Impossible(error) => {
                self.note(error.code, &error.message);
                Flow::Over
            }
            Verb::Dial(dial) => self.dial(*dial).await,
            Verb::Say(say) => self.say(&say).await,
            Verb::Play(play) => self.play(&play).await,
            Verb::Gather(gather) => self.gather(&gather).await,
            Verb::Enqueue(enqueue) => self.enqueue(&enqueue).await,
            Verb::Leave if self.is_queued => Flow::Leave,
            Verb::Leave => {
                self.warn(super::code::SCHEMA, "<Leave> is for those who wait in a queue; skipped.");
                Flow::Next
            }
            Verb::Pay(pay) => self.pay(&pay).await,
            Verb::Refer(refer) => self.refer(&refer).await,
            Verb::Record(record) => self.record(&record).await,
            Verb::Start(verb) | Verb::Stop(verb) => self.start_or_stop(verb.nouns).await,
            Verb::Connect(verb) => self.connect(verb).await,
        }
    }

    /// Answers the call, if that was not done: most verbs are heard.
    async fn answer(&mut self) -> Result<(), Flow> {
        if self.call.status == CallStatus::InProgress {
            return Ok(());
        }
        match self.scripts.calls.answer_call(self.call.sid).await {
            Ok(view) => {
                self.call = view;
                Ok(())
            }
            Err(error) => {
                debug!(call = %self.call.sid, %error, "not answered");
                Err(Flow::Over)
            }
        }
    }

    async fn reject(&mut self, reject: &Reject) -> Flow {
        let how = match reject.reason {
            RejectReason::Busy => Rejection::Busy,
            RejectReason::Rejected => Rejection::Declined,
        };
        if let Err(error) = self.scripts.calls.reject_call(self.call.sid, how).await {
            debug!(call = %self.call.sid, %error, "not refused");
        }
        Flow::Over
    }

    /// Ends the call, if that has not happened: its script has nothing more to say.
    async fn hang_up(&self) {
        match self.scripts.calls.end_call(self.call.sid, EndCall::Completed).await {
            Ok(_) | Err(CallError::WrongState | CallError::NoCall | CallError::Stopping) => {}
            Err(error) => info!(call = %self.call.sid, %error, "call not ended by its script"),
        }
    }

    /// On to another document, with what it is told.
    fn go_to(&self, to: &Callback, parameters: Vec<(String, String)>) -> Flow {
        let method = method(to.method);
        let base = match &self.document {
            Source::Web { base, .. } => Some(base),
            Source::Inline(text) if to.target.is_empty() => {
                let source = VoiceSource::Inline(text.clone());
                return Flow::Goto(Box::new(Errand { source, fallback: None, parameters }));
            }
            Source::Inline(_) => None,
        };
        if let (Source::Web { url, .. }, true) = (&self.document, to.target.is_empty()) {
            let url = VoiceUrl { url: url.url.clone(), method };
            return Flow::Goto(Box::new(Errand {
                source: VoiceSource::Url(url),
                fallback: None,
                parameters,
            }));
        }
        match to.target.resolve(base) {
            Ok(url) => {
                let source = VoiceSource::Url(VoiceUrl { url: url.into(), method });
                Flow::Goto(Box::new(Errand { source, fallback: None, parameters }))
            }
            Err(error) => {
                self.note(error.code, &error.message);
                Flow::Over
            }
        }
    }

    /// Something that went wrong, for whoever wrote the script.
    fn note(&self, code: Code, message: &str) {
        self.tell(Severity::Error, code, message);
    }

    /// Something that was passed over, or taken as something else than it says, for whoever wrote the script.
    fn warn(&self, code: Code, message: &str) {
        self.tell(Severity::Warning, code, message);
    }

    fn tell(&self, severity: Severity, code: Code, message: &str) {
        info!(call = %self.call.sid, code, message, "call script");
        let url = match &self.document {
            Source::Web { base, .. } => Some(base[..url::Position::AfterPath].to_owned()),
            Source::Inline(_) => None,
        };
        self.scripts.debugger.note((self.call.account, Some(self.call.sid)), severity, code, message, url);
    }

    /// What could not be had.
    fn suffer(&self, problem: &Problem) {
        if problem.is_told {
            info!(call = %self.call.sid, code = problem.code, message = problem.message, "call script");
        } else {
            self.note(problem.code, &problem.message);
        }
    }

    /// A request that failed. Its author is told by the client, which knows more of it.
    fn failed(&self, failure: &Failure) {
        info!(call = %self.call.sid, code = failure.code(), message = %failure, "call script");
    }
}
