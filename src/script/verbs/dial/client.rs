//! Client: an agent who is registered here, by the name they log in with.

use super::Called;
use crate::script::code::{DIAL_NESTED, SCHEMA};
use crate::script::element::Element;
use crate::script::error::ScriptError;
use crate::script::target::{Callback, Method};

/// The longest name of an agent, in characters.
const IDENTITY_MAX: usize = 256;
/// The most parameters that are passed on.
const PARAMETERS_MAX: usize = 50;

/// A registered agent to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The name they log in with.
    pub identity: String,
    /// Names and values for the agent's program.
    pub parameters: Vec<(String, String)>,
    /// Who wakes their phone.
    pub wake: Option<Callback>,
    /// What all who are called have.
    pub called: Called,
}

impl Client {
    pub(super) fn read(element: &Element<'_, '_>) -> Result<Self, ScriptError> {
        let called = Called::read(element, SCHEMA);
        let wake =
            element.target("clientNotificationUrl").map(|target| Callback { target, method: Method::Post });
        element.finish();
        let (mut identity, mut parameters) = (element.text(), Vec::new());
        for child in element.children() {
            match child.name() {
                "Identity" if identity.is_empty() => identity = child.text(),
                "Parameter" if parameters.len() < PARAMETERS_MAX => {
                    let name = child.words("name");
                    let value = child.attribute("value").unwrap_or_default().to_owned();
                    match name {
                        Some(name) => parameters.push((name, value)),
                        None => child.warn(SCHEMA, "has no name; it is skipped."),
                    }
                }
                _ => child.warn(SCHEMA, "has no place in <Client>; it is skipped."),
            }
            child.finish();
        }
        let identity = identity.trim().to_owned();
        if identity.is_empty() || identity.chars().nth(IDENTITY_MAX).is_some() {
            let what = format!("has no name of an agent, of 1 to {IDENTITY_MAX} characters.");
            return Err(element.impossible(DIAL_NESTED, &what));
        }
        Ok(Self { identity, parameters, wake, called })
    }
}
