//! Keys pressed on a telephone, both ways.
//!
//! ```text
//! telephone-events (RFC 4733) ─▶ DigitReceiver ─┐
//! SIP INFO ─────────────────────────────────────┼▶ DigitCollector ─▶ each press once
//! sound ─▶ KeyListener ─────────────────────────┘
//!
//! keys to press ─▶ DigitQueue ─┬▶ EventSender ─▶ telephone-events
//!                              └▶ ToneSender ──▶ sound
//! ```

mod collector;
mod queue;
mod send;

pub use collector::{DUPLICATE_WINDOW, DigitCollector, DigitMethod, PREFERENCE_HOLD, PressedDigit};
pub use queue::{DIGIT_DURATION, DIGIT_PAUSE, DIGIT_QUEUE_MAX, DigitQueueFull};
pub use send::{EventPacket, EventSender, ToneSender};
