//! The files of the repository as the rules of `tidy.rs` see them: their text, and beside it the same text with
//! comments and literals blanked, so that a rule about code is not fooled by a word in a sentence. This is no
//! parser; it knows words, brackets and paths, and that is all the rules need.

use std::fmt;
use std::fs;
use std::path::Path;

/// Folders that hold nothing of ours.
const NOT_OURS: [&str; 7] =
    ["target", ".git", "node_modules", ".venv", "__pycache__", "confab-data", "proptest-regressions"];

/// Something that a rule does not allow.
#[derive(PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

impl fmt::Debug for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A file of ours. All positions are in bytes, and mean the same in `text` and in `code`.
pub(crate) struct Source {
    /// From the root of the repository.
    pub(crate) path: String,
    pub(crate) text: String,
    /// The text with comments and literals blanked; empty if the file is not Rust.
    code: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let code = if path.ends_with(".rs") { Blanker::blank(text) } else { String::new() };
        Self { path: path.to_owned(), text: text.to_owned(), code }
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The module right under the server's root that this file is of.
    pub(crate) fn module(&self) -> Option<&str> {
        let path = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        path.split('/').next()
    }

    pub(crate) fn line(&self, at: usize) -> usize {
        1 + self.text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count()
    }

    pub(crate) fn finding(&self, at: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line: self.line(at), what: what.into() }
    }

    pub(crate) fn phrases(&self, phrase: &'static str) -> impl Iterator<Item = Finding> {
        positions(&self.text, phrase).map(move |at| self.finding(at, format!("`{phrase}`")))
    }

    pub(crate) fn code_phrases(&self, phrase: &'static str) -> impl Iterator<Item = Finding> {
        positions(&self.code, phrase).map(move |at| self.finding(at, format!("`{phrase}`")))
    }

    pub(crate) fn words(&self, word: &'static str) -> impl Iterator<Item = Finding> {
        self.words_at(word).map(move |at| self.finding(at, format!("`{word}`")))
    }

    /// Where `word` is in the code, as a whole word.
    pub(crate) fn words_at(&self, word: &'static str) -> impl Iterator<Item = usize> {
        let whole = move |at: &usize| {
            let before = self.code[..*at].chars().next_back();
            let after = self.code[at + word.len()..].chars().next();
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        };
        positions(&self.code, word).filter(whole)
    }

    pub(crate) fn word_after(&self, at: usize) -> &str {
        let rest = self.code[at..].trim_start();
        &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())]
    }

    /// Where the file's tests begin; its end if it has none, its beginning if it is all tests.
    pub(crate) fn tests_at(&self) -> usize {
        if self.path.ends_with("/tests.rs") || self.path.contains("/tests/") {
            return 0;
        }
        self.code.find("#[cfg(test)]").unwrap_or(self.code.len())
    }

    /// What is imported or named from the server's own root, and where.
    pub(crate) fn imports(&self) -> Vec<(usize, &str)> {
        let roots = ["crate", "confab"].into_iter().flat_map(|root| {
            self.words_at(root).filter_map(move |at| {
                Some((at, at + root.len() + offset_of_path(&self.code[at + root.len()..])?))
            })
        });
        roots.flat_map(|(at, path)| self.firsts(path).into_iter().map(move |first| (at, first))).collect()
    }

    /// The first parts of the path, or of the paths in braces, at `at`.
    fn firsts(&self, at: usize) -> Vec<&str> {
        let rest = &self.code[at..];
        if !rest.starts_with('{') {
            return vec![self.word_after(at)];
        }
        let (mut depth, mut firsts, mut expected) = (0, Vec::new(), false);
        for (offset, c) in rest.char_indices() {
            match c {
                '{' => (depth, expected) = (depth + 1, depth == 0),
                '}' if depth == 1 => break,
                '}' => depth -= 1,
                ',' => expected = depth == 1,
                c if expected && is_word(c) => {
                    firsts.push(self.word_after(at + offset));
                    expected = false;
                }
                _ => {}
            }
        }
        firsts
    }

    /// Where a path climbs with `super::` out of the module right under the root.
    pub(crate) fn escapes(&self) -> impl Iterator<Item = usize> {
        let inside = self.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        let depth = inside.split('/').count();
        let tests_at = self.code.find("#[cfg(test)]").unwrap_or(self.code.len());
        self.words_at("super").filter(move |at| {
            let after_another = self.code[..*at].ends_with("super::");
            let climbs = self.code[*at..].split("::").take_while(|part| *part == "super").count();
            let inline = usize::from(*at > tests_at);
            !after_another && self.module() != Some("lib") && climbs >= depth + inline
        })
    }

    /// Where the body of the function whose `fn` is at `at` begins and ends.
    pub(crate) fn body_of(&self, at: usize) -> Option<(usize, usize)> {
        if self.word_after(at + 2).is_empty() {
            return None;
        }
        let (mut nested, mut braces, mut start) = (0_i32, 0_i32, None);
        for (offset, byte) in self.code.bytes().enumerate().skip(at) {
            match byte {
                b'(' | b'[' => nested += 1,
                b')' | b']' => nested -= 1,
                b';' if start.is_none() && nested == 0 => return None,
                b'{' => {
                    start.get_or_insert(offset);
                    braces += 1;
                }
                b'}' => braces -= 1,
                _ => {}
            }
            if let (Some(start), 0) = (start, braces) {
                return Some((start, offset));
            }
        }
        None
    }
}

/// How far after a word the path goes on: past `::` and blanks.
fn offset_of_path(rest: &str) -> Option<usize> {
    let path = rest.trim_start().strip_prefix("::")?.trim_start();
    Some(rest.len() - path.len())
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

pub(crate) fn positions<'a>(text: &'a str, what: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(what).map(|(at, _)| at)
}

/// Replaces comments and literals by blanks, byte for byte, so that what is left is code.
struct Blanker<'a> {
    text: &'a [u8],
    at: usize,
    code: Vec<u8>,
}

impl<'a> Blanker<'a> {
    fn blank(text: &'a str) -> String {
        let mut blanker = Self { text: text.as_bytes(), at: 0, code: Vec::with_capacity(text.len()) };
        while blanker.at < blanker.text.len() {
            blanker.step();
        }
        String::from_utf8(blanker.code).expect("whole characters are blanked or kept")
    }

    fn step(&mut self) {
        let rest = &self.text[self.at..];
        let in_word = self.at > 0 && is_word(char::from(self.text[self.at - 1]));
        let length = match rest[0] {
            b'/' if rest.starts_with(b"//") => line_length(rest),
            b'/' if rest.starts_with(b"/*") => block_length(rest),
            b'"' => string_length(rest),
            b'r' if !in_word => raw_length(rest, 1),
            b'b' | b'c' if !in_word && rest.get(1) == Some(&b'r') => raw_length(rest, 2),
            b'\'' => char_length(rest),
            _ => 0,
        };
        if length == 0 {
            self.code.push(rest[0]);
            self.at += 1;
            return;
        }
        let end = (self.at + length).min(self.text.len());
        let blanked = self.text[self.at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' });
        self.code.extend(blanked);
        self.at = end;
    }
}

fn line_length(rest: &[u8]) -> usize {
    rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
}

fn block_length(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += 1;
        }
        if depth == 0 {
            break;
        }
    }
    at
}

fn string_length(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of a raw string whose hashes begin after `prefix` letters; 0 if it is none.
fn raw_length(rest: &[u8], prefix: usize) -> usize {
    let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
    let open = prefix + hashes;
    if rest.get(open) != Some(&b'"') {
        return 0;
    }
    let close: Vec<u8> = [b'"'].into_iter().chain(vec![b'#'; hashes]).collect();
    let body = &rest[open + 1..];
    let end = body.windows(close.len()).position(|window| window == close);
    end.map_or(rest.len(), |end| open + 1 + end + close.len())
}

/// The length of a character literal; 0 if it is a lifetime.
fn char_length(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        let end = rest.iter().skip(3).position(|byte| *byte == b'\'');
        return end.map_or(0, |end| end + 4);
    }
    let text = String::from_utf8_lossy(&rest[..rest.len().min(6)]);
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some(c), Some('\'')) => c.len_utf8() + 2,
        _ => 0,
    }
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files of ours that are text, in the order of their paths.
pub(crate) fn repository() -> Vec<Source> {
    let mut sources = Vec::new();
    walk(root(), &mut sources);
    assert!(sources.iter().any(|source| source.path == "tests/tidy.rs"), "the repository was not found");
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn walk(folder: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !NOT_OURS.contains(&name.as_str()) {
            walk(&path, sources);
        }
        let is_text = ["rs", "toml", "md", "sh", "py", "js", "xml", "Makefile", "run"]
            .iter()
            .any(|end| name == *end || path.extension().is_some_and(|extension| extension == *end));
        if path.is_file() && is_text {
            let inside = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            sources.push(Source::new(&inside, &fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn comments_and_literals_are_blanked_and_code_is_kept() {
    let cases = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"f("a\"b", x)"#, "f(      , x)"),
        ("r#\"a\"b\"# c", "         c"),
        ("br\"a\" c", "      c"),
        ("'a' 'b: '\\'' '\\n' 'ä' x", "    'b:                x"),
        ("for r in bars", "for r in bars"),
    ];
    for (text, code) in cases {
        assert_eq!(Blanker::blank(text), code, "{text}");
    }
}
