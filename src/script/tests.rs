//! Documents and what they are read as: by verb, by attribute, and whatever is wrong with them.

mod attributes;
mod dial;
mod hostile;
mod verbs;

use super::{Document, ScriptError, Verb};

/// The one verb of a document that holds nothing to warn of.
fn verb(xml: &str) -> Verb {
    let document = document(xml);
    assert_eq!(document.warnings, [], "{xml}");
    let [verb] = &document.verbs[..] else {
        panic!("{xml}: {:?}", document.verbs);
    };
    verb.clone()
}

fn document(xml: &str) -> Document {
    Document::parse(&format!("<Response>{xml}</Response>")).unwrap_or_else(|error| panic!("{xml}: {error}"))
}

/// The codes of the warnings about a document.
fn warnings(xml: &str) -> Vec<u32> {
    document(xml).warnings.iter().map(|warning| warning.code).collect()
}

/// Why a document's one verb cannot be run.
fn impossible(xml: &str) -> ScriptError {
    match &document(xml).verbs[..] {
        [Verb::Impossible(error)] => error.clone(),
        verbs => panic!("{xml}: {verbs:?}"),
    }
}
