//! URLs in call scripts. They are kept as they were written, because a relative one means something only together
//! with the URL that the document came from.

use std::fmt;

use url::Url;

use super::code::{BAD_URL, RELATIVE_IN_INLINE};
use super::error::{Quoted, ScriptError};

/// How a URL is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// Parameters in the query.
    Get,
    /// Parameters as a form.
    Post,
}

impl Method {
    pub(super) const WORDS: [(&str, Self); 2] = [("GET", Self::Get), ("POST", Self::Post)];
}

/// A URL as a document has it: absolute, relative, or empty for the document itself.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Target(String);

impl Target {
    /// A URL as it is written; nothing is checked.
    pub fn new(text: &str) -> Self {
        Self(text.trim().to_owned())
    }

    /// The document itself.
    pub fn document() -> Self {
        Self(String::new())
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the document itself.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it will be an HTTP URL beside some other.
    pub(super) fn is_readable(&self) -> bool {
        Url::parse("http://document.invalid/").is_ok_and(|base| self.resolve(Some(&base)).is_ok())
    }

    /// The URL it stands for in a document that came from `base`; `None` for one that came in a parameter and has no
    /// URL.
    ///
    /// # Errors
    /// [`RELATIVE_IN_INLINE`] for a relative one without a base, [`BAD_URL`] for what cannot be read or is not
    /// HTTP.
    pub fn resolve(&self, base: Option<&Url>) -> Result<Url, ScriptError> {
        let bad = |why: &dyn fmt::Display| ScriptError {
            code: BAD_URL,
            message: format!("The URL {} cannot be read: {why}.", Quoted(&self.0)),
        };
        let url = match (Url::parse(&self.0), base) {
            (Ok(url), _) => url,
            (Err(url::ParseError::RelativeUrlWithoutBase), Some(base)) => {
                base.join(&self.0).map_err(|error| bad(&error))?
            }
            (Err(url::ParseError::RelativeUrlWithoutBase), None) => return Err(self.relative()),
            (Err(error), _) => return Err(bad(&error)),
        };
        match url.scheme() {
            "http" | "https" if url.has_host() => Ok(url),
            "http" | "https" => Err(bad(&"it has no host")),
            scheme => Err(bad(&format_args!("{scheme} is neither http nor https"))),
        }
    }

    fn relative(&self) -> ScriptError {
        let message = format!(
            "The URL {} is relative, and the document came in a parameter: it has to be absolute.",
            Quoted(&self.0)
        );
        ScriptError { code: RELATIVE_IN_INLINE, message }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({:?})", self.0)
    }
}

/// A URL and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// Where.
    pub target: Target,
    /// How.
    pub method: Method,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_read_beside_the_documents_own_url() {
        let base = Url::parse("https://example.com/voice/menu.xml?lang=en").unwrap();
        for (text, url) in [
            ("https://example.net/a", "https://example.net/a"),
            ("next.xml", "https://example.com/voice/next.xml"),
            ("/next?a=b&c=d", "https://example.com/next?a=b&c=d"),
            ("?lang=de", "https://example.com/voice/menu.xml?lang=de"),
            ("//example.org/x", "https://example.org/x"),
            ("", "https://example.com/voice/menu.xml?lang=en"),
            (" two words.mp3 ", "https://example.com/voice/two%20words.mp3"),
        ] {
            assert_eq!(Target::new(text).resolve(Some(&base)).unwrap().as_str(), url, "{text:?}");
        }
    }

    #[test]
    fn a_target_that_leads_nowhere_is_refused_with_a_code() {
        let base = Url::parse("https://example.com/").unwrap();
        for (text, base, code) in [
            ("next.xml", None, 15_004),
            ("", None, 15_004),
            ("http://[::1", Some(&base), 11_100),
            ("http://", Some(&base), 11_100),
            ("ftp://example.com/a", Some(&base), 11_100),
            ("file:///etc/passwd", Some(&base), 11_100),
            ("javascript:alert(1)", None, 11_100),
            ("http://example.com:99999/", None, 11_100),
        ] {
            assert_eq!(Target::new(text).resolve(base).unwrap_err().code, code, "{text:?}");
        }
    }
}
