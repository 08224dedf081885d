//! Sums of frames. 32 bits hold 65,536 full-scale talkers, so a sum is exact and subtracting a talker's
//! own frame gives exactly the sum of the others.

/// Adds `frame` to `sum`.
pub fn add(sum: &mut [i32], frame: &[i16]) {
    for (s, &x) in sum.iter_mut().zip(frame) {
        *s += i32::from(x);
    }
}

/// Writes `sum` without `own` to `out`.
pub fn without(sum: &[i32], own: &[i16], out: &mut [i32]) {
    for ((o, &s), &x) in out.iter_mut().zip(sum).zip(own) {
        *o = s - i32::from(x);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_mix_without_a_talker_is_the_sum_of_the_others(
            frames in prop::collection::vec(prop::collection::vec(any::<i16>(), 160), 1..20),
            who in any::<prop::sample::Index>(),
        ) {
            let who = who.index(frames.len());
            let mut sum = vec![0; 160];
            let mut others = vec![0; 160];
            for (i, frame) in frames.iter().enumerate() {
                add(&mut sum, frame);
                if i != who {
                    add(&mut others, frame);
                }
            }
            let mut minus = vec![0; 160];
            without(&sum, &frames[who], &mut minus);
            prop_assert_eq!(minus, others);
        }
    }
}
