//! The node as somebody who registers with a trunk (RFC 3261 §10.2), so that the trunk knows where to send calls: again
//! before the trunk forgets, later and later while it does not work, and not any more when the node stops.

use std::time::Duration;

use rsipstack::platform::CancellationToken;
use rsipstack::sip::typed::{From, To};
use rsipstack::sip::{Header, Method, Request, Response, SipMessage, StatusCode, Transport, Uri};
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::SipAddr;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::Line;
use crate::config::{TrunkAddress, TrunkTransport};
use crate::sip::challenge::{Asked, Challenged, Credentials};
use crate::sip::headers::{self, other};
use crate::sip::inbound::Inbound;
use crate::sip::outbound::{find, transport_of};
use crate::sip::outgoing;
use crate::sip::secure::NoConnection;
use crate::sip::udp::KeepAlive;

/// The part of a registration's time after which it is renewed, in tenths: the rest is for a try or two more.
const RENEW_TENTHS: u32 = 8;

/// How soon it is renewed at the soonest, whatever the trunk grants.
const RENEW_MIN: Duration = Duration::from_secs(1);

/// The longest time asked for, and believed, in seconds: a day.
const EXPIRES_MAX: u32 = 86_400;

/// The first pause after a failure, and the longest: between them it doubles.
const RETRY_FIRST: Duration = Duration::from_secs(5);
const RETRY_LONGEST: Duration = Duration::from_secs(300);

/// How long the node waits for the answer to its leaving when it stops.
const LEAVE_PATIENCE: Duration = Duration::from_secs(2);

/// How often a NAT on the way is reminded that we are here. The most forgetful forget UDP after 30 s (RFC 5626 §4.4.2
/// has 24 to 29).
const KEEP_ALIVE: Duration = Duration::from_secs(25);

/// Why a registration failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Failure {
    #[error("its name is not found")]
    NotFound,
    #[error("no connection to it")]
    NoConnection,
    #[error("{0}")]
    NotSecure(&'static str),
    #[error("it does not answer")]
    Silent,
    #[error("it does not let us register")]
    NotLetIn,
    #[error("it answers {0}")]
    Refused(u16),
}

/// Registers with a trunk until `stop`.
pub(in crate::sip) async fn keep_registered(
    shared: &Inbound,
    line: &Line,
    keep_alive: KeepAlive,
    stop: CancellationToken,
) {
    let Some(mut registration) = Registration::new(shared, line) else {
        return;
    };
    let (mut failures, mut was) = (0, None);
    while !stop.is_cancelled() {
        let now = tokio::select! {
            done = registration.register() => done,
            () = stop.cancelled() => break,
        };
        tell(line, was, now);
        was = Some(now.map(|_| ()));
        let pause = match now {
            Ok(granted) => {
                failures = 0;
                renew_after(granted)
            }
            Err(_) => {
                registration.try_next_address();
                failures += 1;
                retry_after(failures, jitter())
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = registration.remind(&keep_alive), if now.is_ok() => {}
            () = stop.cancelled() => {}
        }
    }
    if was == Some(Ok(())) {
        // A trunk that does not answer forgets by itself.
        let _ = timeout(LEAVE_PATIENCE, registration.leave()).await;
        line.figures.registered.set(0);
        info!(trunk = line.trunk.name, "no longer registered with trunk");
    }
}

/// Says what has changed.
fn tell(line: &Line, was: Option<Result<(), Failure>>, now: Result<Duration, Failure>) {
    line.figures.registered.set(i64::from(now.is_ok()));
    if was == Some(now.map(|_| ())) {
        return;
    }
    let trunk = &line.trunk.name;
    match now {
        Ok(granted) => info!(trunk, seconds = granted.as_secs(), "registered with trunk"),
        Err(why) => warn!(trunk, %why, "not registered with trunk"),
    }
}

fn renew_after(granted: Duration) -> Duration {
    (granted * RENEW_TENTHS / 10).max(RENEW_MIN)
}

/// The pause after so many failures in a row; `jitter` from 0 to 1 keeps those who failed together apart.
fn retry_after(failures: u32, jitter: f64) -> Duration {
    let doubled = RETRY_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(RETRY_LONGEST);
    doubled.mul_f64(0.5 + jitter / 2.0)
}

fn jitter() -> f64 {
    let mut drawn = [0; 2];
    // Chance that is missing is no reason to fail.
    let _ = getrandom::fill(&mut drawn);
    f64::from(u16::from_be_bytes(drawn)) / f64::from(u16::MAX)
}

/// One registration, through all its requests, which have one Call-ID (RFC 3261 §10.2).
struct Registration<'a> {
    shared: &'a Inbound,
    line: &'a Line,
    credentials: Credentials,
    /// What we ask for, in seconds.
    expires: u32,
    address: usize,
    call_id: Option<String>,
    cseq: u32,
    /// Where the last request went.
    destination: Option<SipAddr>,
}

impl<'a> Registration<'a> {
    fn new(shared: &'a Inbound, line: &'a Line) -> Option<Self> {
        let credentials = line.trunk.credentials.as_ref()?;
        let expires = line.trunk.register?.as_secs().try_into().unwrap_or(EXPIRES_MAX);
        let credentials = Credentials {
            username: credentials.username.clone(),
            password: credentials.password.clone(),
            realm: credentials.realm.clone(),
        };
        Some(Self {
            shared,
            line,
            credentials,
            expires,
            address: 0,
            call_id: None,
            cseq: 0,
            destination: None,
        })
    }

    /// Registers; for how long the trunk will remember it.
    async fn register(&mut self) -> Result<Duration, Failure> {
        let response = match self.ask(self.expires).await? {
            brief if brief.status_code == StatusCode::IntervalTooBrief => {
                let least = headers::value(&brief, "Min-Expires", None).and_then(|value| value.parse().ok());
                let least = least.filter(|least| (self.expires..=EXPIRES_MAX).contains(least));
                self.expires = least.ok_or(Failure::Refused(423))?;
                self.ask(self.expires).await?
            }
            response => response,
        };
        match u16::from(response.status_code.clone()) {
            200..=299 => Ok(Duration::from_secs(u64::from(granted(&response, self.expires)))),
            401 | 407 => Err(Failure::NotLetIn),
            408 => Err(Failure::Silent),
            status => Err(Failure::Refused(status)),
        }
    }

    async fn leave(&mut self) -> Result<(), Failure> {
        self.ask(0).await.map(|_| ())
    }

    fn try_next_address(&mut self) {
        self.address = (self.address + 1) % self.line.trunk.addresses.len();
    }

    /// Sends empty lines as long as it is let.
    async fn remind(&self, keep_alive: &KeepAlive) {
        loop {
            sleep(KEEP_ALIVE).await;
            let address = self.destination.as_ref().and_then(|at| at.get_socketaddr().ok());
            // Over TCP the connection is as good as its last use; the trunk keeps it alive if it needs it. Over TLS whoever
            // opened it does.
            if let Some(address) = address.filter(|_| self.address().transport == TrunkTransport::Udp) {
                keep_alive.send(address).await;
            }
        }
    }

    fn address(&self) -> &TrunkAddress {
        &self.line.trunk.addresses[self.address]
    }

    /// Asks to be remembered for so long, again with credentials if we are asked for them; the answer.
    async fn ask(&mut self, expires: u32) -> Result<Response, Failure> {
        let address = self.address().clone();
        let transport = transport_of(&address);
        let found = find(&address.host, address.port()).await.ok_or(Failure::NotFound)?;
        self.shared.gate.calls_trunk(found, self.line.trunk.messages_per_second);
        let destination = SipAddr { r#type: Some(transport), addr: found.into() };
        self.destination = Some(destination.clone());
        let mut challenged = Challenged::new(Some(self.credentials.clone()));
        let mut authorization = None;
        loop {
            let request = self.request(&address, transport, expires, authorization.take())?;
            let uri = outgoing::written(&request.uri);
            let response = self.send(request, &destination).await?;
            if !matches!(u16::from(response.status_code.clone()), 401 | 407) {
                return Ok(response);
            }
            let asked = Asked { method: "REGISTER", uri: &uri };
            authorization = Some(challenged.header(&response, asked).map_err(|_| Failure::NotLetIn)?);
        }
    }

    fn request(
        &mut self,
        address: &TrunkAddress,
        transport: Transport,
        expires: u32,
        authorization: Option<Header>,
    ) -> Result<Request, Failure> {
        let endpoint = &self.shared.endpoint;
        let user = headers::encode_user(&self.credentials.username);
        let parameter = address.transport.parameter();
        let uri = |text: String| Uri::try_from(text.as_str()).map_err(|_| Failure::NotFound);
        let server = uri(format!("sip:{}{parameter}", address.host_port()))?;
        let host = address.host_port();
        let domain = self.line.trunk.from_domain.as_deref().unwrap_or(&host);
        let ours = uri(format!("sip:{user}@{domain}"))?;
        let mut contact_uri = self.shared.advertised.contact(transport, None);
        contact_uri.auth = ours.auth.clone();
        let here = SipAddr { r#type: Some(transport), addr: self.shared.advertised.sip.into() };
        let via = endpoint.get_via(Some(here), None).map_err(|_| Failure::NoConnection)?;
        let from = From { display_name: None, uri: ours.clone(), params: Vec::new() };
        let from = from.with_tag(rsipstack::transaction::make_tag());
        let to = To { display_name: None, uri: ours, params: Vec::new() };
        self.cseq += 1;
        let call_id = self.call_id.clone().map(Into::into);
        let mut request = endpoint.make_request(Method::Register, server, via, from, to, self.cseq, call_id);
        self.call_id = headers::value(&request, "Call-ID", Some("i"));
        request.headers.push(other("Contact", outgoing::written_contact(&contact_uri)));
        request.headers.push(other("Expires", expires));
        request.headers.push(crate::sip::inbound::allow());
        request.headers.extend(authorization.into_iter().collect());
        Ok(request)
    }

    /// Sees to it that there is a connection where one is needed.
    async fn connect(&self, destination: &SipAddr) -> Result<(), Failure> {
        let to = || destination.get_socketaddr().map_err(|_| Failure::NoConnection);
        let patience = self.line.trunk.answer_within;
        match destination.r#type {
            Some(Transport::Tcp) => {
                let connecting = self.shared.dialler.connect(to()?, patience);
                connecting.await.map_err(|_| Failure::NoConnection)
            }
            Some(Transport::Tls) => {
                let connecting = self.shared.secure.connect(to()?, &self.address().host, patience);
                connecting.await.map_err(|NoConnection(why)| Failure::NotSecure(why))
            }
            _ => Ok(()),
        }
    }

    /// Sends a request and waits for its final answer.
    async fn send(&self, request: Request, destination: &SipAddr) -> Result<Response, Failure> {
        let endpoint = &self.shared.endpoint;
        self.connect(destination).await?;
        let key = TransactionKey::from_request(&request, TransactionRole::Client)
            .map_err(|_| Failure::NoConnection)?;
        let mut transaction = Transaction::new_client(key, request, endpoint.clone(), None);
        transaction.destination = Some(destination.clone());
        transaction.send().await.map_err(|_| Failure::NoConnection)?;
        // The transaction gives up after 64*T1 by itself (RFC 3261 §17.1.2.2); a registrar that says nothing for so long
        // as a call would wait is not there.
        let give_up = Instant::now() + self.line.trunk.answer_within;
        loop {
            match tokio::time::timeout_at(give_up, transaction.receive()).await {
                Ok(Some(SipMessage::Response(response)))
                    if u16::from(response.status_code.clone()) >= 200 =>
                {
                    return Ok(response);
                }
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => return Err(Failure::Silent),
            }
        }
    }
}

/// For how long the answer to our REGISTER says that we are registered, in seconds: by the parameter of our Contact, or the
/// header for all of them, or as we asked (RFC 3261 §10.2.4).
fn granted(response: &Response, asked: u32) -> u32 {
    let contacts = headers::values(response, "Contact", Some("m"));
    let parameters = contacts.iter().flat_map(|contact| contact.rsplit('>').next().unwrap_or("").split(';'));
    let expires = |parameter: &str| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("expires").then(|| value.trim().parse::<u32>().ok())?
    };
    // If others are registered for the same user, the shortest: to renew too early harms nobody.
    let of_contact = parameters.filter_map(expires).min();
    let of_all = || headers::value(response, "Expires", None).and_then(|value| value.parse().ok());
    of_contact.or_else(of_all).unwrap_or(asked).min(EXPIRES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted_by(headers: &str) -> u32 {
        let text = format!("SIP/2.0 200 OK\r\n{headers}Content-Length: 0\r\n\r\n");
        granted(&Response::try_from(text.as_bytes()).unwrap(), 3_600)
    }

    #[test]
    fn the_trunk_says_how_long_it_remembers() {
        assert_eq!(granted_by(""), 3_600);
        assert_eq!(granted_by("Expires: 600\r\n"), 600);
        assert_eq!(granted_by("Expires: 600\r\nContact: <sip:x@192.0.2.1;expires=9>;q=1;Expires=60\r\n"), 60);
        assert_eq!(granted_by("Contact: <sip:a@b>;expires=90, <sip:c@d>;expires=70\r\n"), 70);
        assert_eq!(granted_by("Contact: <sip:a@b>;expires=soon\r\nExpires: 999999\r\n"), 86_400);
    }

    #[test]
    fn it_is_renewed_before_it_is_forgotten_and_tried_later_and_later_when_it_fails() {
        assert_eq!(renew_after(Duration::from_secs(3_600)), Duration::from_secs(2_880));
        assert_eq!(renew_after(Duration::ZERO), RENEW_MIN);
        let pauses: Vec<u64> = (1..9).map(|failures| retry_after(failures, 1.0).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(retry_after(3, 0.0), Duration::from_secs(10));
        assert!(retry_after(u32::MAX, 0.5) < RETRY_LONGEST);
    }
}
