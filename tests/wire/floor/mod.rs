//! The floor of a contact centre, driven over HTTP and judged by ear: who hears whom, and what else, as supervisors,
//! agents and customers go about their day.

mod life;
mod recipes;
mod sounds;
mod storms;
mod supervision;
mod transfers;

use confab::server::Options;
use serde_json::Value;

use crate::peer::{Peer, within};
use crate::rtp::{Packet, Rtp};
use crate::running::Running;

/// The tones of those on the floor: far apart, and none is another's harmonic below the limit.
const CUSTOMER: u32 = 700;
const AGENT: u32 = 1_100;
const SUPERVISOR: u32 = 1_500;
const MUSIC: u32 = 1_900;

/// A node that may call this machine and ask it for scripts.
async fn node() -> Running {
    let ours = ["--outbound-allow=sip:*@127.0.0.1:*", "--egress-allow=127.0.0.0/8"];
    Running::start_with(Options::default(), &ours).await
}

fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A phone in the conference `desk`, the tone that it speaks, and where its seat is.
struct Seated {
    peer: Peer,
    hertz: u32,
    path: String,
}

impl Seated {
    /// Dials a phone in.
    async fn dialled(node: &Running, hertz: u32, more: &str) -> Self {
        let peer = Peer::udp(node.node.sip).await;
        let to = format!("sip:agent@{}", peer.address());
        Self::dialled_as(node, (peer, &to), hertz, more).await
    }

    /// Dials a phone in by another address.
    async fn dialled_as(node: &Running, (mut peer, to): (Peer, &str), hertz: u32, more: &str) -> Self {
        let seat = add(node, to, more).await;
        let invite = peer.is_called().await;
        peer.pick_up(&invite).await;
        peer.rtp.speak(hertz);
        let path = path_of(&seat);
        node.wait_for(&path, "status", "connected").await;
        Self { peer, hertz, path }
    }

    fn call(&self) -> &str {
        self.path.rsplit('/').next().unwrap().trim_end_matches(".json")
    }

    fn conference(&self) -> &str {
        self.path.split('/').nth(1).unwrap()
    }

    async fn update(&self, node: &Running, form: &str) -> Value {
        node.post(&self.path, form).await
    }

    /// Waits until it hears none of these. The node's music has notes that are near to a tone.
    async fn hears_none_of(&self, tones: &[u32]) {
        for &hertz in tones {
            self.peer.rtp.hears_no_more(hertz).await;
        }
    }

    /// Waits until it hears just these of all who speak.
    async fn hears_just(&self, heard: &[u32]) {
        let rtp = &self.peer.rtp;
        let all = [CUSTOMER, AGENT, SUPERVISOR, MUSIC];
        for &hertz in heard {
            rtp.hears(hertz).await;
        }
        for hertz in all.into_iter().filter(|hertz| !heard.contains(hertz)) {
            rtp.hears_no_more(hertz).await;
        }
        // And so it stays.
        let later = rtp.next(10).await;
        for hertz in all.into_iter().filter(|hertz| !heard.contains(hertz)) {
            assert!(!Rtp::any_has(&later, hertz), "{} Hz hears {hertz} Hz", self.hertz);
        }
    }
}

/// Asks for a phone in the conference `desk`; its seat.
async fn add(node: &Running, to: &str, more: &str) -> Value {
    let form = format!("To={to}&From=x&Beep=false&WaitUrl=&{more}");
    let (status, seat) = node.create("Conferences/desk/Participants.json", &form).await;
    assert_eq!(status, 201, "{seat}");
    seat
}

fn path_of(seat: &Value) -> String {
    let [conference, call] = ["conference_sid", "call_sid"].map(|name| seat[name].as_str().unwrap());
    format!("Conferences/{conference}/Participants/{call}.json")
}

/// Whether packets are one stream that was never begun again: one source, and numbers and times without a gap.
fn is_one_stream(packets: &[Packet]) {
    for pair in packets.windows(2) {
        let [before, after] = pair else { continue };
        assert_eq!((after.ssrc, after.source), (before.ssrc, before.source), "another stream");
        assert_eq!(after.sequence, before.sequence.wrapping_add(1), "a gap in the numbers");
        assert_eq!(after.timestamp, before.timestamp.wrapping_add(160), "a gap in time");
    }
}

/// Waits until a conference has so many participants, and nobody more comes.
async fn seats(node: &Running, conference: &str, count: usize) -> Vec<Value> {
    within(&format!("{count} participants"), async {
        loop {
            let list = node.get(&format!("Conferences/{conference}/Participants.json")).await;
            let seats = list["participants"].as_array().unwrap().clone();
            if seats.len() == count {
                return seats;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await
}
