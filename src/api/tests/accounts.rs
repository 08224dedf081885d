//! Accounts, keys and applications, and whose credentials reach what.

use super::*;

/// A node, and an account below its main one.
struct Below {
    node: Node,
    sid: String,
    token: String,
}

impl Below {
    async fn start() -> Self {
        let node = Node::over(Script::default().play());
        let made = node.send("POST", "/2010-04-01/Accounts.json", Some("FriendlyName=customer")).await;
        assert_eq!(made.status, 201, "{made:?}");
        let json = made.json();
        let of = |name: &str| json[name].as_str().expect("text").to_owned();
        Self { sid: of("sid"), token: of("auth_token"), node }
    }

    /// A request with somebody's credentials, to a path of the account's, or to the whole path.
    async fn ask(&self, user: &str, password: &str, method: &str, path: &str, form: &str) -> Answer {
        let path = match path.strip_prefix("//") {
            Some(whole) => format!("/2010-04-01/{whole}"),
            None => format!("/2010-04-01/Accounts/{}{path}", self.sid),
        };
        let request =
            Request::builder().method(method).uri(path).header(AUTHORIZATION, basic(user, password));
        let request = request.header(CONTENT_TYPE, FORM).body(Body::from(form.to_owned()));
        self.node.ask(request.expect("a request")).await
    }

    /// With its own.
    async fn own(&self, method: &str, path: &str, form: &str) -> Answer {
        self.ask(&self.sid, &self.token, method, path, form).await
    }

    /// With the main account's.
    async fn main(&self, method: &str, path: &str, form: &str) -> Answer {
        self.ask(&self.node.account.to_string(), TOKEN, method, path, form).await
    }

    /// A new key of the account in the path; its SID and secret.
    async fn key(&self, path: &str, form: &str) -> (String, String) {
        let made = self.main("POST", path, form).await;
        assert_eq!(made.status, 201, "{made:?}");
        let json = made.json();
        let of = |name: &str| json[name].as_str().expect("text").to_owned();
        (of("sid"), of("secret"))
    }
}

#[tokio::test]
async fn an_account_has_all_documented_fields() {
    let below = Below::start().await;
    let json = below.own("GET", ".json", "").await.ok();
    for field in ["date_created", "date_updated", "uri"] {
        assert!(json[field].is_string(), "{field}: {json}");
    }
    assert_eq!(
        (&json["sid"], &json["auth_token"]),
        (&below.sid.as_str().into(), &below.token.as_str().into())
    );
    assert_eq!(json["owner_account_sid"], below.node.account.to_string());
    assert_eq!((&json["status"], &json["type"]), (&"active".into(), &"Full".into()));
    let calls = format!("/2010-04-01/Accounts/{}/Calls.json", below.sid);
    assert_eq!(json["subresource_uris"]["calls"], calls);
    assert_eq!(below.own("GET", "/Calls.json", "").await.ok()["calls"], serde_json::json!([]));
}

#[tokio::test]
async fn the_list_of_accounts_pages_under_its_own_path() {
    let below = Below::start().await;
    let page = below.main("GET", "//Accounts.json?PageSize=1", "").await.ok();
    assert_eq!(page["accounts"][0]["sid"], below.sid);
    assert_eq!(page["next_page_uri"], "/2010-04-01/Accounts.json?PageSize=1&Page=1");
    let own = below.own("GET", "//Accounts", "").await.ok();
    assert_eq!(own["accounts"].as_array().map(Vec::len), Some(1));
    let closed = below.main("GET", "//Accounts.json?Status=closed", "").await.ok();
    assert_eq!(closed["accounts"], serde_json::json!([]));
}

#[tokio::test]
async fn an_account_reaches_itself_and_the_main_one_reaches_it() {
    let below = Below::start().await;
    let main = below.node.account;
    below.own("GET", &format!("//Accounts/{main}.json"), "").await.assert_error(404, 20404);
    below.own("GET", &format!("//Accounts/{main}/Calls.json"), "").await.assert_error(404, 20404);
    below.own("POST", "//Accounts.json", "").await.assert_error(400, 21101);
    below.own("POST", ".json", "Status=suspended").await.assert_error(401, 20003);
    below.own("POST", ".json", "FriendlyName=us").await.ok();
    for path in [".json", "/Calls.json", "/Keys.json", "/Applications.json", "/IncomingPhoneNumbers.json"] {
        below.main("GET", path, "").await.ok();
    }
}

#[tokio::test]
async fn a_standard_key_manages_neither_accounts_nor_keys() {
    let below = Below::start().await;
    let (key, secret) = below.key("/Keys.json", "FriendlyName=bot").await;
    let path = format!("/Keys/{key}.json");
    for (method, path) in [
        ("GET", ".json"),
        ("POST", ".json"),
        ("GET", ""),
        ("GET", "/Keys.json"),
        ("POST", "/Keys"),
        ("GET", &*path),
        ("DELETE", &*path),
        ("GET", "//Accounts.json"),
        ("GET", "//Accounts"),
    ] {
        below.ask(&key, &secret, method, path, "").await.assert_error(401, 20003);
    }
    below.ask(&key, &secret, "GET", "/Applications.json", "").await.ok();
    // No way of writing a path makes keys anything else.
    for path in ["/%4Beys.json", "/./Keys.json", "//Keys.json", "/Keys.json/", "/Keys//"] {
        let answer = below.ask(&key, &secret, "GET", path, "").await;
        assert!([401, 404].contains(&answer.status.as_u16()), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn a_main_key_manages_keys_of_its_own_account_and_all_accounts_if_that_is_the_main_one() {
    let below = Below::start().await;
    let (own, own_secret) = below.key("/Keys.json", "KeyType=main").await;
    below.ask(&own, &own_secret, "GET", "/Keys.json", "").await.ok();
    let seen = below.ask(&own, &own_secret, "GET", ".json", "").await.ok();
    assert!(seen["auth_token"].is_null(), "a key does not learn the token: {seen}");

    let keys = format!("//Accounts/{}/Keys.json", below.node.account);
    let (main, secret) = below.key(&keys, "KeyType=main").await;
    below.ask(&main, &secret, "GET", ".json", "").await.ok();
    below.ask(&main, &secret, "GET", "/Keys.json", "").await.assert_error(401, 20003);
    below.ask(&main, &secret, "GET", "/Calls.json", "").await.assert_error(401, 20003);
    below.main("POST", "/Keys.json", "KeyType=restricted").await.assert_error(400, 20001);
}

#[tokio::test]
async fn a_keys_secret_is_told_once() {
    let below = Below::start().await;
    let (key, secret) = below.key("/Keys.json", "FriendlyName=bot").await;
    let path = format!("/Keys/{key}.json");
    for answer in [
        below.main("GET", &path, "").await,
        below.main("POST", &path, "FriendlyName=other").await,
        below.main("GET", "/Keys.json", "").await,
    ] {
        assert_eq!(answer.status, 200);
        assert!(!answer.text.contains(&secret) && !answer.text.contains("secret"), "{answer:?}");
    }
    assert_eq!(below.main("DELETE", &path, "").await.status, 204);
    below.main("GET", &path, "").await.assert_error(404, 20404);
    below.ask(&key, &secret, "GET", "/Calls.json", "").await.assert_error(401, 20003);
}

#[tokio::test]
async fn a_suspended_account_is_let_in_no_more_and_a_closed_one_never_again() {
    let below = Below::start().await;
    assert_eq!(below.main("POST", ".json", "Status=suspended").await.ok()["status"], "suspended");
    below.own("GET", "/Calls.json", "").await.assert_error(401, 20003);
    below.main("GET", "/Calls.json", "").await.ok();
    let call = "To=sip:a@b&From=b&Url=http://a/";
    below.main("POST", "/Calls.json", call).await.assert_error(403, 20005);
    below.main("POST", "/Keys.json", "").await.assert_error(403, 20005);
    below.main("POST", ".json", "Status=active").await.ok();
    below.own("GET", "/Calls.json", "").await.ok();
    below.main("POST", ".json", "Status=closed").await.ok();
    below.main("POST", ".json", "Status=active").await.assert_error(400, 21479);
    below.main("POST", ".json", "Status=open").await.assert_error(400, 21475);
    let main = format!("//Accounts/{}.json", below.node.account);
    below.main("POST", &main, "Status=suspended").await.assert_error(400, 21477);
}

#[tokio::test]
async fn an_application_is_made_changed_and_deleted() {
    let below = Below::start().await;
    let form = "FriendlyName=menu&VoiceUrl=https://a/&VoiceMethod=get&StatusCallback=https://b/&VoiceCallerIdLookup=true";
    let made = below.own("POST", "/Applications.json", form).await;
    assert_eq!(made.status, 201, "{made:?}");
    let json = made.json();
    assert_eq!((&json["voice_method"], &json["voice_caller_id_lookup"]), (&"GET".into(), &true.into()));
    assert_eq!(json["account_sid"], below.sid);
    let documented = [
        "account_sid",
        "api_version",
        "date_created",
        "date_updated",
        "friendly_name",
        "message_status_callback",
        "sid",
        "sms_fallback_method",
        "sms_fallback_url",
        "sms_method",
        "sms_status_callback",
        "sms_url",
        "status_callback",
        "status_callback_method",
        "uri",
        "voice_caller_id_lookup",
        "voice_fallback_method",
        "voice_fallback_url",
        "voice_method",
        "voice_url",
        "public_application_connect_enabled",
    ];
    let object = json.as_object().expect("an object");
    assert!(documented.iter().all(|field| object.contains_key(*field)), "{json}");

    let path = format!("/Applications/{}.json", json["sid"].as_str().expect("text"));
    let changed = below.own("POST", &path, "VoiceUrl=&VoiceMethod=POST").await.ok();
    assert_eq!((&changed["voice_url"], &changed["voice_method"]), (&Value::Null, &"POST".into()));
    assert_eq!(changed["status_callback"], "https://b/");
    below.own("POST", &path, "voiceurl=x").await.assert_error(400, 20001);
    let main = format!("//Accounts/{}{path}", below.node.account);
    below.main("GET", &main, "").await.assert_error(404, 20404);
    assert_eq!(below.own("DELETE", &path, "").await.status, 204);
    below.own("GET", &path, "").await.assert_error(404, 20404);
    below.own("DELETE", &path, "").await.assert_error(404, 20404);
}

#[tokio::test]
async fn what_an_application_cannot_have_is_refused() {
    let below = Below::start().await;
    let long = format!("FriendlyName={}", "x".repeat(65));
    let far = format!("VoiceUrl=https://a/{}", "x".repeat(2_048));
    for (form, code) in [
        (&*long, 20002),
        ("FriendlyName=a%0Ab", 20002),
        (&*far, 21402),
        ("VoiceUrl=ftp://a/", 21402),
        ("StatusCallback=https://", 21402),
        ("VoiceFallbackMethod=PUT", 21403),
        ("VoiceCallerIdLookup=yes", 20001),
        ("ApiVersion=2008-08-01", 20001),
        ("SmsUrl=https://a/", 20001),
        ("VoiceUrl=https://a/&VoiceUrl=https://b/", 20001),
    ] {
        below.own("POST", "/Applications.json", form).await.assert_error(400, code);
    }
    below.own("GET", "/Applications/none.json", "").await.assert_error(404, 20404);
}

#[tokio::test]
async fn a_call_may_name_an_application_of_its_account() {
    let below = Below::start().await;
    let made = below.own("POST", "/Applications.json", "VoiceUrl=https://a/").await.json();
    let empty = below.own("POST", "/Applications.json", "").await.json();
    let sid = |json: &Value| json["sid"].as_str().expect("text").to_owned();
    let call = |application: String| format!("To=sip:a@b&From=b&ApplicationSid={application}");
    below.own("POST", "/Calls.json", &call("AP1".to_owned())).await.assert_error(400, 21218);
    below.own("POST", "/Calls.json", &call(sid(&empty))).await.assert_error(400, 21218);
    let main = format!("//Accounts/{}/Calls.json", below.node.account);
    below.main("POST", &main, &call(sid(&made))).await.assert_error(400, 21218);
    // What is asked for is right, and the scripted model allows nobody to be called.
    below.own("POST", "/Calls.json", &call(sid(&made))).await.assert_error(400, 21215);
}

#[tokio::test]
async fn the_thousand_and_first_of_a_kind_is_refused() {
    let below = Below::start().await;
    for n in 0..1_000 {
        let made = below.own("POST", "/Applications.json", &format!("FriendlyName={n}")).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
    below.own("POST", "/Applications.json", "").await.assert_error(400, 21301);
    // Another account has its own.
    let main = format!("//Accounts/{}/Applications.json", below.node.account);
    assert_eq!(below.main("POST", &main, "").await.status, 201);

    let mut made = 0;
    let refused = loop {
        let answer = below.main("POST", "//Accounts.json", "").await;
        if answer.status != 201 {
            break answer;
        }
        made += 1;
    };
    refused.assert_error(400, 21480);
    // One is there from the beginning.
    assert_eq!(made, 999);
}
