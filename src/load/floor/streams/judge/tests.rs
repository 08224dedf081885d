//! A call of two whose streams and packets come as each test has it: what is measured is what was put in, and what is wrong is
//! named.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::super::line::{Arrival, Line};
use super::super::round::SILENCE;
use super::super::told::StreamEar;
use super::*;
use crate::load::floor::recording::{clicking, two_voices};
use crate::load::floor::truth::Who;

const MS: i64 = 1_000_000;
/// From when a packet leaves to when the other hears it, and from then to its message.
const HEARD_MS: i64 = 15;
const MESSAGE_MS: i64 = 3;
const PACKETS: usize = 200;

/// What is put into the messages of a track from the caller's own voice: of this number, for this place.
type Sound<'a> = &'a dyn Fn(usize, Vec<u8>) -> Vec<u8>;

fn rounds() -> Vec<Arc<Round>> {
    let of = |who| Arc::new(Round::of(&clicking(two_voices(0)[who], 1, (5, Who(who)))));
    vec![of(0), of(1)]
}

/// When the packet of this number leaves.
fn leaves(n: usize) -> i64 {
    (n as i64 + 50) * 20 * MS
}

/// A caller: when each packet left, and how the other's came.
fn line(other: &Arc<Round>) -> Line {
    let line = Line::with_partner(Arc::clone(other));
    let mut notes = line.notes();
    for n in 0..PACKETS {
        notes.sent_ns.push(leaves(n));
        let at_ns = leaves(n) + HEARD_MS * MS;
        notes.arrivals.push(Arrival { at_ns, sequence: n as u16 });
        if let Hearing::Partner(follower) = &mut notes.hearing {
            follower.hear(at_ns, &other.part(n * PACKET, PACKET));
        }
    }
    drop(notes);
    line
}

/// Its stream, with both voices.
fn station(own: &Arc<Round>, other: &Arc<Round>, sound: Sound<'_>) -> Station {
    let tracks = vec![("inbound", Arc::clone(own)), ("outbound", Arc::clone(other))];
    let mut ear = StreamEar::new(tracks);
    ear.connected();
    ear.hear(r#"{"event":"connected"}"#, 0);
    let format = json!({"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1});
    let start = json!({"tracks": ["inbound", "outbound"], "mediaFormat": format});
    let start = json!({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": start});
    ear.hear(&start.to_string(), 0);
    let mut sequence = 1;
    for n in 0..PACKETS {
        let at_ns = leaves(n) + (HEARD_MS + MESSAGE_MS) * MS;
        for (track, round) in [("inbound", own), ("outbound", other)] {
            sequence += 1;
            let payload = STANDARD.encode(sound(n, round.part(n * PACKET, PACKET)));
            let media = json!({"track": track, "chunk": (n + 1).to_string(),
                "timestamp": (n * 20).to_string(), "payload": payload});
            let message = json!({"event": "media", "sequenceNumber": sequence.to_string(),
                "media": media, "streamSid": "MZ1"});
            ear.hear(&message.to_string(), at_ns);
        }
    }
    let stop = json!({"event": "stop", "sequenceNumber": (sequence + 1).to_string(), "streamSid": "MZ1"});
    ear.hear(&stop.to_string(), i64::MAX);
    Station { ear, agent: None }
}

/// A call of two, of which the first one's stream has these sounds.
fn judged(sound: Sound<'_>, late_ns: &[i64]) -> Verdict {
    let rounds = rounds();
    let lines = [line(&rounds[1]), line(&rounds[0])];
    let stations = [station(&rounds[0], &rounds[1], sound), station(&rounds[1], &rounds[0], &|_, own| own)];
    let notes = lines.each_ref().map(Line::notes);
    judge(&Matter {
        rounds: &rounds,
        lines: notes.iter().map(|notes| &**notes).collect(),
        stations: stations.iter().collect(),
        forks: 2,
        from_ns: leaves(40),
        until_ns: leaves(PACKETS),
        late_ns,
    })
}

fn found(verdict: &Verdict) -> Vec<(StreamFault, &[usize])> {
    verdict.faults.iter().map(|(fault, (who, _))| (*fault, &who[..])).collect()
}

#[test]
fn times_are_those_between_what_left_what_was_heard_and_what_was_told() {
    let verdict = judged(&|_, own| own, &[]);
    assert_eq!(found(&verdict), []);
    let Streamed { said_to_message_ms, said_to_heard_ms, heard_to_message_ms, sounds, .. } = verdict.streamed;
    for (times, wanted) in [
        (said_to_message_ms, HEARD_MS + MESSAGE_MS),
        (said_to_heard_ms, HEARD_MS),
        (heard_to_message_ms, MESSAGE_MS),
    ] {
        assert!(times.count == sounds && sounds > 600, "{times:?}");
        let off = |ms: f64| (ms - wanted as f64).abs();
        assert!(off(times.p50) < 0.2 && off(times.max) < 0.2, "{times:?}");
    }
    assert!((verdict.streamed.messages_on_time_percent - 100.0).abs() < 1e-9);
}

#[test]
fn what_a_stream_carries_instead_is_named() {
    let other = rounds()[1].clone();
    let swapped = judged(&|n, _| other.part(n * PACKET, PACKET), &[]);
    assert_eq!(found(&swapped), [(StreamFault::ForeignVoice, &[0][..])]);
    assert!(swapped.faults[&StreamFault::ForeignVoice].1.starts_with("that of caller 1"));
    let silent = judged(&|n, own| if n > 100 { vec![SILENCE; PACKET] } else { own }, &[]);
    assert_eq!(found(&silent), [(StreamFault::SoundMissing, &[0][..])]);
    let altered = |n: usize, mut own: Vec<u8>| {
        own[80] ^= u8::from(n > 100 && n.is_multiple_of(10)) << 6;
        own
    };
    let verdict = judged(&altered, &[]);
    assert_eq!(found(&verdict), [(StreamFault::Altered, &[0][..])]);
    assert!(verdict.streamed.sounds_other >= 18, "{:?}", verdict.streamed);
    // Right behind packets of ours that were late.
    let late: Vec<i64> = (40..PACKETS).map(leaves).collect();
    let excused = judged(&altered, &late);
    assert_eq!((found(&excused), excused.streamed.sounds_other), (vec![], 0));
    assert!(excused.excused >= 18);
}
