//! Queue: whoever waits longest there.

use super::super::enqueue::QUEUE_NAME_MAX;
use crate::script::code::{QUEUE_METHOD, QUEUE_NAME_LONG, QUEUE_NAME_SHORT};
use crate::script::element::Element;
use crate::script::error::ScriptError;
use crate::script::target::Callback;

/// A queue to take the next one out of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// A document that the one who waited hears before they are connected.
    pub whisper: Option<Callback>,
    /// Which of those who wait, if a workflow has chosen.
    pub reservation_sid: Option<String>,
    /// What the agent does afterwards.
    pub post_work_activity_sid: Option<String>,
}

impl Queue {
    pub(super) fn read(element: &Element<'_, '_>) -> Result<Self, ScriptError> {
        let queue = Self {
            name: element.text(),
            whisper: element.callback("url", "method", QUEUE_METHOD),
            reservation_sid: element.words("reservationSid"),
            post_work_activity_sid: element.words("postWorkActivitySid"),
        };
        element.finish();
        element.no_children();
        if queue.name.is_empty() && queue.reservation_sid.is_none() {
            return Err(element.impossible(QUEUE_NAME_SHORT, "has no name of a queue."));
        }
        if queue.name.chars().nth(QUEUE_NAME_MAX).is_some() {
            let what = format!("has a name of over {QUEUE_NAME_MAX} characters.");
            return Err(element.impossible(QUEUE_NAME_LONG, &what));
        }
        Ok(queue)
    }
}
