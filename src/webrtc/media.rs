//! The media half of a browser's call: our session description, the handshake, and what both make of the leg.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use confab_media::ice::IceCredentials;
use confab_media::srtp::SrtpPair;
use confab_media::{Direction, LegMedia};
use tokio::sync::mpsc;
use tracing::debug;
use zeroize::Zeroizing;

use super::certificate::NodeCertificate;
use super::desk::{Beginning, HandshakeNews, NEWS_MAX};
use super::error::BrowserError;
use super::handshake::{Handshake, Identity};
use super::{Browsers, Shared};
use crate::call::{BrowserLeg, CallError, CallMedia, CallSid};
use crate::sdp::browser::{self, BrowserAgreed, BrowserLocal, BrowserOffer, Remote};
use crate::sdp::{self, Local};

/// How long a leg may be on no thread, on its way from one to another, before its keys are given up: some ticks of both.
const MOVE_PATIENCE: Duration = Duration::from_secs(2);

/// How long to wait before it is looked again.
const MOVE_PAUSE: Duration = Duration::from_millis(20);

/// What became of a call's media by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaNews {
    /// Both have keys: sound flows.
    Flowing,
    /// The browser cannot be talked to: why.
    Failed(&'static str),
    /// The browser has closed its end.
    Closed,
}

/// A browser's half of a call. When it is dropped, the browser is told that it is over.
pub struct BrowserMedia {
    shared: Arc<Shared>,
    call: CallSid,
    leg: BrowserLeg,
    local: BrowserLocal,
    certificate: Arc<NodeCertificate>,
    /// Our last description.
    told: Option<String>,
    remote: Option<Remote>,
    /// As it was agreed last.
    media: Option<LegMedia>,
    keys: Option<SrtpPair>,
    keys_are_due: bool,
    news: Option<mpsc::Receiver<HandshakeNews>>,
}

impl Browsers {
    /// What a call that is not connected yet, whichever way it goes, needs for a browser to be its far end. Nothing is settled by
    /// it: of several browsers that are called, and phones beside them, whoever's media the call is connected with has it.
    ///
    /// # Errors
    /// When there is no port for browsers, or the call is connected or over.
    pub async fn open(&self, call: CallSid) -> Result<BrowserMedia, BrowserError> {
        let shared = Arc::clone(&self.0);
        let leg = shared.calls.use_browser_port(call).await?;
        let certificate = shared.certificates.at(Instant::now());
        let mut id = [0; 4];
        // Uniqueness is all that is asked of it (RFC 8866 §5.2), and a zero would only be less unique.
        let _ = getrandom::fill(&mut id);
        let (address, other) = shared.advertised;
        let mut local = Local::new(address, leg.port, shared.codecs.as_slice().to_vec());
        local.session_id = u64::from(u32::from_be_bytes(id));
        local.rtcp_mux = true;
        let local = BrowserLocal {
            local,
            candidates: [Some(address), other]
                .into_iter()
                .flatten()
                .map(|ip| SocketAddr::new(ip, leg.port))
                .collect(),
            credentials: draw_credentials()?,
            fingerprint: certificate.fingerprint,
            mid: None,
        };
        Ok(BrowserMedia {
            shared,
            call,
            leg,
            local,
            certificate,
            told: None,
            remote: None,
            media: None,
            keys: None,
            keys_are_due: false,
            news: None,
        })
    }
}

impl BrowserMedia {
    /// Answers an offer: our description, and what it means for the leg. The first time, the browser's handshake is waited
    /// for from now on. Later, an offer with other credentials is a restart of ICE, and is answered with other ones of ours.
    ///
    /// # Errors
    /// When the offer cannot be taken; then all is as before.
    pub async fn answer(&mut self, offer: &BrowserOffer) -> Result<(String, CallMedia), BrowserError> {
        let is_restart = self.remote.as_ref().is_some_and(|before| offer.remote.is_restarted_since(before));
        let mut local = self.local.clone();
        if is_restart {
            local.credentials = draw_credentials()?;
        }
        local.local.version += 1;
        local.mid.clone_from(&offer.mid);
        for format in &offer.audio.formats {
            local.local.remember_format(*format);
        }
        let (sdp, agreed) = browser::answer(offer, &local)?;
        self.local = local;
        let media = self.agree(agreed).await?;
        self.told = Some(sdp.clone());
        Ok((sdp, media))
    }

    /// Our user fragment, by which this state of ICE is told from others.
    pub fn ufrag(&self) -> &str {
        self.local.credentials.ufrag()
    }

    /// Whether an offer will be answered, without answering it: a handshake is waited for only so long, and whoever calls may
    /// have to wait longer for an answer.
    ///
    /// # Errors
    /// When the offer cannot be taken.
    pub fn can_answer(&self, offer: &BrowserOffer) -> Result<(), BrowserError> {
        browser::answer(offer, &self.local)?;
        Ok(())
    }

    /// Our offer, for a call to a browser.
    pub fn offer(&mut self) -> String {
        self.local.local.version += 1;
        let sdp = browser::make_offer(&self.local);
        self.told = Some(sdp.clone());
        sdp
    }

    /// What the browser's answer to our offer means for the leg. Its handshake is waited for from now on.
    ///
    /// # Errors
    /// When the answer cannot be taken.
    pub async fn read_answer(&mut self, answer: &[u8]) -> Result<CallMedia, BrowserError> {
        let agreed = browser::read_answer(answer, &self.local)?;
        self.agree(agreed).await
    }

    /// Answers an offer within the call, and lets it hold.
    ///
    /// # Errors
    /// When it cannot be taken, or the call is over.
    pub async fn renegotiate(&mut self, offer: &BrowserOffer) -> Result<String, BrowserError> {
        let (sdp, media) = self.answer(offer).await?;
        self.set(media).await?;
        Ok(sdp)
    }

    /// The answer for a browser that comes back with an offer of what it has: the last one, unless it has begun anew.
    ///
    /// # Errors
    /// As with [`Self::renegotiate`].
    pub async fn resume(&mut self, offer: &BrowserOffer) -> Result<String, BrowserError> {
        let is_known = self.remote.as_ref() == Some(&offer.remote);
        match self.told.clone().filter(|_| is_known) {
            Some(sdp) => Ok(sdp),
            None => self.renegotiate(offer).await,
        }
    }

    /// What happens to the media by themselves. Keys are given to the leg before they are told of. Nothing is lost if it is
    /// not waited for to its end.
    pub async fn next(&mut self) -> MediaNews {
        if self.keys_are_due {
            return self.give_keys().await;
        }
        let Some(news) = &mut self.news else {
            return std::future::pending().await;
        };
        match news.recv().await {
            Some(HandshakeNews::Keys(keys)) => {
                (self.keys, self.keys_are_due) = (Some(keys), true);
                self.give_keys().await
            }
            Some(HandshakeNews::Failed(why)) => MediaNews::Failed(why),
            Some(HandshakeNews::Closed) => MediaNews::Closed,
            None => MediaNews::Failed("the node takes no more browsers"),
        }
    }

    async fn give_keys(&mut self) -> MediaNews {
        let Some(media) = self.call_media(None) else {
            return MediaNews::Failed("nothing was agreed");
        };
        let given = self.set(media).await;
        self.keys_are_due = false;
        given.map_or(MediaNews::Failed("the leg did not take its keys"), |()| MediaNews::Flowing)
    }

    async fn agree(
        &mut self,
        BrowserAgreed { agreed, remote }: BrowserAgreed,
    ) -> Result<CallMedia, BrowserError> {
        debug!(call = %self.call, codec = agreed.codec.name(), direction = agreed.direction.name(), "media agreed");
        let (send, receive) = match agreed.direction {
            sdp::Direction::SendRecv => (true, true),
            sdp::Direction::SendOnly => (true, false),
            sdp::Direction::RecvOnly => (false, true),
            sdp::Direction::Inactive => (false, false),
        };
        self.media = Some(LegMedia {
            codec: agreed.codec,
            payload_type: agreed.payload_type,
            telephone_event: agreed.telephone_event,
            telephone_event_offered: agreed.telephone_event_offered,
            remote: self.local.candidates[0],
            signalling: None,
            direction: Direction { send, receive },
            terms: agreed.terms,
        });
        // One with another certificate is another browser, which has come in place of the one before.
        let is_known = self.remote.as_ref().is_some_and(|before| before.fingerprints == remote.fingerprints);
        if self.news.is_none() || !is_known {
            self.begin_handshake(&remote).await?;
            // What it shares with us is not agreed yet, and what the one before shared is none of its business.
            (self.keys, self.keys_are_due) = (None, false);
        }
        self.remote = Some(remote);
        self.call_media(Some(self.local.credentials.clone())).ok_or(BrowserError::Ended)
    }

    async fn begin_handshake(&mut self, remote: &Remote) -> Result<(), BrowserError> {
        let identity = Identity {
            provider: Arc::clone(&self.shared.certificates.provider),
            certificate: Arc::clone(&self.certificate),
            fingerprints: remote.fingerprints.clone(),
        };
        let handshake =
            Handshake::new(identity).map_err(|error| BrowserError::Certificate(error.to_string()))?;
        let (news, told) = mpsc::channel(NEWS_MAX);
        let desk = self.shared.desks.get(self.leg.worker).ok_or(CallError::NoBrowserPort)?;
        let begun = desk.send(Beginning { leg: self.leg.leg, handshake, news }).await;
        begun.map_err(|_| CallError::Stopping)?;
        self.news = Some(told);
        Ok(())
    }

    fn call_media(&self, ice: Option<IceCredentials>) -> Option<CallMedia> {
        Some(CallMedia { leg: self.media.clone()?, srtp: self.keys.clone(), ice })
    }

    /// Lets media hold. A leg on its way from one thread to another takes nothing for some ticks.
    async fn set(&self, media: CallMedia) -> Result<(), BrowserError> {
        let give_up = tokio::time::Instant::now() + MOVE_PATIENCE;
        loop {
            match self.shared.calls.set_call_media(self.call, media.clone()).await {
                Err(CallError::Overloaded) if tokio::time::Instant::now() < give_up => {
                    tokio::time::sleep(MOVE_PAUSE).await;
                }
                done => return Ok(done?),
            }
        }
    }
}

impl std::fmt::Debug for BrowserMedia {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrowserMedia")
            .field("call", &self.call)
            .field("leg", &self.leg)
            .finish_non_exhaustive()
    }
}

fn draw_credentials() -> Result<IceCredentials, BrowserError> {
    let mut entropy = Zeroizing::new([0; IceCredentials::ENTROPY]);
    getrandom::fill(entropy.as_mut_slice()).map_err(|error| BrowserError::Certificate(error.to_string()))?;
    Ok(IceCredentials::new(&entropy))
}
