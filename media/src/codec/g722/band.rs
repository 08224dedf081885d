//! One band of G.722: quantiser, step and predictor (§3.2-§3.7 and their arithmetic in §6.2).
//!
//! Numbers are 16 bits wide and saturate; they are kept in `i32` so that a product needs no conversion.
//! Factors are in units of 2^-15, coefficients of predictors in units of 2^-14.

/// What is different between the bands.
pub(super) struct Band {
    /// What a code stands for, in steps (units of 2^-15): of the lower band its upper four bits.
    outputs: [i32; 16],
    /// What a code does to the logarithm of the step.
    multipliers: [i32; 16],
    /// The logarithm of the greatest step.
    log_step_max: i32,
    /// Its step is the base 2 exponential at this many bits.
    step_bits: i32,
    /// The step at the beginning.
    step_at_start: i32,
}

impl Band {
    /// The difference that `code` stands for.
    pub(super) const fn difference(&self, code: usize, step: i32) -> i32 {
        scaled(step, self.outputs[code])
    }
}

/// The lower band's, by the upper four bits of the code (tables 9 and 14).
pub(super) static LOW: Band = low_band();

/// The upper band's (tables 10 and 15).
pub(super) static HIGH: Band = Band {
    outputs: first_four([-7_408, -1_616, 7_408, 1_616]),
    multipliers: first_four([798, -214, 798, -214]),
    log_step_max: 22_528,
    step_bits: 10,
    step_at_start: 8,
};

const fn first_four(values: [i32; 4]) -> [i32; 16] {
    let mut all = [0; 16];
    let mut i = 0;
    while i < values.len() {
        all[i] = values[i];
        i += 1;
    }
    all
}

/// Magnitudes of the lower band with four bits, by level, in steps of 2^-12.
const LEVELS_4: [i32; 8] = [0, 150, 323, 530, 786, 1_121, 1_612, 2_557];

/// What each of these levels does to the logarithm of the step.
const LOG_MULTIPLIERS: [i32; 8] = [-60, -30, 58, 172, 334, 538, 1_198, 3_042];

/// Codes 1-7 are negative, 8-14 positive, each from the greatest magnitude down; 0 and 15 stand for nothing.
const fn low_band() -> Band {
    let (mut outputs, mut multipliers) = ([0; 16], [LOG_MULTIPLIERS[0]; 16]);
    let mut level = 1;
    while level < LEVELS_4.len() {
        outputs[8 - level] = -8 * LEVELS_4[level];
        outputs[15 - level] = 8 * LEVELS_4[level];
        multipliers[8 - level] = LOG_MULTIPLIERS[level];
        multipliers[15 - level] = LOG_MULTIPLIERS[level];
        level += 1;
    }
    Band { outputs, multipliers, log_step_max: 18_432, step_bits: 8, step_at_start: 32 }
}

/// Between which magnitudes the six bits of the lower band decide, in steps of 2^-12.
const DECISIONS_6: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1_023, 1_121,
    1_219, 1_339, 1_458, 1_612, 1_765, 1_980, 2_195, 2_557, 2_919,
];

/// What they stand for, in steps of 2^-12.
const LEVELS_6: [i32; 30] = [
    17, 54, 91, 130, 170, 211, 254, 300, 347, 396, 447, 501, 558, 618, 682, 750, 822, 899, 982, 1_072, 1_170,
    1_279, 1_399, 1_535, 1_689, 1_873, 2_088, 2_376, 2_738, 3_101,
];

/// By all six bits, in steps of 2^-15. Codes 0-3 are never sent; a transmission error is heard as the least
/// negative one.
static OUTPUTS_6: [i32; 64] = outputs_of_six_bits();

const fn outputs_of_six_bits() -> [i32; 64] {
    let mut outputs = [-8 * LEVELS_6[0]; 64];
    let mut level = 0;
    while level < LEVELS_6.len() {
        outputs[low_code(level, true) as usize] = -8 * LEVELS_6[level];
        outputs[low_code(level, false) as usize] = 8 * LEVELS_6[level];
        level += 1;
    }
    outputs
}

/// The six bits of a level and sign (table 14): the two lowest negative ones are at the end of the scale.
const fn low_code(level: usize, is_negative: bool) -> u8 {
    match (is_negative, level) {
        (false, _) => 61 - level as u8,
        (true, 0 | 1) => 63 - level as u8,
        (true, _) => 33 - level as u8,
    }
}

/// The difference that all six bits stand for: finer than what the predictor learns from.
pub(super) fn low_difference(code: usize, step: i32) -> i32 {
    scaled(step, OUTPUTS_6[code])
}

/// Six bits for a difference of the lower band (QUANTL).
pub(super) fn quantise_low(difference: i32, step: i32) -> u8 {
    let magnitude = folded(difference);
    let level = DECISIONS_6.partition_point(|&decision| (decision * step) >> 12 <= magnitude);
    low_code(level, difference < 0)
}

/// The one decision of the upper band, in steps of 2^-12.
const DECISION_2: i32 = 564;

/// Two bits for a difference of the upper band (QUANTH).
pub(super) fn quantise_high(difference: i32, step: i32) -> u8 {
    let is_large = folded(difference) >= (DECISION_2 * step) >> 12;
    u8::from(difference >= 0) << 1 | u8::from(!is_large)
}

/// The magnitude, by complement rather than negation.
const fn folded(difference: i32) -> i32 {
    if difference < 0 { !difference } else { difference }
}

/// Base 2 exponentials of 32 fractions, in units of 2^-11 (table 13).
const EXPONENTIALS: [i32; 32] = [
    2_048, 2_093, 2_139, 2_186, 2_233, 2_282, 2_332, 2_383, 2_435, 2_489, 2_543, 2_599, 2_656, 2_714, 2_774,
    2_834, 2_896, 2_960, 3_025, 3_091, 3_158, 3_228, 3_298, 3_371, 3_444, 3_520, 3_597, 3_676, 3_756, 3_838,
    3_922, 4_008,
];

/// How large the quantiser's step is, and what the predictor expects.
#[derive(Clone)]
pub(super) struct Scaler {
    log_step: i32,
    step: i32,
    predictor: Predictor,
}

impl Scaler {
    pub(super) fn new(band: &Band) -> Self {
        Self { log_step: 0, step: band.step_at_start, predictor: Predictor::default() }
    }

    /// As some other implementations start.
    #[cfg(test)]
    pub(super) const fn start_without_step(&mut self) {
        self.step = 0;
    }

    pub(super) const fn step(&self) -> i32 {
        self.step
    }

    /// How far `sample` is from what was expected (SUBTRA).
    pub(super) fn difference_from(&self, sample: i32) -> i32 {
        saturated(sample - self.predictor.expected)
    }

    /// What a decoded difference makes of the expectation (RECONS).
    pub(super) fn reconstruct(&self, difference: i32) -> i32 {
        saturated(self.predictor.expected + difference)
    }

    /// Learns from a code that was sent or received (LOGSCL, SCALEL, LOGSCH, SCALEH).
    pub(super) fn adapt(&mut self, band: &Band, code: usize) {
        self.predictor.learn(band.difference(code, self.step));
        let leaked = (self.log_step * 127) >> 7;
        self.log_step = (leaked + band.multipliers[code]).clamp(0, band.log_step_max);
        let fraction = EXPONENTIALS[(self.log_step >> 6 & 31) as usize];
        let down = band.step_bits - (self.log_step >> 11);
        self.step = if down < 0 { fraction << -down } else { fraction >> down } << 2;
    }
}

/// Two poles and six zeros that adapt sample by sample.
#[derive(Clone, Default)]
struct Predictor {
    /// Coefficients of the poles, and of the zeros.
    poles: [i32; 2],
    zeros: [i32; 6],
    /// What was reconstructed, and what of it is not from the poles; the latest first.
    reconstructed: [i32; 2],
    partial: [i32; 2],
    /// Quantised differences, the latest first.
    differences: [i32; 6],
    /// What the zeros make of the next sample, and what both do.
    from_zeros: i32,
    expected: i32,
}

impl Predictor {
    fn learn(&mut self, difference: i32) {
        let reconstructed = saturated(self.expected + difference);
        let partial = saturated(self.from_zeros + difference);
        self.adapt_zeros(difference);
        self.adapt_poles(partial);
        self.differences.copy_within(..5, 1);
        self.differences[0] = difference;
        self.reconstructed = [reconstructed, self.reconstructed[0]];
        self.partial = [partial, self.partial[0]];
        self.expect();
    }

    /// UPZERO: each coefficient leaks, and moves towards the sign that would have been right.
    fn adapt_zeros(&mut self, difference: i32) {
        let gain = if difference == 0 { 0 } else { 128 };
        for (zero, &past) in self.zeros.iter_mut().zip(&self.differences) {
            let towards = if same_sign(past, difference) { gain } else { -gain };
            *zero = saturated(scaled(*zero, 32_640) + towards);
        }
    }

    /// UPPOL2 and UPPOL1: the second coefficient first, because it limits how far the first may go.
    fn adapt_poles(&mut self, partial: i32) {
        let [first, second] = self.poles;
        let four_firsts = saturated(first << 2);
        let like_last = same_sign(partial, self.partial[0]);
        let from_first = if like_last { saturated(-four_firsts) } else { four_firsts } >> 7;
        let towards = if same_sign(partial, self.partial[1]) { 128 } else { -128 };
        let second = saturated(from_first + towards + scaled(second, 32_512)).clamp(-12_288, 12_288);

        let towards = if like_last { 192 } else { -192 };
        let limit = 15_360 - second;
        self.poles = [saturated(scaled(first, 32_640) + towards).clamp(-limit, limit), second];
    }

    /// FILTEZ, FILTEP and PREDIC. Every sum saturates, as the Recommendation's does: in this order.
    fn expect(&mut self) {
        let term = |(&coefficient, &value): (&i32, &i32)| scaled(coefficient, saturated(value * 2));
        let zeros = self.zeros.iter().zip(&self.differences).rev();
        self.from_zeros = zeros.map(term).fold(0, |sum, term| saturated(sum + term));
        let poles = self.poles.iter().zip(&self.reconstructed);
        let from_poles = poles.map(term).fold(0, |sum, term| saturated(sum + term));
        self.expected = saturated(from_poles + self.from_zeros);
    }
}

/// Zero counts as positive.
const fn same_sign(a: i32, b: i32) -> bool {
    (a < 0) == (b < 0)
}

const fn scaled(value: i32, factor: i32) -> i32 {
    (value * factor) >> 15
}

fn saturated(value: i32) -> i32 {
    value.clamp(i16::MIN.into(), i16::MAX.into())
}
