//! A call that a browser makes: it is told that it rings, and then that it is answered, or why not.

use super::call::{Seat, Talk, Wish};
use super::fault::of_call;
use super::message::Told;
use crate::webrtc::{BrowserCall, BrowserError};

/// Lives a call from its beginning to its end. A browser that goes away before the answer gives it up.
pub(super) async fn run(mut seat: Seat, mut call: BrowserCall) {
    let name = call.call.to_string();
    seat.line.say(&Told::Ringing { callsid: &name });
    let answered = loop {
        tokio::select! {
            answered = &mut call.answered => break answered.unwrap_or(Err(BrowserError::Ended)),
            wish = seat.wishes.recv() => match wish {
                None | Some(Wish::HangUp) => return,
                Some(Wish::Answer(_) | Wish::Reject | Wish::Reinvite(_) | Wish::Press(_) | Wish::Say(_)) => {}
            },
        }
    };
    if let Err(error) = answered {
        return seat.line.say(&Told::over(&name, of_call(&error)));
    }
    let sdp = std::mem::take(&mut call.sdp);
    let talk = Talk::new(seat, call);
    talk.say_answered(Some(&sdp));
    talk.live().await;
}
