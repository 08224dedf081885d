//! A network that is all in the test: names with the addresses that they have at each lookup, and servers at addresses.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, DuplexStream, duplex};

use crate::config::{Networks, Secret};
use crate::telemetry::Metrics;
use crate::webhook::{Client, ClientSettings, Egress, Failure, FailureKind, Network, Stream, sign};

pub(super) const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";
pub(super) const TOKEN: &str = "12345678901234567890123456789012";

/// Bytes in a pipe: as much as a socket's buffer.
const PIPE_BYTES: usize = 64 * 1024;

type Serve = Arc<dyn Fn(DuplexStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A request as a server saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    /// Scheme, host and path with query.
    pub(super) url: String,
    pub(super) headers: hyper::HeaderMap,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(super) fn form(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.body.as_bytes()).into_owned().collect()
    }

    /// Whether the signature is right for what came.
    pub(super) fn is_signed(&self) -> bool {
        let is_form = self.header("content-type").starts_with("application/x-www-form-urlencoded");
        let params = if is_form { self.form() } else { Vec::new() };
        let expected = sign(&Secret::new(TOKEN.to_owned()), &self.url, &params);
        self.header("x-twilio-signature") == expected
    }
}

pub(super) type Reply = hyper::Response<Full<Bytes>>;

pub(super) fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
    let mut response = hyper::Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Full::new(body.into())).unwrap()
}

pub(super) fn script(body: &str) -> Reply {
    reply(200, &[("content-type", "text/xml")], body.to_owned())
}

/// All of it; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct World {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// What each name resolves to, lookup by lookup; the last answer stays.
    names: HashMap<String, Vec<Vec<IpAddr>>>,
    lookups: Vec<String>,
    servers: HashMap<SocketAddr, Serve>,
    /// Addresses from which nothing ever comes back.
    black_holes: Vec<SocketAddr>,
    connected: Vec<SocketAddr>,
    seen: Vec<Seen>,
    failures: Vec<Failure>,
}

impl World {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub(super) fn name(&self, host: &str, lookups: &[&[&str]]) {
        let answers =
            lookups.iter().map(|answer| answer.iter().map(|a| a.parse().unwrap()).collect()).collect();
        self.lock().names.insert(host.to_owned(), answers);
    }

    pub(super) fn black_hole(&self, at: &str) {
        self.lock().black_holes.push(at.parse().unwrap());
    }

    /// A server that gets the bare stream.
    pub(super) fn raw<F, R>(&self, at: &str, serve: F)
    where
        F: Fn(DuplexStream) -> R + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        self.lock().servers.insert(at.parse().unwrap(), Arc::new(move |stream| Box::pin(serve(stream))));
    }

    /// A server that speaks HTTP.
    pub(super) fn http<F, R>(&self, at: &str, answer: F)
    where
        F: Fn(Seen) -> R + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        let (world, answer) = (self.clone(), Arc::new(answer));
        self.raw(at, move |stream| {
            let (world, answer) = (world.clone(), Arc::clone(&answer));
            async move { world.serve(stream, "http", answer).await }
        });
    }

    pub(super) async fn serve<S, F, R>(&self, stream: S, scheme: &'static str, answer: Arc<F>)
    where
        S: Stream + 'static,
        F: Fn(Seen) -> R + Send + Sync + 'static,
        R: Future<Output = Reply> + Send + 'static,
    {
        let handle = service_fn(move |request: hyper::Request<Incoming>| {
            let (world, answer) = (self.clone(), Arc::clone(&answer));
            async move {
                let seen = see(scheme, request).await;
                world.lock().seen.push(seen.clone());
                Ok::<_, Infallible>(answer(seen).await)
            }
        });
        // Ends with an error when the client leaves in the midst, as some of them should.
        let _ =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), handle).await;
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.lock().seen.clone()
    }

    pub(super) fn connected(&self) -> Vec<String> {
        self.lock().connected.iter().map(SocketAddr::to_string).collect()
    }

    pub(super) fn lookups(&self) -> Vec<String> {
        self.lock().lookups.clone()
    }

    pub(super) fn failures(&self) -> Vec<Failure> {
        self.lock().failures.clone()
    }

    pub(super) fn kinds(&self) -> Vec<FailureKind> {
        self.failures().into_iter().map(|failure| failure.kind).collect()
    }

    pub(super) fn client(&self) -> Client {
        self.client_with(&ClientSettings::default(), &Metrics::new())
    }

    pub(super) fn client_allowed(&self, networks: &str, authorities: Option<PathBuf>) -> Client {
        let egress = Egress::new(Networks::parse(networks).unwrap());
        let settings = ClientSettings { egress, extra_authorities: authorities, ..ClientSettings::default() };
        self.client_with(&settings, &Metrics::new())
    }

    pub(super) fn client_with(&self, settings: &ClientSettings, metrics: &Metrics) -> Client {
        let keys = |account: &str| (account == ACCOUNT).then(|| Secret::new(TOKEN.to_owned()));
        let world = self.clone();
        let on_failure = Arc::new(move |failure: &Failure| world.lock().failures.push(failure.clone()));
        Client::new(settings, Arc::new(self.clone()), Arc::new(keys), on_failure, metrics).unwrap()
    }
}

/// Reads until the end of a request's head, so that what a bare server says next is an answer.
pub(super) async fn hear(stream: &mut DuplexStream) {
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") && stream.read_buf(&mut heard).await.is_ok_and(|more| more > 0) {}
}

async fn see(scheme: &str, request: hyper::Request<Incoming>) -> Seen {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let host = head.headers["host"].to_str().unwrap();
    Seen {
        method: head.method.to_string(),
        url: format!("{scheme}://{host}{}", head.uri),
        headers: head.headers.clone(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

#[async_trait]
impl Network for World {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let mut inner = self.lock();
        inner.lookups.push(host.to_owned());
        let answers = inner.names.get_mut(host).ok_or(io::ErrorKind::NotFound)?;
        Ok(if answers.len() > 1 { answers.remove(0) } else { answers.first().cloned().unwrap_or_default() })
    }

    async fn connect(&self, to: SocketAddr) -> io::Result<Box<dyn Stream>> {
        let serve = {
            let mut inner = self.lock();
            inner.connected.push(to);
            (!inner.black_holes.contains(&to)).then(|| inner.servers.get(&to).cloned())
        };
        let Some(serve) = serve else { return std::future::pending().await };
        let serve = serve.ok_or(io::ErrorKind::ConnectionRefused)?;
        let (near, far) = duplex(PIPE_BYTES);
        tokio::spawn(serve(far));
        Ok(Box::new(near))
    }
}
