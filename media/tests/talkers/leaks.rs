//! What a supervisor says to nobody, or to one agent alone, does not reach the customer: not in a bit of what they are
//! sent, whatever the two speak and whatever was agreed before.

use confab_media::{Ask, Audience, Codec, Hearing, LegId, LegSet};

use super::sound::Sound;
use super::stage::{SECOND, Stage};

const CUSTOMER: u64 = 0;
const AGENT: u64 = 1;
const SUPERVISOR: u64 = 2;

/// How a supervisor sits who is not to be heard by the customer.
fn modes() -> [(&'static str, Audience, Hearing); 3] {
    let agent = LegSet::new(&[LegId(AGENT)]).unwrap();
    [
        ("listens in", Audience::Nobody, Hearing::Conference),
        ("coaches", Audience::Only(agent), Hearing::Conference),
        ("is on hold", Audience::Nobody, Hearing::Played),
    ]
}

/// All that the customer is sent in two seconds, in which the agent speaks throughout.
fn heard(codecs: [Codec; 2], (_, audience, hearing): (&str, Audience, Hearing), says: Sound) -> Vec<Vec<u8>> {
    let mut stage = Stage::new(0);
    for codec in [codecs[0], Codec::Pcmu, codecs[1]] {
        stage.add(codec);
    }
    stage.ask(Ask::SetAudience(LegId(SUPERVISOR), audience)).unwrap();
    stage.ask(Ask::SetHearing(LegId(SUPERVISOR), hearing)).unwrap();
    stage.says(AGENT, Sound::Tone(1_100.0, 6_000.0));
    stage.run(SECOND / 2);
    stage.says(SUPERVISOR, says);
    let mut heard = Vec::new();
    for _ in 0..2 * SECOND {
        stage.run(1);
        heard.push(stage.far_ends[CUSTOMER as usize].heard.clone());
    }
    heard
}

#[test]
fn the_customer_is_sent_the_same_to_the_bit_whether_the_supervisor_speaks_or_not() {
    for customer in Codec::ALL {
        for supervisor in Codec::ALL {
            for mode in modes() {
                let codecs = [customer, supervisor];
                let loud = heard(codecs, mode, Sound::Tone(1_500.0, 20_000.0));
                let silent = heard(codecs, mode, Sound::Silence);
                assert!(loud == silent, "one of {supervisor:?} who {} is heard in {customer:?}", mode.0);
            }
        }
    }
}

#[test]
fn the_ear_of_these_tests_hears_a_supervisor_who_joins_the_talk() {
    let joins = ("joins", Audience::Everyone, Hearing::Conference);
    for codec in Codec::ALL {
        let loud = heard([codec; 2], joins, Sound::Tone(1_500.0, 20_000.0));
        assert!(loud != heard([codec; 2], joins, Sound::Silence), "{codec:?}");
    }
}
