//! The page: files that are in the program, and what browsers are told of them. No script but these runs on it, nothing is
//! loaded from elsewhere, and nobody can put it in a frame (CSP Level 3).

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub(super) struct File {
    /// Where it is.
    pub(super) path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

const fn script(path: &'static str, text: &'static str) -> File {
    File { path, kind: SCRIPT, text }
}

/// All of them.
pub(super) const FILES: [File; 14] = [
    File { path: "/", kind: "text/html; charset=utf-8", text: include_str!("page/index.html") },
    File {
        path: "/console/console.css",
        kind: "text/css; charset=utf-8",
        text: include_str!("page/console.css"),
    },
    File { path: "/console/icon.svg", kind: "image/svg+xml", text: include_str!("page/icon.svg") },
    script("/console/theme.js", include_str!("page/theme.js")),
    script("/console/main.js", include_str!("page/main.js")),
    script("/console/dom.js", include_str!("page/dom.js")),
    script("/console/node.js", include_str!("page/node.js")),
    script("/console/floor.js", include_str!("page/floor.js")),
    script("/console/detail.js", include_str!("page/detail.js")),
    script("/console/chart.js", include_str!("page/chart.js")),
    script("/console/phone.js", include_str!("page/phone.js")),
    script("/console/line.js", include_str!("page/line.js")),
    script("/console/recordings.js", include_str!("page/recordings.js")),
    script("/console/notifications.js", include_str!("page/notifications.js")),
];

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      media-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// What every answer of the console says.
pub(super) const HEADERS: [(HeaderName, HeaderValue); 8] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    // What is in the program is small, and another version of it must not meet an older page.
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
    (HeaderName::from_static("x-frame-options"), HeaderValue::from_static("DENY")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("microphone=(self), camera=(), geolocation=(), payment=()"),
    ),
];

/// A file, for a browser.
pub(super) fn answer(file: File) -> Response {
    (HEADERS, [(CONTENT_TYPE, HeaderValue::from_static(file.kind))], file.text).into_response()
}
