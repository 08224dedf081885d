//! A phone without a user: whom a call is for decides what becomes of it. It takes any number of calls at once, and says
//! nothing in them.

use crate::message::Message;
use crate::peer::Peer;
use crate::proof::{Proof, authorization};

/// The agent whose phone it is.
pub(crate) const AGENT: &str = "alice";
/// What the agent's phone logs in with.
pub(crate) const PASSWORD: &str = "open sesame";

/// Logs in to a node as the agent.
pub(crate) async fn log_in(phone: &mut Peer) {
    let contact = format!("<sip:{AGENT}@{}>", phone.address());
    let request = phone.register(AGENT).with("Contact", &contact);
    let challenge = phone.ask(&request).await;
    let proof = Proof { user: AGENT, password: PASSWORD, ..Proof::of(&challenge) };
    let request = phone.register(AGENT).with("Contact", &contact);
    let proven = authorization(&proof, "REGISTER", request.uri());
    let answer = phone.ask(&request.with("Authorization", proven)).await;
    assert_eq!(answer.status(), Some(200), "{}", answer.text());
}

/// Takes calls until it is aborted: one for `busy` is refused, one for `rings` rings, any other is answered.
pub(crate) async fn serve(mut phone: Peer) {
    // What rings, until it is cancelled.
    let mut ringing: Vec<Message> = Vec::new();
    loop {
        let request = phone.next_request().await;
        match request.method() {
            Some("INVITE") => {
                if request.uri().starts_with("sip:rings@") {
                    ringing.push(request.clone());
                }
                invited(&mut phone, &request).await;
            }
            Some("CANCEL") => {
                phone.answer(&request, "200 OK").await;
                let call_id = request.header("Call-ID");
                if let Some(at) = ringing.iter().position(|invite| invite.header("Call-ID") == call_id) {
                    respond(&mut phone, &ringing.remove(at), "487 Request Terminated", "").await;
                }
            }
            Some("REFER") => referred(&mut phone, &request).await,
            Some("ACK") | None => {}
            Some(_) => phone.answer(&request, "200 OK").await,
        }
    }
}

async fn invited(phone: &mut Peer, invite: &Message) {
    if invite.uri().starts_with("sip:busy@") {
        return respond(phone, invite, "486 Busy Here", "").await;
    }
    respond(phone, invite, "180 Ringing", "").await;
    if !invite.uri().starts_with("sip:rings@") {
        let description = phone.description();
        respond(phone, invite, "200 OK", &description).await;
    }
}

/// Says that it will call whom it is told to, and then that it did.
async fn referred(phone: &mut Peer, refer: &Message) {
    phone.answer(refer, "202 Accepted").await;
    phone.follow(refer);
    let notify = phone.within_call("NOTIFY").with("Event", "refer");
    let notify = notify.with("Subscription-State", "terminated;reason=noresource");
    phone.send(&notify.body("message/sipfrag", "SIP/2.0 200 OK\r\n")).await;
}

/// Answers an INVITE. It has one tag for all calls: their Call-IDs tell them apart.
async fn respond(phone: &mut Peer, invite: &Message, status: &str, description: &str) {
    let to = invite.header("To");
    let to = if to.contains(";tag=") { to } else { format!("{to};tag=phone") };
    let answer =
        phone.answer_to(invite, status).set("To", to).with("Contact", format!("<{}>", phone.contact));
    let answer = if description.is_empty() { answer } else { answer.sdp(description) };
    phone.send(&answer).await;
}
