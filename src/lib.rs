//! Confab, a voice media node: SIP legs mixed in conferences and controlled over HTTP.

pub mod call;
pub mod load;
