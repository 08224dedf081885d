//! One call's side of offer and answer: our session description, and what the far end's makes of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use confab_media::{Codec, Direction, LegMedia};
use rsipstack::sip::StatusCode;

use crate::sdp::{self, Agreed, Local, Offer};

/// Codecs we take, the best liked first. Both laws sound the same; µ-law is what most of the trunks we meet speak.
const CODECS: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

/// Our half of a call's session descriptions (RFC 3264).
#[derive(Debug)]
pub(super) struct MediaTerms {
    local: Local,
    /// What we said last.
    said: Box<str>,
    /// Where the call's signalling came from.
    signalling: Option<IpAddr>,
    /// Where the far end said last that it receives: on hold in the old way it says nowhere, and nothing is sent.
    remote: SocketAddr,
}

impl MediaTerms {
    pub(super) fn new(address: IpAddr, port: u16, signalling: Option<IpAddr>) -> Self {
        let mut id = [0; 4];
        // Uniqueness is all that is asked of it (RFC 8866 §5.2), and a zero would only be less unique.
        let _ = getrandom::fill(&mut id);
        let session_id = u64::from(u32::from_be_bytes(id));
        Self {
            local: Local { address, port, session_id, version: 0, codecs: CODECS.to_vec(), rtcp_mux: true },
            said: Box::default(),
            signalling,
            remote: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
        }
    }

    /// Answers an offer: our description, and what it means for the leg.
    pub(super) fn answer(&mut self, offer: &Offer) -> Result<(String, LegMedia), StatusCode> {
        self.local.version += 1;
        let answer = sdp::answer(offer, &self.local).map_err(|_| StatusCode::NotAcceptableHere)?;
        let media = self.leg_media(answer.agreed);
        self.said = answer.sdp.as_str().into();
        Ok((answer.sdp, media))
    }

    /// Our offer, for a caller who leaves it to us.
    pub(super) fn offer(&mut self) -> String {
        self.local.version += 1;
        let offer = sdp::make_offer(&self.local);
        self.said = offer.as_str().into();
        offer
    }

    /// Our description as it stands: as an offer it asks for nothing new (RFC 3264 §8).
    pub(super) const fn said(&self) -> &str {
        &self.said
    }

    /// What the far end's answer to our offer means for the leg.
    pub(super) fn read_answer(&mut self, answer: &[u8]) -> Result<LegMedia, sdp::SdpError> {
        let agreed = sdp::read_answer(answer, &self.local)?;
        Ok(self.leg_media(agreed))
    }

    fn leg_media(&mut self, agreed: Agreed) -> LegMedia {
        self.remote = agreed.remote.unwrap_or(self.remote);
        let (send, receive) = match agreed.direction {
            sdp::Direction::SendRecv => (true, true),
            sdp::Direction::SendOnly => (true, false),
            sdp::Direction::RecvOnly => (false, true),
            sdp::Direction::Inactive => (false, false),
        };
        let is_somewhere = self.remote.port() != 0;
        LegMedia {
            codec: agreed.codec,
            payload_type: agreed.payload_type,
            telephone_event: agreed.telephone_event,
            telephone_event_offered: agreed.telephone_event_offered,
            remote: self.remote,
            signalling: self.signalling,
            direction: Direction { send: send && is_somewhere, receive },
        }
    }
}
