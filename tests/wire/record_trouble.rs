//! Recordings that do not go as they should, and what is told of them over the API; and what is told of those that do in the feed.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::conference_record::{Seated, node, sound_of, text, tones};
use crate::feed::Feed;
use crate::peer::Peer;
use crate::record::{Process, THERE, loudest};

#[tokio::test(flavor = "multi_thread")]
async fn how_far_the_recording_of_a_conference_got_is_told_in_the_feed() {
    let (node, api) = node().await;
    let alice = Seated::speaking(&node, 700, "").await;
    let bob = Seated::speaking(&node, 1_100, "").await;
    tokio::join!(alice.peer.rtp.hears(1_100), bob.peer.rtp.hears(700));
    let mut feed = Feed::of(&node).await;
    let list = alice.recordings();
    let (code, recording) = api.json("POST", &format!("{list}.json"), "RecordingChannels=dual").await;
    assert_eq!(code, 201, "{recording}");
    let path = format!("{list}/{}.json", text(&recording["sid"]));
    for status in ["paused", "in-progress"] {
        assert_eq!(api.json("POST", &path, &format!("Status={status}")).await.1["status"], status);
        alice.peer.rtp.next(30).await;
    }
    api.json("POST", &path, "Status=stopped").await;
    api.completed(&path).await;
    assert_eq!(api.json("DELETE", &path, "").await.0, 204);

    let mut told = Vec::new();
    while told.len() < 6 {
        let event = feed.next().await;
        if text(&event["type"]).starts_with("recording.") {
            assert_eq!(event["recording"]["sid"], recording["sid"], "{event}");
            assert_eq!(event["recording"]["conference_sid"], alice.conference, "{event}");
            assert_eq!(event["recording"]["channels"], 2, "{event}");
            told.push(event);
        }
    }
    let types: Vec<&str> = told.iter().map(|event| text(&event["type"])).collect();
    assert_eq!(
        types,
        [
            "recording.in-progress",
            "recording.paused",
            "recording.in-progress",
            "recording.stopped",
            "recording.completed",
            "recording.deleted"
        ]
    );
    assert!(told[4]["recording"]["duration"].is_string(), "{}", told[4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_disk_took_of_a_recording_is_completed_and_why_there_is_no_more_is_told() {
    let home = TempDir::new().unwrap();
    // Sixteen tracks need 256 kB a second.
    let node = Process::start_cramped(&home, 1_024);
    let api = node.api(&home);
    let (mut alice, mut bob) = (Peer::udp(node.sip).await, Peer::udp(node.sip).await);
    alice.dial("conf-desk").await;
    bob.dial("conf-desk").await;
    alice.rtp.speak(700);
    bob.rtp.hears(700).await;
    let (_, found) = api.json("GET", "Conferences.json?Status=in-progress", "").await;
    let list = format!("Conferences/{}/Recordings", text(&found["conferences"][0]["sid"]));
    let mut begun = Vec::new();
    for tracks in ["multitrack", "mono"] {
        let (code, recording) =
            api.json("POST", &format!("{list}.json"), &format!("RecordingChannels={tracks}")).await;
        assert_eq!(code, 201, "{recording}");
        begun.push(format!("{list}/{}.json", text(&recording["sid"])));
    }
    let [large, small] = &begun[..] else { panic!("{begun:?}") };
    let cut = api.completed(large).await;
    assert_eq!((&cut["error_code"], &cut["channels"]), (&20_500.into(), &16.into()), "{cut}");
    let sound = sound_of(&api, &cut).await;
    assert_eq!(tones(&sound[0]), [700]);
    let seconds: usize = text(&cut["duration"]).parse().unwrap();
    assert_eq!(sound[0].len().div_ceil(8_000), seconds);

    // The other is not harmed by it, and the call neither.
    bob.rtp.hears(700).await;
    assert_eq!(api.json("GET", small, "").await.1["status"], "in-progress");
    assert_eq!(api.json("POST", small, "Status=stopped").await.1["status"], "stopped");
    let whole = api.completed(small).await;
    assert_eq!(whole["error_code"], Value::Null, "{whole}");
    assert!(sound_of(&api, &whole).await[0].len() > sound[0].len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_disappears_costs_what_was_in_it_and_is_told() {
    let (node, api) = node().await;
    let alice = Seated::speaking(&node, 700, "").await;
    let bob = Seated::new(&node, "").await;
    bob.peer.rtp.hears(700).await;
    let list = format!("Calls/{}/Recordings", alice.call);
    let (_, under_way) = api.json("POST", &format!("{list}.json"), "").await;
    bob.peer.rtp.next(60).await;
    let folder = node.data.path().join("recordings");
    fs::remove_dir_all(&folder).unwrap();
    let (_, begun) = api.json("POST", &format!("{list}.json"), "").await;
    bob.peer.rtp.next(60).await;
    // One ended by itself, as it could not be made.
    let path = |recording: &Value| format!("{list}/{}.json", text(&recording["sid"]));
    api.until(&path(&begun), "absent").await;
    assert_eq!(api.json("POST", &path(&under_way), "Status=stopped").await.1["status"], "stopped");
    for recording in [&under_way, &begun] {
        let absent = api.until(&path(recording), "absent").await;
        assert_eq!((&absent["error_code"], &absent["duration"]), (&20_500.into(), &Value::Null), "{absent}");
        let file = format!("Recordings/{}.wav", text(&recording["sid"]));
        assert_eq!(api.json("GET", &file, "").await.0, 404);
    }
    bob.peer.rtp.hears(700).await;

    fs::create_dir(&folder).unwrap();
    let (_, again) = api.json("POST", &format!("{list}.json"), "RecordingTrack=inbound").await;
    bob.peer.rtp.next(60).await;
    assert_eq!(api.json("POST", &path(&again), "Status=stopped").await.1["status"], "stopped");
    let sound = sound_of(&api, &again).await;
    assert!(loudest(&sound[0], 700.0) > THERE);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_come_when_all_sixteen_tracks_are_taken_share_the_last() {
    let (node, api) = node().await;
    let mut seated = vec![Seated::new(&node, "").await, Seated::new(&node, "").await];
    let list = seated[0].recordings();
    let (code, recording) = api.json("POST", &format!("{list}.json"), "RecordingChannels=multitrack").await;
    assert_eq!((code, &recording["channels"]), (201, &16.into()), "{recording}");
    while seated.len() < 18 {
        seated.push(Seated::new(&node, "").await);
    }
    for (who, hertz) in [(1, 1_900), (15, 700), (16, 1_100), (17, 1_500)] {
        seated[who].peer.rtp.speak(hertz);
        seated[0].peer.rtp.hears(hertz).await;
    }
    seated[0].peer.rtp.next(60).await;
    node.post(&format!("Conferences/{}.json", seated[0].conference), "Status=completed").await;

    let sound = sound_of(&api, &recording).await;
    let found: Vec<Vec<u32>> = sound.iter().map(|track| tones(track)).collect();
    let expected = |track: usize| match track {
        1 => vec![1_900],
        15 => vec![700, 1_100, 1_500],
        _ => Vec::new(),
    };
    assert_eq!(found, (0..16).map(expected).collect::<Vec<_>>());
    let manifest = node.data.path().join(format!("recordings/{}.json", text(&recording["sid"])));
    let manifest: Value = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    let calls: Vec<&str> = seated.iter().map(|seated| &*seated.call).collect();
    assert_eq!(manifest["labels"][14], calls[14]);
    assert_eq!(manifest["labels"][15], calls[15..].join(" "));
}
