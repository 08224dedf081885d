//! A gateway in front of the API, in which defects are planted: so no build of the node needs to be wrong.

use std::io;
use std::net::SocketAddr;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

/// Where it listens: each connection is handed to `pass`, with one to the node.
pub(crate) async fn gateway<P>(
    node: SocketAddr,
    pass: impl Fn(TcpStream, TcpStream) -> P + Send + 'static,
) -> SocketAddr
where
    P: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((caller, _)) = listener.accept().await {
            let node = TcpStream::connect(node).await.unwrap();
            // Either may go away first.
            tokio::spawn(pass(caller, node));
        }
    });
    address
}

/// A head with its empty line, and the body of the length that it says.
pub(crate) async fn message(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.to_ascii_lowercase();
    let length = length.lines().find_map(|line| line.strip_prefix("content-length:"));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body).await?;
    Ok((head, body))
}
