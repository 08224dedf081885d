//! RTP on the wire (RFC 3550) and the one payload that is not sound: telephone-events (RFC 4733).
//!
//! All parsers borrow the datagram, copy nothing and take any bytes: what they refuse has a name.

mod extension;
mod packet;
pub mod rtcp;
mod sequence;
mod telephone_event;

pub use extension::{AudioLevel, Extensions};
pub use packet::{PacketView, RtpError, RtpHeader, Ssrc, is_rtcp, is_rtp_or_rtcp};
pub use sequence::{ExtendedSequence, SequenceNumber};
pub use telephone_event::{DURATION_MAX, DigitReceiver, EndedEvent, EndedEvents, TelephoneEvent};
