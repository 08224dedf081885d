//! Documents that are none, and some that want to hurt.

use proptest::prelude::*;

use super::super::{DOCUMENT_MAX, Document, INLINE_MAX, Use, Verb};

fn refused(text: &str) -> (u32, String) {
    let error = Document::parse(text).map(|document| format!("{document:?}")).unwrap_err();
    assert!(error.message.len() < 400 && !error.message.contains(char::is_control), "{error}");
    (error.code, error.message)
}

#[test]
fn what_is_no_document_is_refused_in_words() {
    for (text, code, words) in [
        ("", 12_100, "empty"),
        ("   ", 12_100, "empty"),
        ("Hello", 12_100, "1:1"),
        ("<Response>", 12_100, "closed"),
        ("<Response><Say>a</Response>", 12_100, "1:17"),
        ("<Response/><Response/>", 12_100, "1:12"),
        ("\n<?xml version=\"1.0\"?><Response/>", 12_100, "2:1"),
        ("<Response><Say>you & me</Say></Response>", 12_100, "&amp;"),
        ("<Response><Say>&nbsp;</Say></Response>", 12_100, "&nbsp;"),
        ("<Response><Say a='1' a='2'/></Response>", 12_100, "1:"),
        ("<Response><a:Say/></Response>", 12_100, "1:"),
        ("<Response>\u{1}</Response>", 12_100, "1:"),
        ("<response/>", 12_102, "<Response>"),
        ("<html><body/></html>", 12_102, "<Response>"),
        ("{\"a\": 1}", 12_100, "1:1"),
    ] {
        let (got, message) = refused(text);
        assert!(got == code && message.contains(words), "{text:?}: {got} {message}");
    }
}

#[test]
fn comments_white_space_and_a_byte_order_mark_are_nothing() {
    for text in [
        "<Response><Hangup/></Response>",
        "\u{feff}<?xml version='1.0' encoding='utf-8'?>\r\n<!-- a -->\r\n<Response>\r\n<Hangup/>\r\n</Response>",
        "<Response><!-- <Say>no</Say> --><?php no ?><Hangup><!-- --></Hangup></Response>",
        "<Response xmlns=\"urn:any\"><Hangup/></Response>",
    ] {
        let document = Document::parse(text).unwrap();
        assert_eq!((document.verbs, document.warnings), (vec![Verb::Hangup], vec![]), "{text}");
    }
}

#[test]
fn no_document_type_is_read() {
    let bomb: String =
        (1..12).map(|n| format!("<!ENTITY a{n} \"{}\">", format!("&a{};", n - 1).repeat(10))).collect();
    for dtd in [
        "<!DOCTYPE Response>".to_owned(),
        "<!DOCTYPE Response SYSTEM \"http://192.0.2.1/a.dtd\">".to_owned(),
        "<!DOCTYPE Response [<!ENTITY a0 SYSTEM \"file:///etc/passwd\">]>".to_owned(),
        format!("<!DOCTYPE Response [<!ENTITY a0 \"a\">{bomb}]>"),
        "<!DOCTYPE Response [<!ENTITY % a SYSTEM \"http://192.0.2.1/\">%a;]>".to_owned(),
    ] {
        let (code, message) = refused(&format!("{dtd}<Response><Say>&a0;&a11;</Say></Response>"));
        assert!(code == 12_100 && message.contains("DTD"), "{dtd}: {message}");
    }
}

#[test]
fn a_document_has_its_size() {
    let of_size = |size: usize| format!("<Response><!--{}--></Response>", "x".repeat(size - 28));
    assert!(Document::parse(&of_size(DOCUMENT_MAX)).is_ok());
    assert_eq!(refused(&of_size(DOCUMENT_MAX + 1)).0, 11_750);
    assert!(Document::parse_inline(&of_size(INLINE_MAX)).is_ok());
    assert_eq!(Document::parse_inline(&of_size(INLINE_MAX + 1)).unwrap_err().code, 32_018);
    let characters = format!("<Response><Say>{}</Say></Response>", "\u{e4}".repeat(3_900));
    assert!(Document::parse_inline(&characters).is_ok(), "it counts characters, not bytes");
}

/// On a thread of little stack: what walked a tree by calling itself would not come back.
#[test]
fn however_deep_a_document_is_it_costs_no_stack() {
    let deep = |open: &str, close: &str, times: usize| {
        format!("<Response>{}{}</Response>", open.repeat(times), close.repeat(times))
    };
    let texts = [
        deep("<a>", "</a>", 9_000),
        format!("<Response><Say>{}x{}</Say></Response>", "<s>".repeat(9_000), "</s>".repeat(9_000)),
        deep("<Gather>", "</Gather>", 3_500),
        deep("<Dial>", "</Dial>", 4_500),
        deep("<a>", "", 20_000),
    ];
    let parse = move || texts.map(|text| Document::parse(&text).map(|document| document.warnings.len()));
    let results = std::thread::Builder::new().stack_size(256 * 1_024).spawn(parse).unwrap().join().unwrap();
    assert_eq!(results.map(|result| result.is_ok()), [true, true, true, true, false]);
}

#[test]
fn thousands_of_mistakes_make_a_screen_of_warnings() {
    let document = Document::parse(&format!("<Response>{}</Response>", "<a b='c'/>".repeat(6_000))).unwrap();
    assert_eq!(document.warnings.len(), 51);
    assert_eq!(document.warnings[50].message, "5950 more warnings about this document are left out.");
    let attributes: String = (0..6_000).map(|n| format!(" a{n}=''")).collect();
    let document = Document::parse(&format!("<Response><Hangup{attributes}/></Response>")).unwrap();
    assert_eq!((document.verbs.len(), document.warnings.len()), (1, 51));
}

#[test]
fn namespaces_within_namespaces_are_few() {
    let nested = |count: usize| {
        let opened: String = (0..count).map(|n| format!("<a xmlns:n{n}='u{n}'>")).collect();
        format!("<Response>{opened}{}</Response>", "</a>".repeat(count))
    };
    assert!(Document::parse(&nested(64)).is_ok());
    let (code, message) = refused(&nested(2_000));
    assert!(code == 12_100 && message.contains("namespaces"), "{message}");
}

#[test]
fn a_script_that_cannot_run_is_short_of_nothing_before_it() {
    let verbs = Document::parse("<Response><Say>a</Say><Dial/><Hangup/></Response>").unwrap().verbs;
    assert!(matches!(verbs[..], [Verb::Say(_), Verb::Impossible(_), Verb::Hangup]), "{verbs:?}");
    let Verb::Impossible(error) = &verbs[1] else {
        panic!();
    };
    assert_eq!(error.to_string(), "<Dial> at 1:23 has nobody to dial: neither a number nor a noun. (13223)");
}

/// Pieces that documents are made of, and what their reader trips over.
const PIECES: [&str; 44] = [
    "<Response>",
    "</Response>",
    "<Say>",
    "</Say>",
    "<Play>",
    "</Play>",
    "<Pause/>",
    "<Gather>",
    "</Gather>",
    "<Gather ",
    "<Dial>",
    "</Dial>",
    "<Dial ",
    "<Number>",
    "</Number>",
    "<Sip>",
    "</Sip>",
    "<Conference>",
    "</Conference>",
    "<Client>",
    "<Redirect>",
    "</Redirect>",
    "<Record ",
    "/>",
    ">",
    " loop='0'",
    " digits='1w'",
    " timeout='5'",
    " action='/a'",
    "<amazon:effect>",
    "</amazon:effect>",
    "http://[",
    "sip:a@b?X-a=%0d",
    "&lt;",
    "&#0;",
    "&a;",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "\u{e4}\u{1f600}",
    "\r\n",
    "xmlns:a='b'",
    "+44",
];

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,300}") {
        let _ = Document::parse(&text);
        let _ = Document::parse_inline(&text);
    }

    #[test]
    fn any_pieces_are_read_or_refused(pieces in proptest::collection::vec(0..PIECES.len(), 0..60)) {
        let text: String = pieces.into_iter().map(|piece| PIECES[piece]).collect();
        for purpose in [Use::Call, Use::Listening, Use::Queue, Use::Whisper] {
            for text in [text.clone(), format!("<Response>{text}</Response>")] {
                if let Ok(document) = Document::parse_for(&text, purpose) {
                    prop_assert!(document.warnings.iter().all(|w| w.message.len() < 1_000));
                }
            }
        }
    }

    #[test]
    fn any_value_of_any_attribute_is_read(
        attribute in prop_oneof![Just("loop"), Just("timeout"), Just("finishOnKey"), Just("record"), Just("action")],
        value in "[^<&'\u{0}-\u{1f}\u{fffe}\u{ffff}]{0,40}",
    ) {
        for verb in ["Say", "Play", "Gather", "Dial", "Record"] {
            let text = format!("<Response><{verb} {attribute}='{value}'>1</{verb}></Response>");
            let document = Document::parse(&text);
            prop_assert!(document.is_ok_and(|document| document.verbs.len() == 1), "{}", text);
        }
    }
}
