//! Pause: nothing, for a while. As the first verb it delays the answer.

use std::time::Duration;

use crate::script::code::PAUSE_LENGTH;
use crate::script::element::Element;

/// The longest that a pause is, in seconds: no call is longer.
const SECONDS_MAX: u64 = 86_400;

/// Nothing, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// How long.
    pub length: Duration,
}

impl Pause {
    pub(super) fn read(element: &Element<'_, '_>) -> Self {
        let length = element.seconds("length", 1, 0..=SECONDS_MAX, PAUSE_LENGTH);
        element.finish();
        element.no_children();
        element.no_text();
        Self { length }
    }
}
