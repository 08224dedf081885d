//! Incoming phone numbers over the API.

use super::*;

async fn number(node: &Node, form: &str) -> Answer {
    node.send("POST", &format!("{}/IncomingPhoneNumbers.json", node.prefix()), Some(form)).await
}

#[tokio::test]
async fn a_number_has_all_documented_fields() {
    let node = Node::over(Script::default().play());
    let made =
        number(&node, "PhoneNumber=%2B442079460123&VoiceUrl=https://a/&StatusCallback=https://b/").await;
    assert_eq!(made.status, 201, "{made:?}");
    let json = made.json();
    let documented = [
        "account_sid",
        "address_sid",
        "address_requirements",
        "api_version",
        "beta",
        "capabilities",
        "date_created",
        "date_updated",
        "friendly_name",
        "identity_sid",
        "phone_number",
        "origin",
        "sid",
        "sms_application_sid",
        "sms_fallback_method",
        "sms_fallback_url",
        "sms_method",
        "sms_url",
        "status_callback",
        "status_callback_method",
        "trunk_sid",
        "uri",
        "voice_receive_mode",
        "voice_application_sid",
        "voice_caller_id_lookup",
        "voice_fallback_method",
        "voice_fallback_url",
        "voice_method",
        "voice_url",
        "emergency_status",
        "emergency_address_sid",
        "emergency_address_status",
        "bundle_sid",
        "status",
        "type",
    ];
    let object = json.as_object().expect("an object");
    assert!(documented.iter().all(|field| object.contains_key(*field)), "{json}");
    assert_eq!((&json["phone_number"], &json["voice_url"]), (&"+442079460123".into(), &"https://a/".into()));
    let sid = json["sid"].as_str().expect("text");
    assert_eq!(json["uri"], format!("{}/IncomingPhoneNumbers/{sid}.json", node.prefix()));
    let fetched = node.send("GET", json["uri"].as_str().expect("text"), None).await.ok();
    assert_eq!(fetched, json);
}

#[tokio::test]
async fn a_number_that_cannot_be_had_is_refused_with_the_reason() {
    let node = Node::over(Script::default().play());
    let taken = "PhoneNumber=%2B442079460123";
    assert_eq!(number(&node, taken).await.status, 201);
    let application = "PhoneNumber=%2B15005550006&VoiceApplicationSid=AP0123456789abcdef0123456789abcdef";
    for (form, code) in [
        (taken, 21422),
        ("", 21421),
        ("PhoneNumber=442079460123", 21421),
        ("PhoneNumber=911", 21421),
        ("AreaCode=510", 21457),
        (application, 21420),
        ("PhoneNumber=%2B15005550006&VoiceApplicationSid=x", 21420),
        ("PhoneNumber=%2B15005550006&VoiceUrl=a", 21402),
        ("PhoneNumber=%2B15005550006&VoiceMethod=HEAD", 21403),
        ("PhoneNumber=%2B15005550006&SmsUrl=https://a/", 20001),
        ("PhoneNumber=%2B15005550006&TrunkSid=TK1", 20001),
        ("PhoneNumber=%2B15005550006&BundleSid=BU1", 20001),
        ("PhoneNumber=%2B15005550006&VoiceReceiveMode=fax", 20001),
        ("PhoneNumber=%2B15005550006&EmergencyStatus=Active", 20001),
        ("PhoneNumber=%2B15005550006&FriendlyName=%00", 20002),
    ] {
        number(&node, form).await.assert_error(400, code);
    }
    let harmless =
        "PhoneNumber=%2B15005550006&VoiceReceiveMode=voice&EmergencyStatus=Inactive&SmsUrl=&SmsMethod=POST";
    assert_eq!(number(&node, harmless).await.status, 201);
}

#[tokio::test]
async fn each_kind_is_ordered_and_listed_under_its_own_path() {
    let node = Node::over(Script::default().play());
    let path = |kind: &str| format!("{}/IncomingPhoneNumbers{kind}", node.prefix());
    for (kind, number, word) in [
        ("/Local.json", "%2B442079460123", "local"),
        ("/Mobile", "%2B447700900123", "mobile"),
        ("/TollFree.json", "%2B448081570123", "toll-free"),
    ] {
        let form = format!("PhoneNumber={number}");
        let made = node.send("POST", &path(kind), Some(&form)).await;
        assert_eq!((made.status.as_u16(), &made.json()["type"]), (201, &word.into()), "{kind}");
        let listed = node.send("GET", &path(kind), None).await.ok();
        assert_eq!(listed["incoming_phone_numbers"].as_array().map(Vec::len), Some(1), "{kind}");
    }
    let all = node.send("GET", &path(".json"), None).await.ok();
    assert_eq!(all["incoming_phone_numbers"].as_array().map(Vec::len), Some(3));
    for (query, count) in [
        ("?Origin=twilio", 0),
        ("?Origin=hosted", 3),
        ("?Beta=true", 0),
        ("?PhoneNumber=7700", 1),
        ("?PhoneNumber=%2B44+20", 1),
    ] {
        let found = node.send("GET", &path(&format!(".json{query}")), None).await.ok();
        assert_eq!(found["incoming_phone_numbers"].as_array().map(Vec::len), Some(count), "{query}");
    }
    node.send("GET", &path(".json?Origin=mars"), None).await.assert_error(400, 20001);
    node.send("GET", &path(".json?Beta=perhaps"), None).await.assert_error(400, 20001);
}

#[tokio::test]
async fn only_the_main_account_moves_a_number() {
    let node = Node::over(Script::default().play());
    let account = node.send("POST", "/2010-04-01/Accounts.json", Some("")).await.json();
    let (sub, token) =
        (account["sid"].as_str().expect("text"), account["auth_token"].as_str().expect("text"));
    let made = number(&node, "PhoneNumber=%2B442079460123").await.json();
    let sid = made["sid"].as_str().expect("text");
    let path = format!("{}/IncomingPhoneNumbers/{sid}.json", node.prefix());
    for (target, code) in [("AC1", 21470), ("AC0123456789abcdef0123456789abcdef", 21471)] {
        node.send("POST", &path, Some(&format!("AccountSid={target}"))).await.assert_error(400, code);
    }
    let moved = node.send("POST", &path, Some(&format!("AccountSid={sub}"))).await.ok();
    assert_eq!(moved["account_sid"], sub);
    node.send("GET", &path, None).await.assert_error(404, 20404);

    let theirs = format!("/2010-04-01/Accounts/{sub}/IncomingPhoneNumbers/{sid}.json");
    let back = Request::post(&theirs).header(AUTHORIZATION, basic(sub, token)).header(CONTENT_TYPE, FORM);
    let back = back.body(Body::from(format!("AccountSid={}", node.account))).expect("a request");
    node.ask(back).await.assert_error(400, 21474);
    assert_eq!(node.send("DELETE", &theirs, None).await.status, 204);
    node.send("DELETE", &theirs, None).await.assert_error(404, 20404);
}
