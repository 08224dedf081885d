//! SIP messages as text: enough to write what a phone writes, right or wrong, and to read what the node answers.
//! Nothing here is shared with the node.

/// A request or a response.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The first line.
    pub(crate) start: String,
    /// In order. Values are bytes: not all that is sent is UTF-8.
    headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    /// Whether it is sent with a Content-Length.
    counted: bool,
}

impl Message {
    pub(crate) fn new(start: impl Into<String>) -> Self {
        Self { start: start.into(), headers: Vec::new(), body: Vec::new(), counted: true }
    }

    /// Reads one whole message.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let head_len = head_len(bytes)?;
        let head = bytes.get(..head_len - 4)?;
        let mut lines =
            head.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let start = String::from_utf8(lines.next()?.to_vec()).ok()?;
        let mut headers = Vec::new();
        for line in lines {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let name = String::from_utf8(line[..colon].to_vec()).ok()?;
            headers.push((name, line[colon + 1..].trim_ascii().to_vec()));
        }
        Some(Self { start, headers, body: bytes[head_len..].to_vec(), counted: true })
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Replaces a header's first value, or adds it.
    pub(crate) fn set(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref().to_vec();
        match self.headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value,
            None => self.headers.push((name.to_owned(), value)),
        }
        self
    }

    pub(crate) fn body(mut self, kind: &str, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self.set("Content-Type", kind)
    }

    pub(crate) fn sdp(self, description: &str) -> Self {
        self.body("application/sdp", description)
    }

    pub(crate) fn without_body(mut self) -> Self {
        self.body.clear();
        self.headers.retain(|(name, _)| name != "Content-Type");
        self
    }

    /// Leaves the length to the datagram.
    pub(crate) fn uncounted(mut self) -> Self {
        self.counted = false;
        self
    }

    /// What it is, as a ladder has it: a method, or a status.
    pub(crate) fn rung(&self) -> String {
        self.method().unwrap_or_else(|| self.start.trim_start_matches("SIP/2.0 ")).to_owned()
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.start).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        if self.counted {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", self.body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// All values of a header, one for each line.
    pub(crate) fn all(&self, name: &str) -> Vec<String> {
        let lines = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        lines.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// A header that must be there.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> String {
        let value = self.all(name).into_iter().next();
        value.unwrap_or_else(|| panic!("no {name} in:\n{}", self.text()))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        !self.all(name).is_empty()
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> Option<u16> {
        self.start.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()
    }

    /// The method of a request.
    pub(crate) fn method(&self) -> Option<&str> {
        if self.status().is_some() { None } else { self.start.split(' ').next() }
    }

    /// The Request-URI.
    pub(crate) fn uri(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The tag of From or To.
    pub(crate) fn tag(&self, name: &str) -> Option<String> {
        let value = self.header(name);
        let tag = value.rsplit_once(";tag=")?.1;
        Some(tag.split(';').next().unwrap_or(tag).to_owned())
    }

    pub(crate) fn description(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.to_bytes()).into_owned()
    }
}

/// Where a head ends and its body begins, once all of it is there.
pub(crate) fn head_len(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The port of a description's audio.
pub(crate) fn audio_port(description: &str) -> u16 {
    let media = description.split("m=audio ").nth(1).and_then(|rest| rest.split(' ').next());
    media.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("no audio in:\n{description}"))
}

/// The payload types of a description's audio, in order.
pub(crate) fn audio_formats(description: &str) -> Vec<String> {
    let line = description.lines().find(|line| line.starts_with("m=audio "));
    let line = line.unwrap_or_else(|| panic!("no audio in:\n{description}"));
    line.split(' ').skip(3).map(str::to_owned).collect()
}
