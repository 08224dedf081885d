//! One browser's peer connection: a datagram goes in and a packet of sound comes out, and the other way round. It reads no
//! clock and opens no socket; whoever drives it does.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::Registry;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::configure_rtcp_reports;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MediaEngine};
use rtc::peer_connection::configuration::setting_engine::{SettingEngine, SettingEngineBuilder};
use rtc::peer_connection::event::RTCPeerConnectionEvent;
use rtc::peer_connection::message::RTCMessage;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::state::{RTCIceConnectionState, RTCPeerConnectionState};
use rtc::peer_connection::transport::{RTCDtlsTransportState, RTCIceCandidateInit};
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp::Packet;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpSenderId, RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use rtc::sansio::Protocol as _;
use rtc::shared::error::Error;
use rtc::shared::marshal::Unmarshal as _;
use rtc::shared::{TaggedBytesMut, TransportContext, TransportProtocol};

use crate::load::codec::Codec;
use crate::load::plan::random_u32;
use crate::load::rtp::{self, Header};

/// What the element stands for that says how loud a packet is (RFC 6464 §4).
const LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
/// The library looks again after 200 ms whether a path has been proved that it could choose. A browser chooses at once; to
/// wait would be measured as if the node had taken its time. So it is told that this has passed.
const CHOICE_AFTER: Duration = Duration::from_millis(250);
/// What it does by itself is not urgent once media flows: consent every two seconds, reports.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What a datagram was.
#[derive(Debug)]
pub(in crate::load) enum Taken {
    /// A packet with sound.
    Sound { header: Header, payload: Bytes },
    /// One that did not prove to be from who has the key, or that came before.
    Refused(Header),
    /// Something of the connection's own.
    Nothing,
}

/// How far a connection has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The checks or the handshake are under way.
    Connecting,
    /// Media flows.
    Up,
    /// The far end has closed it, or it could not be made.
    Closed,
}

/// What a browser has.
#[derive(Clone, Copy, Debug)]
pub(in crate::load) struct Has {
    /// A microphone. Without it listens, as a supervisor may.
    pub(in crate::load) microphone: bool,
    /// It would say how loud its packets are.
    pub(in crate::load) audio_level: bool,
}

/// One browser's connection.
pub(in crate::load) struct Peer {
    connection: RTCPeerConnection,
    /// It has none if it only listens.
    sender: Option<RTCRtpSenderId>,
    ssrc: u32,
    local: SocketAddr,
    /// Where its media goes, once a path was chosen.
    remote: Option<SocketAddr>,
    path_is_chosen: bool,
    state: State,
    look_at: Instant,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("remote", &self.remote)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

impl Peer {
    /// One that receives at `local`.
    ///
    /// # Errors
    /// What the library has against it.
    pub(super) fn new(local: SocketAddr, has: Has, now: Instant) -> Result<Self, Error> {
        let mut connection = RTCPeerConnectionBuilder::new()
            .with_media_engine(media_engine(has.audio_level)?)
            .with_setting_engine(settings())
            .with_interceptor_registry(configure_rtcp_reports(Registry::new()))
            .build(now)?;
        let ssrc = random_u32();
        let sender = if has.microphone {
            Some(connection.add_track(microphone(ssrc))?)
        } else {
            let direction = RTCRtpTransceiverDirection::Recvonly;
            let listens = RTCRtpTransceiverInit { direction, ..Default::default() };
            connection.add_transceiver_from_kind(RtpCodecKind::Audio, Some(listens))?;
            None
        };
        let (ip, port) = (local.ip(), local.port());
        // The greatest priority of a host's (RFC 8445 §5.1.2.1).
        let candidate = format!("candidate:1 1 udp 2130706431 {ip} {port} typ host");
        connection.add_local_candidate(RTCIceCandidateInit { candidate, ..Default::default() })?;
        Ok(Self {
            connection,
            sender,
            ssrc,
            local,
            remote: None,
            path_is_chosen: false,
            state: State::Connecting,
            look_at: now,
        })
    }

    /// Its stream's source.
    pub(in crate::load) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Its session description.
    ///
    /// # Errors
    /// What the library has against it.
    pub(super) fn offer(&mut self, now: Instant) -> Result<String, Error> {
        let offer = self.connection.create_offer(None)?;
        let sdp = offer.sdp.clone();
        self.connection.set_local_description(now, offer)?;
        Ok(sdp)
    }

    /// Takes the node's. From now on it looks for a path.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub(super) fn take_answer(&mut self, answer: &str, now: Instant) -> Result<(), Error> {
        let answer = RTCSessionDescription::answer(answer.to_owned())?;
        self.connection.set_remote_description(now, answer)
    }

    pub(super) fn state(&self) -> State {
        self.state
    }

    /// Where its media goes.
    pub(super) fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// When something is to be done though nothing comes.
    pub(super) fn due(&mut self) -> Option<Instant> {
        self.connection.poll_timeout()
    }

    /// Does what is due, and sends what there is to send. Until media flows.
    pub(super) fn advance(&mut self, now: Instant, mut send: impl FnMut(&[u8], SocketAddr)) {
        self.heed_time(now);
        while self.heed_events() | self.send_all(&mut send) {
            // The handshake begins when it is next told the time, not when the path is chosen.
            self.heed_time(now);
        }
    }

    /// Takes a datagram in, before media flows.
    pub(super) fn begin(&mut self, datagram: &[u8], source: SocketAddr, now: Instant) {
        self.feed(datagram, source, now);
        if !self.path_is_chosen && is_check(datagram) {
            self.heed_time(now + CHOICE_AFTER);
        }
    }

    /// Takes a datagram in.
    pub(in crate::load) fn take(&mut self, datagram: &[u8], now: Instant) -> Taken {
        let Some(remote) = self.remote else {
            return Taken::Nothing;
        };
        self.feed(datagram, remote, now);
        while let Some(read) = self.connection.poll_read() {
            if let RTCMessage::RtpPacket(_, Packet { header, payload }) = read.message {
                let header = Header {
                    payload_type: header.payload_type,
                    marker: header.marker,
                    sequence: header.sequence_number,
                    timestamp: header.timestamp,
                    ssrc: header.ssrc,
                };
                return Taken::Sound { header, payload };
            }
        }
        if is_sound(datagram) {
            return rtp::split_header(datagram).map_or(Taken::Nothing, |(header, _)| Taken::Refused(header));
        }
        self.heed_events();
        self.look_for_end();
        Taken::Nothing
    }

    /// Sends a packet that is not protected yet, and whatever else there is to send. Says whether that could be done.
    pub(in crate::load) fn say(
        &mut self,
        packet: &[u8],
        now: Instant,
        mut send: impl FnMut(&[u8]) -> bool,
    ) -> bool {
        self.look(now);
        let Ok(packet) = Packet::unmarshal(&mut Bytes::copy_from_slice(packet)) else {
            return false;
        };
        let sender = self.sender.and_then(|sender| self.connection.rtp_sender(sender));
        let mut is_sent = sender.is_some_and(|mut sender| sender.write_rtp(now, packet).is_ok());
        self.send_all(&mut |datagram, _| is_sent &= send(datagram));
        is_sent
    }

    /// Sends whatever there is to send besides sound.
    pub(in crate::load) fn keep_up(&mut self, now: Instant, mut send: impl FnMut(&[u8])) {
        self.look(now);
        self.send_all(&mut |datagram, _| send(datagram));
    }

    fn look(&mut self, now: Instant) {
        if now >= self.look_at {
            self.look_at = now + LOOK_EVERY;
            self.heed_time(now);
            self.heed_events();
        }
    }

    /// Whether it can be heard.
    pub(in crate::load) fn has_microphone(&self) -> bool {
        self.sender.is_some()
    }

    /// Whether the far end has closed it.
    pub(in crate::load) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// That the far end closed the handshake's connection is no event.
    fn look_for_end(&mut self) {
        let Some(receiver) = self.connection.get_receivers().next() else {
            return;
        };
        let receiver = self.connection.rtp_receiver(receiver);
        let state =
            receiver.as_ref().and_then(|receiver| receiver.transport()).map(|transport| transport.state());
        if state == Some(RTCDtlsTransportState::Closed) {
            self.state = State::Closed;
        }
    }

    fn feed(&mut self, datagram: &[u8], source: SocketAddr, now: Instant) {
        let transport = TransportContext {
            local_addr: self.local,
            peer_addr: source,
            transport_protocol: TransportProtocol::UDP,
            ecn: None,
        };
        // What it does not take it has dropped, as what is no datagram of its own.
        let _ =
            self.connection.handle_read(TaggedBytesMut { now, transport, message: BytesMut::from(datagram) });
    }

    fn heed_time(&mut self, now: Instant) {
        if self.connection.handle_timeout(now).is_err() {
            self.state = State::Closed;
        }
    }

    /// Whether anything has happened.
    fn heed_events(&mut self) -> bool {
        let mut has_happened = false;
        while let Some(event) = self.connection.poll_event() {
            has_happened = true;
            if let RTCPeerConnectionEvent::OnIceConnectionStateChangeEvent(state) = event {
                self.path_is_chosen |= state == RTCIceConnectionState::Connected;
            } else if let RTCPeerConnectionEvent::OnConnectionStateChangeEvent(state) = event {
                self.follow(state);
            }
        }
        has_happened
    }

    fn follow(&mut self, state: RTCPeerConnectionState) {
        if state == RTCPeerConnectionState::Connected {
            self.state = State::Up;
        } else if matches!(state, RTCPeerConnectionState::Closed | RTCPeerConnectionState::Failed) {
            self.state = State::Closed;
        }
    }

    /// Whether there was anything.
    fn send_all(&mut self, send: &mut impl FnMut(&[u8], SocketAddr)) -> bool {
        let mut has_sent = false;
        while let Some(out) = self.connection.poll_write() {
            has_sent = true;
            let to = out.transport.peer_addr;
            if !is_check(&out.message) {
                self.remote = Some(to);
            }
            send(&out.message, to);
        }
        has_sent
    }
}

/// Opus as browsers offer it, under the number that the callers' ears know.
fn media_engine(audio_level: bool) -> Result<MediaEngine, Error> {
    let mut engine = MediaEngine::default();
    let opus = RTCRtpCodecParameters { rtp_codec: opus(), payload_type: Codec::Opus.payload_type() };
    engine.register_codec(opus, RtpCodecKind::Audio)?;
    if audio_level {
        let level = RTCRtpHeaderExtensionCapability { uri: LEVEL_URI.to_owned() };
        engine.register_header_extension(level, RtpCodecKind::Audio, None)?;
    }
    Ok(engine)
}

fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: Codec::Opus.clock_rate(),
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
        rtcp_feedback: Vec::new(),
    }
}

/// The dearer protection first, as Chromium has it: the node chooses.
fn settings() -> SettingEngine {
    SettingEngineBuilder::new()
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .with_srtp_protection_profiles(vec![
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
        ])
        .build()
}

fn microphone(ssrc: u32) -> MediaStreamTrack {
    let coding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters { ssrc: Some(ssrc), ..Default::default() },
        codec: opus(),
        ..Default::default()
    };
    let name = |what: &str| format!("{what}-{ssrc}");
    MediaStreamTrack::new(
        name("stream"),
        name("track"),
        name("microphone"),
        RtpCodecKind::Audio,
        vec![coding],
    )
}

/// Whether it is STUN (RFC 7983 §7).
fn is_check(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(0..=3))
}

/// Whether it is SRTP, and not SRTCP (RFC 5761 §4).
fn is_sound(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, kind, ..] if !(64..=95).contains(&(kind & 0x7f)))
}

/// What the element with the level is called in an answer, if it has one.
pub(super) fn level_id(answer: &str) -> Option<u8> {
    answer.lines().find_map(|line| {
        let mut words = line.strip_prefix("a=extmap:")?.split_ascii_whitespace();
        let id = words.next()?.split('/').next()?.parse().ok()?;
        (words.next() == Some(LEVEL_URI)).then_some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shares_a_port_is_told_apart() {
        assert!(is_check(&[0, 1]) && is_check(&[1, 1]) && !is_check(&[20]) && !is_check(&[]));
        assert!(is_sound(&[0x80, 96]) && is_sound(&[0x90, 0x80 | 96]));
        assert!(!is_sound(&[0x80, 200]) && !is_sound(&[0x80]) && !is_sound(&[22, 254]));
    }

    #[test]
    fn it_offers_as_a_browser_does() {
        let now = Instant::now();
        let has = Has { microphone: true, audio_level: true };
        let mut peer = Peer::new("127.0.0.1:4000".parse().unwrap(), has, now).unwrap();
        let offer = peer.offer(now).unwrap();
        for line in [
            "UDP/TLS/RTP/SAVPF 96",
            "a=rtpmap:96 opus/48000/2",
            "a=setup:actpass",
            "a=fingerprint:sha-256 ",
            "a=sendrecv",
        ] {
            assert!(offer.contains(line), "{line} is not in {offer}");
        }
        assert!(level_id(&offer).is_some());
        let has = Has { audio_level: false, ..has };
        let mut mum = Peer::new("[::1]:4000".parse().unwrap(), has, now).unwrap();
        assert_eq!(level_id(&mum.offer(now).unwrap()), None);
        let has = Has { microphone: false, ..has };
        let mut listener = Peer::new("127.0.0.1:4000".parse().unwrap(), has, now).unwrap();
        assert!(listener.offer(now).unwrap().contains("a=recvonly"));
    }
}
