//! Requests that we send, put right: the library unescapes no URI that it reads and escapes all that it writes, so
//! that `sip:a%20b@host` would go out as `sip:a%2520b@host`, which is somebody else (RFC 3261 §19.1.4). And what comes from
//! phones behind a NAT: requests of their calls go where their messages come from, not to what their Contact says.

use std::net::SocketAddr;
use std::sync::Arc;

use rsipstack::sip::prelude::{HasHeaders, HeadersExt, ToTypedHeader};
use rsipstack::sip::uri::{Domain, ParamsExt};
use rsipstack::sip::{
    Header, Host, HostWithPort, Method, Param, Request, Scheme, SipMessage, Transport, Uri,
};
use rsipstack::transaction::endpoint::MessageInspector;
use rsipstack::transport::SipAddr;

use super::asking;
use super::forking::Elsewhere;
use super::living::Living;
use super::registrar::Registrar;
use super::secure::OpenTls;
use super::stream::is_websocket;

/// Writes the URIs of others as they wrote them, and reads where phones are.
pub(super) struct AsTheyWroteThem {
    registrar: Arc<Registrar>,
    /// Calls that are cancelled because they were answered elsewhere.
    elsewhere: Arc<Elsewhere>,
    /// Connections over TLS that we opened.
    secure: Arc<OpenTls>,
    /// Calls that are on.
    living: Arc<Living>,
}

impl AsTheyWroteThem {
    pub(super) fn new(
        registrar: &Arc<Registrar>,
        elsewhere: &Arc<Elsewhere>,
        secure: &Arc<OpenTls>,
        living: &Arc<Living>,
    ) -> Self {
        Self {
            registrar: Arc::clone(registrar),
            elsewhere: Arc::clone(elsewhere),
            secure: Arc::clone(secure),
            living: Arc::clone(living),
        }
    }
}

impl MessageInspector for AsTheyWroteThem {
    fn before_send(&self, message: SipMessage, to: Option<&SipAddr>) -> SipMessage {
        match message {
            SipMessage::Request(mut request) => {
                self.elsewhere.explain(&mut request);
                if let Some(transport) = websocket(to) {
                    goes_over(&mut request, transport);
                }
                SipMessage::Request(put_right(request))
            }
            // The library copies the headers of an answer.
            SipMessage::Response(_) => message,
        }
    }

    fn after_received(&self, mut message: SipMessage, from: Option<&SipAddr>) -> SipMessage {
        if let SipMessage::Response(response) = &mut message {
            asking::hide(response, &self.living);
        }
        let is_register =
            matches!(&message, SipMessage::Request(request) if request.method == Method::Register);
        let udp = from.filter(|from| matches!(from.r#type, None | Some(Transport::Udp)));
        let source = udp.and_then(|from| from.get_socketaddr().ok());
        // Without proxies that want to stay on the way: those reach the Contact.
        if let Some(source) = source.filter(|_| !is_register && message.record_route_headers().is_empty())
            && self.registrar.is_phone(source)
        {
            reach_at(&mut message, source);
        }
        let tls = from.filter(|from| from.r#type == Some(Transport::Tls));
        let source = tls.and_then(|from| from.get_socketaddr().ok());
        if let Some(source) =
            source.filter(|_| is_of_call(&message) && message.record_route_headers().is_empty())
            && self.secure.has(source)
        {
            reach_over_tls(&mut message, source);
        }
        if websocket(from).is_some() && is_of_call(&message) && message.record_route_headers().is_empty() {
            is_over(&mut message, Transport::Ws);
        }
        message
    }
}

/// Whether a message begins a call or goes on with one, so that its Contact is where the requests of that call go.
fn is_of_call(message: &SipMessage) -> bool {
    let is_of_call = |method: &Method| matches!(method, Method::Invite | Method::Update);
    match message {
        SipMessage::Request(request) => is_of_call(&request.method),
        // Another's Contact is where else one could call.
        SipMessage::Response(response) => {
            let asked = response.cseq_header().ok().and_then(|cseq| cseq.method().ok());
            (101..300).contains(&u16::from(response.status_code.clone()))
                && asked.as_ref().is_some_and(is_of_call)
        }
    }
}

/// Has requests of a call go over the connection to which its messages come: its far end has proved who it is, and whoever its
/// Contact names has not.
fn reach_over_tls(message: &mut SipMessage, source: SocketAddr) {
    reach_at(message, source);
    is_over(message, Transport::Tls);
}

/// Has the Contact of a message name this transport.
fn is_over(message: &mut SipMessage, transport: Transport) {
    for header in message.headers_mut().iter_mut() {
        if let Header::Contact(contact) = header
            && let Ok(mut typed) = contact.typed()
            && typed.uri.scheme != Some(Scheme::Sips)
            && typed.uri.transport() != Some(&transport)
        {
            typed.uri.params.retain(|param| !matches!(param, Param::Transport(_)));
            typed.uri.params.push(Param::Transport(transport));
            typed.uri = verbatim(typed.uri);
            *contact = typed.into();
        }
    }
}

/// The kind of WebSocket that this is the other end of, if it is.
fn websocket(far_end: Option<&SipAddr>) -> Option<Transport> {
    far_end?.r#type.filter(|transport| is_websocket(*transport))
}

/// Says in a request what it goes over (RFC 3261 §18.1.1): the library takes each WebSocket for TLS.
fn goes_over(request: &mut Request, transport: Transport) {
    let is_via = |header: &&mut Header| matches!(header, Header::Via(_));
    if let Some(Header::Via(via)) = request.headers.iter_mut().find(is_via)
        && let Ok(mut typed) = via.typed()
    {
        typed.transport = transport;
        // Of connections that are none of browsers (RFC 5923).
        typed.params.retain(|param| !matches!(param, Param::Other(name, _) if name.value() == "alias"));
        *via = typed.into();
    }
}

/// Puts the source of a message in the place of the address in its Contact.
fn reach_at(message: &mut SipMessage, source: SocketAddr) {
    for header in message.headers_mut().iter_mut() {
        if let Header::Contact(contact) = header
            && let Ok(mut typed) = contact.typed()
        {
            typed.uri.host_with_port = HostWithPort::from(source);
            typed.uri = verbatim(typed.uri);
            *contact = typed.into();
        }
    }
}

/// A URI as it goes out.
pub(super) fn written(uri: &Uri) -> String {
    verbatim(uri.clone()).to_string()
}

/// A Contact as it goes out.
pub(super) fn written_contact(uri: &Uri) -> String {
    format!("<{}>", written(uri))
}

fn put_right(mut request: Request) -> Request {
    request.uri = verbatim(request.uri);
    for header in request.headers.iter_mut() {
        if let Header::From(from) = header {
            *from = unescaped(from.value()).into();
        } else if let Header::To(to) = header {
            *to = unescaped(to.value()).into();
        }
    }
    request
}

/// A URI that is written with its user and password as they are. The library escapes both, and only those; so they
/// become a part of the host, which it writes as it is. Where the request goes is settled by now.
pub(super) fn verbatim(mut uri: Uri) -> Uri {
    let Some(auth) = uri.auth.take() else {
        return uri;
    };
    let password = auth.password.map(|password| format!(":{password}")).unwrap_or_default();
    let host = &uri.host_with_port.host;
    uri.host_with_port.host = Host::Domain(Domain(format!("{}{password}@{host}", auth.user)));
    uri
}

/// A From or To value, with the user of its URI unescaped once: each `%` of it was written `%25`, and nothing else
/// is.
fn unescaped(value: &str) -> String {
    let user = value.find('<').and_then(|from| Some((from, from + value.get(from..)?.find('@')?)));
    match user {
        Some((from, to)) => {
            format!("{}{}{}", &value[..from], value[from..to].replace("%25", "%"), &value[to..])
        }
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_uri_goes_out_as_it_came_in() {
        for text in [
            "sip:a%20b@192.0.2.1:5070",
            "sip:a%25b:p%40ss@example.com;transport=TCP",
            "sip:+4930123;phone-context=x@[2001:db8::1]:5060",
            "sip:192.0.2.1",
        ] {
            let uri = Uri::try_from(text).unwrap();
            assert_eq!(verbatim(uri).to_string(), text);
        }
    }

    #[test]
    fn what_goes_over_a_websocket_says_so() {
        let text = "BYE sip:a@x.invalid SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.9:5060;branch=z9hG4bK1;rport;alias\r\n\
            Content-Length: 0\r\n\r\n";
        let mut request = Request::try_from(text.as_bytes()).unwrap();
        goes_over(&mut request, Transport::Wss);
        let via = request.via_header().unwrap().value().to_owned();
        assert_eq!(via, "SIP/2.0/WSS 192.0.2.9:5060;branch=z9hG4bK1;rport");
        let at =
            |transport| SipAddr { r#type: transport, addr: HostWithPort::try_from("192.0.2.1:9").unwrap() };
        assert_eq!(websocket(Some(&at(Some(Transport::Ws)))), Some(Transport::Ws));
        assert_eq!(websocket(Some(&at(Some(Transport::Tls)))), None);
        assert_eq!(websocket(Some(&at(None))), None);
    }

    #[test]
    fn only_the_user_of_a_from_or_to_is_unescaped() {
        assert_eq!(
            unescaped("\"100%25\" <sip:a%2520b@x;p=%25>;tag=%25"),
            "\"100%25\" <sip:a%20b@x;p=%25>;tag=%25"
        );
        assert_eq!(unescaped("<sip:a%252540b@x>"), "<sip:a%2540b@x>");
        assert_eq!(unescaped("<sip:x>;tag=1"), "<sip:x>;tag=1");
    }
}
