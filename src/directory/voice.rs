//! Where a call asks what to do, and where it tells that it is over: what applications and numbers have in common.

use serde::{Deserialize, Serialize};

use crate::config::{RouteScript, ScriptSource, WebhookUrl};

/// How a URL is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Parameters in the query.
    Get,
    /// Parameters in a form.
    #[default]
    Post,
}

impl Method {
    /// As HTTP says it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// Where a call asks what to do, and where it tells that it is over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceSettings {
    /// Where its script is.
    pub url: Option<String>,
    /// How that is asked.
    pub method: Method,
    /// Where to ask if the script cannot be had or read.
    pub fallback_url: Option<String>,
    /// How that is asked.
    pub fallback_method: Method,
    /// Who is told that the call is over.
    pub status_callback: Option<String>,
    /// How they are told.
    pub status_callback_method: Method,
    /// Whether the caller's name is to be looked up. Kept and shown; the node has nowhere to look.
    pub caller_id_lookup: bool,
}

/// What is to be changed of them; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct VoiceChange {
    /// Another script, or none any more.
    pub url: Option<Option<String>>,
    /// Another method.
    pub method: Option<Method>,
    /// Another fallback, or none any more.
    pub fallback_url: Option<Option<String>>,
    /// Another method for it.
    pub fallback_method: Option<Method>,
    /// Somebody else to be told, or nobody any more.
    pub status_callback: Option<Option<String>>,
    /// Another method for it.
    pub status_callback_method: Option<Method>,
    /// Whether to look the caller's name up.
    pub caller_id_lookup: Option<bool>,
}

impl VoiceSettings {
    pub(super) fn change(&mut self, change: VoiceChange) {
        fn set<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        set(&mut self.url, change.url);
        set(&mut self.method, change.method);
        set(&mut self.fallback_url, change.fallback_url);
        set(&mut self.fallback_method, change.fallback_method);
        set(&mut self.status_callback, change.status_callback);
        set(&mut self.status_callback_method, change.status_callback_method);
        set(&mut self.caller_id_lookup, change.caller_id_lookup);
    }

    /// The script that a call follows, if one is set.
    pub fn script(&self) -> Option<RouteScript> {
        let url = webhook(self.url.as_ref(), self.method)?;
        let fallback = webhook(self.fallback_url.as_ref(), self.fallback_method);
        Some(RouteScript { source: ScriptSource::Url(url), fallback })
    }

    /// Who is told that a call is over, if somebody is.
    pub fn told(&self) -> Option<WebhookUrl> {
        webhook(self.status_callback.as_ref(), self.status_callback_method)
    }
}

fn webhook(url: Option<&String>, method: Method) -> Option<WebhookUrl> {
    url.map(|url| WebhookUrl { url: url.clone(), get: method == Method::Get })
}
