//! One call's side of offer and answer: our session description, and what the far end's makes of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use confab_media::srtp::SrtpPair;
use confab_media::{Codec, Direction, LegMedia};
use tracing::debug;
use zeroize::Zeroizing;

use crate::call::CallMedia;
use crate::config::{Secret, SrtpPolicy};
use crate::sdp::{self, Agreed, Local, Offer, SdpError, Security};

/// Our half of a call's session descriptions (RFC 3264).
#[derive(Debug)]
pub(super) struct MediaTerms {
    local: Local,
    /// Where the call's signalling came from.
    signalling: Option<IpAddr>,
    /// Where the far end said last that it receives: on hold in the old way it says nowhere, and nothing is sent.
    remote: SocketAddr,
    srtp: Option<SrtpPair>,
    /// What we said last. There may be keys in it.
    said: Secret,
}

impl MediaTerms {
    /// The terms of a leg that receives on this address and port, with these codecs, the best liked first.
    ///
    /// # Errors
    /// When the system has no entropy for keys.
    pub(super) fn new(
        address: IpAddr,
        port: u16,
        codecs: Vec<Codec>,
        srtp: SrtpPolicy,
        signalling: Option<IpAddr>,
    ) -> Result<Self, getrandom::Error> {
        let mut id = [0; 4];
        // Uniqueness is all that is asked of it (RFC 8866 §5.2), and a zero would only be less unique.
        let _ = getrandom::fill(&mut id);
        let mut local = Local::new(address, port, codecs);
        local.session_id = u64::from(u32::from_be_bytes(id));
        local.rtcp_mux = true;
        local.security = draw_keys(srtp)?;
        let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        Ok(Self { local, signalling, remote, srtp: None, said: Secret::new(String::new()) })
    }

    /// Where the leg receives.
    pub(super) const fn port(&self) -> u16 {
        self.local.port
    }

    /// Answers an offer: our description, and what it means for the leg.
    pub(super) fn answer(&mut self, offer: &Offer) -> Result<(String, CallMedia), SdpError> {
        self.local.version += 1;
        self.local.remember(offer);
        let answer = sdp::answer(offer, &self.local)?;
        let media = self.call_media(answer.agreed);
        self.said = Secret::new(answer.sdp.clone());
        Ok((answer.sdp, media))
    }

    /// Our offer, for a caller who leaves it to us.
    pub(super) fn offer(&mut self) -> String {
        self.local.version += 1;
        let offer = sdp::make_offer(&self.local);
        self.said = Secret::new(offer.clone());
        offer
    }

    /// Our description as it stands: as an offer it asks for nothing new (RFC 3264 §8).
    pub(super) fn said(&self) -> &str {
        self.said.expose()
    }

    /// What the far end's answer to our offer means for the leg.
    pub(super) fn read_answer(&mut self, answer: &[u8]) -> Result<CallMedia, SdpError> {
        let agreed = sdp::read_answer(answer, &self.local)?;
        Ok(self.call_media(agreed))
    }

    /// The keys that were agreed last; none over plain RTP.
    pub(super) const fn srtp(&self) -> Option<&SrtpPair> {
        self.srtp.as_ref()
    }

    fn call_media(&mut self, agreed: Agreed) -> CallMedia {
        self.remote = agreed.remote.unwrap_or(self.remote);
        self.srtp = agreed.srtp;
        let suite = self.srtp().map(|pair| pair.send.profile().name());
        debug!(
            codec = agreed.codec.name(),
            srtp = suite,
            direction = agreed.direction.name(),
            "media agreed"
        );
        let (send, receive) = match agreed.direction {
            sdp::Direction::SendRecv => (true, true),
            sdp::Direction::SendOnly => (true, false),
            sdp::Direction::RecvOnly => (false, true),
            sdp::Direction::Inactive => (false, false),
        };
        let is_somewhere = self.remote.port() != 0;
        let leg = LegMedia {
            codec: agreed.codec,
            payload_type: agreed.payload_type,
            telephone_event: agreed.telephone_event,
            telephone_event_offered: agreed.telephone_event_offered,
            remote: self.remote,
            signalling: self.signalling,
            direction: Direction { send: send && is_somewhere, receive },
            terms: agreed.terms,
        };
        CallMedia { leg, srtp: self.srtp.clone(), ice: None }
    }
}

/// Keys of our own, for one call.
fn draw_keys(policy: SrtpPolicy) -> Result<Option<Security>, getrandom::Error> {
    let required = match policy {
        SrtpPolicy::Off => return Ok(None),
        SrtpPolicy::Optional => false,
        SrtpPolicy::Required => true,
    };
    let mut entropy = Zeroizing::new([0; Security::ENTROPY]);
    getrandom::fill(entropy.as_mut_slice())?;
    Ok(Some(Security::new(required, &entropy)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(policy: SrtpPolicy) -> MediaTerms {
        MediaTerms::new([192, 0, 2, 9].into(), 20_000, Codec::ALL.to_vec(), policy, None).unwrap()
    }

    #[test]
    fn a_call_keeps_its_keys_and_no_two_have_the_same() {
        let mut first = terms(SrtpPolicy::Required);
        let (once, again) = (first.offer(), first.offer());
        let keys = |sdp: &str| -> Vec<String> {
            sdp.lines().filter(|line| line.starts_with("a=crypto:")).map(str::to_owned).collect()
        };
        assert_eq!(keys(&once).len(), 3);
        assert_eq!(keys(&once), keys(&again));
        let other = terms(SrtpPolicy::Required).offer();
        assert!(keys(&once).iter().all(|line| !keys(&other).contains(line)));
        assert!(keys(&terms(SrtpPolicy::Off).offer()).is_empty());
    }

    #[test]
    fn what_two_nodes_agree_on_fits_together() {
        let (mut caller, mut called) = (terms(SrtpPolicy::Required), terms(SrtpPolicy::Optional));
        let offer = sdp::parse_offer(caller.offer().as_bytes()).unwrap();
        let (answer, _) = called.answer(&offer).unwrap();
        caller.read_answer(answer.as_bytes()).unwrap();
        let (caller, called) = (caller.srtp().unwrap(), called.srtp().unwrap());
        assert_eq!((&caller.send, &caller.receive), (&called.receive, &called.send));
        assert_ne!(caller.send, caller.receive);
    }

    #[test]
    fn keys_are_not_in_what_is_shown_of_the_terms() {
        let mut terms = terms(SrtpPolicy::Optional);
        let offer = terms.offer();
        let shown = format!("{terms:?}");
        for line in offer.lines().filter(|line| line.starts_with("a=crypto:")) {
            let (_, key) = line.split_once("inline:").unwrap();
            assert!(!shown.contains(key));
        }
        assert!(shown.contains("[redacted]"));
    }
}
