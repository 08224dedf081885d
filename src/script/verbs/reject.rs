//! Reject: the call is refused, and was never answered.

use crate::script::code::REJECT;
use crate::script::element::Element;

/// Refuses the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject {
    /// What the caller is told.
    pub reason: RejectReason,
}

/// What the caller is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectReason {
    /// That this number does not take calls.
    Rejected,
    /// That the line is busy.
    Busy,
}

impl Reject {
    pub(super) fn read(element: &Element<'_, '_>) -> Self {
        let words = [("rejected", RejectReason::Rejected), ("busy", RejectReason::Busy)];
        let reason = element.choice("reason", RejectReason::Rejected, REJECT, &words);
        element.finish();
        element.no_children();
        element.no_text();
        Self { reason }
    }
}
