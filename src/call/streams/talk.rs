//! The stream over which a call talks with a server: one at a time, begun and ended by the call's script alone.

use super::super::handle::{CallError, CallEvent, Handle, Request};
use super::super::model::Model;
use super::super::sid::{CallSid, StreamSid};
use super::{StreamRequest, StreamTerms, StreamView};
use crate::stream::Speech;

impl Handle {
    /// Lets a connected call talk with a server from now on; its script is told when that is over
    /// ([`CallEvent::Talked`]). What the server says comes out of the feed that the call is to hear.
    ///
    /// # Errors
    /// When it is not connected, talks already, or another of its streams has the name.
    pub async fn connect_stream(
        &self,
        call: CallSid,
        terms: StreamTerms,
        speech: Speech,
    ) -> Result<StreamView, CallError> {
        let begin = |reply| StreamRequest::Connect(call, Box::new((terms, speech)), reply);
        self.ask(|reply| Request::Stream(begin(reply))).await
    }

    /// Ends it before its server does.
    ///
    /// # Errors
    /// When it is over.
    pub async fn disconnect_stream(&self, call: CallSid, stream: StreamSid) -> Result<StreamView, CallError> {
        self.ask(|reply| Request::Stream(StreamRequest::Disconnect(call, stream, reply))).await
    }
}

impl Model {
    pub(super) fn disconnect_stream(
        &mut self,
        call: CallSid,
        stream: StreamSid,
    ) -> Result<StreamView, CallError> {
        let talks = self.streams.of(call).any(|row| row.view.sid == stream && row.talks);
        if !talks {
            return Err(CallError::NoStream);
        }
        self.let_go_of_stream(call, stream);
        self.end_stream(stream).ok_or(CallError::NoStream)
    }

    /// A call's talk is over: its script goes on.
    pub(super) fn tell_talked(&self, call: CallSid, stream: StreamSid) {
        if let Some(call) = self.calls.get(call) {
            call.tell(CallEvent::Talked(stream));
        }
    }
}
