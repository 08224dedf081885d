//! One WebSocket of a stream, from `connected` to `stop`. What is sent and what is heard go on side by side: a server that
//! sends without reading, or reads without sending, is served as far as it lets itself be.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::outbox::{Next, Outbox, Outgoing};
use super::protocol::{Flaw, Received, Writer};
use super::socket::{Sink, Socket, SocketError, Source};

/// How long a server has for what still waits when the stream ends, and for the end itself.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

/// What happens on a WebSocket.
#[derive(Debug)]
pub enum Observed {
    /// The server knows whose stream it is.
    Started,
    /// So many sounds of 20 ms found no room and were not sent.
    Missed(u64),
    /// What the server said, or what is wrong with it.
    Heard(Result<Received, Flaw>),
}

/// Marks that so much text is written of at a time: a hundred KB if their names are as long as they may be.
const MARKS_AT_ONCE: usize = 100;

/// Marks of what a server said that were reached.
pub trait Marks: Sync {
    /// The next that was reached and not told. Must not wait.
    fn reached(&self) -> Option<String>;
}

/// Who only listens is not told of any.
impl Marks for () {
    fn reached(&self) -> Option<String> {
        None
    }
}

/// Who is told what happens.
pub trait Observer: Send {
    /// Something happened. They say how long nothing more is heard: so a flood waits where it comes from. Must not wait.
    fn observe(&mut self, observed: Observed) -> Duration;
}

/// Says all that `outbox` has to be said, and returns when that is closed and said. With it are told the `marks` that were
/// reached by then: there is sound in each tick, and a mark is reached in one.
///
/// # Errors
/// When the socket ended before.
pub async fn converse(
    socket: Socket,
    writer: &mut Writer,
    outbox: &Outbox,
    marks: &impl Marks,
    observer: &mut impl Observer,
) -> Result<(), SocketError> {
    let Socket { mut sink, mut source } = socket;
    sink.send(vec![writer.connected(), writer.start()]).await?;
    observer.observe(Observed::Started);
    let over = talk(&mut sink, &mut source, writer, outbox, marks, observer).await;
    // A server that does not wait for the end has had it.
    let _ = timeout(STOP_PATIENCE, async {
        match &over {
            Ok(()) => leave(&mut sink, &mut source).await,
            // It is told that its end was heard (RFC 6455 §5.5.1).
            Err(SocketError::Closed(_)) => drop(sink.close().await),
            Err(_) => {}
        }
    })
    .await;
    over
}

/// Both ways at once, until there is nothing more to be said.
async fn talk(
    sink: &mut Sink,
    source: &mut Source,
    writer: &mut Writer,
    outbox: &Outbox,
    marks: &impl Marks,
    observer: &mut impl Observer,
) -> Result<(), SocketError> {
    let missed = Missed::default();
    let mut say = pin!(say(sink, writer, outbox, marks, &missed));
    let mut given_up = pin!(async {
        outbox.closed().await;
        sleep(STOP_PATIENCE).await;
    });
    let mut hear_again: Option<Instant> = None;
    loop {
        let heard = async {
            // A moment that has come is waited for too, up to the next millisecond: only if there is one.
            if let Some(moment) = hear_again {
                sleep_until(moment).await;
            }
            source.next().await
        };
        let pause = tokio::select! {
            said = &mut say => return said,
            heard = heard => observer.observe(Observed::Heard(heard?)),
            count = missed.some() => observer.observe(Observed::Missed(count)),
            () = &mut given_up => return Err(SocketError::Stalled(STOP_PATIENCE.as_secs())),
        };
        let now = Instant::now();
        let moment = if pause.is_zero() { hear_again } else { hear_again.max(Some(now + pause)) };
        hear_again = moment.filter(|moment| *moment > now);
    }
}

async fn say(
    sink: &mut Sink,
    writer: &mut Writer,
    outbox: &Outbox,
    marks: &impl Marks,
    missed: &Missed,
) -> Result<(), SocketError> {
    loop {
        match outbox.next().await {
            Next::These(items) => {
                missed.add(outbox.take_missed());
                let mut texts: Vec<String> = items.iter().map(|item| written(writer, item)).collect();
                loop {
                    let reached = std::iter::from_fn(|| marks.reached()).take(MARKS_AT_ONCE);
                    texts.extend(reached.map(|name| writer.mark(&name)));
                    if texts.is_empty() {
                        break;
                    }
                    sink.send(std::mem::take(&mut texts)).await?;
                }
            }
            Next::Closed => return sink.send(vec![writer.stop()]).await,
        }
    }
}

fn written(writer: &mut Writer, item: &Outgoing) -> String {
    match item {
        Outgoing::Media(chunk) => writer.media(chunk.track, chunk.timestamp, &chunk.payload),
        Outgoing::Dtmf(digit) => writer.dtmf(*digit),
    }
}

/// Ends it in order: the server is told, and what it still says is passed over until it ends too.
async fn leave(sink: &mut Sink, source: &mut Source) {
    if sink.close().await.is_ok() {
        while source.next().await.is_ok() {}
    }
}

/// Sounds that were not sent and nobody was told of.
#[derive(Default)]
struct Missed {
    count: AtomicU64,
    news: Notify,
}

impl Missed {
    fn add(&self, count: u64) {
        if count > 0 {
            self.count.fetch_add(count, Ordering::Relaxed);
            self.news.notify_one();
        }
    }

    async fn some(&self) -> u64 {
        loop {
            match self.count.swap(0, Ordering::Relaxed) {
                0 => self.news.notified().await,
                count => return count,
            }
        }
    }
}
