//! Trunks over TLS: whom the node believes to be its trunk, and how it uses the connection.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{call, figure, gateway, node_with, refuse, trunk};
use crate::peer::{Peer, within};
use crate::running::Running;

/// An authority, whom the node trusts, and what it trusts her by.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    home: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let home = TempDir::new().unwrap();
        std::fs::write(home.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, home }
    }

    /// The line of a configuration that trusts her.
    fn trusted(&self) -> String {
        format!("sip_tls_ca = \"{}\"\n", self.home.path().join("ca.pem").display())
    }

    /// A gateway with a certificate for this name that was good until the end of a year.
    async fn gateway(&self, name: &str, year: i32) -> Gateway {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 12, 31);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Gateway {
            address: listener.local_addr().unwrap(),
            listener,
            acceptor: TlsAcceptor::from(Arc::new(config)),
        }
    }
}

/// A trunk's gateway that listens for TLS.
struct Gateway {
    address: SocketAddr,
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Gateway {
    /// The next connection.
    async fn connection(&self) -> TlsStream<TcpStream> {
        within("a connection over TLS", async {
            loop {
                let (stream, _) = self.listener.accept().await.unwrap();
                if let Ok(stream) = self.acceptor.accept(stream).await {
                    return stream;
                }
            }
        })
        .await
    }

    /// Takes connections until the node gives one up, which it does in the handshake.
    async fn is_refused(&self) {
        within("a handshake that fails", async {
            let (stream, _) = self.listener.accept().await.unwrap();
            // With TLS 1.3 our side of the handshake may be done before the node has judged.
            if let Ok(mut stream) = self.acceptor.accept(stream).await {
                let mut nothing = [0];
                let read = tokio::io::AsyncReadExt::read(&mut stream, &mut nothing).await;
                assert!(!matches!(read, Ok(1)), "the node sent something");
            }
        })
        .await;
    }

    /// The table of its trunk.
    fn trunk(&self, more: &str) -> String {
        format!(
            "[[trunk]]\nname = \"secure\"\naddress = \"{};tls\"\nanswer_within = \"32s\"\n{more}\n",
            self.address
        )
    }
}

/// What the log of the node would say is found in the figure of the trunk that was tried next.
async fn goes_elsewhere(node: &Running, second: &mut Peer) {
    second.serve(node.node.sip);
    call(node, "442071234567").await;
    let invite = second.is_called().await;
    refuse(second, &invite, "486 Busy Here").await;
    assert_eq!(figure(node, "confab_trunk_circuits_open", "secure").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trunk_that_proves_its_name_is_called_and_calls_share_its_connection() {
    let authority = Authority::new();
    let gateway = authority.gateway("127.0.0.1", 4_000).await;
    let node = node_with(&(authority.trusted() + &gateway.trunk("priority = 1"))).await;
    let path = call(&node, "442071234567").await;
    let mut carrier = Peer::of_secure(gateway.connection().await).await;
    let invite = carrier.is_called().await;
    assert_eq!(invite.uri(), format!("sip:+442071234567@{};transport=TLS", gateway.address));
    assert!(invite.header("Via").starts_with("SIP/2.0/TLS "), "{}", invite.text());
    assert!(invite.header("Contact").to_ascii_lowercase().contains(";transport=tls"), "{}", invite.text());
    carrier.pick_up(&invite).await;
    node.wait_for(&path, "status", "in-progress").await;
    carrier.is_in_call().await;
    // One odd message does not cost the connection, and the next call goes over it too.
    let odd = carrier.request("BREW", "x").with("X-Name", b"\xff\xfe");
    assert_eq!(carrier.ask(&odd).await.status(), Some(501));
    call(&node, "442071234568").await;
    assert!(carrier.request_of("INVITE").await.uri().contains("442071234568"));
    node.post(&path, "Status=completed").await;
    carrier.is_hung_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_proved_to_be_the_trunk_is_told_nothing_and_the_next_is_called() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    for (by, name, year) in [
        (&authority, "carrier.example", 4_000),
        (&authority, "127.0.0.1", 2_020),
        (&stranger, "127.0.0.1", 4_000),
    ] {
        let false_one = by.gateway(name, year).await;
        let mut second = gateway().await;
        let file = authority.trusted()
            + &false_one.trunk("priority = 1")
            + &trunk("second", &second, "priority = 2");
        let node = node_with(&file).await;
        tokio::join!(false_one.is_refused(), goes_elsewhere(&node, &mut second));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_speaks_tls_the_next_is_called() {
    let mut second = gateway().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain_address = plain.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"SIP/2.0 400 Bad\r\n\r\n").await;
        }
    });
    let addresses = format!("\"sips:{gone}\", \"sip:{plain_address};transport=tls\"");
    let secure = format!(
        "[[trunk]]\nname = \"secure\"\npriority = 1\naddress = [{addresses}]\nanswer_within = \"32s\"\n"
    );
    let node = node_with(&(secure + &trunk("second", &second, "priority = 2"))).await;
    second.serve(node.node.sip);
    call(&node, "442071234567").await;
    second.is_called().await;
    assert_eq!(figure(&node, "confab_trunk_circuits_open", "secure").await, 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_is_opened_again_for_the_calls_that_are_on() {
    let authority = Authority::new();
    let gateway = authority.gateway("127.0.0.1", 4_000).await;
    let node = node_with(&(authority.trusted() + &gateway.trunk("priority = 1"))).await;
    let path = call(&node, "442071234567").await;
    let mut carrier = Peer::of_secure(gateway.connection().await).await;
    // It says that it is elsewhere, where nobody is: what belongs to the call goes to whom the node knows.
    carrier.contact = "sip:peer@192.0.2.9:5061".to_owned();
    let invite = carrier.is_called().await;
    carrier.pick_up(&invite).await;
    node.wait_for(&path, "status", "in-progress").await;
    let stream = gateway_again(&gateway, &mut carrier).await;
    carrier.comes_over(stream);
    node.post(&path, "Status=completed").await;
    carrier.is_hung_up().await;
}

/// Closes the connection of a carrier, and takes the next one.
async fn gateway_again(gateway: &Gateway, carrier: &mut Peer) -> TlsStream<TcpStream> {
    carrier.hangs_up_the_wire().await;
    gateway.connection().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_node_registers_over_tls_and_calls_sips_uris() {
    let authority = Authority::new();
    let gateway = authority.gateway("127.0.0.1", 4_000).await;
    let terms = "username = \"confab\"\npassword = \"open sesame\"\nregister = true";
    let node = node_with(&(authority.trusted() + &gateway.trunk(terms))).await;
    let mut carrier = Peer::of_secure(gateway.connection().await).await;
    let register = carrier.request_of("REGISTER").await;
    assert!(register.header("Contact").to_ascii_lowercase().contains("transport=tls"), "{}", register.text());
    let answer = carrier.answer_to(&register, "200 OK");
    carrier.send(&answer.with("Contact", format!("{};expires=600", register.header("Contact")))).await;
    within("being registered", async {
        while figure(&node, "confab_trunk_registered", "secure").await != 1.0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;

    let other = authority.gateway("127.0.0.1", 4_000).await;
    let form = format!("To=sips:agent@{}&From=b&Twiml=<Response/>", other.address);
    assert_eq!(node.create("Calls.json", &form).await.0, 201);
    let mut agent = Peer::of_secure(other.connection().await).await;
    let invite = agent.is_called().await;
    assert_eq!(invite.uri(), format!("sips:agent@{}", other.address));
}
