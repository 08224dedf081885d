//! A call to a browser: it rings there until it is answered, refused, or rings no more.

use form_urlencoded::Serializer;

use super::call::{Seat, Talk, Wish};
use super::fault::of_call;
use super::message::{CallParameters, Told};
use crate::webrtc::{BrowserError, Invitation};

/// Lives a call from its ringing to its end. A browser that goes away before it answers lets it ring elsewhere.
pub(super) async fn run(mut seat: Seat, invitation: Invitation) {
    let name = invitation.order.call.to_string();
    invite(&seat, &invitation, &name);
    let sdp = loop {
        tokio::select! {
            () = invitation.stopped.cancelled() => return seat.line.say(&Told::Cancel { callsid: &name }),
            wish = seat.wishes.recv() => match wish {
                Some(Wish::Answer(sdp)) => break sdp,
                Some(Wish::Reject) => return invitation.reject(),
                None | Some(Wish::HangUp) => return,
                Some(Wish::Reinvite(_) | Wish::Press(_) | Wish::Say(_)) => {}
            },
        }
    };
    let call = match invitation.answer(sdp).await {
        Ok(call) => call,
        // Somebody was quicker, or nobody waits any more.
        Err(BrowserError::NoCall) => return seat.line.say(&Told::Cancel { callsid: &name }),
        Err(error) => return seat.line.say(&Told::over(&name, of_call(&error))),
    };
    drop(invitation);
    let talk = Talk::new(seat, call);
    talk.say_answered(None);
    talk.live().await;
}

fn invite(seat: &Seat, invitation: &Invitation, name: &str) {
    let order = &invitation.order;
    let mut params = Serializer::new(String::new());
    params.extend_pairs(&order.parameters);
    let parameters = CallParameters {
        call_sid: name,
        account_sid: &order.account.to_string(),
        from: &order.from,
        to: &format!("client:{}", order.identity),
        params: &params.finish(),
    };
    seat.line.say(&Told::Invite { callsid: name, sdp: &invitation.sdp, parameters });
}
