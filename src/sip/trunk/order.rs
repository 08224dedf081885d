//! In which order trunks are tried (RFC 2782): those of the lowest priority first, among them by lot, with chances as
//! their weights are. Those that failed a moment ago come after all others.

/// What decides about a trunk's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) priority: u16,
    /// Nothing but 0 is left to those who have 0: they come last in their priority, as they stand.
    pub(super) weight: u16,
    /// It failed a moment ago.
    pub(super) is_failing: bool,
}

/// The places of the candidates, in the order in which they are tried. `draw(n)` gives a number below `n`, which is not 0.
pub(super) fn order(candidates: &[Candidate], mut draw: impl FnMut(u32) -> u32) -> Vec<usize> {
    let mut left: Vec<usize> = (0..candidates.len()).collect();
    left.sort_by_key(|&place| (candidates[place].is_failing, candidates[place].priority));
    let mut ordered = Vec::with_capacity(left.len());
    while let Some(&first) = left.first() {
        let group = |place: usize| (candidates[place].is_failing, candidates[place].priority);
        let size = left.iter().take_while(|&&place| group(place) == group(first)).count();
        let taken = by_weight(&left[..size], candidates, &mut draw);
        ordered.push(left.remove(taken));
    }
    ordered
}

/// Which of a group is next.
fn by_weight(group: &[usize], candidates: &[Candidate], draw: &mut impl FnMut(u32) -> u32) -> usize {
    // At most 64 trunks of 65,535 each.
    let weight = |place: &usize| u32::from(candidates[*place].weight);
    let sum: u32 = group.iter().map(weight).sum();
    if sum == 0 {
        return 0;
    }
    let mut drawn = draw(sum);
    let is_taken = |place: &usize| {
        let taken = drawn < weight(place);
        drawn = drawn.saturating_sub(weight(place));
        taken
    };
    group.iter().position(is_taken).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn candidate(priority: u16, weight: u16) -> Candidate {
        Candidate { priority, weight, is_failing: false }
    }

    #[test]
    fn among_equals_each_is_first_as_often_as_its_weight_says() {
        let candidates = [candidate(1, 3), candidate(1, 0), candidate(1, 1), candidate(0, 9)];
        let mut first = [0; 4];
        for lot in 0..4 {
            let tried = order(&candidates, |most| lot % most);
            assert_eq!((tried[0], tried[3]), (3, 1));
            first[tried[1]] += 1;
        }
        assert_eq!(first, [3, 0, 1, 0]);
    }

    fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
        let one = (0u16..3, 0u16..5, any::<bool>());
        let one = one.prop_map(|(priority, weight, is_failing)| Candidate { priority, weight, is_failing });
        proptest::collection::vec(one, 0..8)
    }

    proptest! {
        #[test]
        fn everyone_is_tried_once_the_failing_last_and_lower_priorities_first(
            candidates in candidates(), lots in proptest::collection::vec(any::<u32>(), 8),
        ) {
            let mut lots = lots.into_iter();
            let tried = order(&candidates, |most| lots.next().unwrap_or(0) % most);
            let mut all = tried.clone();
            all.sort_unstable();
            prop_assert_eq!(all, (0..candidates.len()).collect::<Vec<_>>());
            let group = |place: &usize| (candidates[*place].is_failing, candidates[*place].priority);
            prop_assert!(tried.iter().map(group).is_sorted());
            let without = |place: &usize| (group(place), candidates[*place].weight == 0);
            prop_assert!(tried.iter().map(without).is_sorted(), "weight 0 is last among equals");
        }
    }
}
