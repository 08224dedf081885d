//! Refer: the caller's phone is asked to call somebody else itself (RFC 3515), and the call here ends.

use super::dial::SipAddress;
use crate::script::code::{SCHEMA, SIP_URI};
use crate::script::element::Element;
use crate::script::error::ScriptError;
use crate::script::target::Callback;

/// Asks the caller's phone to call somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refer {
    /// Who is told how it went.
    pub action: Option<Callback>,
    /// Whom it shall call.
    pub to: SipAddress,
}

impl Refer {
    pub(super) fn read(element: &Element<'_, '_>) -> Result<Self, ScriptError> {
        let action = element.callback("action", "method", SCHEMA);
        element.finish();
        element.no_text();
        let mut to = None;
        for child in element.children() {
            if child.name() != "Sip" || to.is_some() {
                child.warn(SCHEMA, "has no place in <Refer>, which has one Sip; it is skipped.");
                continue;
            }
            child.finish();
            child.no_children();
            to = Some(SipAddress::read_to_refer(&child)?);
        }
        let to = to.ok_or_else(|| element.impossible(SIP_URI, "has no <Sip> that says whom to call."))?;
        Ok(Self { action, to })
    }
}
