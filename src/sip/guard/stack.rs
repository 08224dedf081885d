//! The library's own opinion of a message, asked for before it gets it.
//!
//! It parses in two steps: the message when it arrives, single fields when its transactions and dialogs
//! need them. A failure in the first closes a TCP connection, one in the second drops the message
//! silently. Asking for all of them here turns both into an answer.

use rsipstack::sip::SipMessage;
use rsipstack::sip::message::HeadersExt;
use rsipstack::sip::prelude::ToTypedHeader;

/// Whether the library can use the message; if not, a reason phrase.
pub(super) fn check(message: &[u8]) -> Result<(), &'static str> {
    let message = SipMessage::try_from(message).map_err(|_| "Malformed Message")?;
    let via = message.top_via_header().and_then(|via| via.typed());
    via.map_err(|_| "Unsupported Via Header")?;
    match message.from_header().and_then(|from| from.tag().map(|tag| tag.is_some())) {
        Ok(true) => {}
        Ok(false) | Err(_) => return Err("Unsupported From Header"),
    }
    message.to_header().and_then(|to| to.typed()).map_err(|_| "Unsupported To Header")?;
    message.cseq_header().and_then(|cseq| cseq.typed()).map_err(|_| "Unsupported CSeq Header")?;
    message.typed_contact_headers().map_err(|_| "Unsupported Contact Header")?;
    message.typed_record_route_headers().map_err(|_| "Malformed Record-Route Header")?;
    message.typed_route_headers().map_err(|_| "Malformed Route Header")?;
    Ok(())
}
