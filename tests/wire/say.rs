//! Texts that a service of the operator's speaks.

use std::io::Write as _;

use confab::server::Options;
use serde_json::{Value, json};

use crate::app::{App, wav};
use crate::peer::{Peer, within};
use crate::running::Running;

/// A node whose texts this service speaks, and on which every call hears two. Webhooks may go nowhere.
async fn node(service: &App, more: &str) -> Running {
    let script = "<Response><Say voice='alice' language='de-DE'>Gr\u{fc}\u{df} Gott</Say><Pause length='60'/></Response>";
    let file = format!(
        "say_url = \"{}?model=1\"\nsay_token = \"a-token-of-the-service\"\n{more}\n[[route]]\nuser = \"*\"\ntwiml = \"{script}\"\n",
        service.url("speak")
    );
    Running::start_with_file(Options::default(), &file).await
}

/// What the account's notifications say, once there are as many.
async fn notes(node: &Running, count: usize) -> Vec<Value> {
    within("notifications", async {
        loop {
            let notes = node.get("Notifications.json").await["notifications"].as_array().unwrap().clone();
            if notes.len() >= count {
                return notes;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_asked_for_a_text_once_and_callers_hear_what_it_says() {
    let service = App::start().await;
    service.gives("speak", "audio/wav", wav(700.0, 30.0));
    let node = node(&service, "").await;
    let mut caller = Peer::udp(node.node.sip).await;
    caller.dial("anybody").await;
    caller.rtp.hears(700).await;
    let asked = service.told("speak", 1).await.remove(0);
    assert_eq!(asked.authorization.as_deref(), Some("Bearer a-token-of-the-service"));
    assert_eq!(asked.signature, None);
    let order: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(order, json!({"text": "Gr\u{fc}\u{df} Gott", "voice": "alice", "language": "de-DE"}));
    // The next caller hears the same without its being asked for.
    service.answers("speak", b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n".to_vec());
    let mut second = Peer::udp(node.node.sip).await;
    second.dial("somebody").await;
    second.rtp.hears(700).await;
    assert_eq!(service.told("speak", 1).await.len(), 1);
    assert_eq!(node.get("Notifications.json").await["notifications"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_does_not_speak_is_told_of_and_leads_nobody_elsewhere() {
    let service = App::start().await;
    service.answers(
        "speak",
        format!("HTTP/1.1 307 x\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", service.url("thief"))
            .into_bytes(),
    );
    let node = node(&service, "").await;
    for (count, answer) in
        [None, Some(("text/html", "<html/>")), Some(("audio/wav", ""))].into_iter().enumerate()
    {
        if let Some((kind, body)) = answer {
            service.gives("speak", kind, body.into());
        }
        let mut caller = Peer::udp(node.node.sip).await;
        caller.dial("anybody").await;
        caller.rtp.hears(880).await;
        let found = notes(&node, count + 1).await;
        assert!(found.iter().all(|note| note["error_code"] == "13520" && note["log"] == "1"), "{found:?}");
        assert!(!found[0].to_string().contains("a-token-of-the-service"));
    }
    let asked = service.told("speak", 3).await;
    assert_eq!((asked.len(), service.told("thief", 0).await.len()), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_speaks_when_the_service_does_not() {
    let service = App::start().await;
    let mut sound = tempfile::NamedTempFile::new().unwrap();
    sound.write_all(&wav(1_100.0, 30.0)).unwrap();
    let command = format!("say_command = \"cat {}\"", sound.path().display());
    let node = node(&service, &command).await;
    let mut caller = Peer::udp(node.node.sip).await;
    caller.dial("anybody").await;
    caller.rtp.hears(1_100).await;
    let found = notes(&node, 1).await;
    assert!(found[0]["message_text"].as_str().unwrap().contains("The command spoke instead"), "{found:?}");
    // It is asked again for the next.
    service.gives("speak", "audio/wav", wav(700.0, 30.0));
    let mut second = Peer::udp(node.node.sip).await;
    second.dial("anybody").await;
    second.rtp.hears(700).await;
}
