//! What the node tells about itself: log lines on standard error, and figures for Prometheus.

mod log;
mod metrics;

pub use log::{Format, LogError, start};
pub use metrics::{Counter, Distribution, Gauge, Histogram, Labels, Metrics};
