//! Whether a browser's request comes from a page of this node itself (Fetch §3.2, Fetch Metadata §2), and the cookies in it
//! (RFC 6265 §4.2).

use axum::http::HeaderMap;
use axum::http::header::{COOKIE, HOST, ORIGIN};

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(found, _)| *found == name).map(|(_, value)| value).next()
}

/// Whether nothing in a request says that another origin made it. What browsers say of themselves no page can change; whoever
/// is not a browser has no cookie that others could misuse.
pub fn is_same_origin(headers: &HeaderMap) -> bool {
    // An address that somebody typed is nobody's origin.
    let site = headers.get("sec-fetch-site").map(|site| site == "same-origin" || site == "none");
    let origin = headers.get(ORIGIN).map(|origin| {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let named = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        named.is_some_and(|(_, named)| !named.is_empty() && named.eq_ignore_ascii_case(host))
    });
    site.unwrap_or(true) && origin.unwrap_or(true)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let found = |text| cookie(&headers(&[("cookie", text)]), "a").map(str::to_owned);
        assert_eq!(found("a=1").as_deref(), Some("1"));
        assert_eq!(found("aa=2; b=3;a=1; c").as_deref(), Some("1"));
        assert_eq!(found("b=a=1"), None);
        assert_eq!(cookie(&HeaderMap::new(), "a"), None);
    }

    #[test]
    fn only_a_page_of_the_same_host_and_port_is_of_the_same_origin() {
        let rows: [(&[(&'static str, &'static str)], bool); 9] = [
            (&[], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("host", "a:8443"), ("origin", "https://a:8443")], true),
            (&[("host", "a:8443"), ("origin", "https://a:8080")], false),
            (&[("host", "a:8443"), ("origin", "null")], false),
            (&[("origin", "https://")], false),
        ];
        for (lines, expected) in rows {
            assert_eq!(is_same_origin(&headers(lines)), expected, "{lines:?}");
        }
    }
}
