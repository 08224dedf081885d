//! Calls that come and go one by one: a task that dials, answers what the node asks, and hangs up, as it is told.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, UdpSocket as StdSocket};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, oneshot};

use crate::load::call::{Call, Dialling, Happening, Outbox};
use crate::load::codec::Codec;
use crate::load::message::{Message, Start};
use crate::load::sdp::{self, Answer, Offered};

/// How often timers are looked at.
const TIMER: Duration = Duration::from_millis(20);
/// The largest datagram UDP can carry.
const DATAGRAM_MAX: usize = 65_535;
/// Orders that wait for the task; whoever gives one more waits.
const ORDERS_MAX: usize = 256;

/// A call that was answered.
#[derive(Debug)]
pub(super) struct Line {
    /// The call's own id, by which it is hung up.
    pub(super) call_id: String,
    pub(super) socket: StdSocket,
    pub(super) answer: Answer,
}

enum Order {
    Dial { user: String, caller: String, codec: Codec, done: oneshot::Sender<Result<Line, String>> },
    Press { call_id: String, key: char, done: oneshot::Sender<bool> },
    HangUp { call_id: String, done: oneshot::Sender<bool> },
}

/// What gives the task its orders.
#[derive(Clone, Debug)]
pub(super) struct Switchboard {
    orders: mpsc::Sender<Order>,
    local: SocketAddr,
    ended: Arc<Mutex<Vec<String>>>,
}

impl Switchboard {
    /// Starts the task; it ends when nobody can give it orders any longer.
    ///
    /// # Errors
    /// When there is no way to the target or no socket.
    pub(super) async fn start(target: SocketAddr) -> io::Result<Self> {
        let any = if target.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(target).await?;
        socket.writable().await?;
        let local = socket.local_addr()?;
        let (orders, taken) = mpsc::channel(ORDERS_MAX);
        let ended = Arc::default();
        let desk = Desk {
            target,
            local,
            socket,
            calls: HashMap::new(),
            outbox: Outbox::new(),
            buffer: vec![0; DATAGRAM_MAX],
            ended: Arc::clone(&ended),
        };
        tokio::spawn(desk.work(taken));
        Ok(Self { orders, local, ended })
    }

    /// Our address, as the node sees it.
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// The callers on whom the node hung up.
    pub(super) fn ended(&self) -> Vec<String> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Calls, and waits for the answer.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub(super) async fn dial(&self, user: String, caller: String, codec: Codec) -> Result<Line, String> {
        let (done, answer) = oneshot::channel();
        let gone = |_| "the switchboard is gone".to_owned();
        self.orders.send(Order::Dial { user, caller, codec, done }).await.map_err(|_| gone(()))?;
        answer.await.map_err(|_| gone(()))?
    }

    /// Tells in signalling that a key was pressed, and says whether the node has taken it.
    pub(super) async fn press(&self, call_id: String, key: char) -> bool {
        let (done, answer) = oneshot::channel();
        let asked = self.orders.send(Order::Press { call_id, key, done }).await;
        asked.is_ok() && answer.await.unwrap_or(false)
    }

    /// Hangs up, and says whether the node has agreed.
    pub(super) async fn hang_up(&self, call_id: String) -> bool {
        let (done, answer) = oneshot::channel();
        let asked = self.orders.send(Order::HangUp { call_id, done }).await;
        asked.is_ok() && answer.await.unwrap_or(false)
    }
}

/// The task.
struct Desk {
    target: SocketAddr,
    local: SocketAddr,
    socket: UdpSocket,
    calls: HashMap<String, Known>,
    outbox: Outbox,
    buffer: Vec<u8>,
    ended: Arc<Mutex<Vec<String>>>,
}

struct Known {
    call: Call,
    caller: String,
    codec: Codec,
    /// Until it is answered.
    dialled: Option<(StdSocket, oneshot::Sender<Result<Line, String>>)>,
    leaving: Option<oneshot::Sender<bool>>,
    /// Who waits for the answer to a key.
    pressing: Option<oneshot::Sender<bool>>,
}

impl Desk {
    async fn work(mut self, mut orders: mpsc::Receiver<Order>) {
        let mut timer = tokio::time::interval(TIMER);
        loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
                _ = self.socket.readable() => self.take_all(),
                _ = timer.tick() => self.look_at_timers(),
            }
            // What the kernel does not take is repeated by the calls' timers.
            for message in self.outbox.drain(..) {
                let _ = self.socket.try_send(message.as_bytes());
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Dial { user, caller, codec, done } => {
                if let Err((error, done)) = self.dial(user, caller, codec, done) {
                    // Who asked may have gone.
                    let _ = done.send(Err(format!("no socket: {error}")));
                }
            }
            Order::Press { call_id, key, done } => {
                // Who is not on the line has no key: `done` is dropped, and that is a no.
                if let Some(known) = self.calls.get_mut(&call_id)
                    && known.call.press(key, Instant::now(), &mut self.outbox)
                {
                    known.pressing = Some(done);
                }
            }
            Order::HangUp { call_id, done } => match self.calls.get_mut(&call_id) {
                Some(known) => {
                    known.leaving = Some(done);
                    known.call.hang_up(Instant::now(), &mut self.outbox);
                }
                None => drop(done.send(false)),
            },
        }
    }

    fn dial(
        &mut self,
        user: String,
        caller: String,
        codec: Codec,
        done: oneshot::Sender<Result<Line, String>>,
    ) -> Result<(), (io::Error, oneshot::Sender<Result<Line, String>>)> {
        let media = StdSocket::bind((self.local.ip(), 0)).and_then(|media| Ok((media.local_addr()?, media)));
        let (address, media) = match media {
            Ok(media) => media,
            Err(error) => return Err((error, done)),
        };
        let offer = sdp::offer(address, &offered(codec));
        let (local, target) = (self.local, self.target);
        let mut call = Call::new(Dialling { local, target, user, caller: caller.clone(), offer });
        call.dial(Instant::now(), &mut self.outbox);
        let known =
            Known { caller, codec, dialled: Some((media, done)), leaving: None, pressing: None, call };
        self.calls.insert(known.call.call_id.clone(), known);
        Ok(())
    }

    fn take_all(&mut self) {
        while let Ok(length) = self.socket.try_recv(&mut self.buffer) {
            if let Some((call_id, happening)) = self.take(length) {
                self.note(&call_id, happening);
            }
        }
    }

    fn take(&mut self, length: usize) -> Option<(String, Happening)> {
        let message = Message::parse(&self.buffer[..length])?;
        let call_id = message.header("Call-ID")?.to_owned();
        let is_request = matches!(message.start, Start::Request { .. });
        let Some(known) = self.calls.get_mut(&call_id) else {
            if is_request && message.cseq_method() != Some("ACK") {
                self.outbox.push(message.answer("481 Call/Transaction Does Not Exist", "", ""));
            }
            return None;
        };
        let happening = if is_request {
            known.call.on_request(&message, &mut self.outbox)
        } else {
            known.call.on_response(&message, Instant::now(), &mut self.outbox)
        };
        happening.map(|happening| (call_id, happening))
    }

    fn look_at_timers(&mut self) {
        let (now, mut happened) = (Instant::now(), Vec::new());
        for (call_id, known) in &mut self.calls {
            if let Some(happening) = known.call.on_timer(now, &mut self.outbox) {
                happened.push((call_id.clone(), happening));
            }
        }
        happened.into_iter().for_each(|(call_id, happening)| self.note(&call_id, happening));
    }

    fn note(&mut self, call_id: &str, happening: Happening) {
        if let Happening::Answered { sdp, .. } = happening {
            self.answered(call_id, &sdp);
            return;
        }
        if let Happening::Informed { is_taken } = happening {
            let asker = self.calls.get_mut(call_id).and_then(|known| known.pressing.take());
            // Who asked may have gone.
            let _ = asker.map(|asker| asker.send(is_taken));
            return;
        }
        let Some(known) = self.calls.remove(call_id) else {
            return;
        };
        let problem = match &happening {
            Happening::Refused { status, reason } => format!("refused with {status} {reason}"),
            Happening::Unanswered => "no answer".to_owned(),
            Happening::Answered { .. } | Happening::EndedByNode => "the node hung up".to_owned(),
            Happening::HungUp | Happening::HangUpUnanswered | Happening::Informed { .. } => String::new(),
        };
        if let Some((_, done)) = known.dialled {
            let _ = done.send(Err(problem));
        } else if let Some(done) = known.leaving {
            let _ = done.send(happening == Happening::HungUp);
        } else {
            self.ended.lock().unwrap_or_else(PoisonError::into_inner).push(known.caller);
        }
    }

    fn answered(&mut self, call_id: &str, sdp: &str) {
        let Some(known) = self.calls.get_mut(call_id) else {
            return;
        };
        let Some((socket, done)) = known.dialled.take() else {
            return;
        };
        let line = sdp::read_answer(sdp, &offered(known.codec))
            .map(|answer| Line { call_id: call_id.to_owned(), socket, answer })
            .map_err(|error| error.to_string());
        // Who asked may have gone.
        let _ = done.send(line);
    }
}

fn offered(codec: Codec) -> Offered<'static> {
    Offered { codec, keys: &[], audio_level: codec == Codec::Opus }
}
