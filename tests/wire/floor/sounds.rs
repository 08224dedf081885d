//! What is heard on hold, from sources that behave and from those that do not: whoever waits hears the node's music then,
//! and whoever wrote the application is told why.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::{AGENT, CUSTOMER, MUSIC, SUPERVISOR, Seated, encoded, is_one_stream, node};
use crate::app::{App, wav};
use crate::peer::within;
use crate::rtp::{Packet, Rtp};
use crate::running::Running;

/// A second sound beside the first.
const OTHER_MUSIC: u32 = SUPERVISOR;

/// And a third.
const THIRD_MUSIC: u32 = 2_300;

/// What the MP3 file of the fuzz corpus sounds like.
const MP3_TONE: u32 = 440;

/// A note of the node's own music.
const NOTE: u32 = 250;

/// Waits until a call is known to have suffered this.
async fn is_noted(node: &Running, call: &str, code: u32, what: &str) {
    let path = format!("Calls/{call}/Notifications.json");
    let expected = code.to_string();
    within(&format!("{code} of {what}"), async {
        loop {
            let notes = node.get(&path).await["notifications"].as_array().unwrap().clone();
            if notes.iter().any(|note| note["error_code"] == expected && note["log"] == "0") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// A server that answers with a sound that comes a byte at a time and never ends.
async fn trickle() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/trickle.wav", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                // The question comes in one piece; a busy machine may bring it late.
                let mut asked = [0; 4_096];
                if stream.read(&mut asked).await.is_err() {
                    return;
                }
                let head = "HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: 900000\r\n\r\n";
                let mut alive = stream.write_all(head.as_bytes()).await.is_ok();
                while alive {
                    alive = stream.write_all(b"R").await.is_ok();
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
            });
        }
    });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_the_music_the_customer_hears_the_nodes_and_the_notifications_say_why() {
    let app = App::start().await;
    let audio = |len: u64, body: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: {len}\r\n\r\n{body}")
            .into_bytes()
    };
    app.answers("hangs", Vec::new());
    app.answers("huge.wav", audio(2_000_000_000, "RIFF"));
    app.answers("stops.wav", audio(90_000, "RIFF"));
    app.gives("words.wav", "audio/wav", b"hello".to_vec());
    app.gives("table.csv", "text/csv", b"a,b".to_vec());
    app.gives("broken.xml", "text/xml", b"<Response><Play>".to_vec());
    app.says("circle", "<Redirect/>");
    app.answers("round", b"HTTP/1.1 302 Found\r\nLocation: /round\r\nContent-Length: 0\r\n\r\n".to_vec());
    app.says("trickles", &format!("<Play>{}#tt=300</Play>", trickle().await));
    app.says("dials", "<Dial>+4930123</Dial><Play>/missing.wav</Play>");
    let node = node().await;
    let _agent = Seated::dialled(&node, AGENT, "").await;
    for (what, code) in [
        (app.url("missing.wav"), 11_200),
        (app.url("hangs#rt=100&rc=0"), 11_200),
        (app.url("huge.wav"), 13_420),
        (app.url("stops.wav#rt=100&rc=0"), 11_200),
        (app.url("trickles"), 11_203),
        (app.url("words.wav"), 12_300),
        (app.url("table.csv"), 12_300),
        (app.url("broken.xml"), 12_100),
        (app.url("circle"), 12_200),
        (app.url("round"), 11_215),
        (app.url("dials"), 11_200),
        ("http://10.1.2.3/hold.wav".to_owned(), 11_200),
    ] {
        let customer = Seated::dialled(&node, CUSTOMER, "").await;
        customer.hears_just(&[AGENT]).await;
        customer.update(&node, &format!("Hold=true&HoldUrl={}", encoded(&what))).await;
        is_noted(&node, customer.call(), code, &what).await;
        customer.hears_none_of(&[AGENT]).await;
        let heard = customer.peer.rtp.next(100).await;
        assert!(Rtp::any_has(&heard, NOTE), "no music in place of {what}");
        // When it is mended, it is heard.
        customer.update(&node, "Hold=false").await;
        customer.hears_just(&[AGENT]).await;
        assert_eq!(node.delete(&customer.path).await, 204);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn music_goes_on_where_it_was_when_the_same_is_heard_on_hold_again() {
    let app = App::start().await;
    app.gives("first.wav", "audio/wav", wav(f64::from(MUSIC), 1.0));
    app.gives("then.wav", "audio/wav", wav(f64::from(OTHER_MUSIC), 60.0));
    app.says("hold", "<Play>/first.wav</Play><Play>/then.wav</Play>");
    let node = node().await;
    let customer = Seated::dialled(&node, CUSTOMER, "").await;
    let agent = Seated::dialled(&node, AGENT, "").await;
    let hold = |page: &str| format!("Hold=true&HoldUrl={}", encoded(&app.url(page)));
    customer.update(&node, &hold("hold")).await;
    customer.peer.rtp.has_heard(MUSIC).await;
    customer.hears_just(&[OTHER_MUSIC]).await;
    for _ in 0..2 {
        customer.update(&node, "Hold=false").await;
        tokio::join!(customer.hears_just(&[AGENT]), agent.hears_just(&[CUSTOMER]));
        let before = customer.peer.rtp.count();
        customer.update(&node, &hold("hold")).await;
        customer.hears_just(&[OTHER_MUSIC]).await;
        assert!(!Rtp::any_has(&customer.peer.rtp.packets()[before..], MUSIC), "it began again");
    }
    assert_eq!(app.told("hold", 1).await.len(), 1, "it was asked for again");
    // Another begins at its beginning, and so does the first after it.
    customer.update(&node, &hold("hold?again")).await;
    customer.peer.rtp.has_heard_since(customer.peer.rtp.count(), MUSIC).await;
    customer.hears_just(&[OTHER_MUSIC]).await;
    customer.update(&node, "Hold=false").await;
    customer.hears_just(&[AGENT]).await;
}

/// A file of a second of one tone, and a minute of another.
fn first_then(first: u32, then: u32) -> Vec<u8> {
    let mut file = wav(f64::from(first), 1.0);
    file.extend(&wav(f64::from(then), 60.0)[44..]);
    let len = file.len() as u32;
    file[4..8].copy_from_slice(&(len - 8).to_le_bytes());
    file[40..44].copy_from_slice(&(len - 44).to_le_bytes());
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn all_on_hold_with_one_file_that_goes_round_hear_the_same_place_of_it_and_nobody_else_hears_it() {
    let app = App::start().await;
    app.gives("music.wav", "audio/wav", first_then(MUSIC, OTHER_MUSIC));
    app.gives("other.wav", "audio/wav", wav(f64::from(MUSIC), 30.0));
    app.says("hold", "<Play loop=\"0\">/music.wav</Play>");
    app.says("other", "<Play loop=\"0\">/other.wav</Play>");
    let node = node().await;
    let agent = Seated::dialled(&node, AGENT, "").await;
    let customers = [
        Seated::dialled(&node, CUSTOMER, "").await,
        Seated::dialled(&node, CUSTOMER, "").await,
        Seated::dialled(&node, CUSTOMER, "").await,
    ];
    // Two of one tone could be heard as none.
    customers[1..].iter().for_each(|customer| customer.peer.rtp.be_quiet());
    let hold = |page: &str| format!("Hold=true&HoldUrl={}", encoded(&app.url(page)));
    // Who is alone hears it from its beginning, and so does the next, for whom it is put on.
    for customer in &customers[..2] {
        let before = customer.peer.rtp.count();
        customer.update(&node, &hold("hold")).await;
        customer.peer.rtp.has_heard_since(before, MUSIC).await;
        customer.hears_just(&[OTHER_MUSIC]).await;
    }
    // Who comes later hears what is on.
    let before = customers[2].peer.rtp.count();
    customers[2].update(&node, &hold("hold")).await;
    customers[2].hears_just(&[OTHER_MUSIC]).await;
    assert!(!Rtp::any_has(&customers[2].peer.rtp.packets()[before..], MUSIC), "it began again");
    agent.hears_just(&[]).await;
    // To another and back, and the rest go on.
    customers[1].update(&node, &hold("other")).await;
    customers[1].hears_just(&[MUSIC]).await;
    let before = customers[1].peer.rtp.count();
    customers[1].update(&node, &hold("hold")).await;
    customers[1].hears_just(&[OTHER_MUSIC]).await;
    // What was under way of the other may still have come.
    let later = &customers[1].peer.rtp.packets()[before..];
    let changed = later.iter().position(|packet| Rtp::any_has(std::slice::from_ref(packet), OTHER_MUSIC));
    assert!(!Rtp::any_has(&later[changed.unwrap() + 1..], MUSIC), "it began again");
    for customer in &customers {
        customer.hears_just(&[OTHER_MUSIC]).await;
    }
    agent.hears_just(&[]).await;
    // Off hold all hear each other, in the stream that they were sent all the while.
    for customer in &customers {
        customer.update(&node, "Hold=false").await;
    }
    agent.hears_just(&[CUSTOMER]).await;
    customers[0].hears_just(&[AGENT]).await;
    for customer in &customers[1..] {
        customer.hears_just(&[CUSTOMER, AGENT]).await;
    }
    customers.iter().for_each(|customer| is_one_stream(&customer.peer.rtp.packets()));
    // What nobody hears is taken off; who comes then hears it from its beginning.
    for customer in &customers[1..] {
        assert_eq!(node.delete(&customer.path).await, 204);
    }
    let before = customers[0].peer.rtp.count();
    customers[0].update(&node, &hold("hold?again")).await;
    customers[0].peer.rtp.has_heard_since(before, MUSIC).await;
}

/// Where a tone begins and ends in what was heard.
fn span(packets: &[Packet], hertz: u32) -> (usize, usize) {
    let loud = |packet: &Packet| Rtp::any_is_loud(std::slice::from_ref(packet), hertz);
    let first = packets.iter().position(loud).expect("it is heard");
    (first, packets.iter().rposition(loud).expect("it is heard"))
}

#[tokio::test(flavor = "multi_thread")]
async fn announcements_queue_up_and_one_too_many_is_refused() {
    let app = App::start().await;
    let tones = [MUSIC, OTHER_MUSIC, THIRD_MUSIC];
    for hertz in tones {
        app.gives(&format!("{hertz}.wav"), "audio/wav", wav(f64::from(hertz), 0.4));
    }
    app.answers("hangs", Vec::new());
    let node = node().await;
    let customer = Seated::dialled(&node, CUSTOMER, "").await;
    let agent = Seated::dialled(&node, AGENT, "").await;
    customer.hears_just(&[AGENT]).await;
    let conference = format!("Conferences/{}.json", agent.conference());
    for (path, listener) in [(&customer.path, &customer), (&conference, &agent)] {
        let before = listener.peer.rtp.count();
        for hertz in tones {
            node.post(path, &format!("AnnounceUrl={}", encoded(&app.url(&format!("{hertz}.wav"))))).await;
        }
        listener.peer.rtp.has_heard_since(before, tones[2]).await;
        listener.peer.rtp.hears_no_more(tones[2]).await;
        let packets = &listener.peer.rtp.packets()[before..];
        let [one, two, three] = tones.map(|hertz| span(packets, hertz));
        assert!(one.1 <= two.0 && two.1 <= three.0, "one after another: {one:?}, {two:?}, {three:?}");

        // One whose sound does not come keeps the others waiting, but only so many.
        let hangs = format!("AnnounceUrl={}", encoded(&app.url("hangs#rt=15000&rc=0")));
        let mut taken = 0;
        let (status, error) = loop {
            match node.create(path, &hangs).await {
                (200, _) => taken += 1,
                refused => break refused,
            }
        };
        assert_eq!((taken, status, &error["code"]), (8, 429, &20_429.into()), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hold_music_is_any_sound_file_or_a_document_that_plays_speaks_pauses_and_leads_on() {
    let app = App::start().await;
    app.gives("half.mp3", "audio/mpeg", include_bytes!("../../fuzz/corpus/sound/mp3-mono-16k").to_vec());
    app.gives("first.wav", "audio/wav", wav(f64::from(MUSIC), 0.5));
    app.gives("second.wav", "audio/wav", wav(f64::from(OTHER_MUSIC), 60.0));
    app.says("hold", "<Play>/first.wav</Play><Pause length='1'/><Redirect method='GET'>/next</Redirect>");
    app.says("next", "<Say>One moment, please.</Say><Play>/second.wav</Play>");
    let node = node().await;
    let customer = Seated::dialled(&node, CUSTOMER, "").await;
    let _agent = Seated::dialled(&node, AGENT, "").await;
    customer.hears_just(&[AGENT]).await;
    let before = customer.peer.rtp.count();
    let hold = |page: &str, more: &str| format!("Hold=true&HoldUrl={}{more}", encoded(&app.url(page)));
    customer.update(&node, &hold("hold", "&HoldMethod=POST")).await;
    customer.hears_just(&[OTHER_MUSIC]).await;
    let packets = &customer.peer.rtp.packets()[before..];
    assert!(span(packets, MUSIC).1 + 45 <= span(packets, OTHER_MUSIC).0, "a pause of a second");
    let asked = app.told("hold", 1).await;
    assert!(!asked[0].body.is_empty() && asked[0].get("CallSid") == customer.call(), "asked by POST");
    assert!(app.told("next", 1).await[0].body.is_empty(), "asked by GET");

    customer.update(&node, &hold("half.mp3", "")).await;
    customer.peer.rtp.hears(MP3_TONE).await;
    assert!(app.told("half.mp3", 1).await[0].body.is_empty(), "asked by GET unless it is said");
}
