//! Judges what agents said to their callers: whether it was heard, when marks came back, how soon a clear was silence.

use std::collections::HashMap;

use super::agent::Said;
use super::fault::StreamFault;
use super::judge::{Matter, Measured, Verdict};
use super::line::Hearing;
use super::sentences::HeardSentence;

/// A mark may be so far off the packet with the last sample before it.
const MARK_MAX_MS: f64 = 20.0;

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
        let at_ns = heard.map(|heard| heard.first_ns).or(said.mark_ns).unwrap_or(matter.from_ns);
        if matter.is_within(at_ns) {
            sentence(who, said, heard, verdict, measured);
        }
    }
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
