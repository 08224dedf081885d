//! Tokens as applications make them, and as strangers bend them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::Secret;
use crate::directory::{Account, AccountChange, AccountStatus, MainAccount};

/// A node with a key, and the secret that an application signs with.
struct Desk {
    tokens: Tokens,
    directory: Directory,
    account: AccountSid,
    key: String,
    secret: Vec<u8>,
}

impl Desk {
    async fn new() -> Self {
        let main = MainAccount { sid: AccountSid::generate(), auth_token: Secret::new("main".to_owned()) };
        let directory = Directory::in_memory(main);
        let account = directory.main();
        let (key, secret) = directory.create_key(account, String::new(), false).await.expect("room");
        let tokens = Tokens::blank(directory.clone());
        let secret = secret.expose().as_bytes().to_vec();
        Self { tokens, directory, account, key: key.sid.to_string(), secret }
    }

    fn claims(&self) -> Value {
        let now = now().timestamp();
        json!({
            "jti": format!("{}-{now}", self.key),
            "iss": self.key,
            "sub": self.account.to_string(),
            "nbf": now,
            "exp": now + 3_600,
            "grants": {"identity": "alice", "voice": {
                "incoming": {"allow": true},
                "outgoing": {"application_sid": format!("AP{}", "0".repeat(32)), "params": {"team": "blue", "level": 3}},
            }},
        })
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &self.secret);
        let signature = ring::hmac::sign(&key, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn token(&self, claims: &Value) -> String {
        self.signed(&header(), claims)
    }

    /// The code of the refusal of a token whose claims were changed before it was signed.
    fn refusal_of(&self, change: impl FnOnce(&mut Value)) -> Option<u32> {
        let mut claims = self.claims();
        change(&mut claims);
        self.tokens.verify(&self.token(&claims), now()).err().map(TokenError::code)
    }

    fn code_of(&self, token: &str) -> Option<u32> {
        self.tokens.verify(token, now()).err().map(TokenError::code)
    }
}

fn header() -> Value {
    json!({"alg": "HS256", "typ": "JWT", "cty": "twilio-fpa;v=1"})
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a time")
}

#[tokio::test]
async fn a_token_signed_with_a_key_lets_in_as_far_as_it_says() {
    let desk = Desk::new().await;
    let grant = desk.tokens.verify(&desk.token(&desk.claims()), now()).expect("valid");
    let expected = Grant {
        account: desk.account,
        identity: "alice".to_owned(),
        application_sid: format!("AP{}", "0".repeat(32)).parse().ok(),
        params: vec![("level".to_owned(), "3".to_owned()), ("team".to_owned(), "blue".to_owned())],
        incoming_allow: true,
        is_supervisor: false,
        expires: now() + TimeDelta::seconds(3_600),
    };
    assert_eq!(grant, expected);
}

#[tokio::test]
async fn what_is_not_granted_is_not_there() {
    let desk = Desk::new().await;
    let mut claims = desk.claims();
    claims["grants"]["voice"] = json!({"supervisor": true});
    let grant = desk.tokens.verify(&desk.token(&claims), now()).expect("valid");
    assert!(!grant.incoming_allow && grant.application_sid.is_none() && grant.params.is_empty());
    assert!(!grant.is_supervisor, "nobody but the node says so");
}

#[tokio::test]
async fn a_region_in_the_header_means_nothing() {
    let desk = Desk::new().await;
    let mut header = header();
    header["twr"] = json!("ie1");
    assert_eq!(desk.code_of(&desk.signed(&header, &desk.claims())), None);
}

#[tokio::test]
async fn each_thing_that_is_wrong_has_its_code() {
    let desk = Desk::new().await;
    let at = now().timestamp();
    let other = AccountSid::generate().to_string();
    type Change = Box<dyn Fn(&mut Value)>;
    let rows: [(&str, u32, Change); 15] = [
        ("no end", 20101, Box::new(|c| drop(c.as_object_mut().map(|c| c.remove("exp"))))),
        ("an end that is none", 20101, Box::new(|c| c["exp"] = json!("tomorrow"))),
        ("an end out of all time", 20101, Box::new(|c| c["exp"] = json!(1e300))),
        ("no issuer", 20103, Box::new(|c| drop(c.as_object_mut().map(|c| c.remove("iss"))))),
        ("an unknown key", 20103, Box::new(|c| c["iss"] = json!(format!("SK{}", "0".repeat(32))))),
        ("another account", 20103, Box::new(move |c| c["sub"] = json!(other))),
        ("the account as issuer", 20107, Box::new(|c| c["iss"] = c["sub"].clone())),
        ("over", 20104, Box::new(move |c| c["exp"] = json!(at))),
        ("not yet", 20105, Box::new(move |c| c["nbf"] = json!(at + 11))),
        ("too long", 20157, Box::new(move |c| c["exp"] = json!(at + 86_401))),
        (
            "too long, made later",
            20157,
            Box::new(move |c| {
                (c["iat"], c["exp"]) = (json!(at + 86_400), json!(at + 100_000));
            }),
        ),
        ("nobody", 20106, Box::new(|c| c["grants"]["identity"] = json!(""))),
        ("a name of lines", 20106, Box::new(|c| c["grants"]["identity"] = json!("a\nb"))),
        ("no voice", 20106, Box::new(|c| c["grants"]["voice"] = Value::Null)),
        (
            "no application",
            20106,
            Box::new(|c| {
                c["grants"]["voice"]["outgoing"]["application_sid"] = json!("APx");
            }),
        ),
    ];
    for (what, code, change) in rows {
        assert_eq!(desk.refusal_of(change), Some(code), "{what}");
    }
    assert_eq!(desk.refusal_of(|c| c["nbf"] = json!(at + 10)), None, "clocks may differ");
    assert_eq!(desk.refusal_of(|c| c["exp"] = json!(at + 86_400)), None, "a day");
}

#[tokio::test]
async fn a_header_that_asks_for_anything_else_is_refused() {
    let desk = Desk::new().await;
    let rows = [
        ("alg", "none"),
        ("alg", "HS384"),
        ("alg", "hs256"),
        ("alg", "RS256"),
        ("cty", "other"),
        ("typ", "x"),
    ];
    for (name, value) in rows {
        let mut header = header();
        header[name] = json!(value);
        assert_eq!(desk.code_of(&desk.signed(&header, &desk.claims())), Some(20102), "{name} {value}");
    }
}

#[tokio::test]
async fn what_is_no_token_is_refused_as_such() {
    let desk = Desk::new().await;
    let long = format!("{}.", "a".repeat(TOKEN_LEN_MAX));
    let token = desk.token(&desk.claims());
    let (signed, _) = token.rsplit_once('.').expect("three parts");
    let rows = ["", ".", "..", "a.b.c", "a.b", &long, signed, &format!("{token}=")];
    for text in rows {
        assert!(matches!(desk.code_of(text), Some(20101 | 20102)), "{text:?}");
    }
    assert_eq!(desk.code_of(&format!("{signed}.")), Some(20107));
    assert_eq!(desk.code_of(&format!("{signed}.AAAA")), Some(20107));
}

#[tokio::test]
async fn a_key_that_was_taken_back_or_an_account_that_is_suspended_lets_nobody_in() {
    let desk = Desk::new().await;
    let made: Arc<Account> = desk.directory.create_account(None).await.expect("room");
    let (key, secret) = desk.directory.create_key(made.sid, String::new(), false).await.expect("room");
    let theirs = Desk {
        account: made.sid,
        key: key.sid.to_string(),
        secret: secret.expose().as_bytes().to_vec(),
        tokens: desk.tokens.clone(),
        directory: desk.directory.clone(),
    };
    assert_eq!(theirs.refusal_of(|_| ()), None);
    let status = |status| AccountChange { status: Some(status), ..AccountChange::default() };
    let suspended = desk.directory.change_account(made.sid, status(AccountStatus::Suspended));
    suspended.await.expect("possible");
    assert_eq!(theirs.refusal_of(|_| ()), Some(20103));
    desk.directory.change_account(made.sid, status(AccountStatus::Active)).await.expect("possible");
    assert_eq!(theirs.refusal_of(|_| ()), None);
    desk.directory.delete_key(made.sid, key.sid).await.expect("it is there");
    assert_eq!(theirs.refusal_of(|_| ()), Some(20103));
}

#[tokio::test]
async fn the_nodes_own_tokens_are_good_for_it_and_no_other() {
    let desk = Desk::new().await;
    let wanted = Wanted {
        account: desk.account,
        identity: "supervisor".to_owned(),
        application_sid: None,
        incoming_allow: false,
        is_supervisor: true,
        lifetime: TimeDelta::minutes(5),
    };
    let token = desk.tokens.issue(&wanted, now());
    let grant = desk.tokens.verify(&token, now()).expect("valid");
    assert!(grant.is_supervisor && !grant.incoming_allow && grant.application_sid.is_none());
    assert_eq!(desk.tokens.verify(&token, now() + TimeDelta::minutes(5)), Err(TokenError::Expired));
    let other = Tokens { own: Arc::new(SigningKey::of(b"another node's")), ..desk.tokens.clone() };
    assert_eq!(other.verify(&token, now()), Err(TokenError::Signature));
}

#[tokio::test]
async fn the_nodes_secret_outlives_it_and_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new().await;
    let folder = tempfile::tempdir().expect("a directory");
    let open = || Tokens::open(desk.directory.clone(), folder.path());
    let wanted = Wanted {
        account: desk.account,
        identity: "alice".to_owned(),
        application_sid: None,
        incoming_allow: true,
        is_supervisor: false,
        lifetime: TimeDelta::hours(48),
    };
    let token = open().expect("made").issue(&wanted, now());
    let grant = open().expect("kept").verify(&token, now()).expect("the same secret");
    assert_eq!(grant.expires, now() + LIFETIME_MAX);
    let path = folder.path().join("token.key");
    let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a directory").count(), 1);
    std::fs::write(&path, "short").expect("writable");
    assert!(open().expect_err("none").to_string().contains("delete it"));
}

proptest! {
    #[test]
    fn no_text_is_more_than_refused(text in "\\PC{0,300}") {
        prop_assert!(Unverified::read(&text).is_err());
    }

    #[test]
    fn a_token_with_one_character_changed_lets_nobody_in(at: prop::sample::Index, with in "[A-Za-z0-9_.-]") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let desk = runtime.block_on(Desk::new());
        let token = desk.token(&desk.claims());
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &with);
        prop_assume!(changed != token);
        prop_assert!(desk.tokens.verify(&changed, now()).is_err());
    }
}
