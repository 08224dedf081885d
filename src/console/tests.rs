//! The console's doors: who gets a cookie, what it is good for, and what browsers are told.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, COOKIE, HOST, ORIGIN, RETRY_AFTER, SET_COOKIE};
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use chrono::Utc;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::call::scripted::{account, stopped};
use crate::config::Secret;
use crate::directory::MainAccount;
use crate::http::Connection;
use crate::sid::AccountSid;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A console whose API is a word.
struct Console {
    routes: Router,
    account: AccountSid,
    directory: Directory,
    tokens: Tokens,
    is_secure: bool,
}

impl Console {
    fn new() -> Self {
        let main = MainAccount { sid: account(), auth_token: Secret::new(TOKEN.to_owned()) };
        let directory = Directory::in_memory(main);
        let tokens = Tokens::blank(directory.clone());
        let (_, stopping) = watch::channel(false);
        let state = ConsoleState {
            calls: stopped(),
            directory: directory.clone(),
            logins: Logins::default(),
            tokens: tokens.clone(),
            agents: Vec::new(),
            has_browser_media: false,
            stopping,
        };
        let routes = router(state, Router::new().fallback(|| async { "the API" }));
        Self { routes, account: account(), directory, tokens, is_secure: false }
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let mut request = Request::builder().method(method).uri(path).header(HOST, "node:8080");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Body::from(body.to_owned())).expect("a request");
        let peer = ([192, 0, 2, 1], 5).into();
        request.extensions_mut().insert(Connection { peer, is_secure: self.is_secure });
        self.routes.clone().oneshot(request).await.expect("never fails")
    }

    async fn log_in(&self, token: &str, headers: &[(&str, &str)]) -> Response {
        let body = json!({"account_sid": self.account, "auth_token": token}).to_string();
        self.ask(Method::POST, "/v1/console/login", headers, &body).await
    }

    /// The cookie of somebody who has logged in, as their browser sends it.
    async fn cookie(&self) -> String {
        let response = self.log_in(TOKEN, &OURS).await;
        assert_eq!(response.status(), StatusCode::OK);
        let set = response.headers()[SET_COOKIE].to_str().expect("text").to_owned();
        set.split(';').next().expect("a pair").to_owned()
    }

    async fn is_logged_in(&self, cookie: &str, headers: &[(&str, &str)]) -> bool {
        let headers: Vec<_> = [(COOKIE.as_str(), cookie)].iter().chain(headers).copied().collect();
        let response = self.ask(Method::GET, "/v1/console/login", &headers, "").await;
        response.status() == StatusCode::OK
    }
}

const OURS: [(&str, &str); 1] = [(Logins::HEADER, "1")];

async fn json_of(response: Response) -> Value {
    let bytes = response.into_body().collect().await.expect("in memory").to_bytes();
    serde_json::from_slice(&bytes).expect("JSON")
}

#[tokio::test]
async fn the_token_is_exchanged_for_a_cookie_that_scripts_and_other_sites_cannot_use() {
    let mut console = Console::new();
    let response = console.log_in(TOKEN, &OURS).await;
    let set = response.headers()[SET_COOKIE].to_str().expect("text").to_owned();
    assert!(set.starts_with("confab_console=") && set.contains("; HttpOnly; SameSite=Strict"), "{set}");
    assert!(!set.contains("Secure") && !set.contains(TOKEN), "{set}");
    let told = json_of(response).await;
    assert_eq!(told["account_sid"], console.account.to_string());
    assert!(!told.to_string().contains(TOKEN));

    console.is_secure = true;
    let response = console.log_in(TOKEN, &OURS).await;
    assert!(response.headers()[SET_COOKIE].to_str().expect("text").ends_with("; Secure"));
}

#[tokio::test]
async fn a_login_lasts_until_it_is_ended() {
    let console = Console::new();
    let cookie = console.cookie().await;
    assert!(console.is_logged_in(&cookie, &[]).await);
    assert!(!console.is_logged_in("confab_console=0000", &[]).await);
    let headers = [(COOKIE.as_str(), &*cookie), OURS[0]];
    let response = console.ask(Method::DELETE, "/v1/console/login", &headers, "").await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert!(response.headers()[SET_COOKIE].to_str().expect("text").contains("Max-Age=0"));
    assert!(!console.is_logged_in(&cookie, &[]).await);
}

#[tokio::test]
async fn nobody_logs_in_from_another_sites_page() {
    let console = Console::new();
    let rows: [&[(&str, &str)]; 4] = [
        &[],
        &[OURS[0], (ORIGIN.as_str(), "http://evil.example")],
        &[OURS[0], ("sec-fetch-site", "same-site")],
        &[OURS[0], (ORIGIN.as_str(), "http://node:9090")],
    ];
    for headers in rows {
        let response = console.log_in(TOKEN, headers).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{headers:?}");
        assert!(!response.headers().contains_key(SET_COOKIE));
    }
    let own = [OURS[0], (ORIGIN.as_str(), "http://node:8080"), ("sec-fetch-site", "same-origin")];
    assert_eq!(console.log_in(TOKEN, &own).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_cookie_that_another_sites_page_sends_is_worth_nothing() {
    let console = Console::new();
    let cookie = console.cookie().await;
    assert!(!console.is_logged_in(&cookie, &[("sec-fetch-site", "same-site")]).await);
    assert!(!console.is_logged_in(&cookie, &[(ORIGIN.as_str(), "http://evil.example")]).await);
    // The feed and the token for calls ask as much.
    let evil = [(COOKIE.as_str(), &*cookie), (ORIGIN.as_str(), "http://evil.example"), OURS[0]];
    for (method, path) in [(Method::GET, "/v1/console/feed"), (Method::POST, "/v1/console/token")] {
        let response = console.ask(method, path, &evil, "").await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    let without_header = [(COOKIE.as_str(), &*cookie)];
    let response = console.ask(Method::POST, "/v1/console/token", &without_header, "").await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn who_guesses_has_to_wait_and_is_told_nothing() {
    let console = Console::new();
    for _ in 0..10 {
        let response = console.log_in("wrong", &OURS).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(!response.headers().contains_key("www-authenticate"), "the page asks, not the browser");
    }
    let response = console.log_in(TOKEN, &OURS).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(response.headers().contains_key(RETRY_AFTER));
}

#[tokio::test]
async fn keys_are_for_programs_and_nonsense_is_for_nobody() {
    let console = Console::new();
    let (key, secret) =
        console.directory.create_key(console.account, String::new(), true).await.expect("room");
    let body = json!({"account_sid": key.sid, "auth_token": secret.expose()}).to_string();
    let response = console.ask(Method::POST, "/v1/console/login", &OURS, &body).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    for body in ["", "[]", "{\"account_sid\": 1}"] {
        let response = console.ask(Method::POST, "/v1/console/login", &OURS, body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
    }
    let long = " ".repeat(BODY_MAX + 1);
    let response = console.ask(Method::POST, "/v1/console/login", &OURS, &long).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn who_is_logged_in_gets_a_token_for_calls_of_the_page_itself() {
    let console = Console::new();
    let cookie = console.cookie().await;
    let headers = [(COOKIE.as_str(), &*cookie), OURS[0]];
    let told = json_of(console.ask(Method::POST, "/v1/console/token", &headers, "").await).await;
    let token = told["token"].as_str().expect("a token");
    let grant = console.tokens.verify(token, Utc::now()).expect("valid");
    assert_eq!((grant.account, grant.is_supervisor), (console.account, true));
    assert!(!grant.incoming_allow && grant.application_sid.is_none());
}

#[tokio::test]
async fn every_file_of_the_page_is_served_with_what_keeps_scripts_out() {
    let console = Console::new();
    for file in page::FILES {
        let response = console.ask(Method::GET, file.path, &[], "").await;
        assert_eq!(response.status(), StatusCode::OK, "{}", file.path);
        let policy = response.headers()["content-security-policy"].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
        assert!(response.headers().contains_key(CONTENT_TYPE));
    }
    let other = console.ask(Method::GET, "/2010-04-01/Accounts.json", &[], "").await;
    let bytes = other.into_body().collect().await.expect("in memory").to_bytes();
    assert_eq!(&bytes[..], b"the API");
}

/// What is written into the page as markup, or run from a text, could be somebody's name.
#[test]
fn the_page_makes_no_markup_and_runs_no_text() {
    let sources = [
        include_str!("page/main.js"),
        include_str!("page/dom.js"),
        include_str!("page/node.js"),
        include_str!("page/floor.js"),
        include_str!("page/detail.js"),
        include_str!("page/chart.js"),
        include_str!("page/phone.js"),
        include_str!("page/line.js"),
        include_str!("page/recordings.js"),
        include_str!("page/notifications.js"),
        include_str!("page/theme.js"),
    ];
    let banned =
        ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "srcdoc"];
    for (source, word) in sources.iter().flat_map(|source| banned.map(|word| (source, word))) {
        assert!(!source.contains(word), "{word} in a script of the page");
    }
    let page = include_str!("page/index.html");
    assert!(
        !page.contains("style=") && !page.contains("onclick") && !page.contains("http"),
        "all of it is ours"
    );
}
