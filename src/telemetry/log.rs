//! The log: lines on standard error, chosen by the operator's filter, less what must never be written.
//!
//! ```text
//!   event ──► operator's filter ──► cap on the SIP library ──► stderr, text or JSON
//! ```
//!
//! The SIP library writes each message as it came at INFO and below: media keys (RFC 4568), digest answers,
//! and dialled digits among them. The cap is a filter of its own behind the operator's, so that no
//! directive, however exact, opens it.

use std::io::IsTerminal;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, LevelFilter, ParseError, filter_fn};
use tracing_subscriber::fmt::{MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry};

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Why the log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not one.
    #[error("the log filter cannot be read: {0}")]
    Filter(#[from] ParseError),
    /// There is a log already.
    #[error("the log was started twice")]
    Twice(#[from] TryInitError),
}

/// Starts the log of this process on standard error.
///
/// # Errors
/// When `filter` cannot be read, or when a log was started before.
pub fn start(filter: &str, format: Format) -> Result<(), LogError> {
    let colours = std::io::stderr().is_terminal();
    let lines = lines(filter, format, colours, std::io::stderr)?;
    Ok(tracing_subscriber::registry().with(lines).try_init()?)
}

/// The layer that writes what `filter` and the cap let through.
fn lines<W>(
    filter: &str,
    format: Format,
    colours: bool,
    writer: W,
) -> Result<Box<dyn Layer<Registry> + Send + Sync>, LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = match format {
        Format::Text => boxed(layer().with_ansi(colours).with_writer(writer)),
        Format::Json => boxed(layer().json().flatten_event(true).with_writer(writer)),
    };
    // It lets through what the operator's does. Without that said, whatever anybody might log would be asked about, and what
    // libraries trace with each message costs more than the message.
    let harmless = filter_fn(is_harmless).with_max_level_hint(LevelFilter::TRACE);
    let filter = EnvFilter::try_new(filter)?.and(harmless);
    Ok(lines.with_filter(filter).boxed())
}

fn boxed<S, L>(layer: L) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    L: Layer<S> + Send + Sync,
{
    layer.boxed()
}

/// The crate that writes messages as they came.
const VERBATIM: &str = "rsipstack";

/// The most that is let through of it: at WARN it names transactions and errors, and no message.
const VERBATIM_MOST: Level = Level::WARN;

/// Its part that carries messages. Connections are read by the node itself, and it takes the end of each for a mistake
/// that somebody should be warned of.
const CARRIER: &str = "rsipstack::transport";

/// The crate of browsers' handshakes. It warns of whatever a stranger sends and it does not know, and would tell of keys; what
/// matters of a handshake is told by the node itself.
const HANDSHAKES: &str = "rtc_dtls";

fn is_harmless(metadata: &Metadata<'_>) -> bool {
    // Levels are ordered by verbosity: WARN is less than INFO.
    let library = metadata.target().split("::").next();
    if library == Some(HANDSHAKES) {
        return false;
    }
    let verbatim = library == Some(VERBATIM);
    let most = if metadata.target().starts_with(CARRIER) { Level::ERROR } else { VERBATIM_MOST };
    !verbatim || *metadata.level() <= most
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use tracing::{debug, error, info, info_span, trace, warn};

    use super::*;

    #[test]
    fn what_is_beyond_the_operators_filter_is_not_even_asked_about() {
        for (filter, most) in [("warn", LevelFilter::WARN), ("info,confab::sip=debug", LevelFilter::DEBUG)] {
            let lines = lines(filter, Format::Text, false, io::sink).unwrap();
            assert_eq!(lines.max_level_hint(), Some(most), "{filter}");
        }
    }

    #[test]
    fn no_filter_opens_what_the_sip_library_writes_below_warn() {
        for filter in [
            "trace",
            "rsipstack=trace",
            "info,rsipstack=info",
            "off,rsipstack::transport=trace",
            "warn,rsipstack::transport::udp[message]=trace",
        ] {
            for format in [Format::Text, Format::Json] {
                let written = capture(filter, format, || {
                    let _span =
                        info_span!(target: "rsipstack::transport::udp", "message", raw = "KEY").entered();
                    info!(target: "rsipstack", "KEY");
                    debug!(target: "rsipstack::transport::udp", "KEY");
                    trace!(target: "rsipstack::transport", raw = "KEY", "received");
                });
                assert!(!written.contains("KEY"), "{filter}: {written}");
            }
        }
    }

    #[test]
    fn what_the_sip_library_warns_of_is_written() {
        let written = capture("info", Format::Text, || {
            warn!(target: "rsipstack::dialog", "no ACK");
            error!(target: "rsipstack", "no socket");
        });
        assert!(written.contains("no ACK") && written.contains("no socket"), "{written}");
    }

    #[test]
    fn a_crate_with_a_similar_name_is_not_capped() {
        let written = capture("info", Format::Text, || info!(target: "rsipstack_guard", "hello"));
        assert!(written.contains("hello"), "{written}");
    }

    #[test]
    fn the_operators_filter_chooses_the_rest() {
        let written = capture("warn,confab::sip=debug", Format::Text, || {
            info!(target: "confab::api", "one");
            warn!(target: "confab::api", "two");
            debug!(target: "confab::sip", "three");
        });
        assert!(!written.contains("one"), "{written}");
        assert!(written.contains("two") && written.contains("three"), "{written}");
    }

    #[test]
    fn a_json_line_is_one_object_with_fields() {
        let written = capture("info", Format::Json, || info!(legs = 3, "ready"));
        let line: serde_json::Value = serde_json::from_str(written.trim()).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "ready");
        assert_eq!(line["legs"], 3);
    }

    #[test]
    fn text_for_a_file_has_no_colours() {
        let written = capture("info", Format::Text, || info!("ready"));
        assert!(written.contains("ready") && !written.contains('\u{1b}'), "{written:?}");
    }

    /// What is written while `work` runs, on this thread alone.
    fn capture(filter: &str, format: Format, work: impl FnOnce()) -> String {
        let page = Page::default();
        let writer = page.clone();
        let lines = lines(filter, format, false, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), work);
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_is_told_of_handshakes_but_by_the_node_itself() {
        let written = capture("trace,rtc_dtls=trace", Format::Text, || {
            error!(target: "rtc_dtls::conn", "KEY");
            info!(target: "confab::webrtc::desk", "hello");
        });
        assert!(!written.contains("KEY") && written.contains("hello"), "{written}");
    }
}
