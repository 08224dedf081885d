//! Connectors that cannot be trusted, on a whole node: what comes of a payment then, and what they get to see.

use std::sync::{Arc, Mutex};

use confab::server::Options;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::pay::{Payment, caller, typed};
use crate::running::Running;
use crate::running::planted::assert_clean;

#[tokio::test(flavor = "multi_thread")]
async fn a_connector_that_speaks_no_tls_gets_no_digit_and_the_payment_ends_with_its_code() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::<Mutex<Vec<u8>>>::default();
    let sees = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut read = vec![0; 65_536];
            let length = stream.read(&mut read).await.unwrap_or(0);
            sees.lock().unwrap().extend(&read[..length]);
            // Whoever asks may have gone.
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n{\"charge_id\":\"ch\"}")
                .await;
        }
    });
    let text = format!(
        "egress_allow = [\"127.0.0.0/8\"]\n[[pay_connector]]\nname = \"Default\"\nurl = \"https://{address}/\"\n\
         username = \"node\"\npassword = \"open sesame\"\n"
    );
    let node = Running::start_with_file(Options::default(), &text).await;
    let (customer, call) = caller(&node, "conf-desk").await;
    let mut payment =
        Payment::start(&node, &call, "ChargeAmount=1&PostalCode=false&SecurityCode=false").await;
    payment.ask("payment-card-number").await;
    typed(&customer, "5555555555554444").await;
    payment.captured("payment-card-number").await;
    payment.ask("expiration-date").await;
    typed(&customer, "0899").await;
    payment.captured("expiration-date").await;
    assert_eq!(payment.update("Status=complete").await.0, 202);
    let told = payment.told("Result", "payment-connector-error").await;
    assert_eq!((told.get("PayErrorCode"), told.get("PaymentConfirmationCode")), ("64007", ""), "{told:?}");
    let seen = seen.lock().unwrap().clone();
    assert!(!seen.is_empty(), "it was asked");
    assert_clean("what the connector saw", &seen);
    assert!(!seen.windows(6).any(|window| window == b"sesame"));
    assert_eq!(payment.attested().await["statement"]["result"], "payment-connector-error");
}
