//! What one who was called hears before they are connected: a document of its own, in which they may also decline.

use tracing::debug;

use super::super::Use;
use super::fetch::Errand;
use super::{Flow, Runner};

impl Runner {
    /// Goes through the document. If it ends by itself, the call can be connected; if it hangs up, or cannot be had, the
    /// call is over, and whoever dialled it goes on to the next.
    pub(super) async fn whisper(mut self, first: Errand) {
        self.purpose = Use::Whisper;
        let flow = self.hear(first, Vec::new()).await.unwrap_or(Flow::Over);
        match flow {
            Flow::Next => {
                if let Err(error) = self.scripts.calls.whispered(self.call.sid, true).await {
                    debug!(call = %self.call.sid, %error, "not to be connected");
                    self.hang_up().await;
                }
            }
            Flow::Redirected(errand) => {
                // Whoever dialled it has lost it.
                let _ = self.scripts.calls.whispered(self.call.sid, false).await;
                self.purpose = Use::Call;
                self.follow(*errand).await;
            }
            Flow::Goto(_) | Flow::Leave | Flow::Queue(_) | Flow::Over => self.hang_up().await,
        }
    }
}
