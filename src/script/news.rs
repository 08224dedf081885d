//! News of calls, put into the words of the reference (§3.2) and handed to the courier, who delivers them in order.

use std::time::SystemTime;

use chrono::Utc;
use tokio::sync::mpsc;

use super::run::parameters;
use crate::call::{CallNews, CallStep, HttpMethod};
use crate::webhook::{Courier, Job, Method, Payload, Request};

/// Hands on news until the model is gone.
pub async fn deliver(courier: Courier, mut news: mpsc::Receiver<CallNews>) {
    while let Some(news) = news.recv().await {
        // What a full courier does is its own affair, and counted there.
        let _ = courier.send(job(news));
    }
}

fn job(news: CallNews) -> Job {
    let key = news.call.sid.to_string();
    let method = match news.to.method {
        HttpMethod::Get => Method::Get,
        HttpMethod::Post => Method::Post,
    };
    let request = Request { method, payload: Payload::Form(told(&news)), ..blank(&news) };
    Job {
        id: format!("{key}-{}", news.number),
        is_last: news.step == CallStep::Completed,
        request: request.about(key.clone()),
        key,
        accepted_at: SystemTime::now(),
    }
}

fn blank(news: &CallNews) -> Request {
    Request::post(news.to.url.clone(), news.call.account.to_string(), Vec::new())
}

fn told(news: &CallNews) -> Vec<(String, String)> {
    let mut told = parameters::of(&news.call);
    if news.step == CallStep::Initiated {
        // Of the step, not of the call, which is queued.
        told.retain(|(name, _)| name != "CallStatus");
        told.push(parameters::named("CallStatus", "initiated"));
    }
    let now = Utc::now().format("%a, %d %b %Y %H:%M:%S +0000");
    told.push(parameters::named("Timestamp", now));
    told.push(parameters::named("CallbackSource", "call-progress-events"));
    told.push(parameters::named("SequenceNumber", news.number));
    if let (CallStep::Completed, Some(ended)) = (news.step, news.call.ended) {
        let seconds = news.call.started.map_or(0, |started| (ended - started).num_seconds().max(0));
        told.push(parameters::named("CallDuration", seconds));
        // In minutes begun, as it is billed elsewhere.
        told.push(parameters::named("Duration", (seconds + 59) / 60));
        if let Some(status) = news.call.sip_status {
            told.push(parameters::named("SipResponseCode", status));
        }
    }
    told
}
