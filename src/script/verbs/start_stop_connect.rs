//! Start, Stop and Connect: what goes on beside a script, or takes its place. Their nouns are passed over with a
//! warning: none is supported.

use crate::script::code::SCHEMA;
use crate::script::element::Element;
use crate::script::target::Callback;

/// A Start, Stop or Connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaVerb {
    /// Who is told when it ends; Stop has none.
    pub action: Option<Callback>,
}

impl MediaVerb {
    pub(super) fn read(element: &Element<'_, '_>) -> Self {
        let has_action = element.name() != "Stop";
        let action = has_action.then(|| element.callback("action", "method", SCHEMA)).flatten();
        element.finish();
        element.no_text();
        for child in element.children() {
            child.warn(SCHEMA, &format!("within <{}> is not supported; it is skipped.", element.name()));
        }
        Self { action }
    }
}
