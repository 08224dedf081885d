//! A scripted phone: a SIP socket (UDP, TCP or a WebSocket), an RTP socket and one call. It does what the test says, right or
//! wrong, retransmits nothing by itself, and knows nothing of the node but what comes over the wire.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::message::{Message, audio_port, head_len};
use crate::rtp::Rtp;

/// However busy the machine is, what has not come after so long does not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for what must happen.
pub(crate) async fn within<T>(what: &str, happens: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, happens).await {
        Ok(happened) => happened,
        Err(_) => panic!("waited in vain for {what}"),
    }
}

/// A word that no other message has.
fn fresh(what: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{what}{}x{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
    Tls(Box<TlsStream<TcpStream>>, Vec<u8>),
    Web(Box<Web>),
}

/// A WebSocket, and the name that stands for the address that a browser has not.
pub(crate) struct Web {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    host: String,
}

impl Web {
    pub(crate) async fn open(http: SocketAddr) -> Self {
        let mut request = format!("ws://{http}/sip").into_client_request().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", "sip".parse().unwrap());
        let opened = within("a WebSocket", tokio_tungstenite::connect_async(request)).await;
        let (socket, answer) = opened.expect("the node opens it");
        assert_eq!(answer.headers()["Sec-WebSocket-Protocol"], "sip");
        Self { socket, host: format!("{}.invalid", fresh("browser")) }
    }
}

/// The phone.
pub(crate) struct Peer {
    wire: Wire,
    node: SocketAddr,
    pub(crate) rtp: Rtp,
    /// The URI where it wants the requests of its call.
    pub(crate) contact: String,
    call_id: String,
    from: String,
    /// With the node's tag, once there is one.
    to: String,
    /// Where requests of the call go: the node's Contact.
    target: String,
    cseq: u32,
    /// Its own address of record.
    name: String,
    /// Its registrations: their Call-ID, and how many there were.
    registrations: (String, u32),
    /// What came while something else was waited for.
    waiting: VecDeque<Message>,
    /// All that went to and fro, each once, as a ladder has it: whether the node sent it, and what it is.
    pub(crate) ladder: Vec<(bool, String)>,
    /// What the node sent, to know what it sends again.
    came: HashSet<Vec<u8>>,
    /// The branches of the INVITEs that it was called with.
    called: HashSet<String>,
}

impl Peer {
    pub(crate) async fn udp(node: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        Self::new(Wire::Udp(socket), node, &format!("sip:peer@{address}"), Rtp::new().await)
    }

    pub(crate) async fn tcp(node: SocketAddr) -> Self {
        let stream = TcpStream::connect(node).await.unwrap();
        let address = stream.local_addr().unwrap();
        let contact = format!("sip:peer@{address};transport=tcp");
        Self::new(Wire::Tcp(stream, Vec::new()), node, &contact, Rtp::new().await)
    }

    /// One over a WebSocket, as in browsers.
    pub(crate) async fn web(node: SocketAddr, http: SocketAddr) -> Self {
        let web = Web::open(http).await;
        let contact = format!("sip:peer@{};transport=ws;ob", web.host);
        Self::new(Wire::Web(Box::new(web)), node, &contact, Rtp::new().await)
    }

    /// Goes on over another WebSocket, as the same.
    pub(crate) async fn comes_back(&mut self, http: SocketAddr) {
        let Wire::Web(web) = &mut self.wire else { panic!("it has no WebSocket") };
        web.socket = Web::open(http).await.socket;
    }

    /// Its WebSocket.
    pub(crate) fn socket(&mut self) -> &mut WebSocketStream<MaybeTlsStream<TcpStream>> {
        let Wire::Web(web) = &mut self.wire else { panic!("it has no WebSocket") };
        &mut web.socket
    }

    /// One at the other end of a connection that the node opened.
    pub(crate) async fn of_stream(stream: TcpStream) -> Self {
        let (here, node) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
        Self::new(
            Wire::Tcp(stream, Vec::new()),
            node,
            &format!("sip:peer@{here};transport=tcp"),
            Rtp::new().await,
        )
    }

    /// The same over TLS.
    pub(crate) async fn of_secure(stream: TlsStream<TcpStream>) -> Self {
        let (here, node) =
            (stream.get_ref().0.local_addr().unwrap(), stream.get_ref().0.peer_addr().unwrap());
        let contact = format!("sip:peer@{here};transport=tls");
        Self::new(Wire::Tls(Box::new(stream), Vec::new()), node, &contact, Rtp::new().await)
    }

    /// Closes its connection.
    pub(crate) async fn hangs_up_the_wire(&mut self) {
        match &mut self.wire {
            Wire::Udp(_) => {}
            Wire::Tcp(stream, _) => stream.shutdown().await.unwrap(),
            Wire::Tls(stream, _) => stream.shutdown().await.unwrap(),
            Wire::Web(web) => {
                web.socket.close(None).await.unwrap();
                // Until the node knows.
                while let Some(Ok(_)) = web.socket.next().await {}
            }
        }
    }

    /// Goes on with its call over another connection.
    pub(crate) fn comes_over(&mut self, stream: TlsStream<TcpStream>) {
        self.wire = Wire::Tls(Box::new(stream), Vec::new());
    }

    /// The same over TCP.
    pub(crate) fn comes_over_tcp(&mut self, stream: TcpStream) {
        self.wire = Wire::Tcp(stream, Vec::new());
    }

    fn new(wire: Wire, node: SocketAddr, contact: &str, rtp: Rtp) -> Self {
        Self {
            wire,
            node,
            rtp,
            contact: contact.to_owned(),
            call_id: fresh("call"),
            from: format!("<sip:peer@127.0.0.1>;tag={}", fresh("tag")),
            to: String::new(),
            target: String::new(),
            cseq: 0,
            name: "sip:peer@127.0.0.1".to_owned(),
            registrations: (fresh("registrations"), 0),
            waiting: VecDeque::new(),
            ladder: Vec::new(),
            came: HashSet::new(),
            called: HashSet::new(),
        }
    }

    /// Talks to this node from now on: one that has to know the phone before it is there itself.
    pub(crate) fn serve(&mut self, node: SocketAddr) {
        self.node = node;
    }

    /// Where its SIP comes from.
    pub(crate) fn address(&self) -> SocketAddr {
        match &self.wire {
            Wire::Udp(socket) => socket.local_addr(),
            Wire::Tcp(stream, _) => stream.local_addr(),
            Wire::Tls(stream, _) => stream.get_ref().0.local_addr(),
            Wire::Web(web) => match web.socket.get_ref() {
                MaybeTlsStream::Plain(stream) => stream.local_addr(),
                _ => panic!("it is over TLS"),
            },
        }
        .unwrap()
    }

    /// A description of its audio: both laws and digits.
    pub(crate) fn description(&self) -> String {
        self.description_of("0 8 101", "a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n")
    }

    /// A description of its audio with these payload types and attributes.
    pub(crate) fn description_of(&self, formats: &str, attributes: &str) -> String {
        let (ip, port) = (self.rtp.address.ip(), self.rtp.address.port());
        format!(
            "v=0\r\no=- 1 {} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {formats}\r\n{attributes}",
            self.cseq + 1
        )
    }

    /// A request outside any call.
    pub(crate) fn request(&self, method: &str, user: &str) -> Message {
        let uri = format!("sip:{user}@{}", self.node);
        let mut message = self.head(method, &uri, &format!("<{uri}>"), 1);
        message = message.set("Call-ID", fresh("other"));
        message.with("Contact", format!("<{}>", self.contact))
    }

    /// Calls itself by another address from now on.
    pub(crate) fn is_named(&mut self, name: &str) {
        name.clone_into(&mut self.name);
        self.begin_anew();
    }

    /// Forgets its call: the next is another one.
    pub(crate) fn begin_anew(&mut self) {
        self.call_id = fresh("call");
        self.from = format!("<{}>;tag={}", self.name, fresh("tag"));
    }

    /// The next REGISTER of its registrations for a user, without a Contact.
    pub(crate) fn register(&mut self, user: &str) -> Message {
        self.registrations.1 += 1;
        let (call_id, cseq) = self.registrations.clone();
        let of_record = format!("<sip:{user}@{}>", self.node);
        let message = self.head("REGISTER", &format!("sip:{}", self.node), &of_record, cseq);
        message.set("Call-ID", call_id).set("From", format!("{of_record};tag={}", fresh("tag")))
    }

    /// The INVITE that begins its call.
    pub(crate) fn invite(&mut self, user: &str) -> Message {
        let uri = format!("sip:{user}@{}", self.node);
        self.to = format!("<{uri}>");
        self.target = uri;
        self.cseq += 1;
        let message = self.head("INVITE", &self.target, &self.to, self.cseq);
        message.with("Contact", format!("<{}>", self.contact)).sdp(&self.description())
    }

    /// A request within its call.
    pub(crate) fn within_call(&mut self, method: &str) -> Message {
        self.cseq += 1;
        let message = self.head(method, &self.target, &self.to, self.cseq);
        message.with("Contact", format!("<{}>", self.contact))
    }

    /// The CANCEL of a request.
    pub(crate) fn cancel_of(&self, invite: &Message) -> Message {
        let cseq = invite.header("CSeq").replace("INVITE", "CANCEL");
        let message = Message::new(invite.start.replacen("INVITE", "CANCEL", 1));
        let copied = ["Via", "Max-Forwards", "From", "To", "Call-ID"];
        let message = copied.iter().fold(message, |message, name| message.with(name, invite.header(name)));
        message.with("CSeq", cseq)
    }

    /// The same request as it would come by another way.
    pub(crate) fn by_another_way(&self, request: &Message) -> Message {
        request.clone().set("Via", self.via())
    }

    fn head(&self, method: &str, uri: &str, to: &str, cseq: u32) -> Message {
        Message::new(format!("{method} {uri} SIP/2.0"))
            .with("Via", self.via())
            .with("Max-Forwards", "70")
            .with("From", &self.from)
            .with("To", to)
            .with("Call-ID", &self.call_id)
            .with("CSeq", format!("{cseq} {method}"))
    }

    fn via(&self) -> String {
        let transport = match &self.wire {
            Wire::Udp(_) => "UDP",
            Wire::Tcp(..) => "TCP",
            Wire::Tls(..) => "TLS",
            Wire::Web(web) => return format!("SIP/2.0/WS {};branch=z9hG4bK{}", web.host, fresh("branch")),
        };
        format!("SIP/2.0/{transport} {};branch=z9hG4bK{};rport", self.address(), fresh("branch"))
    }

    /// Sends what it is given, as it is.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        match &mut self.wire {
            Wire::Udp(socket) => assert_eq!(socket.send_to(bytes, self.node).await.unwrap(), bytes.len()),
            Wire::Tcp(stream, _) => stream.write_all(bytes).await.unwrap(),
            Wire::Tls(stream, _) => {
                stream.write_all(bytes).await.unwrap();
                stream.flush().await.unwrap();
            }
            Wire::Web(web) => {
                let frame = match std::str::from_utf8(bytes) {
                    Ok(text) => Frame::text(text),
                    Err(_) => Frame::binary(bytes.to_vec()),
                };
                web.socket.send(frame).await.unwrap();
            }
        }
    }

    pub(crate) async fn send(&mut self, message: &Message) {
        self.ladder.push((false, message.rung()));
        self.send_bytes(&message.to_bytes()).await;
    }

    /// Sends a request and waits for its final response. One to an INVITE that is no 2xx is acknowledged, as its
    /// transaction must.
    pub(crate) async fn ask(&mut self, request: &Message) -> Message {
        self.send(request).await;
        let response = self.response_to(request).await;
        if request.method() == Some("INVITE") && response.status() >= Some(300) {
            let mut ack = Message::new(request.start.replacen("INVITE", "ACK", 1));
            for name in ["Via", "Max-Forwards", "From", "Call-ID"] {
                ack = ack.with(name, request.header(name));
            }
            let cseq = request.header("CSeq").replace("INVITE", "ACK");
            self.send(&ack.with("To", response.header("To")).with("CSeq", cseq)).await;
        }
        response
    }

    /// The next final response to a request.
    pub(crate) async fn response_to(&mut self, request: &Message) -> Message {
        let (cseq, via) = (request.header("CSeq"), request.header("Via"));
        let branch = via.split("branch=").nth(1).and_then(|rest| rest.split(';').next()).unwrap().to_owned();
        let is_it = |message: &Message| {
            message.status() >= Some(200)
                && message.header("CSeq") == cseq
                && message.header("Via").contains(&branch)
        };
        self.next_that(&format!("an answer to {}", request.start), is_it).await
    }

    /// The next request of a method.
    pub(crate) async fn request_of(&mut self, method: &str) -> Message {
        self.next_that(&format!("a {method}"), |message| message.method() == Some(method)).await
    }

    /// Answers a request of the node.
    pub(crate) async fn answer(&mut self, request: &Message, status: &str) {
        let answer = self.answer_to(request, status);
        self.send(&answer).await;
    }

    pub(crate) fn answer_to(&self, request: &Message, status: &str) -> Message {
        let answer = Message::new(format!("SIP/2.0 {status}"));
        let copied = ["Via", "From", "To", "Call-ID", "CSeq"];
        copied.iter().fold(answer, |answer, name| answer.with(name, request.header(name)))
    }

    /// Whatever comes next.
    async fn next(&mut self) -> Message {
        let message = self.take().await;
        if self.came.insert(message.to_bytes()) {
            self.ladder.push((true, message.rung()));
        }
        message
    }

    async fn take(&mut self) -> Message {
        match &mut self.wire {
            Wire::Udp(socket) => loop {
                let mut datagram = vec![0; 65_536];
                let len = socket.recv(&mut datagram).await.unwrap();
                // The last of the media of a phone that had this port before.
                if !datagram.first().is_some_and(|first| is_media(*first)) {
                    break Message::parse(&datagram[..len]).expect("a SIP message");
                }
            },
            Wire::Tcp(stream, read) => next_of(stream, read).await,
            Wire::Tls(stream, read) => next_of(stream, read).await,
            Wire::Web(web) => loop {
                let frame = web.socket.next().await.expect("the node keeps it open").unwrap();
                // Only what is a message is one: pings are answered by themselves.
                if let Frame::Text(text) = frame
                    && let Some(message) = Message::parse(text.as_bytes())
                {
                    break message;
                }
            },
        }
    }

    async fn next_that(&mut self, what: &str, is_it: impl Fn(&Message) -> bool) -> Message {
        if let Some(at) = self.waiting.iter().position(&is_it) {
            return self.waiting.remove(at).unwrap();
        }
        within(what, async {
            loop {
                let message = self.next().await;
                if is_it(&message) {
                    return message;
                }
                self.waiting.push_back(message);
            }
        })
        .await
    }

    /// How many messages come in a while; the one thing that can only be found by waiting is that nothing comes.
    pub(crate) async fn count_for(&mut self, while_: Duration) -> usize {
        self.comes_in(while_).await.len()
    }

    /// The first lines of those that come in a while.
    pub(crate) async fn comes_in(&mut self, while_: Duration) -> Vec<String> {
        let mut came = Vec::new();
        let listening = async {
            loop {
                came.push(self.next().await.start);
            }
        };
        // It never ends by itself.
        let _: Result<(), _> = tokio::time::timeout(while_, listening).await;
        came
    }

    /// Takes what a 2xx to its INVITE says, and aims its voice at the audio it names.
    pub(crate) fn learn(&mut self, ok: &Message) {
        assert_eq!(ok.status(), Some(200), "{}", ok.text());
        self.to = ok.header("To");
        let contact = ok.header("Contact");
        self.target = contact.trim_start_matches('<').split('>').next().unwrap().to_owned();
        if !ok.body.is_empty() {
            self.rtp.aim(SocketAddr::new(self.node.ip(), audio_port(&ok.description())));
        }
    }

    /// The ACK of a 2xx to an INVITE of this call.
    pub(crate) fn ack_of(&self, ok: &Message) -> Message {
        let cseq = ok.header("CSeq");
        let number: u32 = cseq.split(' ').next().unwrap().parse().unwrap();
        self.head("ACK", &self.target, &self.to, number)
    }

    /// Sends an INVITE, and acknowledges its 200.
    pub(crate) async fn dial_with(&mut self, invite: &Message) -> Message {
        let ok = self.ask(invite).await;
        self.learn(&ok);
        let ack = self.ack_of(&ok);
        self.send(&ack).await;
        ok
    }

    /// Calls a user, and is in the call when this returns.
    pub(crate) async fn dial(&mut self, user: &str) -> Message {
        let invite = self.invite(user);
        self.dial_with(&invite).await
    }

    /// Sends a re-INVITE with a description, and acknowledges its 200.
    pub(crate) async fn renegotiate(&mut self, description: &str) -> Message {
        let invite = self.within_call("INVITE").sdp(description);
        self.dial_with(&invite).await
    }

    /// Waits until the node calls it.
    pub(crate) async fn is_called(&mut self) -> Message {
        // What it has seen comes again if its answer took long.
        let invite = loop {
            let invite = self.request_of("INVITE").await;
            if self.called.insert(invite.header("Via")) {
                break invite;
            }
        };
        self.follow(&invite);
        self.from = format!("{};tag={}", self.from, fresh("tag"));
        invite
    }

    /// From here on its own requests are those of the one whom this request came to.
    pub(crate) fn follow(&mut self, request: &Message) {
        self.call_id = request.header("Call-ID");
        self.to = request.header("From");
        self.from = request.header("To");
        let contact = request.header("Contact");
        self.target = contact.trim_start_matches('<').split('>').next().unwrap().to_owned();
    }

    /// The methods of the requests that came and that nobody waited for.
    pub(crate) fn unanswered(&self) -> Vec<&str> {
        self.waiting.iter().filter_map(Message::method).collect()
    }

    /// The next request, however long it takes.
    pub(crate) async fn next_request(&mut self) -> Message {
        loop {
            let message = self.next().await;
            if message.method().is_some() {
                return message;
            }
        }
    }

    /// Answers the call of the node with a status that has a tag, as all but 100 have.
    pub(crate) async fn reply(&mut self, invite: &Message, status: &str) {
        let answer = self.answer_to(invite, status).set("To", &self.from);
        self.send(&answer.with("Contact", format!("<{}>", self.contact))).await;
    }

    /// Takes the call of the node, and is in it when this returns.
    pub(crate) async fn pick_up(&mut self, invite: &Message) {
        self.rtp.aim(SocketAddr::new(self.node.ip(), audio_port(&invite.description())));
        self.pick_up_with(invite, &self.description()).await;
    }

    /// The same with another's sound.
    pub(crate) async fn pick_up_with(&mut self, invite: &Message, description: &str) {
        let answer = self.answer_to(invite, "200 OK").set("To", &self.from);
        let answer = answer.with("Contact", format!("<{}>", self.contact)).sdp(description);
        self.send(&answer).await;
        let expected = invite.header("CSeq").replace("INVITE", "ACK");
        // That of a refusal before may still be on its way.
        while self.request_of("ACK").await.header("CSeq") != expected {}
    }

    /// Ends its call.
    pub(crate) async fn hang_up(&mut self) {
        let bye = self.within_call("BYE");
        assert_eq!(self.ask(&bye).await.status(), Some(200));
    }

    /// Waits until the node ends the call, and answers. The reason it gives.
    pub(crate) async fn is_hung_up(&mut self) -> String {
        let bye = self.request_of("BYE").await;
        self.answer(&bye, "200 OK").await;
        bye.header("Reason")
    }

    /// Its call as others name it in a `Replaces` (RFC 3891): the tag of To is the node's.
    pub(crate) fn dialog(&self) -> String {
        let tag = |of: &str| of.rsplit_once(";tag=").unwrap().1.to_owned();
        format!("{};to-tag={};from-tag={}", self.call_id, tag(&self.to), tag(&self.from))
    }

    /// Proves that its call is alive: the node answers within the dialog.
    pub(crate) async fn is_in_call(&mut self) {
        let options = self.within_call("OPTIONS");
        let answer = self.ask(&options).await;
        assert_eq!(answer.status(), Some(200), "{}", answer.text());
    }
}

/// Whether a datagram that begins so is RTP or RTCP: their version is 2 (RFC 3550 §5.1), text has no such byte.
fn is_media(first: u8) -> bool {
    first >> 6 == 2
}

/// The next message of a stream.
async fn next_of(stream: &mut (impl AsyncRead + Unpin), read: &mut Vec<u8>) -> Message {
    loop {
        if let Some(message) = cut(read) {
            return message;
        }
        let len = stream.read_buf(read).await.unwrap();
        assert!(len > 0, "the node closed the connection");
    }
}

/// Takes a whole message from the front of what a stream brought.
fn cut(read: &mut Vec<u8>) -> Option<Message> {
    // Blank lines before a message are keep-alives.
    let blank = read.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    read.drain(..blank);
    let head = head_len(read)?;
    let parsed = Message::parse(&read[..head])?;
    let len: usize = parsed.header("Content-Length").parse().unwrap();
    if read.len() < head + len {
        return None;
    }
    let bytes: Vec<u8> = read.drain(..head + len).collect();
    Message::parse(&bytes)
}
