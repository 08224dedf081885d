//! Two lists as one page: what the model holds, and what the store does.

use crate::call::view::{Page, PageRequest};

/// What of the stored list a page needs, if `held` items come from elsewhere: how many are passed over, and how many are
/// read.
///
/// At most `held` of the items before the page are not stored ones, so at least the rest of them is.
pub(super) fn stored_part(request: PageRequest, held: usize) -> (usize, usize) {
    let before = request.page.saturating_mul(request.size);
    let skipped = before.saturating_sub(held);
    (skipped, (before - skipped).saturating_add(request.size).saturating_add(1))
}

/// The page that `request` asks for, of two lists in the order of `key`, the largest first, that have nothing in common.
///
/// `held` is the first list from its beginning, as far as a page may need it; `stored` is the second from `skipped` on.
/// Items of `held` that belong among those that were passed over are taken for earlier than they are, but never for as
/// early as the page: so the page is right.
pub(super) fn merged<T, K: Ord>(
    held: Vec<T>,
    stored: Vec<T>,
    skipped: usize,
    request: PageRequest,
    key: impl Fn(&T) -> K,
) -> Page<T> {
    let before = request.page.saturating_mul(request.size).saturating_sub(skipped);
    let mut all: Vec<T> = held.into_iter().chain(stored).collect();
    // Both are in order: this finds the two runs and merges them.
    all.sort_by_key(|item| std::cmp::Reverse(key(item)));
    let mut rest = all.into_iter().skip(before);
    let items = rest.by_ref().take(request.size).collect();
    Page { items, request, more: rest.next().is_some() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_page_is_that_of_both_lists_as_one(
            items in proptest::collection::btree_map(0_u32..2_000, any::<bool>(), 0..200),
            page in 0_usize..30,
            size in 1_usize..20,
        ) {
            let request = PageRequest { page, size };
            let of = |wanted: bool| {
                items.iter().rev().filter(move |(_, is)| **is == wanted).map(|(item, _)| *item)
            };
            let (held, stored): (Vec<u32>, Vec<u32>) = (of(true).collect(), of(false).collect());
            let (skipped, limit) = stored_part(request, held.len());
            let stored = stored.into_iter().skip(skipped).take(limit).collect();
            let first = held.into_iter().take((page + 1) * size + 1).collect();
            let found = merged(first, stored, skipped, request, |item| *item);

            let mut rest = items.keys().rev().copied().skip(page * size);
            let expected: Vec<u32> = rest.by_ref().take(size).collect();
            prop_assert_eq!(found.items, expected);
            prop_assert_eq!(found.more, rest.next().is_some());
        }
    }
}
