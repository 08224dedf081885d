//! The progress bar: on a terminal only, on standard error, so that standard output holds the report alone.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::plan::Plan;

/// Shows how far a run has come.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Shows on standard error if that is a terminal, else nowhere.
    pub fn for_terminal() -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self { bar: ProgressBar::with_draw_target(None, target) }
    }

    /// Shows nothing.
    pub fn hidden() -> Self {
        Self { bar: ProgressBar::hidden() }
    }

    pub(super) fn dialling(&self, plan: &Plan) {
        self.restart("dialling", plan.legs() as u64, "calls answered");
    }

    pub(super) fn measuring(&self, duration: Duration) {
        self.restart("measuring", duration.as_secs(), "seconds");
    }

    pub(super) fn hanging_up(&self, calls: usize) {
        self.restart("hanging up", calls as u64, "calls");
    }

    pub(super) fn at(&self, position: u64) {
        if self.bar.position() != position {
            self.bar.set_position(position);
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn restart(&self, what: &'static str, length: u64, unit: &str) {
        let template = format!("{{prefix:>10}} [{{wide_bar}}] {{pos}}/{{len}} {unit}");
        if let Ok(style) = ProgressStyle::with_template(&template) {
            self.bar.set_style(style);
        }
        self.bar.set_length(length);
        self.bar.set_position(0);
        self.bar.set_prefix(what);
    }
}
