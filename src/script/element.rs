//! How elements are read: attributes by type, with the default where a value cannot be used, and a warning for
//! everything that was not asked for.
//!
//! A verb takes its attributes one after another and says [`Element::finish`]; what it did not take has no place.
//! Values are compared without case, names with it.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::time::Duration;

use roxmltree::Node;

use super::code::{BAD_URL, Code, SCHEMA};
use super::error::{Place, Quoted, ScriptError, Warning};
use super::target::{Callback, Method, Target};

/// Warnings kept for one document. Who has more than a screen of them reads the first.
const WARNINGS_MAX: usize = 50;

/// A document while it is read: where its lines begin, and what was found.
pub(super) struct Reading<'d> {
    text: &'d str,
    line_starts: Vec<usize>,
    warnings: RefCell<Vec<Warning>>,
    left_out: RefCell<usize>,
}

impl<'d> Reading<'d> {
    pub(super) fn new(text: &'d str) -> Self {
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, line_starts, warnings: RefCell::default(), left_out: RefCell::default() }
    }

    fn place(&self, at: usize) -> Place {
        let line = self.line_starts.partition_point(|&start| start <= at);
        let start = self.line_starts[line - 1];
        let column = self.text.get(start..at).map_or(0, |before| before.chars().count());
        Place { line, column: column + 1 }
    }

    fn warn(&self, code: Code, message: impl FnOnce() -> String) {
        let mut warnings = self.warnings.borrow_mut();
        if warnings.len() < WARNINGS_MAX {
            warnings.push(Warning { code, message: message() });
        } else {
            *self.left_out.borrow_mut() += 1;
        }
    }

    /// What was found, in the order of the document.
    pub(super) fn into_warnings(self) -> Vec<Warning> {
        let (mut warnings, left_out) = (self.warnings.into_inner(), self.left_out.into_inner());
        if left_out > 0 {
            let message = format!("{left_out} more warnings about this document are left out.");
            warnings.push(Warning { code: SCHEMA, message });
        }
        warnings
    }
}

/// One element of a document.
pub(super) struct Element<'r, 'd> {
    node: Node<'r, 'r>,
    reading: &'r Reading<'d>,
    taken: RefCell<Vec<&'static str>>,
}

impl<'r, 'd> Element<'r, 'd> {
    pub(super) fn new(node: Node<'r, 'r>, reading: &'r Reading<'d>) -> Self {
        Self { node, reading, taken: RefCell::default() }
    }

    pub(super) fn name(&self) -> &'r str {
        self.node.tag_name().name()
    }

    /// The elements within, in order.
    pub(super) fn children(&self) -> impl Iterator<Item = Self> + use<'r, 'd> {
        let reading = self.reading;
        self.node.children().filter(Node::is_element).map(move |node| Self::new(node, reading))
    }

    /// The text right within, without the white space around it.
    pub(super) fn text(&self) -> String {
        let parts = self.node.children().filter(Node::is_text).filter_map(|part| part.text());
        parts.collect::<String>().trim().to_owned()
    }

    /// All text within, at any depth, with one space where there was white space. `instead` may give another
    /// text for an element.
    pub(super) fn all_text(&self, instead: impl Fn(&Self) -> Option<String>) -> String {
        let mut text = String::new();
        let (mut beyond, mut block_end) = (0, usize::MAX);
        for node in self.node.descendants().skip(1) {
            if node.range().start < beyond {
                continue;
            }
            // Paragraphs and sentences are apart also where no space is.
            let is_block = node.has_tag_name("p") || node.has_tag_name("s");
            if is_block || node.range().start >= block_end {
                text.push(' ');
                block_end = if is_block { node.range().end } else { usize::MAX };
            }
            if node.is_element() {
                if let Some(other) = instead(&Self::new(node, self.reading)) {
                    text.push_str(&other);
                    beyond = node.range().end;
                }
            } else if node.is_text() {
                text.push_str(node.text().unwrap_or_default());
            }
        }
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Says that something was passed over. The sentence goes on from "`<Verb>` at 1:2".
    pub(super) fn warn(&self, code: Code, what: &str) {
        self.reading.warn(code, || format!("<{}> at {} {what}", self.name(), self.place()));
    }

    /// Why the element cannot be run. The sentence goes on from "`<Verb>` at 1:2".
    pub(super) fn impossible(&self, code: Code, what: &str) -> ScriptError {
        ScriptError { code, message: format!("<{}> at {} {what}", self.name(), self.place()) }
    }

    fn place(&self) -> Place {
        self.reading.place(self.node.range().start)
    }

    /// Says of an attribute's value what is wrong with it. The value itself is shown if it is not a secret.
    fn unusable(&self, code: Code, name: &str, value: Option<&str>, right: &str) {
        self.reading.warn(code, || {
            let attribute = self.node.attributes().find(|a| a.name() == name);
            let at = attribute.map_or_else(|| self.node.range().start, |a| a.range().start);
            let value = value.map_or_else(|| "a value".to_owned(), |value| Quoted(value).to_string());
            let (element, place) = (self.name(), self.reading.place(at));
            format!("<{element} {name}> at {place} has {value}, which is not {right}; the default is used.")
        });
    }

    /// An attribute as it is written.
    pub(super) fn attribute(&self, name: &'static str) -> Option<&'r str> {
        self.taken.borrow_mut().push(name);
        let mut attributes = self.node.attributes();
        attributes.find(|a| a.namespace().is_none() && a.name() == name).map(|a| a.value())
    }

    /// An attribute as text, if it says anything.
    pub(super) fn words(&self, name: &'static str) -> Option<String> {
        self.attribute(name).map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// An attribute of which `read` makes something, or the default.
    pub(super) fn value<T>(
        &self,
        name: &'static str,
        default: T,
        code: Code,
        right: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> T {
        let Some(value) = self.attribute(name) else {
            return default;
        };
        read(value.trim()).unwrap_or_else(|| {
            self.unusable(code, name, Some(value), right);
            default
        })
    }

    /// Like [`Element::value`], for what no message may show.
    pub(super) fn secret<T>(
        &self,
        name: &'static str,
        code: Code,
        right: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let read = read(self.attribute(name)?.trim());
        if read.is_none() {
            self.unusable(code, name, None, right);
        }
        read
    }

    pub(super) fn boolean(&self, name: &'static str, default: bool, code: Code) -> bool {
        self.value(name, default, code, "true or false", |value| choice(value, &BOOLEANS))
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &self,
        name: &'static str,
        default: T,
        code: Code,
        words: &[(&str, T)],
    ) -> T {
        let right = one_of(words);
        self.value(name, default, code, &right, |value| choice(value, words))
    }

    /// Some of a few words, between spaces or commas, each once.
    pub(super) fn choices<T: Copy + PartialEq>(
        &self,
        name: &'static str,
        default: &[T],
        code: Code,
        words: &[(&str, T)],
    ) -> Vec<T> {
        let Some(value) = self.attribute(name) else {
            return default.to_vec();
        };
        let mut chosen = Vec::new();
        for word in value.split([' ', ',', '\t', '\n']).filter(|word| !word.is_empty()) {
            match choice(word, words) {
                Some(word) if chosen.contains(&word) => {}
                Some(word) => chosen.push(word),
                None => self.unusable(code, name, Some(word), &one_of(words)),
            }
        }
        if chosen.is_empty() { default.to_vec() } else { chosen }
    }

    /// Whole seconds in a range.
    pub(super) fn seconds(
        &self,
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
        code: Code,
    ) -> Duration {
        Duration::from_secs(self.number(name, default, range, code))
    }

    /// A whole number in a range.
    pub(super) fn number(
        &self,
        name: &'static str,
        default: u64,
        range: RangeInclusive<u64>,
        code: Code,
    ) -> u64 {
        let right = format!("a whole number from {} to {}", range.start(), range.end());
        self.value(name, default, code, &right, |value| number(value, &range))
    }

    pub(super) fn method(&self, name: &'static str, default: Method, code: Code) -> Method {
        self.choice(name, default, code, &Method::WORDS)
    }

    /// A URL, also an empty one. One that cannot be read is kept: whoever needs it learns it then.
    pub(super) fn target(&self, name: &'static str) -> Option<Target> {
        let target = Target::new(self.attribute(name)?);
        if !target.is_readable() {
            let place = self.place();
            self.reading.warn(BAD_URL, || {
                let url = Quoted(target.as_str());
                format!("<{} {name}> at {place} has {url}, which is not an HTTP URL.", self.name())
            });
        }
        Some(target)
    }

    /// A URL and the method to ask it with; an empty one is none.
    pub(super) fn callback(
        &self,
        url: &'static str,
        method: &'static str,
        method_code: Code,
    ) -> Option<Callback> {
        let target = self.target(url).filter(|target| !target.is_empty());
        let method = self.method(method, Method::Post, method_code);
        target.map(|target| Callback { target, method })
    }

    /// Attributes that are known, and not acted upon.
    pub(super) fn pass_over(&self, names: &[&'static str]) {
        for name in names {
            if self.attribute(name).is_some() {
                self.warn(
                    SCHEMA,
                    &format!("has the attribute \"{name}\", which is not supported; it is skipped."),
                );
            }
        }
    }

    /// Warns of attributes that nobody took.
    pub(super) fn finish(&self) {
        let taken = self.taken.borrow();
        for attribute in self.node.attributes().filter(|a| !taken.contains(&a.name())) {
            self.reading.warn(SCHEMA, || {
                let (place, name) = (self.reading.place(attribute.range().start), Quoted(attribute.name()));
                format!(
                    "<{}> at {place} has the attribute {name}, which it does not know; it is skipped.",
                    self.name()
                )
            });
        }
    }

    /// Warns of elements within, where there are none.
    pub(super) fn no_children(&self) {
        for child in self.children() {
            child.warn(SCHEMA, &format!("has no place in <{}>; it is skipped.", self.name()));
        }
    }

    /// Warns of text, where there is none.
    pub(super) fn no_text(&self) {
        let text = self.text();
        if !text.is_empty() {
            self.warn(
                SCHEMA,
                &format!("has the text {}, which has no place there; it is skipped.", Quoted(&text)),
            );
        }
    }
}

const BOOLEANS: [(&str, bool); 2] = [("true", true), ("false", false)];

fn choice<T: Copy>(value: &str, words: &[(&str, T)]) -> Option<T> {
    words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value)).map(|&(_, chosen)| chosen)
}

fn one_of<T>(words: &[(&str, T)]) -> String {
    let words: Vec<_> = words.iter().map(|&(word, _)| word).collect();
    format!("one of {}", words.join(", "))
}

/// A number in digits only: `+5`, `5.0` and `５` are none.
pub(super) fn number(value: &str, range: &RangeInclusive<u64>) -> Option<u64> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = value.parse().ok().filter(|_| digits)?;
    range.contains(&number).then_some(number)
}
