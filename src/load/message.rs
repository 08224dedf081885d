//! As much of a SIP message (RFC 3261 §7) as a caller must understand. A view on the datagram; nothing in
//! it is trusted to be there.

/// A SIP message taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) start: Start<'a>,
    headers: Vec<(&'a str, &'a str)>,
    pub(super) body: &'a str,
}

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start<'a> {
    Request { method: &'a str },
    Response { status: u16, reason: &'a str },
}

impl<'a> Message<'a> {
    /// Reads a datagram; `None` when it is no SIP message in UTF-8.
    pub(super) fn parse(datagram: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(datagram).ok()?;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let mut lines = head.split("\r\n");
        let start = parse_start(lines.next()?)?;
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.trim(), value.trim()))
            .collect();
        Some(Self { start, headers, body })
    }

    /// The first header of this name, in its long or compact form.
    pub(super) fn header(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// All headers of this name, in order.
    pub(super) fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &'a str> {
        let compact = compact(name);
        self.headers
            .iter()
            .filter(move |(known, _)| known.eq_ignore_ascii_case(name) || known.eq_ignore_ascii_case(compact))
            .map(|(_, value)| *value)
    }

    /// The method that a response answers, or that a request has.
    pub(super) fn cseq_method(&self) -> Option<&'a str> {
        self.header("CSeq")?.split_ascii_whitespace().nth(1)
    }

    /// The number of the request that a response answers, or that a request has.
    pub(super) fn cseq_number(&self) -> Option<u32> {
        self.header("CSeq")?.split_ascii_whitespace().next()?.parse().ok()
    }

    /// The answer to this request, with the headers that RFC 3261 §8.2.6 wants copied.
    pub(super) fn answer(&self, status: &str, extra: &str, body: &str) -> String {
        let mut answer = format!("SIP/2.0 {status}\r\n");
        for name in ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route"] {
            for value in self.all(name) {
                answer.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        answer.push_str(&format!("{extra}Content-Length: {}\r\n\r\n{body}", body.len()));
        answer
    }
}

fn parse_start(line: &str) -> Option<Start<'_>> {
    if let Some(rest) = line.strip_prefix("SIP/2.0 ") {
        let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
        return Some(Start::Response { status: status.parse().ok()?, reason });
    }
    let method = line.strip_suffix(" SIP/2.0")?.split(' ').next()?;
    Some(Start::Request { method })
}

/// The one-letter form (RFC 3261 §7.3.3); the long one again where there is none.
fn compact(name: &str) -> &str {
    match name {
        "Via" => "v",
        "From" => "f",
        "To" => "t",
        "Call-ID" => "i",
        "Contact" => "m",
        "Content-Length" => "l",
        long => long,
    }
}

/// The URI inside `"Name" <uri>;params` or `uri;params`.
pub(super) fn uri_in(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => value.split(';').next().unwrap_or(value).trim(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESPONSE: &[u8] = b"SIP/2.0 200 OK\r\nv: SIP/2.0/UDP a;branch=z9\r\nRecord-Route: <sip:1;lr>\r\n\
        Record-Route: <sip:2;lr>\r\nf: <sip:x>;tag=1\r\nTo: <sip:y>;tag=2\r\ni: abc\r\nCSeq: 1 INVITE\r\n\
        m: \"N\" <sip:n@127.0.0.1:5060>;q=1\r\nl: 4\r\n\r\nv=0\n";

    #[test]
    fn long_and_compact_names_are_the_same() {
        let message = Message::parse(RESPONSE).unwrap();
        assert_eq!(message.start, Start::Response { status: 200, reason: "OK" });
        assert_eq!(message.header("call-id".to_uppercase().as_str()), None);
        assert_eq!(message.header("Call-ID"), Some("abc"));
        assert_eq!(message.cseq_method(), Some("INVITE"));
        assert_eq!(uri_in(message.header("Contact").unwrap()), "sip:n@127.0.0.1:5060");
        assert_eq!(message.all("Record-Route").count(), 2);
        assert_eq!(message.body, "v=0\n");
    }

    #[test]
    fn an_answer_carries_what_its_request_had() {
        let bye = b"BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP b\r\nFrom: <sip:y>;tag=2\r\nTo: <sip:x>;tag=1\r\n\
            Call-ID: abc\r\nCSeq: 7 BYE\r\n\r\n";
        let request = Message::parse(bye).unwrap();
        assert_eq!(request.start, Start::Request { method: "BYE" });
        let answer = request.answer("200 OK", "", "");
        let answer = Message::parse(answer.as_bytes()).unwrap();
        assert_eq!(answer.start, Start::Response { status: 200, reason: "OK" });
        assert_eq!(answer.header("CSeq"), Some("7 BYE"));
        assert_eq!(answer.header("Via"), Some("SIP/2.0/UDP b"));
    }

    #[test]
    fn junk_is_no_message() {
        for junk in [&b""[..], b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"\xff\xfe", b"SIP/2.0 abc x"] {
            assert_eq!(Message::parse(junk), None);
        }
    }
}
