//! One caller's side of one SIP call over UDP (RFC 3261 §12–§17): INVITE, ACK, BYE, CANCEL, with their
//! retransmissions. A state machine: it takes messages and the time, and gives messages and happenings.
//!
//! ```text
//! Idle ─dial─▶ Calling ─1xx─▶ Ringing ─2xx─▶ Up ─hang up─▶ Ending ─200─▶ Over
//!                 ╰──────── other final answer, or none ────────────────────┘
//! ```

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::message::{Message, Start, uri_in};
use super::plan::random_u32;

/// The first retransmission comes after this (RFC 3261 §17.1.1.1, T1).
const T1: Duration = Duration::from_millis(500);
/// Requests other than INVITE are repeated at most this far apart (T2).
const T2: Duration = Duration::from_secs(4);
/// Without any answer a transaction ends (timers B and F, 64 times T1).
const GIVE_UP: Duration = Duration::from_secs(32);
/// How long a key was down that is told in signalling, in ms.
const INFO_KEY_MS: u32 = 160;
/// A call that rings for longer is given up: a conference answers at once.
const RING_MAX: Duration = Duration::from_secs(60);

/// Who calls whom, and from where.
#[derive(Clone, Debug)]
pub(super) struct Dialling {
    /// The address signalling is sent from.
    pub(super) local: SocketAddr,
    /// The address that is called.
    pub(super) target: SocketAddr,
    /// The SIP user called.
    pub(super) user: String,
    /// The caller's own SIP user.
    pub(super) caller: String,
    /// The SDP offer.
    pub(super) offer: String,
}

/// What has become of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// It was answered, after this long, with this SDP.
    Answered { setup: Duration, sdp: String },
    /// It was refused with a final status.
    Refused { status: u16, reason: String },
    /// No answer came.
    Unanswered,
    /// The far end hung up first.
    EndedByNode,
    /// Our BYE was answered.
    HungUp,
    /// Our BYE was not answered.
    HangUpUnanswered,
    /// What we told within the call was answered with success, or not.
    Informed { is_taken: bool },
}

/// One call.
#[derive(Debug)]
pub(super) struct Call {
    dialling: Dialling,
    pub(super) call_id: String,
    tag: String,
    branch: String,
    state: State,
    /// Hang up as soon as it is answered.
    unwanted: bool,
    /// The number of our last request.
    cseq: u32,
    /// What we have told within the call and is not answered yet.
    informing: Option<Retry>,
}

#[derive(Debug)]
enum State {
    Idle,
    Calling(Retry),
    Ringing { since: Instant },
    Up { ack: String, dialog: Dialog },
    Ending(Retry),
    Over,
}

/// A request that is sent again until it is answered.
#[derive(Debug)]
struct Retry {
    message: String,
    since: Instant,
    next: Instant,
    interval: Duration,
}

/// What requests inside the dialog must carry (RFC 3261 §12.2.1.1).
#[derive(Clone, Debug)]
struct Dialog {
    /// The far end's tagged To header.
    to: String,
    /// Where its Contact says requests go.
    contact: String,
    /// Route headers, ready to insert.
    routes: String,
}

/// Messages to send, in order.
pub(super) type Outbox = Vec<String>;

impl Call {
    pub(super) fn new(dialling: Dialling) -> Self {
        let call_id = format!("{:08x}{:08x}@confab-load", random_u32(), random_u32());
        let tag = format!("{:08x}", random_u32());
        Self {
            dialling,
            call_id,
            tag,
            branch: branch(),
            state: State::Idle,
            unwanted: false,
            cseq: 1,
            informing: None,
        }
    }

    /// Whether nothing more can happen.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// Whether an answer is still to come.
    pub(super) fn is_pending(&self) -> bool {
        matches!(self.state, State::Calling(_) | State::Ringing { .. })
    }

    /// Lets go of the call without a word: there is nobody to tell.
    pub(super) fn give_up(&mut self) {
        self.state = State::Over;
    }

    /// Sends the INVITE.
    pub(super) fn dial(&mut self, now: Instant, out: &mut Outbox) {
        let to = format!("<{}>", self.uri());
        let offer = &self.dialling.offer;
        let extra = format!("{}Content-Type: application/sdp\r\n", self.contact());
        let invite = self.request("INVITE", &self.uri(), &self.branch, &to, 1, &extra, offer);
        self.state = State::Calling(Retry::start(invite, now, out));
    }

    /// Ends the call, in whatever state it is.
    pub(super) fn hang_up(&mut self, now: Instant, out: &mut Outbox) {
        match &self.state {
            State::Up { dialog, .. } => {
                let bye = self.in_dialog("BYE", dialog, self.cseq + 1);
                self.state = State::Ending(Retry::start(bye, now, out));
            }
            State::Ringing { .. } => {
                self.unwanted = true;
                let to = format!("<{}>", self.uri());
                // CANCEL has the INVITE's branch and number (RFC 3261 §9.1).
                out.push(self.request("CANCEL", &self.uri(), &self.branch, &to, 1, "", ""));
            }
            State::Calling(_) => self.unwanted = true,
            State::Idle => self.state = State::Over,
            State::Ending(_) | State::Over => {}
        }
    }

    /// Tells that a key was pressed, in an INFO (RFC 6086); whether that can be told now.
    pub(super) fn press(&mut self, key: char, now: Instant, out: &mut Outbox) -> bool {
        let State::Up { dialog, .. } = &self.state else {
            return false;
        };
        self.cseq += 1;
        let Dialog { to, contact, routes } = dialog;
        let extra = format!("{routes}Content-Type: application/dtmf-relay\r\n");
        let body = format!("Signal={key}\r\nDuration={INFO_KEY_MS}\r\n");
        let info = self.request("INFO", contact, &branch(), to, self.cseq, &extra, &body);
        self.informing = Some(Retry::start(info, now, out));
        true
    }

    /// Takes a response to one of our requests.
    pub(super) fn on_response(
        &mut self,
        message: &Message<'_>,
        now: Instant,
        out: &mut Outbox,
    ) -> Option<Happening> {
        let Start::Response { status, reason } = message.start else {
            return None;
        };
        match message.cseq_method()? {
            "INVITE" if status < 200 => self.on_ringing(now, out),
            "INVITE" if status < 300 => self.on_answer(message, now, out),
            "INVITE" => self.on_refusal(message, status, reason, out),
            "BYE" if status >= 200 => self.on_bye_answered(),
            // The answer to one that was repeated may come again, and is none to the next.
            "INFO" if status >= 200 && message.cseq_number() == Some(self.cseq) => {
                self.informing.take().map(|_| Happening::Informed { is_taken: status < 300 })
            }
            _ => None,
        }
    }

    /// Takes a request of the far end, and answers it.
    pub(super) fn on_request(&mut self, message: &Message<'_>, out: &mut Outbox) -> Option<Happening> {
        let Start::Request { method } = message.start else {
            return None;
        };
        match method {
            "ACK" => None,
            "BYE" => {
                out.push(message.answer("200 OK", "", ""));
                let was_up = matches!(self.state, State::Up { .. });
                let was_ending = matches!(self.state, State::Ending(_));
                self.state = State::Over;
                // BYEs that cross are nobody's fault.
                if was_ending { Some(Happening::HungUp) } else { was_up.then_some(Happening::EndedByNode) }
            }
            "OPTIONS" => {
                out.push(message.answer("200 OK", "", ""));
                None
            }
            "INVITE" | "UPDATE" => {
                let extra = format!("{}Content-Type: application/sdp\r\n", self.contact());
                out.push(message.answer("200 OK", &extra, &self.dialling.offer));
                None
            }
            _ => {
                out.push(message.answer("501 Not Implemented", "", ""));
                None
            }
        }
    }

    /// Repeats what is due, and gives up what has taken too long.
    pub(super) fn on_timer(&mut self, now: Instant, out: &mut Outbox) -> Option<Happening> {
        if self.informing.take_if(|retry| !retry.repeat(now, T2, out)).is_some() {
            return Some(Happening::Informed { is_taken: false });
        }
        match &mut self.state {
            State::Calling(retry) => {
                if retry.repeat(now, GIVE_UP, out) {
                    return None;
                }
                self.state = State::Over;
                Some(Happening::Unanswered)
            }
            State::Ringing { since } if now - *since > RING_MAX => {
                self.hang_up(now, out);
                self.state = State::Over;
                Some(Happening::Unanswered)
            }
            State::Ending(retry) => {
                if retry.repeat(now, T2, out) {
                    return None;
                }
                self.state = State::Over;
                Some(Happening::HangUpUnanswered)
            }
            State::Idle | State::Ringing { .. } | State::Up { .. } | State::Over => None,
        }
    }

    fn on_ringing(&mut self, now: Instant, out: &mut Outbox) -> Option<Happening> {
        if let State::Calling(retry) = &self.state {
            self.state = State::Ringing { since: retry.since };
            if self.unwanted {
                self.hang_up(now, out);
            }
        }
        None
    }

    fn on_answer(&mut self, message: &Message<'_>, now: Instant, out: &mut Outbox) -> Option<Happening> {
        let since = match &self.state {
            State::Calling(retry) => retry.since,
            State::Ringing { since } => *since,
            State::Up { ack, .. } => {
                // The 200 came again: our ACK was lost (RFC 3261 §13.2.2.4).
                out.push(ack.clone());
                return None;
            }
            State::Idle | State::Ending(_) | State::Over => return None,
        };
        let dialog = self.dialog_of(message);
        let ack = self.in_dialog("ACK", &dialog, 1);
        out.push(ack.clone());
        self.state = State::Up { ack, dialog };
        if self.unwanted {
            self.hang_up(now, out);
            return None;
        }
        Some(Happening::Answered { setup: now - since, sdp: message.body.to_owned() })
    }

    fn on_refusal(
        &mut self,
        message: &Message<'_>,
        status: u16,
        reason: &str,
        out: &mut Outbox,
    ) -> Option<Happening> {
        // The ACK belongs to the INVITE's own transaction (RFC 3261 §17.1.1.3). It is owed to
        // every repetition of the answer.
        let to = message.header("To").unwrap_or_default();
        out.push(self.request("ACK", &self.uri(), &self.branch, to, 1, "", ""));
        let was_pending = self.is_pending();
        self.state = State::Over;
        let refused = || Happening::Refused { status, reason: reason.to_owned() };
        (was_pending && !self.unwanted).then(refused)
    }

    fn on_bye_answered(&mut self) -> Option<Happening> {
        matches!(self.state, State::Ending(_)).then(|| {
            self.state = State::Over;
            Happening::HungUp
        })
    }

    fn dialog_of(&self, answer: &Message<'_>) -> Dialog {
        let contact = answer.header("Contact").map_or_else(|| self.uri(), |c| uri_in(c).to_owned());
        let routes = answer.all("Record-Route").rev().map(|route| format!("Route: {route}\r\n"));
        Dialog { to: answer.header("To").unwrap_or_default().to_owned(), contact, routes: routes.collect() }
    }

    fn in_dialog(&self, method: &str, dialog: &Dialog, cseq: u32) -> String {
        self.request(method, &dialog.contact, &branch(), &dialog.to, cseq, &dialog.routes, "")
    }

    fn uri(&self) -> String {
        format!("sip:{}@{}", self.dialling.user, self.dialling.target)
    }

    fn contact(&self) -> String {
        format!("Contact: <sip:{}@{}>\r\n", self.dialling.caller, self.dialling.local)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a request line and its headers, in order")]
    fn request(
        &self,
        method: &str,
        uri: &str,
        branch: &str,
        to: &str,
        cseq: u32,
        extra: &str,
        body: &str,
    ) -> String {
        let Dialling { local, caller, .. } = &self.dialling;
        let (tag, call_id, length) = (&self.tag, &self.call_id, body.len());
        format!(
            "{method} {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};branch={branch};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{caller}@{local}>;tag={tag}\r\n\
             To: {to}\r\n\
             Call-ID: {call_id}\r\n\
             CSeq: {cseq} {method}\r\n\
             User-Agent: confab-load/{version}\r\n\
             {extra}Content-Length: {length}\r\n\r\n{body}",
            version = env!("CARGO_PKG_VERSION"),
        )
    }
}

impl Retry {
    fn start(message: String, now: Instant, out: &mut Outbox) -> Self {
        out.push(message.clone());
        Self { message, since: now, next: now + T1, interval: T1 }
    }

    /// Sends again if it is time; says whether there is still hope.
    fn repeat(&mut self, now: Instant, interval_max: Duration, out: &mut Outbox) -> bool {
        if now >= self.next {
            out.push(self.message.clone());
            self.interval = (self.interval * 2).min(interval_max);
            self.next = now + self.interval;
        }
        now - self.since < GIVE_UP
    }
}

/// A new transaction's branch, with the cookie that RFC 3261 §8.1.1.7 asks for.
fn branch() -> String {
    format!("z9hG4bK{:08x}{:08x}", random_u32(), random_u32())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialled() -> (Call, Instant, Outbox) {
        let mut call = Call::new(Dialling {
            local: "127.0.0.1:4000".parse().unwrap(),
            target: "127.0.0.1:5060".parse().unwrap(),
            user: "conf-a".into(),
            caller: "leg-0".into(),
            offer: "v=0\r\n".into(),
        });
        let (now, mut out) = (Instant::now(), Outbox::new());
        call.dial(now, &mut out);
        (call, now, out)
    }

    /// What the far end says to the last request that was sent.
    fn answer(out: &Outbox, status: &str) -> String {
        let request = Message::parse(out.last().unwrap().as_bytes()).unwrap();
        let extra = "Contact: <sip:node@127.0.0.1:5070>\r\nRecord-Route: <sip:p;lr>\r\n";
        request.answer(status, extra, "v=0\r\nanswer").replace(
            "\r\nTo: <sip:conf-a@127.0.0.1:5060>\r\n",
            "\r\nTo: <sip:conf-a@127.0.0.1:5060>;tag=n\r\n",
        )
    }

    fn respond(call: &mut Call, text: &str, now: Instant, out: &mut Outbox) -> Option<Happening> {
        call.on_response(&Message::parse(text.as_bytes()).unwrap(), now, out)
    }

    #[test]
    fn a_call_is_answered_acknowledged_and_hung_up() {
        let (mut call, now, mut out) = dialled();
        let ok = answer(&out, "200 OK");
        let later = now + Duration::from_millis(30);
        let happening = respond(&mut call, &ok, later, &mut out);
        let setup = Duration::from_millis(30);
        assert_eq!(happening, Some(Happening::Answered { setup, sdp: "v=0\r\nanswer".into() }));
        assert!(out[1].starts_with("ACK sip:node@127.0.0.1:5070 SIP/2.0\r\n"));
        assert!(out[1].contains("Route: <sip:p;lr>\r\n") && out[1].contains("tag=n\r\n"));

        call.hang_up(later, &mut out);
        assert!(out[2].starts_with("BYE sip:node@127.0.0.1:5070") && out[2].contains("CSeq: 2 BYE"));
        let ok = answer(&out, "200 OK");
        assert_eq!(respond(&mut call, &ok, later, &mut out), Some(Happening::HungUp));
        assert!(call.is_over());
    }

    #[test]
    fn a_key_is_told_until_it_is_answered_and_an_answer_counts_once() {
        let (mut call, now, mut out) = dialled();
        assert!(!call.press('4', now, &mut out), "nobody is there yet");
        let ok = answer(&out, "200 OK");
        respond(&mut call, &ok, now, &mut out);
        assert!(call.press('4', now, &mut out));
        let told = out.last().unwrap().clone();
        assert!(told.starts_with("INFO sip:node@127.0.0.1:5070") && told.contains("CSeq: 2 INFO"));
        assert!(told.ends_with("\r\n\r\nSignal=4\r\nDuration=160\r\n"), "{told}");
        assert_eq!(call.on_timer(now + T1, &mut out), None);
        assert_eq!(out.last(), Some(&told), "again");
        let ok = answer(&out, "200 OK");
        let taken = Some(Happening::Informed { is_taken: true });
        assert_eq!(respond(&mut call, &ok, now, &mut out), taken);
        call.press('5', now, &mut out);
        assert_eq!(respond(&mut call, &ok, now, &mut out), None, "the answer to the one before");
        let refused = answer(&out, "415 Unsupported Media Type");
        let refused = respond(&mut call, &refused, now, &mut out);
        assert_eq!(refused, Some(Happening::Informed { is_taken: false }));
        call.hang_up(now, &mut out);
        assert!(out.last().unwrap().contains("CSeq: 4 BYE"));
    }

    #[test]
    fn a_repeated_answer_gets_the_same_ack_again() {
        let (mut call, now, mut out) = dialled();
        let ok = answer(&out, "200 OK");
        respond(&mut call, &ok, now, &mut out);
        assert_eq!(respond(&mut call, &ok, now, &mut out), None);
        assert_eq!(out[1], out[2]);
    }

    #[test]
    fn an_invite_is_repeated_until_something_answers() {
        let (mut call, now, mut out) = dialled();
        for ms in (0..4_000).step_by(20) {
            call.on_timer(now + Duration::from_millis(ms), &mut out);
        }
        assert_eq!(out.len(), 4, "sent at 0, 500, 1500 and 3500 ms");
        let ringing = answer(&out, "180 Ringing");
        respond(&mut call, &ringing, now, &mut out);
        call.on_timer(now + Duration::from_secs(20), &mut out);
        assert_eq!(out.len(), 4);
    }

    #[test]
    fn no_answer_is_given_up_after_half_a_minute() {
        let (mut call, now, mut out) = dialled();
        let happening = call.on_timer(now + Duration::from_secs(33), &mut out);
        assert_eq!(happening, Some(Happening::Unanswered));
        assert!(call.is_over());
    }

    #[test]
    fn a_refusal_is_acknowledged_in_its_own_transaction() {
        let (mut call, now, mut out) = dialled();
        let busy = answer(&out, "503 Service Unavailable");
        let happening = respond(&mut call, &busy, now, &mut out);
        let reason = "Service Unavailable".to_owned();
        assert_eq!(happening, Some(Happening::Refused { status: 503, reason }));
        let branch_of = |text: &str| text.split("branch=").nth(1).unwrap()[..20].to_owned();
        assert_eq!(branch_of(&out[0]), branch_of(&out[1]));
        assert_eq!(respond(&mut call, &busy, now, &mut out), None);
        assert!(out[2].starts_with("ACK"));
    }

    #[test]
    fn the_nodes_bye_is_answered_and_noticed() {
        let (mut call, now, mut out) = dialled();
        let ok = answer(&out, "200 OK");
        respond(&mut call, &ok, now, &mut out);
        let bye = "BYE sip:leg-0 SIP/2.0\r\nVia: SIP/2.0/UDP n\r\nCSeq: 1 BYE\r\n\r\n";
        let bye = Message::parse(bye.as_bytes()).unwrap();
        assert_eq!(call.on_request(&bye, &mut out), Some(Happening::EndedByNode));
        assert!(out.last().unwrap().starts_with("SIP/2.0 200 OK"));
        assert_eq!(call.on_request(&bye, &mut out), None);
    }

    #[test]
    fn a_ringing_call_is_cancelled_and_one_answered_all_the_same_is_ended() {
        let (mut call, now, mut out) = dialled();
        let (ringing, ok) = (answer(&out, "180 Ringing"), answer(&out, "200 OK"));
        respond(&mut call, &ringing, now, &mut out);
        call.hang_up(now, &mut out);
        assert!(out[1].starts_with("CANCEL sip:conf-a@"));
        assert_eq!(respond(&mut call, &ok, now, &mut out), None);
        assert!(out[2].starts_with("ACK") && out[3].starts_with("BYE"));
    }
}
