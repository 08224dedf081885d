//! Sequence numbers: 16 bits that wrap (RFC 3550 §5.1), and the same counted on (appendix A.1).

/// The sequence number of an RTP packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SequenceNumber(pub u16);

impl SequenceNumber {
    /// The number after this one.
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// The number before this one.
    pub const fn previous(self) -> Self {
        Self(self.0.wrapping_sub(1))
    }

    /// How far this number is after `other`, the shorter way around; negative if it is before.
    /// Exactly half the circle apart counts as before.
    pub const fn distance_from(self, other: Self) -> i16 {
        self.0.wrapping_sub(other.0) as i16
    }

    /// Whether this number comes after `other`, the shorter way around.
    pub const fn is_after(self, other: Self) -> bool {
        self.distance_from(other) > 0
    }
}

/// A sequence number that does not wrap: the count of its wraps above, the number below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtendedSequence(u64);

impl ExtendedSequence {
    /// The first number seen. One wrap is counted ahead, so that packets from before it have a place.
    pub const fn first(number: SequenceNumber) -> Self {
        Self(1 << 16 | number.0 as u64)
    }

    /// The extended number nearest to this one that ends in `number`.
    pub const fn nearest(self, number: SequenceNumber) -> Self {
        let distance = number.distance_from(self.number());
        Self(self.0.saturating_add_signed(distance as i64))
    }

    /// The number as it is on the wire.
    pub const fn number(self) -> SequenceNumber {
        SequenceNumber(self.0 as u16)
    }

    /// The whole count.
    pub const fn value(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_takes_the_shorter_way_around() {
        let (low, high) = (SequenceNumber(3), SequenceNumber(65_534));
        assert_eq!(low.distance_from(high), 5);
        assert_eq!(high.distance_from(low), -5);
        assert!(low.is_after(high));
        assert!(!high.is_after(low));
        assert!(!low.is_after(low));
        assert_eq!(SequenceNumber(u16::MAX).next(), SequenceNumber(0));
        assert_eq!(SequenceNumber(0).previous(), SequenceNumber(u16::MAX));
    }

    #[test]
    fn extended_numbers_count_on_through_wraps_in_both_directions() {
        let first = ExtendedSequence::first(SequenceNumber(65_535));
        let next = first.nearest(SequenceNumber(0));
        assert_eq!(next.value(), first.value() + 1);
        assert_eq!(next.nearest(SequenceNumber(65_530)).value(), first.value() - 5);
        let mut at = first;
        for step in 1..200_000u64 {
            at = at.nearest(at.number().next());
            assert_eq!(at.value(), first.value() + step);
        }
    }
}
