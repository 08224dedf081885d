//! Losses that follow each other are one burst: the E-model wants to know how long they are (ITU-T G.107 §7.5).

/// Counts runs of packets that were not played.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LossBursts {
    bursts: u64,
    in_burst: bool,
}

impl LossBursts {
    /// Takes note of whether the next packet in order was played. Where nothing was sent nothing is to be
    /// noted.
    pub(super) fn note(&mut self, played: bool) {
        self.bursts += u64::from(!played && !self.in_burst);
        self.in_burst = !played;
    }

    /// Runs so far.
    pub(super) const fn count(&self) -> u64 {
        self.bursts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_losses_are_counted_once_each() {
        let mut bursts = LossBursts::default();
        [true, false, false, true, false, true, true].iter().for_each(|&played| bursts.note(played));
        assert_eq!(bursts.count(), 2);
    }
}
