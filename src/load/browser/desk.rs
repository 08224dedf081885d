//! Where browsers' calls are set up and ended while the signalling of telephones goes on: a task for each, whose outcome is
//! fetched when there is time for it.

use std::io;
use std::net::{IpAddr, UdpSocket as StdSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::peer::{Has, Peer, level_id};
use super::request::{self, Unanswered};
use super::{Application, Connected, reach};
use crate::load::codec::Codec;
use crate::load::node_api::NodeApi;
use crate::load::plan::LegNumber;
use crate::load::sdp::Answer;
use crate::load::wire;

/// Who calls whom.
#[derive(Clone, Debug)]
pub(in crate::load) struct Order {
    /// Who calls.
    pub(in crate::load) identity: String,
    /// Whom.
    pub(in crate::load) to: String,
    /// What it has.
    pub(in crate::load) has: Has,
}

/// What has become of a call.
#[derive(Debug)]
pub(in crate::load) enum News {
    /// Its media flows.
    Connected(Box<Reached>),
    /// It was refused with a status of HTTP.
    Refused { status: u16, reason: String },
    /// No answer came.
    Unanswered,
    /// The answer cannot be used.
    BadAnswer(String),
    /// It was answered, and no media gets through: why, and where the call is at the node's API.
    NotReached(String, String),
    /// It was ended.
    HungUp,
    /// It could not be ended.
    HangUpUnanswered,
}

/// A call whose media flows.
#[derive(Debug)]
pub(in crate::load) struct Reached {
    pub(in crate::load) socket: StdSocket,
    pub(in crate::load) answer: Answer,
    pub(in crate::load) connected: Connected,
    /// From the offer to its answer.
    pub(in crate::load) took: Duration,
    /// Where the call is at the node's API.
    pub(in crate::load) location: String,
}

/// All browsers' calls of a run.
#[derive(Debug)]
pub(in crate::load) struct Desk {
    api: NodeApi,
    application: Arc<Application>,
    /// Where their media comes from.
    at: IpAddr,
    tasks: JoinSet<(LegNumber, News)>,
}

impl Desk {
    pub(in crate::load) fn new(api: NodeApi, application: Arc<Application>, at: IpAddr) -> Self {
        Self { api, application, at, tasks: JoinSet::new() }
    }

    /// Begins a call.
    ///
    /// # Errors
    /// When there is no socket for it.
    pub(in crate::load) fn dial(&mut self, leg: LegNumber, order: Order) -> io::Result<()> {
        let socket = StdSocket::bind((self.at, 0))
            .map_err(|error| io::Error::new(error.kind(), format!("no socket for {leg}: {error}")))?;
        socket.set_nonblocking(true)?;
        wire::enable_stamps(&socket)?;
        let socket = UdpSocket::from_std(socket)?;
        let (api, application) = (self.api.clone(), Arc::clone(&self.application));
        self.tasks.spawn(async move { (leg, set_up(&api, &application, order, socket).await) });
        Ok(())
    }

    /// Ends one that is at this place.
    pub(in crate::load) fn hang_up(&mut self, leg: LegNumber, identity: &str, location: String) {
        let (api, token) = (self.api.clone(), self.application.token(identity));
        self.tasks.spawn(async move {
            let done = request::hang_up(&api, &token, &location).await;
            (leg, done.map_or(News::HangUpUnanswered, |()| News::HungUp))
        });
    }

    /// What has happened since it was last asked for.
    ///
    /// # Errors
    /// When a task has died.
    pub(in crate::load) fn next(&mut self) -> io::Result<Option<(LegNumber, News)>> {
        self.tasks.try_join_next().transpose().map_err(io::Error::other)
    }
}

async fn set_up(api: &NodeApi, application: &Application, order: Order, socket: UdpSocket) -> News {
    let (mut peer, offer) = match offer_of(&socket, order.has) {
        Ok(offered) => offered,
        Err(problem) => return News::BadAnswer(problem),
    };
    let token = application.token(&order.identity);
    let offered_ns = wire::monotonic_ns();
    let answered = match request::offer(api, &token, &order.to, offer).await {
        Ok(answered) => answered,
        Err(Unanswered::Refused(status, reason)) => return News::Refused { status, reason },
        Err(Unanswered::Silent) => return News::Unanswered,
    };
    if let Err(error) = peer.take_answer(&answered.sdp, Instant::now()) {
        return News::BadAnswer(error.to_string());
    }
    let (socket, remote) = match connect(&mut peer, socket).await {
        Ok(reached) => reached,
        Err(error) => return News::NotReached(error.to_string(), answered.location),
    };
    let audio_level = level_id(&answered.sdp).filter(|_| order.has.audio_level);
    let payload_type = Codec::Opus.payload_type();
    News::Connected(Box::new(Reached {
        socket,
        answer: Answer { remote, payload_type, audio_level, keys: None },
        connected: Connected { peer: Box::new(peer), offered_ns },
        took: answered.took,
        location: answered.location,
    }))
}

fn offer_of(socket: &UdpSocket, has: Has) -> Result<(Peer, String), String> {
    let (local, now) = (socket.local_addr().map_err(|error| error.to_string())?, Instant::now());
    let mut peer = Peer::new(local, has, now).map_err(|error| error.to_string())?;
    let offer = peer.offer(now).map_err(|error| error.to_string())?;
    Ok((peer, offer))
}

async fn connect(peer: &mut Peer, socket: UdpSocket) -> io::Result<(StdSocket, std::net::SocketAddr)> {
    let remote = reach::the_node(peer, &socket).await?;
    Ok((socket.into_std()?, remote))
}
