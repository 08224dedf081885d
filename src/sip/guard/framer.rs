//! Cuts a stream into messages by Content-Length (RFC 3261 §18.3), and closes nothing over a message that
//! is merely odd: such a message comes out whole, and the guard answers it.

use bytes::{Buf as _, BytesMut};

use super::head::{Head, Name, find_end, number, split_field};
use super::{BODY_MAX, MESSAGE_MAX};

/// The place where the next message begins can no longer be told.
///
/// Hand [`FrameError::message`] to the guard, send the answer it gives, and close the connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Content-Length is not a number, or says two things.
    #[error("a message of unknown length")]
    BadContentLength {
        /// The message's head.
        message: Vec<u8>,
    },
    /// A head without end, or a body longer than any message we take.
    #[error("a message longer than {MESSAGE_MAX} bytes")]
    TooLong {
        /// The message's head, as far as it was read.
        message: Vec<u8>,
    },
}

impl FrameError {
    /// What was read of the message, for the guard to answer.
    pub fn message(&self) -> &[u8] {
        match self {
            Self::BadContentLength { message } | Self::TooLong { message } => message,
        }
    }
}

/// One direction of one connection.
///
/// It holds at most one incomplete message of [`MESSAGE_MAX`] bytes and the last piece pushed, as long
/// as [`Framer::next`] is called until it gives `None` after every [`Framer::push`].
#[derive(Debug, Default)]
pub struct Framer {
    buffer: BytesMut,
    /// How far the head has been searched for its end, so that a message that comes byte by byte costs
    /// no more than one that comes at once.
    searched: usize,
    /// The length of the message at the front, once its head is there.
    length: Option<usize>,
    failed: bool,
}

impl Framer {
    /// Begins with an empty stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece of the stream. After an error everything is ignored.
    pub fn push(&mut self, piece: &[u8]) {
        if !self.failed {
            self.buffer.extend_from_slice(piece);
        }
    }

    /// Bytes of a message that is not complete yet: an idle connection has none.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// The next whole message, or the double CRLF of a keep-alive (RFC 5626 §4.4.1).
    #[expect(clippy::should_implement_trait, reason = "None means not yet, so it is no iterator")]
    pub fn next(&mut self) -> Option<Result<Vec<u8>, FrameError>> {
        if let Some(keep_alive) = self.take_blank() {
            return Some(Ok(keep_alive));
        }
        let length = match self.message_length()? {
            Ok(length) => length,
            Err(error) => return Some(Err(self.fail(error))),
        };
        if self.buffer.len() < length {
            return None;
        }
        self.searched = 0;
        self.length = None;
        Some(Ok(self.buffer.split_to(length).to_vec()))
    }

    /// Drops line ends between messages (RFC 3261 §7.5), all but a keep-alive.
    fn take_blank(&mut self) -> Option<Vec<u8>> {
        if self.length.is_some() {
            return None;
        }
        loop {
            if self.buffer.starts_with(b"\r\n\r\n") {
                self.buffer.advance(4);
                return Some(b"\r\n\r\n".to_vec());
            }
            // A CRLF at the end may be the first half of a keep-alive.
            match *self.buffer {
                [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return None,
                [b'\r' | b'\n', ..] => self.buffer.advance(1),
                [_, ..] => return None,
            }
        }
    }

    /// The length of the message at the front, or `None` until its head is there.
    fn message_length(&mut self) -> Option<Result<usize, FrameError>> {
        if let Some(length) = self.length {
            return Some(Ok(length));
        }
        let Some(end) = find_end(&self.buffer, self.searched) else {
            // The end has up to three bytes, of which the first two may be here already.
            self.searched = self.buffer.len().saturating_sub(2);
            let too_long = self.buffer.len() > MESSAGE_MAX;
            return too_long.then(|| Err(FrameError::TooLong { message: self.buffer.to_vec() }));
        };

        let message = || self.buffer[..end.body].to_vec();
        let Some(body) = content_length(&self.buffer[..end.head]) else {
            return Some(Err(FrameError::BadContentLength { message: message() }));
        };
        if body > BODY_MAX || end.body + body > MESSAGE_MAX {
            return Some(Err(FrameError::TooLong { message: message() }));
        }
        self.length = Some(end.body + body);
        self.length.map(Ok)
    }

    fn fail(&mut self, error: FrameError) -> FrameError {
        self.failed = true;
        self.buffer = BytesMut::new();
        error
    }
}

/// What the head says about the body's length: 0 if it says nothing, `None` if it makes no sense.
fn content_length(head: &[u8]) -> Option<usize> {
    let read = Head::read(head);
    let mut fields = read.all(Name::ContentLength).map(|field| field.value.as_ref());
    let Some(first) = fields.next() else {
        return if hides_length(head) { None } else { Some(0) };
    };
    // Two that agree leave no doubt about the frame; the guard refuses the message by itself.
    if fields.any(|other| other != first) {
        return None;
    }
    number(first)
}

/// Whether a Content-Length stands behind the point where reading the head gives up.
fn hides_length(head: &[u8]) -> bool {
    head.split(|&byte| byte == b'\n').filter_map(split_field).any(|(name, _)| {
        name.eq_ignore_ascii_case(Name::ContentLength.long()) || name.eq_ignore_ascii_case("l")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYE: &[u8] = b"BYE sip:a@b.example SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n";
    const INFO: &[u8] = b"INFO sip:a@b.example SIP/2.0\r\nl :\r\n 5\r\n\r\nSig=1";

    fn frames(framer: &mut Framer) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| framer.next()).map(Result::unwrap).collect()
    }

    #[test]
    fn messages_come_out_whole_however_the_stream_is_cut() {
        let stream = [b"\r\n", BYE, b"\r\n\r\n", INFO, BYE].concat();
        let whole = {
            let mut framer = Framer::new();
            framer.push(&stream);
            frames(&mut framer)
        };
        assert_eq!(whole, [BYE, b"\r\n\r\n", INFO, BYE]);

        let mut framer = Framer::new();
        let mut bytewise = Vec::new();
        for byte in &stream {
            framer.push(&[*byte]);
            bytewise.extend(frames(&mut framer));
        }
        assert_eq!(bytewise, whole);
        assert_eq!(framer.buffered(), 0);
    }

    #[test]
    fn a_message_without_content_length_has_no_body_and_the_stream_goes_on() {
        let mut framer = Framer::new();
        let odd = b"ODDITY sip:a@b.example SIP/2.0\r\nCall-ID: 1\r\n\r\n";
        framer.push(&[odd, BYE].concat());
        assert_eq!(frames(&mut framer), [odd.as_slice(), BYE]);
    }

    #[test]
    fn a_length_that_makes_no_sense_ends_the_stream() {
        for length in ["x", "-1", "", "1 2", "99999999999999999999999", "5\r\nl: 6"] {
            let message = format!("BYE sip:a@b.example SIP/2.0\r\nContent-Length: {length}\r\n\r\n");
            let mut framer = Framer::new();
            framer.push(message.as_bytes());
            let error = framer.next().unwrap().unwrap_err();
            assert_eq!(error, FrameError::BadContentLength { message: message.into_bytes() });
            framer.push(BYE);
            assert_eq!(framer.next(), None);
        }
    }

    #[test]
    fn a_head_or_body_beyond_the_bound_ends_the_stream() {
        let mut framer = Framer::new();
        framer.push(b"BYE sip:a@b.example SIP/2.0\r\nContent-Length: 32769\r\n\r\n");
        assert!(matches!(framer.next(), Some(Err(FrameError::TooLong { .. }))));

        let mut framer = Framer::new();
        framer.push(b"BYE sip:a@b.example SIP/2.0\r\nX: ");
        assert_eq!(framer.next(), None);
        framer.push(&[b'x'; MESSAGE_MAX]);
        assert!(matches!(framer.next(), Some(Err(FrameError::TooLong { .. }))));
        assert_eq!(framer.buffered(), 0);
    }

    #[test]
    fn a_length_behind_too_many_lines_is_not_taken_for_none() {
        let lines = "X: y\r\n".repeat(300);
        let message = format!("BYE sip:a@b.example SIP/2.0\r\n{lines}Content-Length: 3\r\n\r\nabc");
        let mut framer = Framer::new();
        framer.push(message.as_bytes());
        assert!(matches!(framer.next(), Some(Err(FrameError::BadContentLength { .. }))));
    }
}
