//! Redirect: another document instead of this one. What follows is never reached.

use crate::script::code::{BAD_URL, REDIRECT_METHOD};
use crate::script::element::Element;
use crate::script::error::ScriptError;
use crate::script::target::{Callback, Method, Target};

/// Goes on with another document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Which; empty for this one from its beginning.
    pub to: Callback,
}

impl Redirect {
    pub(super) fn read(element: &Element<'_, '_>) -> Result<Self, ScriptError> {
        let method = element.method("method", Method::Post, REDIRECT_METHOD);
        element.finish();
        element.no_children();
        let target = Target::new(&element.text());
        if !target.is_readable() {
            return Err(element.impossible(BAD_URL, "has no HTTP URL as its text."));
        }
        Ok(Self { to: Callback { target, method } })
    }
}
