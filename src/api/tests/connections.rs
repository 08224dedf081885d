//! Over real sockets on loopback: connections begin, are used again, and end when the node stops.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::http::serve;

/// A node that serves on a port of its own.
pub(super) struct Served {
    pub(super) address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Served {
    pub(super) async fn start(node: &Node) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(serve(listener, node.router.clone(), shutdown));
        Self { address, stop, task }
    }

    /// Returns when every connection is closed.
    pub(super) async fn stop(self) {
        self.stop.send(()).expect("it serves");
        self.task.await.expect("it ends well");
    }
}

#[tokio::test]
async fn a_connection_is_used_again_until_the_node_stops() {
    let node = Node::over(Script::default().play());
    let served = Served::start(&node).await;
    let mut client = TcpStream::connect(served.address).await.expect("it listens");
    for _ in 0..3 {
        let answer = exchange(&mut client, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\r\nkeep-alive: timeout=25\r\n"), "{answer}");
    }
    let address = served.address;
    served.stop().await;
    assert_eq!(client.read(&mut [0; 16]).await.expect("an orderly end"), 0);
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_request_in_progress_is_answered_when_the_node_stops() {
    let tour = Tour::start();
    let served = Served::start(&tour.node).await;
    let mut client = TcpStream::connect(served.address).await.expect("it listens");
    let path = tour.path("/Conferences/{CF}.json");
    let credentials = basic(&tour.node.account.to_string(), TOKEN);
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: {credentials}\r\nContent-Type: {FORM}\r\n\
         Expect: 100-continue\r\nContent-Length: 16\r\n\r\n"
    );
    // The node asks for the body once it has begun with the request.
    let interim = exchange(&mut client, &head).await;
    assert!(interim.starts_with("HTTP/1.1 100 "), "{interim}");

    let stopping = tokio::spawn(served.stop());
    client.write_all(b"Status=completed").await.expect("still open");
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.expect("an answer, then the end");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("conference-ended-via-api"), "{answer}");
    stopping.await.expect("it stopped");
}

#[tokio::test]
async fn what_is_not_http_costs_only_its_connection() {
    let node = Node::over(Script::default().play());
    let served = Served::start(&node).await;
    for junk in ["\0\0\0\0\r\n\r\n", "INVITE sip:a SIP/2.0\r\n\r\n", "GET / HTTP/1.1\r\nA: \u{1}\r\n\r\n"] {
        let mut client = TcpStream::connect(served.address).await.expect("it listens");
        client.write_all(junk.as_bytes()).await.expect("open");
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("an answer, then the end");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{junk:?}: {answer}");
    }
    let mut client = TcpStream::connect(served.address).await.expect("it listens");
    let answer = exchange(&mut client, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    drop(client);
    served.stop().await;
}

/// In virtual time, which jumps to the next deadline as soon as nobody has anything to do.
#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_finish_its_headers_is_let_go() {
    let node = Node::over(Script::default().play());
    let served = Served::start(&node).await;
    for start in ["", "GET /healthz HTTP/1.1\r\nHost:"] {
        let mut client = TcpStream::connect(served.address).await.expect("it listens");
        let began = Instant::now();
        client.write_all(start.as_bytes()).await.expect("open");
        assert_eq!(client.read(&mut [0; 16]).await.expect("an orderly end"), 0, "{start:?}");
        assert!(began.elapsed() < Duration::from_secs(60), "{start:?}: {:?}", began.elapsed());
    }
    served.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_and_does_not_read_is_let_go() {
    let node = Node::over(Script::default().play());
    let served = Served::start(&node).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("a small window");
    let mut client = socket.connect(served.address).await.expect("it listens");
    let requests = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1_000);
    while client.write_all(requests.as_bytes()).await.is_ok() {}
    served.stop().await;
}

/// Sends `text` and reads what comes back at once: the answers here fit in one segment.
async fn exchange(client: &mut TcpStream, text: &str) -> String {
    client.write_all(text.as_bytes()).await.expect("open");
    let mut buffer = [0; 4_096];
    let length = client.read(&mut buffer).await.expect("an answer");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}
