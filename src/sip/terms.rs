//! One call's side of offer and answer, whether a phone is at its other end or a browser.

use std::future::pending;

use rsipstack::sip::StatusCode;
use tracing::debug;

use super::counters::SipCounters;
use super::invitation::{Refusal, not_acceptable};
use super::media::MediaTerms;
use crate::call::{CallMedia, CallSid, Handle};
use crate::sdp::browser::{self, BrowserOffer};
use crate::sdp::{self, Offer, SdpError};
use crate::webrtc::{BrowserError, BrowserMedia, MediaNews};

/// By what alone a browser's description can be known before it is read: its certificate's.
const BROWSERS: &[u8] = b"a=fingerprint:";

/// What a far end offers.
pub(super) enum Offered {
    Phone(Offer),
    Browser(Box<BrowserOffer>),
}

impl Offered {
    /// Reads an offer. One that a browser and a phone could both have made is a browser's.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(description: &[u8]) -> Result<Self, SdpError> {
        let says =
            |what: &[u8]| description.windows(what.len()).any(|piece| piece.eq_ignore_ascii_case(what));
        if !says(BROWSERS) {
            return sdp::parse_offer(description).map(Self::Phone);
        }
        match (browser::parse_offer(description), sdp::parse_offer(description)) {
            (Ok(offer), _) => Ok(Self::Browser(Box::new(offer))),
            (Err(SdpError::NoAudio), phone) | (Err(_), phone @ Ok(_)) => phone.map(Self::Phone),
            (Err(error), Err(_)) => Err(error),
        }
    }
}

/// Our half of a call's descriptions.
pub(super) enum Terms {
    Phone(Box<MediaTerms>),
    Browser(Box<BrowserMedia>),
}

/// Why two do not agree.
#[derive(Debug)]
pub(super) enum NotAgreed {
    /// What the far end says cannot be taken.
    Sdp(SdpError),
    /// There was a phone, and now there is a browser, or the other way round.
    Another,
    /// The node cannot.
    Node(BrowserError),
}

impl NotAgreed {
    /// What the far end is told.
    pub(super) fn refusal(self, counters: &SipCounters) -> Refusal {
        match self {
            Self::Sdp(error) => not_acceptable(counters, error),
            Self::Another => StatusCode::NotAcceptableHere.into(),
            Self::Node(error) => {
                debug!(%error, "a browser's media cannot be had");
                StatusCode::ServiceUnavailable.into()
            }
        }
    }
}

impl From<SdpError> for NotAgreed {
    fn from(error: SdpError) -> Self {
        Self::Sdp(error)
    }
}

impl From<BrowserError> for NotAgreed {
    fn from(error: BrowserError) -> Self {
        if let BrowserError::Offer(error) = error {
            return Self::Sdp(error);
        }
        Self::Node(error)
    }
}

impl From<MediaTerms> for Terms {
    fn from(terms: MediaTerms) -> Self {
        Self::Phone(Box::new(terms))
    }
}

impl Terms {
    /// Where the leg receives; a browser's has no port of its own.
    pub(super) const fn port(&self) -> Option<u16> {
        match self {
            Self::Phone(terms) => Some(terms.port()),
            Self::Browser(_) => None,
        }
    }

    /// Whether an offer will be answered, without answering it.
    ///
    /// # Errors
    /// When the two do not agree.
    pub(super) fn can_answer(&self, offered: &Offered) -> Result<(), NotAgreed> {
        match (self, offered) {
            (Self::Browser(media), Offered::Browser(offer)) => Ok(media.can_answer(offer)?),
            // What there is to be looked at in a phone's its answer says, which costs nothing.
            (Self::Phone(_), Offered::Phone(_)) => Ok(()),
            (Self::Phone(_), Offered::Browser(_)) | (Self::Browser(_), Offered::Phone(_)) => {
                Err(NotAgreed::Another)
            }
        }
    }

    /// Answers an offer: our description, and what it means for the leg.
    ///
    /// # Errors
    /// When the two do not agree; then all is as before.
    pub(super) async fn answer(&mut self, offered: &Offered) -> Result<(String, CallMedia), NotAgreed> {
        match (self, offered) {
            (Self::Phone(terms), Offered::Phone(offer)) => Ok(terms.answer(offer)?),
            (Self::Browser(media), Offered::Browser(offer)) => Ok(Box::pin(media.answer(offer)).await?),
            (Self::Phone(_), Offered::Browser(_)) | (Self::Browser(_), Offered::Phone(_)) => {
                Err(NotAgreed::Another)
            }
        }
    }

    /// Answers an offer within a call, and lets it hold.
    ///
    /// # Errors
    /// The same, and what the model does not do.
    pub(super) async fn renegotiate(
        &mut self,
        offered: &Offered,
        (calls, call): (&Handle, CallSid),
    ) -> Result<String, NotAgreed> {
        if let (Self::Browser(media), Offered::Browser(offer)) = (&mut *self, offered) {
            return Ok(Box::pin(media.renegotiate(offer)).await?);
        }
        let (answer, media) = self.answer(offered).await?;
        let set = calls.set_call_media(call, media).await;
        set.map_err(|error| NotAgreed::Node(error.into()))?;
        Ok(answer)
    }

    /// Our offer.
    pub(super) fn offer(&mut self) -> String {
        match self {
            Self::Phone(terms) => terms.offer(),
            Self::Browser(media) => media.offer(),
        }
    }

    /// An offer that asks for nothing new (RFC 3264 §8).
    pub(super) fn offer_the_same(&mut self) -> String {
        match self {
            Self::Phone(terms) => terms.said().to_owned(),
            Self::Browser(media) => media.offer(),
        }
    }

    /// What the far end's answer to our offer means for the leg.
    ///
    /// # Errors
    /// When it cannot be taken.
    pub(super) async fn read_answer(&mut self, answer: &[u8]) -> Result<CallMedia, NotAgreed> {
        match self {
            Self::Phone(terms) => Ok(terms.read_answer(answer)?),
            Self::Browser(media) => Ok(Box::pin(media.read_answer(answer)).await?),
        }
    }

    /// What happens to the media by themselves: to a phone's, nothing.
    pub(super) async fn news(&mut self) -> MediaNews {
        match self {
            Self::Phone(_) => pending().await,
            // In a box: most calls have none.
            Self::Browser(media) => Box::pin(media.next()).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str =
        "7B:8B:F0:65:5F:78:E2:51:3B:AC:6F:F3:3F:46:1B:35:DC:B8:5F:64:1A:24:C2:43:F0:A1:58:D0:A1:2C:19:08";

    fn offer(protocol: &str, more: &str) -> Result<Offered, SdpError> {
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 {protocol} 0\r\n{more}"
        );
        Offered::parse(sdp.as_bytes())
    }

    #[test]
    fn a_browser_is_known_by_what_it_offers() {
        let ice = "a=ice-ufrag:abcd\r\na=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa\r\n";
        let whole = format!("{ice}a=fingerprint:sha-256 {SUM}\r\na=setup:actpass\r\n");
        assert!(matches!(offer("UDP/TLS/RTP/SAVPF", &whole), Ok(Offered::Browser(_))));
        assert!(matches!(offer("RTP/AVP", ""), Ok(Offered::Phone(_))));
        // A phone that would do as browsers do, and offers it beside.
        assert!(matches!(offer("RTP/AVP", &whole), Ok(Offered::Phone(_))));
        // What is wrong with a browser's is told as such.
        let without_ice = format!("a=fingerprint:sha-256 {SUM}\r\na=setup:actpass\r\n");
        assert_eq!(offer("UDP/TLS/RTP/SAVPF", &without_ice).err(), Some(SdpError::NoIce));
        let no_sum = format!("{ice}a=fingerprint:sha-1 AB\r\na=setup:actpass\r\n");
        assert_eq!(offer("UDP/TLS/RTP/SAVPF", &no_sum).err(), Some(SdpError::NoFingerprint));
    }
}
