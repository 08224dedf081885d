//! Attributes that say what they cannot: a warning with the code for it, and the default.

use super::super::Document;
use super::{document, warnings};

#[test]
fn a_bad_value_is_told_by_its_code_and_replaced_by_the_default() {
    for (bad, plain, code) in [
        ("<Say loop='-1'>a</Say>", "<Say>a</Say>", 13_510),
        ("<Say loop='1001'>a</Say>", "<Say>a</Say>", 13_510),
        ("<Play loop='often'>a</Play>", "<Play>a</Play>", 13_410),
        ("<Play digits='12x'>a</Play>", "<Play>a</Play>", 13_430),
        ("<Pause length='soon'/>", "<Pause/>", 13_910),
        ("<Pause length='1.5'/>", "<Pause/>", 13_910),
        ("<Gather finishOnKey='A'/>", "<Gather/>", 13_310),
        ("<Gather finishOnKey='##'/>", "<Gather/>", 13_311),
        ("<Gather method='PUT'/>", "<Gather/>", 13_312),
        ("<Gather timeout='auto'/>", "<Gather/>", 13_313),
        ("<Gather numDigits='0'/>", "<Gather/>", 13_314),
        ("<Gather numDigits='99999999999999999999'/>", "<Gather/>", 13_314),
        ("<Gather input='smell'/>", "<Gather/>", 12_200),
        ("<Gather actionOnEmptyResult='1'/>", "<Gather/>", 12_200),
        ("<Record method='PUT'/>", "<Record/>", 13_610),
        ("<Record timeout='-1'/>", "<Record/>", 13_611),
        ("<Record maxLength='1'/>", "<Record/>", 13_612),
        ("<Record finishOnKey='A'/>", "<Record/>", 13_613),
        ("<Record transcribe='maybe'/>", "<Record/>", 13_614),
        ("<Record playBeep='loud'/>", "<Record/>", 13_616),
        ("<Record recordingStatusCallbackEvent='gone'/>", "<Record/>", 13_621),
        ("<Record trim='hair'/>", "<Record/>", 13_699),
        ("<Redirect method='PUT'/>", "<Redirect/>", 13_710),
        ("<Reject reason='tired'/>", "<Reject/>", 13_810),
        ("<Enqueue method='PUT'>q</Enqueue>", "<Enqueue>q</Enqueue>", 14_201),
        ("<Enqueue waitUrlMethod='PUT'>q</Enqueue>", "<Enqueue>q</Enqueue>", 14_206),
        ("<Enqueue maxQueueSize='5001'>q</Enqueue>", "<Enqueue>q</Enqueue>", 12_200),
    ] {
        let (bad_read, plain_read) = (document(bad), document(plain));
        assert_eq!(bad_read.verbs, plain_read.verbs, "{bad}");
        assert_eq!(warnings(bad), [code], "{bad}");
    }
}

#[test]
fn a_bad_value_of_dial_is_told_by_its_code_and_replaced_by_the_default() {
    for (attribute, code) in [
        ("method='PUT'", 13_210),
        ("timeout='4'", 13_212),
        ("timeout='601'", 13_212),
        ("hangupOnStar='*'", 13_213),
        ("callerId='&#10;'", 13_214),
        ("timeLimit='0'", 13_216),
        ("record='yes'", 13_217),
        ("recordingTrack='third'", 13_622),
        ("trim='x'", 12_200),
        ("ringTone='loud!'", 12_200),
        ("callReason='0123456789012345678901234567890123456789012345678901234'", 12_200),
    ] {
        let bad = format!("<Dial {attribute}>1</Dial>");
        assert_eq!(document(&bad).verbs, document("<Dial>1</Dial>").verbs, "{bad}");
        assert_eq!(warnings(&bad), [code], "{bad}");
    }
}

#[test]
fn a_bad_value_of_a_noun_is_told_by_its_code_and_replaced_by_the_default() {
    for (noun, text, attribute, code) in [
        ("Number", "1", "method='PUT'", 13_221),
        ("Number", "1", "sendDigits='+1'", 13_222),
        ("Number", "1", "statusCallbackEvent='later'", 12_200),
        ("Sip", "sip:a@b", "method='PUT'", 13_241),
        ("Queue", "q", "method='PUT'", 14_210),
        ("Conference", "c", "muted='yes'", 13_230),
        ("Conference", "c", "endConferenceOnExit='yes'", 13_231),
        ("Conference", "c", "startConferenceOnEnter='yes'", 13_232),
        ("Conference", "c", "waitMethod='PUT'", 13_234),
        ("Conference", "c", "beep='loud'", 13_235),
        ("Conference", "c", "trim='x'", 13_239),
        ("Conference", "c", "participantLabel='a/b'", 16_023),
        ("Conference", "c", "participantLabel='CA00000000000000000000000000000000'", 16_023),
        ("Conference", "c", "jitterBufferSize='huge'", 12_200),
        ("Conference", "c", "maxParticipants='251'", 12_200),
        ("Conference", "c", "maxParticipants='1'", 12_200),
    ] {
        let dial = |attribute: &str| format!("<Dial><{noun} {attribute}>{text}</{noun}></Dial>");
        let bad = dial(attribute);
        assert_eq!(document(&bad).verbs, document(&dial("")).verbs, "{bad}");
        assert_eq!(warnings(&bad), [code], "{bad}");
    }
}

#[test]
fn every_known_element_tells_of_attributes_it_does_not_have() {
    for xml in [
        "<Say x=''>a</Say>",
        "<Play x=''>a</Play>",
        "<Pause x=''/>",
        "<Gather x=''/>",
        "<Gather><Say x=''>a</Say></Gather>",
        "<Dial x=''>1</Dial>",
        "<Dial><Number x=''>1</Number></Dial>",
        "<Dial><Client x=''>1</Client></Dial>",
        "<Dial><Client><Identity x=''>a</Identity></Client></Dial>",
        "<Dial><Sip x=''>sip:a@b</Sip></Dial>",
        "<Dial><Sip><Uri x=''>sip:a@b</Uri></Sip></Dial>",
        "<Dial><Conference x=''>1</Conference></Dial>",
        "<Dial><Queue x=''>1</Queue></Dial>",
        "<Redirect x=''/>",
        "<Reject x=''/>",
        "<Hangup x=''/>",
        "<Record x=''/>",
        "<Enqueue x=''>q</Enqueue>",
        "<Enqueue>q<Task x=''/></Enqueue>",
        "<Leave x=''/>",
        "<Refer x=''><Sip>sip:a@b</Sip></Refer>",
        "<Refer><Sip x=''>sip:a@b</Sip></Refer>",
        "<Start x=''/>",
        "<Stop action=''/>",
        "<Connect x=''/>",
        "<Say xml:lang='en'>a</Say>",
    ] {
        assert_eq!(warnings(xml), [12_200], "{xml}");
    }
}

#[test]
fn names_have_a_case_and_values_have_none() {
    assert_eq!(warnings("<say>a</say><Say Voice='x'>a</Say>"), [12_200, 12_200]);
    assert_eq!(
        warnings("<Dial hangupOnStar='TRUE' method='post' record='Record-From-Answer'>1</Dial>"),
        [0; 0]
    );
}

#[test]
fn a_warning_says_what_and_where() {
    let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- menu -->\n<Response>\n  \
                <Gather timeout=\"soon\" colour=\"red\">\n    <Sing>la</Sing>\n  </Gather>\n  \u{e4}\n</Response>\n";
    let document = Document::parse(text).unwrap();
    let messages: Vec<_> = document.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "<Response> at 3:1 has the text \"\u{e4}\", which has no place there; it is skipped.",
            "<Gather timeout> at 4:11 has \"soon\", which is not a whole number from 0 to 3600; the default is \
             used.",
            "<Sing> at 5:5 cannot be within <Gather>, only Say, Play and Pause; it is skipped.",
            "<Gather> at 4:26 has the attribute \"colour\", which it does not know; it is skipped.",
        ]
    );
}

#[test]
fn a_url_that_cannot_be_read_is_told_when_it_is_read_and_kept_until_it_is_used() {
    for xml in [
        "<Gather action='ftp://a/'/>",
        "<Dial action='http://['>1</Dial>",
        "<Dial><Number url='file:///a'>1</Number></Dial>",
        "<Dial><Conference waitUrl='data:,a'>1</Conference></Dial>",
        "<Record recordingStatusCallback='sip:a@b'/>",
    ] {
        assert_eq!(warnings(xml), [11_100], "{xml}");
    }
}
