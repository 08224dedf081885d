//! What others write, URLs, redirects, cookies, overrides, in all shapes: nothing breaks, and what is understood is
//! understood the same way a second time.

use std::time::SystemTime;

use proptest::prelude::*;

use crate::config::Secret;
use crate::webhook::hop::Hop;
use crate::webhook::overrides::Overrides;
use crate::webhook::target::Target;
use crate::webhook::{Cookies, Request};

/// Mostly the pieces that URLs are made of, in any order.
fn url_like() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "http://",
            "https://",
            "HTTP:",
            "//",
            "/",
            "\\",
            "@",
            ":",
            "#",
            "?",
            "&",
            "=",
            "%",
            "%00",
            "%2f",
            "[",
            "]",
            "::1",
            ".",
            "..",
            "127.0.0.1",
            "0x7f",
            "a.example",
            "é",
            "。",
            "xn--",
            "user",
            ":80",
            ":0",
            " ",
            "\t",
            "{",
            "|",
            "\"",
            "<",
            "^",
            "`",
            "'",
            "#rc=",
            "#rp=",
            "ct=1",
            "99999999999999999999",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    (prop::bool::weighted(0.8), prop::collection::vec(piece, 0..12)).prop_map(|(plain, pieces)| {
        if plain { format!("http://{}", pieces.concat()) } else { pieces.concat() }
    })
}

proptest! {
    #[test]
    fn a_url_that_is_understood_is_requested_as_it_is_signed(text in url_like(), location in url_like()) {
        let Ok(target) = Target::parse(&text) else { return Ok(()) };
        let again = Target::parse(target.as_str());
        prop_assert_eq!(again.map(|again| again.as_str().to_owned()), Ok(target.as_str().to_owned()));
        prop_assert!(!target.as_str().contains(['#', ' ', '\\', '\r', '\n']));
        prop_assert!(!target.shown().contains(['?', '@']) || target.path().contains('@'), "{}", target.shown());
        let scheme = if target.origin().is_ok_and(|origin| origin.tls) { "https" } else { "http" };
        let together = format!("{scheme}://{}{}", target.authority(), target.path_and_query());
        prop_assert_eq!(together.as_str(), target.as_str());
        if let Ok(next) = target.redirected(&location) {
            prop_assert!(next.origin().is_ok());
        }

        let request = Request::post(text, "AC1", Vec::new());
        let message = Hop::first(&request, &target).message(&Secret::new("k".to_owned()), "t", &Cookies::default());
        if let Ok(message) = message {
            prop_assert_eq!(message.uri().to_string(), target.path_and_query());
        }
    }

    #[test]
    fn cookies_of_any_shape_stay_bounded(headers in prop::collection::vec(".{0,40}(=.{0,40})?(; ?(path|expires|max-age|secure)=.{0,40})?", 0..60)) {
        let here = Target::parse("https://a.example/x/y").unwrap();
        let mut cookies = Cookies::default();
        for header in &headers {
            cookies.take(&here, header, SystemTime::now());
        }
        prop_assert!(cookies.len() <= 32);
        if let Some(sent) = cookies.header(&here, SystemTime::now()) {
            prop_assert!(sent.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
        }
    }

    #[test]
    fn overrides_of_any_shape_stay_in_their_ranges(fragment in "((ct|rt|tt|rc|rp|x)=[0-9a-z,%-]{0,12}&?){0,4}") {
        if let Ok(said) = Overrides::parse(&fragment) {
            prop_assert!(said.retries <= 5 && (100..=10_000).contains(&said.connect.as_millis()));
            prop_assert!((100..=15_000).contains(&said.read.as_millis()));
        }
    }
}
