//! The quadrature mirror filters of G.722 (§3.1, §4.4, table 11): 16 kHz into two bands of 8 kHz and back.

/// Every other one of the 24 coefficients, in units of 2^-13; the filter is symmetric, so the ones between are
/// the same in the opposite order.
const COEFFICIENTS: [i16; 12] = [3, -11, 12, 32, -210, 951, 3_876, -805, 362, -156, 53, -11];

/// How much later than into the encoder a sample comes out of the decoder: each of the two filters of 24
/// coefficients delays by half its length, less the one sample that joining gains.
pub(in crate::codec) const DELAY: usize = 22;

/// The last 12 pairs of samples, oldest first: in a pair, the earlier one and the later one.
#[derive(Clone, Default)]
pub(super) struct Qmf {
    earlier: [i16; 12],
    later: [i16; 12],
}

impl Qmf {
    /// Takes two samples; gives one of the lower band and one of the upper, of 15 bits each.
    pub(super) fn split(&mut self, pair: [i16; 2]) -> (i32, i32) {
        let (earlier, later) = self.filter(pair);
        (limit((later + earlier) >> 14), limit((later - earlier) >> 14))
    }

    /// Takes one sample of each band, of 15 bits; gives two.
    pub(super) fn join(&mut self, low: i32, high: i32) -> [i16; 2] {
        let (sum, difference) = (limit(low) + limit(high), limit(low) - limit(high));
        let (earlier, later) = self.filter([sum as i16, difference as i16]);
        [saturated(later >> 11), saturated(earlier >> 11)]
    }

    fn filter(&mut self, [earlier, later]: [i16; 2]) -> (i32, i32) {
        self.earlier.copy_within(1.., 0);
        self.later.copy_within(1.., 0);
        (self.earlier[11], self.later[11]) = (earlier, later);
        let forwards = COEFFICIENTS.iter().zip(&self.earlier);
        let backwards = COEFFICIENTS.iter().rev().zip(&self.later);
        let product = |(&c, &x): (&i16, &i16)| i32::from(c) * i32::from(x);
        (forwards.map(product).sum(), backwards.map(product).sum())
    }
}

/// Holds a sample of a band in 15 bits (LIMIT).
fn limit(sample: i32) -> i32 {
    sample.clamp(-16_384, 16_383)
}

fn saturated(sample: i32) -> i16 {
    sample.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}
