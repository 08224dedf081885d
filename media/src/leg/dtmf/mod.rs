//! Keys pressed on a telephone, both ways.
//!
//! ```text
//! telephone-events (RFC 4733) ─▶ DigitReceiver ─┐
//! SIP INFO ─────────────────────────────────────┼▶ DigitCollector ─▶ each press once
//! sound ─▶ KeyListener ─────────────────────────┘
//!            └▶ suspects one? ─▶ passage ─▶ what others hear
//!
//! keys to press ─▶ DigitQueue ─▶ DigitSender ─┬▶ telephone-events
//!                                             └▶ sound
//! ```

mod collector;
mod hearing;
mod passage;
mod queue;
mod send;

pub use collector::{DUPLICATE_WINDOW, DigitCollector, DigitMethod, PREFERENCE_HOLD, PressedDigit};
pub(super) use hearing::Keys;
pub use passage::DigitPassage;
pub use queue::{DIGIT_DURATION, DIGIT_PAUSE, DIGIT_QUEUE_MAX, DigitQueueFull};
pub use send::{DigitSender, DigitWay, EventPacket};
