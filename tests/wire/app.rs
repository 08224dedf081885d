//! An application of a customer: answers the node's webhooks with what the test says, and remembers what it was told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use confab::config::Secret;
use confab::webhook::sign;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::peer::within;

/// What it answers with: whole responses.
type Pages = HashMap<String, Vec<u8>>;

#[derive(Clone)]
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    pages: Mutex<Pages>,
    told: Mutex<Vec<Told>>,
    bell: Notify,
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) path: String,
    pub(crate) signature: Option<String>,
    pub(crate) authorization: Option<String>,
    pub(crate) body: String,
    pub(crate) parameters: Vec<(String, String)>,
}

impl Told {
    /// Whether this token signed it, as a POST of a form to this URL.
    pub(crate) fn is_signed_with(&self, token: &str, url: &str) -> bool {
        let expected = sign(&Secret::new(token.to_owned()), url, &self.parameters);
        self.signature.as_deref() == Some(&*expected)
    }

    /// A parameter; empty if it is missing.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.parameters.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

impl App {
    pub(crate) async fn start() -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into()).await
    }

    /// Starts it where it is expected.
    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            pages: Mutex::new(Pages::new()),
            told: Mutex::new(Vec::new()),
            bell: Notify::new(),
        });
        let app = Self { address, shared };
        let serving = app.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        app
    }

    /// The URL of one of its pages.
    pub(crate) fn url(&self, page: &str) -> String {
        format!("http://{}/{page}", self.address)
    }

    /// Answers a page with a call script from now on.
    pub(crate) fn says(&self, page: &str, script: &str) {
        self.gives(page, "text/xml", format!("<Response>{script}</Response>").into_bytes());
    }

    /// Answers a page with anything from now on.
    pub(crate) fn gives(&self, page: &str, kind: &'static str, body: Vec<u8>) {
        let len = body.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\n\r\n");
        self.answers(page, [head.as_bytes(), &body].concat());
    }

    /// Answers a page with these bytes from now on, be they HTTP or not.
    pub(crate) fn answers(&self, page: &str, response: Vec<u8>) {
        self.shared.pages.lock().unwrap().insert(format!("/{page}"), response);
    }

    /// What it was told on a page, so often at least.
    pub(crate) async fn told(&self, page: &str, times: usize) -> Vec<Told> {
        within(&format!("{times} requests for {page}"), async {
            loop {
                let rung = self.shared.bell.notified();
                let told = self.shared.told.lock().unwrap().clone();
                let of_page: Vec<Told> =
                    told.into_iter().filter(|told| told.path == format!("/{page}")).collect();
                if of_page.len() >= times {
                    return of_page;
                }
                rung.await;
            }
        })
        .await
    }

    async fn serve(self, mut stream: TcpStream) {
        let mut read = Vec::new();
        while let Some(told) = next(&mut stream, &mut read).await {
            let page = self.shared.pages.lock().unwrap().get(&told.path).cloned();
            let missing = || b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
            self.shared.told.lock().unwrap().push(told);
            self.shared.bell.notify_waiters();
            // A node that is gone wants no answer.
            let _ = stream.write_all(&page.unwrap_or_else(missing)).await;
        }
    }
}

/// The next request of a connection.
async fn next(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<Told> {
    let head = loop {
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    };
    let text = String::from_utf8(read[..head].to_vec()).unwrap();
    let header = |name: &str| {
        let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let len: usize = header("content-length").map_or(0, |len| len.parse().unwrap());
    while read.len() < head + len {
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
    let body: Vec<u8> = read.drain(..head + len).skip(head).collect();
    let authorization = header("authorization");
    let target = text.split(' ').nth(1).unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut parameters: Vec<(String, String)> =
        form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    parameters.extend(form_urlencoded::parse(&body).into_owned());
    let body = String::from_utf8_lossy(&body).into_owned();
    Some(Told {
        path: path.to_owned(),
        signature: header("x-twilio-signature"),
        authorization,
        body,
        parameters,
    })
}

/// A tone as a WAV file: 8 kHz, 16 bits, mono.
pub(crate) fn wav(hertz: f64, seconds: f64) -> Vec<u8> {
    let samples = (0..(8_000.0 * seconds) as usize)
        .map(|n| ((n as f64 * hertz / 8_000.0 * std::f64::consts::TAU).sin() * 8_000.0) as i16);
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}
