//! Judges what agents said to their callers: whether it was heard, when marks came back, how soon a clear was silence.

use std::collections::HashMap;

use super::agent::Said;
use super::fault::StreamFault;
use super::judge::{Matter, Measured, Verdict};
use super::line::Hearing;
use super::sentences::HeardSentence;

/// A mark may be so far off the packet with the last sample before it.
const MARK_MAX_MS: f64 = 20.0;

/// So long behind a sentence's end its mark would be late by any measure.
const SETTLED_NS: i64 = 100_000_000;

/// What one agent said, against what its caller heard.
pub(super) fn judge(matter: &Matter<'_>, who: usize, verdict: &mut Verdict, measured: &mut Measured) {
    let (Some(agent), Hearing::Agent(ear)) = (&matter.stations[who].agent, &matter.lines[who].hearing) else {
        return;
    };
    let within = |times: &[i64]| {
        let within = times.iter().filter(|at_ns| matter.is_within(**at_ns) && !matter.is_excused(**at_ns));
        within.count()
    };
    let (altered, stray) = (within(ear.altered_ns()), within(ear.stray_ns()));
    if altered > 0 {
        verdict.find(who, StreamFault::AgentAltered, || format!("{altered} packets"));
    }
    if stray > 0 {
        verdict.find(who, StreamFault::AgentStray, || format!("{stray} packets"));
    }
    let heard: HashMap<usize, HeardSentence> =
        ear.sentences().into_iter().map(|heard| (heard.number, heard)).collect();
    for said in agent.said.iter().filter(|said| said.is_over) {
        let heard = heard.get(&said.sentence.number);
        if is_within(matter, said, heard) {
            sentence(who, said, heard, verdict, measured);
        }
    }
}

/// Whether all of it happened while it counts, with what belongs to its end: behind that all calls end at once.
fn is_within(matter: &Matter<'_>, said: &Said, heard: Option<&HeardSentence>) -> bool {
    let from_ns = heard.map(|heard| heard.first_ns).or(said.mark_ns).unwrap_or(matter.from_ns);
    let until_ns = heard.map_or(from_ns, |heard| heard.sound_ns);
    matter.is_within(from_ns) && matter.is_within(until_ns + SETTLED_NS)
}

fn sentence(
    who: usize,
    said: &Said,
    heard: Option<&HeardSentence>,
    verdict: &mut Verdict,
    measured: &mut Measured,
) {
    let number = said.sentence.number;
    verdict.streamed.sentences += 1;
    let Some(mark_ns) = said.mark_ns else {
        return verdict.find(who, StreamFault::MarkMissing, || format!("that of sentence {number}"));
    };
    let ms = |from_ns: i64, to_ns: i64| (to_ns - from_ns) as f64 / 1e6;
    let Some(heard) = heard else {
        return verdict.find(who, StreamFault::SentenceMissing, || format!("sentence {number}"));
    };
    if let Some(cleared_ns) = said.cleared_ns {
        verdict.streamed.sentences_heard += 1;
        measured.clear_to_silence.add(ms(cleared_ns, heard.sound_ns).max(0.0));
        measured.clear_to_mark.add(ms(cleared_ns, mark_ns));
        return;
    }
    if !heard.is_whole {
        let (len, of) = (heard.len, said.sentence.len);
        verdict.find(who, StreamFault::SentenceMissing, || {
            format!("{len} of {of} samples of sentence {number}")
        });
        return;
    }
    verdict.streamed.sentences_heard += 1;
    let off = ms(heard.last_ns, mark_ns);
    measured.mark_off.add(off.abs());
    if off.abs() > MARK_MAX_MS {
        let how = if off < 0.0 { "before" } else { "behind" };
        verdict.find(who, StreamFault::MarkOff, || format!("{:.1} ms {how} sentence {number}", off.abs()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::agent::Agent;
    use super::super::line::Line;
    use super::super::peer::Station;
    use super::super::round::{PACKET, Round, SILENCE};
    use super::super::told::StreamEar;
    use super::*;
    use crate::load::floor::recording::{clicking, two_voices};
    use crate::load::floor::truth::Who;

    const MS: i64 = 1_000_000;

    /// An agent says one sentence, from the beginning, and has its mark so many milliseconds after the packet with the end of
    /// it; the run goes on for so many milliseconds after that. What is found.
    fn judged(mark_ms: i64, until_ms: i64) -> Vec<StreamFault> {
        let round = Arc::new(Round::of(&clicking(two_voices(0)[0], 1, (5, Who(0)))));
        let line = Arc::new(Line::with_agent(Arc::clone(&round)));
        let mut agent = Agent::new(Arc::clone(&round), Arc::clone(&line), 1);
        agent.begin("MZ1".to_owned());
        agent.act();
        let sentence = agent.said[0].sentence;
        let packets = sentence.len.div_ceil(PACKET);
        let mut sound = round.part(sentence.start, sentence.len);
        sound.resize((packets + 1) * PACKET, SILENCE);
        if let Hearing::Agent(ear) = &mut line.notes().hearing {
            for (n, packet) in sound.chunks(PACKET).enumerate() {
                ear.hear(n as i64 * 20 * MS, packet);
            }
        }
        let end_ns = (packets as i64 - 1) * 20 * MS;
        agent.hear_mark("0", end_ns + mark_ms * MS);
        let station = Station { ear: StreamEar::new(Vec::new()), agent: Some(agent) };
        let notes = line.notes();
        let matter = Matter {
            rounds: &[],
            lines: vec![&*notes],
            stations: vec![&station],
            forks: 0,
            from_ns: 0,
            until_ns: end_ns + until_ms * MS,
            late_ns: &[],
        };
        let (mut verdict, mut measured) = (Verdict::default(), Measured::default());
        judge(&matter, 0, &mut verdict, &mut measured);
        verdict.faults.into_keys().collect()
    }

    #[test]
    fn a_mark_that_comes_a_frame_off_its_sound_is_named_unless_the_run_was_over_by_then() {
        assert_eq!(judged(19, 200), []);
        assert_eq!(judged(21, 200), [StreamFault::MarkOff]);
        assert_eq!(judged(-21, 200), [StreamFault::MarkOff]);
        assert_eq!(judged(90, 99), [], "calls were ending");
    }
}
