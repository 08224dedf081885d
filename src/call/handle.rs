//! The way in to the model: what adapters (SIP, HTTP) may ask, and how they are answered.

use confab_media::ice::IceCredentials;
use confab_media::srtp::SrtpPair;
use confab_media::{Feed, LegMedia, PlayEnd, PlayerId, Plays, PressedDigit, Sound};
use tokio::sync::{mpsc, oneshot};

use super::capture::CaptureRequest;
use super::change::CallChange;
use super::digits::DigitString;
use super::event::Events;
use super::floor::FloorRequest;
use super::history::{Kept, Owed, Scribe, Unkept};
use super::media::{BrowserLeg, Play};
use super::news::News;
use super::outbound::{DialOrder, OutgoingCall, Placed};
use super::quality::CallQuality;
use super::queue::QueueExit;
use super::queue::request::QueueRequest;
use super::recordings::RecordingRequest;
use super::seating::SeatChange;
use super::sid::{AccountSid, CallSid, ConferenceSid, QueueSid, RecordingSid, StreamSid};
use super::sounds::{SoundId, SoundOrder};
use super::streams::StreamRequest;
use super::transfer::{ReferStep, TransferRequest};
use super::view::{
    CallFilter, CallView, ConferenceFilter, ConferenceView, Page, PageRequest, ParticipantFilter,
    ParticipantView,
};
use super::voice::{Destination, JoinTerms, StatusCallback, Voice, VoiceUrl};
use crate::store::Store;
use crate::telemetry::Metrics;

/// Requests that wait for the model's owner at a time. Each is some microseconds of work, so a full queue
/// means that something is badly wrong: whoever asks is told [`CallError::Overloaded`] at once.
pub(super) const REQUESTS_MAX: usize = 1_024;

/// Asks the model. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) requests: mpsc::Sender<Asked>,
    pub(super) events: Events,
    /// Whose calls and conferences it reaches; without, everybody's.
    pub(super) account: Option<AccountSid>,
    /// Where records of what the model has forgotten are.
    pub(super) store: Option<Store>,
}

/// A request, and the account in whose name it is made, if it is made in one's.
pub(super) type Asked = (Option<AccountSid>, Request);

/// How a participant is named in a conference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParticipantKey {
    /// By their call.
    Call(CallSid),
    /// By the label their seat was given.
    Label(String),
}

/// Why something asked could not be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no such call.
    #[error("no such call")]
    NoCall,
    /// There is no such conference.
    #[error("no such conference")]
    NoConference,
    /// The conference has no such participant.
    #[error("no such participant in this conference")]
    NoParticipant,
    /// The call is over, or not in the state for this.
    #[error("the call is not in the right state")]
    WrongState,
    /// The conference is over.
    #[error("the conference is over")]
    ConferenceCompleted,
    /// All seats of the conference are taken.
    #[error("the conference is full")]
    ConferenceFull,
    /// The label belongs to another participant.
    #[error("the label is in use in this conference")]
    LabelInUse,
    /// The node has as many calls as it may have.
    #[error("the node is full")]
    NodeFull,
    /// The node's configuration does not let this be dialled.
    #[error("dialling it is not allowed")]
    NotAllowed,
    /// There is no such queue.
    #[error("no such queue")]
    NoQueue,
    /// The call waits in no queue, or not in this one.
    #[error("the call does not wait in this queue")]
    NotQueued,
    /// As many wait in the queue as may.
    #[error("the queue is full")]
    QueueFull(QueueSid),
    /// Another queue of the account has the name.
    #[error("another queue has this name")]
    QueueNameTaken,
    /// Somebody waits in the queue.
    #[error("somebody waits in the queue")]
    QueueNotEmpty,
    /// The node has as many queues as it may have.
    #[error("the node has too many queues")]
    TooManyQueues,
    /// No trunk reaches the number.
    #[error("no trunk of this node reaches it")]
    NotReached,
    /// There is no trunk of this name or SID.
    #[error("there is no such trunk")]
    NoTrunk,
    /// The account has as many calls made for it as it may have.
    #[error("the account has as many calls as it may have")]
    TooManyCalls,
    /// As many calls of the account wait to be dialled as may.
    #[error("too many calls wait to be dialled")]
    DialQueueFull {
        /// When there will be room, in seconds.
        retry_after: u64,
    },
    /// There is no such recording.
    #[error("no such recording")]
    NoRecording,
    /// The recording is over, or about to be.
    #[error("the recording is over")]
    RecordingOver,
    /// The recording is not over.
    #[error("the recording is still under way")]
    RecordingUnderWay,
    /// The call has as many recordings at a time as it may have.
    #[error("the call is recorded as often as it may be at a time")]
    RecordingsFull,
    /// The node does not record.
    #[error("this node does not record")]
    NotRecording,
    /// The call has no such stream under way.
    #[error("no such stream of this call")]
    NoStream,
    /// The call has as many tracks streamed as it may have.
    #[error("the call has as many tracks streamed as it may have at a time")]
    StreamsFull,
    /// Another stream of the call has the name.
    #[error("another stream of this call has this name")]
    StreamNameTaken,
    /// The node does not stream.
    #[error("this node does not stream")]
    NotStreaming,
    /// Nothing is played to the call.
    #[error("nothing is played to the call")]
    NotPlaying,
    /// More keys wait to be pressed towards the far end than there is room for.
    #[error("too many keys wait to be pressed")]
    DigitsFull,
    /// The one to be coached is not in the conference.
    #[error("the call to be coached is not in the conference")]
    CoachedAbsent,
    /// The one to be coached is on hold and would not hear their coach.
    #[error("the call to be coached is on hold")]
    CoachedOnHold,
    /// As many announcements wait as may.
    #[error("too many announcements wait to be heard")]
    AnnouncementsFull,
    /// Somebody captures the keys of the call already.
    #[error("the keys of the call are captured already")]
    KeysCaptured,
    /// A queue on the way is full; try again in a second.
    #[error("the node is overloaded")]
    Overloaded,
    /// The node takes no browsers.
    #[error("the node has no port for browsers")]
    NoBrowserPort,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// How the API asks a call to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCall {
    /// `completed`: ends it whatever its state.
    Completed,
    /// `canceled`: only before it is answered.
    Canceled,
}

/// A call that has come to an adapter and asks to be let in.
#[derive(Debug)]
pub struct IncomingCall {
    /// Whose number it came to.
    pub account: AccountSid,
    /// Who calls.
    pub from: String,
    /// Whom they call.
    pub to: String,
    /// The trunk they came over, if they came over one.
    pub trunk: Option<String>,
    /// Where a route or the number sends them.
    pub destination: Destination,
    /// Who is told how far it gets.
    pub status: Option<StatusCallback>,
    /// Where the adapter is told what to do. When the adapter drops the other end, the call is over.
    pub signals: mpsc::Sender<Signal>,
}

/// What an adapter is told about a call of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Answer it: connect its media, and tell the far end.
    Answer,
    /// Refuse it before it is answered.
    Reject(Rejection),
    /// End it; its media have stopped or are about to.
    HangUp(HangUp),
    /// Ask the far end to call somebody itself, by this URI.
    Refer(String),
    /// Tell the far end, by a status of SIP, what became of its wish to have another called.
    ReferAnswered(u16),
    /// Another adapter has the call now. Tell the far end, and the model nothing.
    Replaced,
}

/// How a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The one called is busy (SIP 486).
    Busy,
    /// The one called does not want it (SIP 603), or is not there.
    Declined,
}

/// What a call's script is told. When the call is over the channel ends.
#[derive(Clone, Debug)]
pub enum CallEvent {
    /// A key was pressed at the far end.
    Digit(PressedDigit),
    /// What was played has ended by itself or was stopped.
    Played {
        /// Which.
        player: PlayerId,
        /// How.
        end: PlayEnd,
    },
    /// It is in its conference no more: the conference ended, or it was removed.
    LeftConference {
        /// The conference.
        conference: ConferenceSid,
        /// Whether it was removed, and did not go with all others.
        kicked: bool,
    },
    /// Somebody asks that it follow another script from now on.
    Redirected(Voice),
    /// A recording of it has ended by itself.
    Recorded(RecordingSid),
    /// The stream over which it talked is over.
    Talked(StreamSid),
    /// A call that this one's script dialled has got further, or is over.
    Dialled(Box<CallView>),
    /// Somebody takes it out of its queue: it is to hear this, and then to be connected.
    TakenFromQueue {
        /// Who.
        by: CallSid,
        /// What it is to hear.
        whisper: Option<VoiceUrl>,
    },
    /// Who took it is gone; it waits on, in its place.
    BackInQueue,
    /// It is out of its queue, and its script did not ask for that.
    LeftQueue(Box<QueueExit>),
    /// It took a caller out of a queue and is connected with them.
    Dequeued {
        /// Who.
        caller: CallSid,
    },
    /// A call that this one's script dialled has heard what it was to hear first.
    Whispered {
        /// Which.
        call: CallSid,
        /// Whether it can be connected now; if not, it follows another script.
        is_ready: bool,
    },
    /// The far end of a call that this one's script dialled wants another called instead of itself.
    Referred {
        /// Which call.
        call: CallSid,
        /// Whom, as a URI.
        to: String,
    },
    /// The far end was asked to call somebody, and got so far.
    Refer(ReferStep),
}

/// A call that came in and is to follow a script.
#[derive(Debug)]
pub struct Arrival {
    /// The call.
    pub call: CallView,
    /// Its script.
    pub voice: Voice,
    /// Whether the script is only what it hears before whoever dialled it connects it.
    pub is_whisper: bool,
    /// What happens to it. Its end is the call's end.
    pub events: mpsc::Receiver<CallEvent>,
}

/// What the model hands to its adapters.
#[derive(Debug)]
pub struct Adapters {
    /// Calls that are to follow a script.
    pub arrivals: mpsc::Receiver<Arrival>,
    /// Calls that are to be dialled.
    pub outgoing: mpsc::Receiver<OutgoingCall>,
    /// What somebody asked to be told.
    pub news: mpsc::Receiver<News>,
    /// Sounds that are to be fetched and played in conferences.
    pub sounds: mpsc::Receiver<SoundOrder>,
}

/// Why a call is to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangUp {
    /// Somebody asked for it: the API, or the conference ended.
    Asked,
    /// Nothing came from the far end for too long.
    SilentFarEnd,
    /// A defect of the node ended its media.
    MediaFailed,
    /// Its far end has had the others connected without itself.
    Transferred,
    /// It, or its conference, has lasted as long as it may.
    TimeUp,
    /// The node is stopping.
    Stopping,
}

/// A call that was let in: it has a name and ports, and waits to be connected.
#[derive(Clone, Copy, Debug)]
pub struct Admission {
    /// Its name.
    pub call: CallSid,
    /// The port where its RTP will be received; RTCP is on the next.
    pub rtp_port: u16,
}

/// Why a call was not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// The node has as many calls as it may have.
    #[error("the node is full")]
    NodeFull,
    /// All seats of the conference are taken.
    #[error("the conference is full")]
    ConferenceFull,
    /// There is no seat for it for another reason.
    #[error(transparent)]
    NoSeat(CallError),
    /// No RTP port is free, or the system has no descriptors left.
    #[error("no RTP ports are free")]
    NoPorts,
    /// A queue on the way is full.
    #[error("the node is overloaded")]
    Overloaded,
    /// The node takes no more calls.
    #[error("the node is stopping")]
    Stopping,
}

/// How a call ended, as its adapter saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEnd {
    /// After it was answered, by either side.
    HungUp,
    /// Given up by the caller before the answer.
    Canceled,
    /// The one called is busy.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// It could not be set up.
    Failed,
}

/// By what an agent is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Phones that speak SIP.
    Phone,
    /// Browsers.
    Browser,
}

/// How far an outgoing call got, as its adapter sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Its turn came, and it is dialled.
    Dialling,
    /// It rings at the far end.
    Ringing,
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, CallError>>;

/// What offer and answer agreed for a call.
#[derive(Clone, Debug)]
pub struct CallMedia {
    /// How its leg's media stand.
    pub leg: LegMedia,
    /// The keys of SRTP; none over plain RTP.
    pub srtp: Option<SrtpPair>,
    /// What the far end must know for its checks to be answered, if it is a browser; not said again unless it changes.
    pub ice: Option<IceCredentials>,
}

pub(super) enum Request {
    AdmitCall(IncomingCall, oneshot::Sender<Result<Admission, NotAdmitted>>),
    UseBrowserPort(CallSid, Reply<BrowserLeg>),
    ConnectCall(CallSid, CallMedia, Reply<()>),
    SetCallMedia(CallSid, CallMedia, Reply<()>),
    CallProgressed(CallSid, Progress),
    CallEnded(CallSid, CallEnd, Option<u16>),
    AgentIsAt(AccountSid, String, Reach, usize),
    CallUsesTrunk(CallSid, String),
    AnswerCall(CallSid, Reply<CallView>),
    RejectCall(CallSid, Rejection, Reply<()>),
    PlaceCall(Box<DialOrder>, Reply<Placed>),
    RedirectCall(CallSid, Voice, Reply<CallView>),
    JoinConference(CallSid, JoinTerms, Reply<ParticipantView>),
    LeaveConference(CallSid, Reply<()>),
    Bridge(CallSid, CallSid, Reply<()>),
    Play(CallSid, Sound, Play, Reply<PlayerId>),
    Feed(CallSid, Box<Feed>, Reply<PlayerId>),
    StopPlaying(CallSid, Reply<()>),
    Queue(Box<QueueRequest>),
    Transfer(TransferRequest),
    Whispered(CallSid, bool, Reply<()>),
    ChangeCall(CallSid, CallChange, Reply<CallView>),
    HearDigit(CallSid, PressedDigit, Reply<()>),
    PressDigits(CallSid, DigitString, Reply<()>),
    Recording(RecordingRequest),
    Stream(StreamRequest),
    Capture(CaptureRequest),
    Floor(FloorRequest),
    Stop(oneshot::Sender<()>),
    ListCalls(CallFilter, PageRequest, Reply<Page<CallView>>),
    FetchCall(CallSid, Reply<CallView>),
    CallQuality(CallSid, Reply<CallQuality>),
    EndCall(CallSid, EndCall, Reply<CallView>),
    ListConferences(ConferenceFilter, PageRequest, Reply<Page<ConferenceView>>),
    FetchConference(ConferenceSid, Reply<ConferenceView>),
    EndConference(ConferenceSid, Reply<ConferenceView>),
    ListParticipants(ConferenceSid, ParticipantFilter, PageRequest, Reply<Page<ParticipantView>>),
    FetchParticipant(ConferenceSid, ParticipantKey, Reply<ParticipantView>),
    ChangeSeat(ConferenceSid, ParticipantKey, Box<SeatChange>, Reply<ParticipantView>),
    Announce(ConferenceSid, VoiceUrl, Reply<ConferenceView>),
    PlaySound(SoundId, Sound, Plays, Reply<PlayEnd>),
    SoundOver(SoundId, Option<String>),
    KickParticipant(ConferenceSid, ParticipantKey, Reply<()>),
    UnkeptCalls(CallFilter, usize, Reply<Unkept<CallView>>),
    UnkeptConferences(ConferenceFilter, usize, Reply<Unkept<ConferenceView>>),
    Owed(Reply<Owed>),
    Kept(Kept),
    ForgetCall(CallSid, Reply<()>),
}

impl Handle {
    /// What happens to calls and conferences, to be followed.
    pub const fn events(&self) -> &Events {
        &self.events
    }

    /// The same for one account: what belongs to others is not there.
    #[must_use]
    pub fn of(&self, account: AccountSid) -> Self {
        Self { account: Some(account), ..self.clone() }
    }

    /// The same with a store, into which what happens is recorded from now on, and out of which lists and fetches reach
    /// beyond the model's memory. To be called once, before the first call.
    #[must_use]
    pub fn recording(self, store: Store, metrics: &Metrics) -> Self {
        let scribe = Scribe {
            store: store.clone(),
            events: self.events.clone(),
            model: self.requests.downgrade(),
            missed: Scribe::missed(metrics),
        };
        tokio::spawn(scribe.run());
        Self { store: Some(store), ..self }
    }

    /// Calls, newest first.
    pub async fn list_calls(
        &self,
        mut filter: CallFilter,
        page: PageRequest,
    ) -> Result<Page<CallView>, CallError> {
        filter.account = self.account.or(filter.account);
        match &self.store {
            Some(store) => self.list_all_calls(store, filter, page).await,
            None => self.ask(|reply| Request::ListCalls(filter, page, reply)).await,
        }
    }

    /// One call, live or recorded.
    pub async fn fetch_call(&self, call: CallSid) -> Result<CallView, CallError> {
        match (self.ask(|reply| Request::FetchCall(call, reply)).await, &self.store) {
            (Err(CallError::NoCall), Some(store)) => self.stored_call(store, call).await,
            (found, _) => found,
        }
    }

    /// Deletes the record of a call that is over. One that is not is [`CallError::WrongState`].
    pub async fn delete_call(&self, call: CallSid) -> Result<(), CallError> {
        self.forget_call(call).await
    }

    /// How a call sounds, or sounded if it is among the last that ended.
    pub async fn quality(&self, call: CallSid) -> Result<CallQuality, CallError> {
        self.ask(|reply| Request::CallQuality(call, reply)).await
    }

    /// Ends a call; answers when its media have stopped. The far end is told at the same time.
    pub async fn end_call(&self, call: CallSid, how: EndCall) -> Result<CallView, CallError> {
        match (self.ask(|reply| Request::EndCall(call, how, reply)).await, &self.store) {
            (Err(CallError::NoCall), Some(store)) => {
                self.stored_call(store, call).await?;
                Err(CallError::WrongState)
            }
            (done, _) => done,
        }
    }

    /// Conferences, newest first.
    pub async fn list_conferences(
        &self,
        mut filter: ConferenceFilter,
        page: PageRequest,
    ) -> Result<Page<ConferenceView>, CallError> {
        filter.account = self.account.or(filter.account);
        match &self.store {
            Some(store) => self.list_all_conferences(store, filter, page).await,
            None => self.ask(|reply| Request::ListConferences(filter, page, reply)).await,
        }
    }

    /// One conference, live or recorded.
    pub async fn fetch_conference(&self, conference: ConferenceSid) -> Result<ConferenceView, CallError> {
        match (self.ask(|reply| Request::FetchConference(conference, reply)).await, &self.store) {
            (Err(CallError::NoConference), Some(store)) => self.stored_conference(store, conference).await,
            (found, _) => found,
        }
    }

    /// Ends a conference and the calls in it. Ending one that is over changes nothing.
    pub async fn end_conference(&self, conference: ConferenceSid) -> Result<ConferenceView, CallError> {
        match (self.ask(|reply| Request::EndConference(conference, reply)).await, &self.store) {
            (Err(CallError::NoConference), Some(store)) => self.stored_conference(store, conference).await,
            (done, _) => done,
        }
    }

    /// Those who are in a conference now, newest first; nobody, when it is over.
    pub async fn list_participants(
        &self,
        conference: ConferenceSid,
        filter: ParticipantFilter,
        page: PageRequest,
    ) -> Result<Page<ParticipantView>, CallError> {
        let found = self.ask(|reply| Request::ListParticipants(conference, filter, page, reply)).await;
        match (found, &self.store) {
            (Err(CallError::NoConference), Some(store)) => {
                self.stored_conference(store, conference).await?;
                Ok(Page { items: Vec::new(), request: page, more: false })
            }
            (found, _) => found,
        }
    }

    /// One who is in a conference now.
    pub async fn fetch_participant(
        &self,
        conference: ConferenceSid,
        participant: ParticipantKey,
    ) -> Result<ParticipantView, CallError> {
        self.ask(|reply| Request::FetchParticipant(conference, participant, reply)).await
    }

    /// Mutes or unmutes; answers when the mixer has done it.
    pub async fn mute_participant(
        &self,
        conference: ConferenceSid,
        participant: ParticipantKey,
        muted: bool,
    ) -> Result<ParticipantView, CallError> {
        let change = SeatChange { muted: Some(muted), ..SeatChange::default() };
        self.change_seat(conference, participant, change).await
    }

    /// Changes how a participant sits; answers when the mixer has done it. An announcement is made later.
    pub async fn change_seat(
        &self,
        conference: ConferenceSid,
        participant: ParticipantKey,
        change: SeatChange,
    ) -> Result<ParticipantView, CallError> {
        self.ask(|reply| Request::ChangeSeat(conference, participant, Box::new(change), reply)).await
    }

    /// Tells all in a conference something, over the talk. Answers at once.
    pub async fn announce(
        &self,
        conference: ConferenceSid,
        url: VoiceUrl,
    ) -> Result<ConferenceView, CallError> {
        self.ask(|reply| Request::Announce(conference, url, reply)).await
    }

    /// Plays the next piece of an order; answers when it was heard to its end, or with [`CallError::NotPlaying`] when the
    /// order is of no use any more.
    pub async fn play_sound(&self, id: SoundId, sound: Sound, plays: Plays) -> Result<PlayEnd, CallError> {
        self.ask(|reply| Request::PlaySound(id, sound, plays, reply)).await
    }

    /// Tells that an order is carried out, or why it could not be.
    pub async fn sound_over(&self, id: SoundId, failed: Option<String>) {
        // An owner that is gone wants to know nothing more.
        let _ = self.requests.send((self.account, Request::SoundOver(id, failed))).await;
    }

    /// Removes a participant and ends their call; answers when the mixer has done it.
    pub async fn kick_participant(
        &self,
        conference: ConferenceSid,
        participant: ParticipantKey,
    ) -> Result<(), CallError> {
        self.ask(|reply| Request::KickParticipant(conference, participant, reply)).await
    }

    /// Asks for a call to be let in.
    pub async fn admit_call(&self, call: IncomingCall) -> Result<Admission, NotAdmitted> {
        let (reply, answer) = oneshot::channel();
        let asked = (self.account, Request::AdmitCall(call, reply));
        self.requests.try_send(asked).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => NotAdmitted::Overloaded,
            mpsc::error::TrySendError::Closed(_) => NotAdmitted::Stopping,
        })?;
        answer.await.unwrap_or(Err(NotAdmitted::Stopping))
    }

    /// By what port that browsers share the far end of a call comes that is not connected yet, whichever way it goes. It does so
    /// once the call is connected with media that say that it is a browser; until then somebody else may come to be the far end.
    ///
    /// # Errors
    /// [`CallError::NoBrowserPort`] where there is none, [`CallError::WrongState`] when it is connected.
    pub async fn use_browser_port(&self, call: CallSid) -> Result<BrowserLeg, CallError> {
        self.ask(|reply| Request::UseBrowserPort(call, reply)).await
    }

    /// Lets an admitted call's media begin; answers when it is in its conference.
    pub async fn connect_call(&self, call: CallSid, media: CallMedia) -> Result<(), CallError> {
        self.ask(|reply| Request::ConnectCall(call, media, reply)).await
    }

    /// Changes a connected call's media, as a re-INVITE agreed; answers when it is done.
    pub async fn set_call_media(&self, call: CallSid, media: CallMedia) -> Result<(), CallError> {
        self.ask(|reply| Request::SetCallMedia(call, media, reply)).await
    }

    /// Tells of a key that the far end's signalling told; answers when the media thread has it, which gives each press
    /// once.
    pub async fn heard_info_digit(&self, call: CallSid, key: PressedDigit) -> Result<(), CallError> {
        self.ask(|reply| Request::HearDigit(call, key, reply)).await
    }

    /// Presses keys towards a call's far end, when those before are done; answers when the media thread has them.
    pub async fn press_digits(&self, call: CallSid, keys: DigitString) -> Result<(), CallError> {
        self.ask(|reply| Request::PressDigits(call, keys, reply)).await
    }

    /// Tells how far an outgoing call got.
    pub async fn call_progressed(&self, call: CallSid, progress: Progress) {
        // An owner that is gone wants to know nothing more.
        let _ = self.requests.send((self.account, Request::CallProgressed(call, progress))).await;
    }

    /// Tells over which trunk an outgoing call is dialled.
    pub async fn call_uses_trunk(&self, call: CallSid, trunk: String) {
        // An owner that is gone wants to know nothing more.
        let _ = self.requests.send((self.account, Request::CallUsesTrunk(call, trunk))).await;
    }

    /// Tells that a call is over, and the SIP status that said so, if one did.
    pub async fn call_ended(&self, call: CallSid, end: CallEnd, status: Option<u16>) {
        // Waits for room: this must not be lost. If the owner is gone, so is the call.
        let _ = self.requests.send((self.account, Request::CallEnded(call, end, status))).await;
    }

    /// Tells that an agent has so many phones, or browsers, registered now.
    pub async fn agent_is_at(&self, account: AccountSid, name: String, by: Reach, devices: usize) {
        // An owner that is gone wants to know nothing more.
        let _ = self.requests.send((self.account, Request::AgentIsAt(account, name, by, devices))).await;
    }

    /// Answers a call that rings here; answers when its media flow. One that is answered already stays so.
    pub async fn answer_call(&self, call: CallSid) -> Result<CallView, CallError> {
        self.ask(|reply| Request::AnswerCall(call, reply)).await
    }

    /// Refuses a call that rings here.
    pub async fn reject_call(&self, call: CallSid, how: Rejection) -> Result<(), CallError> {
        self.ask(|reply| Request::RejectCall(call, how, reply)).await
    }

    /// Has a call dialled; answers when it is queued.
    pub async fn place_call(&self, order: DialOrder) -> Result<Placed, CallError> {
        self.ask(|reply| Request::PlaceCall(Box::new(order), reply)).await
    }

    /// Changes what may be changed about a call that is not over.
    pub async fn change_call(&self, call: CallSid, change: CallChange) -> Result<CallView, CallError> {
        self.ask(|reply| Request::ChangeCall(call, change, reply)).await
    }

    /// Tells that a call has heard what it was to hear before it is connected, and whether it can be now. If so, it
    /// follows its script no more.
    pub async fn whispered(&self, call: CallSid, is_ready: bool) -> Result<(), CallError> {
        self.ask(|reply| Request::Whispered(call, is_ready, reply)).await
    }

    /// Lets a call follow another script from now on, wherever it is.
    pub async fn redirect_call(&self, call: CallSid, voice: Voice) -> Result<CallView, CallError> {
        self.ask(|reply| Request::RedirectCall(call, voice, reply)).await
    }

    /// Seats an answered call in a conference, which begins if there is none of the name; answers when the mixer has
    /// done it.
    pub async fn join_conference(
        &self,
        call: CallSid,
        terms: JoinTerms,
    ) -> Result<ParticipantView, CallError> {
        self.ask(|reply| Request::JoinConference(call, terms, reply)).await
    }

    /// Takes a call out of its conference; it goes on. Answers when the mixer has done it.
    pub async fn leave_conference(&self, call: CallSid) -> Result<(), CallError> {
        self.ask(|reply| Request::LeaveConference(call, reply)).await
    }

    /// Lets two answered calls hear each other and nobody else, until one of them leaves.
    pub async fn bridge(&self, one: CallSid, other: CallSid) -> Result<(), CallError> {
        self.ask(|reply| Request::Bridge(one, other, reply)).await
    }

    /// Plays a sound to a call instead of what it was played. It is heard while the call is in no conference.
    pub async fn play(&self, call: CallSid, sound: Sound, plays: Plays) -> Result<PlayerId, CallError> {
        self.ask(|reply| Request::Play(call, sound, Play::Alone(plays), reply)).await
    }

    /// Plays it music that goes round until it is [stopped](Self::stop_playing), in the same way. All who are played this
    /// sound as music hear the same place of it, but one who was alone with it.
    pub async fn play_music(&self, call: CallSid, sound: Sound) -> Result<PlayerId, CallError> {
        self.ask(|reply| Request::Play(call, sound, Play::Together, reply)).await
    }

    /// Lets a call hear what is written to a feed, instead of what it was played, until that is stopped, something else is
    /// played, or the call is over.
    pub async fn feed(&self, call: CallSid, feed: Feed) -> Result<PlayerId, CallError> {
        self.ask(|reply| Request::Feed(call, Box::new(feed), reply)).await
    }

    /// Stops what a call is played.
    pub async fn stop_playing(&self, call: CallSid) -> Result<(), CallError> {
        self.ask(|reply| Request::StopPlaying(call, reply)).await
    }

    /// Lets no more calls in, ends all there are, and returns when their media have stopped.
    pub async fn stop(&self) {
        let (reply, stopped) = oneshot::channel();
        if self.requests.send((self.account, Request::Stop(reply))).await.is_ok() {
            // An owner that is gone has stopped.
            let _ = stopped.await;
        }
    }

    /// Puts a request before the model's owner and waits for the answer.
    pub(super) async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, CallError> {
        let (reply, answer) = oneshot::channel();
        self.requests.try_send((self.account, request(reply))).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => CallError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => CallError::Stopping,
        })?;
        answer.await.unwrap_or(Err(CallError::Stopping))
    }
}
