//! Chooses the slot for a new prompt so that as much of it as possible is already computed, by the same project.

/// A token id, as llama.cpp counts them.
pub type Token = i32;

/// Whose prompts these are. What was computed under one salt is never reused under another, so that nobody can tell by
/// time or by cached tokens what others have sent. Prompts that came without one share among themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Salt(Option<Box<[u8]>>);

impl Salt {
    /// The longest salt, in bytes.
    pub const LONGEST_BYTES: usize = 128;

    /// The salt of a request; `None` when it is too long.
    pub fn new(text: Option<&[u8]>) -> Option<Self> {
        match text {
            Some(text) if text.len() > Self::LONGEST_BYTES => None,
            text => Some(Self(text.map(Box::from))),
        }
    }
}

/// What the choice needs to know of a slot.
#[derive(Debug, Clone, Copy)]
pub struct SlotView<'a> {
    /// Whether nothing runs in it.
    pub idle: bool,
    /// The tokens whose keys and values it holds.
    pub cached: &'a [Token],
    /// Under which salt they were computed.
    pub salt: &'a Salt,
    /// When it was last used: larger is later.
    pub last_used: u64,
}

/// Where a prompt goes, and what it takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// The slot to run in.
    pub slot: usize,
    /// The slot whose keys and values it begins with; the same slot, or one to copy from.
    pub donor: usize,
    /// How many tokens of the prompt need not be computed.
    pub reused: usize,
}

/// Places `prompt`, which came with `salt`; `None` when no slot is idle.
///
/// Only slots of the same salt lend anything. The donor is the slot, running or idle, with the longest common prefix. An idle donor is continued in place when the
/// prompt covers at least half of what it holds (a conversation's next turn); otherwise the prefix is copied into the
/// slot that was idle longest, so that the donor's own conversation stays cached. At least the last token is always
/// computed again, since its logits are needed.
pub fn place(slots: &[SlotView<'_>], prompt: &[Token], salt: &Salt) -> Option<Placement> {
    let oldest = (0..slots.len())
        .filter(|&i| slots[i].idle)
        .min_by_key(|&i| (!slots[i].cached.is_empty(), slots[i].last_used))?;
    let common = |i: usize| {
        let held = if slots[i].salt == salt { slots[i].cached } else { &[] };
        common_prefix(held, prompt).min(prompt.len().saturating_sub(1))
    };
    // Among equals an idle slot is the better donor: it needs no copy.
    let donor = (0..slots.len()).max_by_key(|&i| (common(i), slots[i].idle, slots[i].last_used))?;
    let reused = common(donor);
    if reused == 0 {
        return Some(Placement { slot: oldest, donor: oldest, reused: 0 });
    }
    let continues = slots[donor].idle && reused * 2 >= slots[donor].cached.len();
    Some(Placement { slot: if continues { donor } else { oldest }, donor, reused })
}

fn common_prefix(a: &[Token], b: &[Token]) -> usize {
    a.iter().zip(b).take_while(|(x, y)| x == y).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NONE: &Salt = &Salt(None);

    fn idle(cached: &[Token], last_used: u64) -> SlotView<'_> {
        SlotView { idle: true, cached, salt: NONE, last_used }
    }

    fn place(slots: &[SlotView<'_>], prompt: &[Token]) -> Option<Placement> {
        super::place(slots, prompt, NONE)
    }

    fn salt(text: &str) -> Salt {
        Salt::new(Some(text.as_bytes())).expect("a short one")
    }

    #[test]
    fn another_salt_lends_nothing() {
        let (ours, theirs, empty, longer) = (salt("a"), salt("b"), salt(""), salt("aa"));
        let cached = [1, 2, 3, 4];
        let slot = |salt, idle, last_used| SlotView { idle, cached: &cached, salt, last_used };
        for other in [&theirs, NONE, &empty, &longer] {
            let slots = [slot(other, true, 9), slot(other, false, 5)];
            let placed = super::place(&slots, &cached, &ours).expect("an idle slot");
            assert_eq!(placed, Placement { slot: 0, donor: 0, reused: 0 }, "{other:?}");
            let placed = super::place(&[slot(&ours, true, 1)], &cached, other).expect("an idle slot");
            assert_eq!(placed.reused, 0, "{other:?}");
        }
        // The same one lends, from a running slot too.
        let slots = [slot(&theirs, true, 9), slot(&ours, false, 5)];
        assert_eq!(super::place(&slots, &cached, &ours), Some(Placement { slot: 0, donor: 1, reused: 3 }));
        assert_eq!(Salt::new(Some(&[b'x'; Salt::LONGEST_BYTES + 1])), None);
    }

    #[test]
    fn a_conversation_goes_on_where_it_was() {
        let slots = [idle(&[1, 2, 3], 5), idle(&[9, 9], 9)];
        assert_eq!(place(&slots, &[1, 2, 3, 4]), Some(Placement { slot: 0, donor: 0, reused: 3 }));
    }

    #[test]
    fn a_shared_beginning_is_copied_and_the_donor_kept() {
        let slots = [idle(&[1, 2, 3, 4, 5, 6, 7], 5), idle(&[], 0)];
        assert_eq!(place(&slots, &[1, 2, 8]), Some(Placement { slot: 1, donor: 0, reused: 2 }));
    }

    #[test]
    fn a_running_slot_lends_its_prefix() {
        let running = SlotView { idle: false, cached: &[1, 2, 3], salt: NONE, last_used: 7 };
        assert_eq!(place(&[running, idle(&[4], 1)], &[1, 2, 3, 9]), Some(Placement { slot: 1, donor: 0, reused: 3 }));
        assert_eq!(place(&[running], &[1, 2]), None);
    }

    #[test]
    fn the_last_token_is_computed_again() {
        assert_eq!(place(&[idle(&[1, 2], 0)], &[1, 2]), Some(Placement { slot: 0, donor: 0, reused: 1 }));
    }

    #[test]
    fn empty_slots_are_used_before_cached_ones() {
        let slots = [idle(&[5], 1), idle(&[], 9)];
        assert_eq!(place(&slots, &[7, 7]), Some(Placement { slot: 1, donor: 1, reused: 0 }));
    }

    proptest! {
        #[test]
        fn what_is_reused_is_what_the_donor_holds(
            caches in prop::collection::vec(
                (any::<bool>(), prop::collection::vec(0i32..3, 0..8), 0u64..9, 0_usize..3), 1..6),
            prompt in prop::collection::vec(0i32..3, 1..8),
            own in 0_usize..3,
        ) {
            let salts = [Salt(None), salt("a"), salt("b")];
            let slots: Vec<SlotView> = caches
                .iter()
                .map(|(idle, cached, last_used, of)| SlotView { idle: *idle, cached, salt: &salts[*of], last_used: *last_used })
                .collect();
            match super::place(&slots, &prompt, &salts[own]) {
                None => prop_assert!(slots.iter().all(|s| !s.idle)),
                Some(p) => {
                    prop_assert!(slots[p.slot].idle);
                    prop_assert!(p.reused < prompt.len());
                    prop_assert_eq!(&slots[p.donor].cached[..p.reused], &prompt[..p.reused]);
                    prop_assert!(p.reused == 0 || slots[p.donor].salt == &salts[own]);
                    let best = slots.iter().filter(|s| s.salt == &salts[own]).map(|s| common_prefix(s.cached, &prompt)).max().unwrap_or(0);
                    prop_assert_eq!(p.reused, best.min(prompt.len() - 1));
                }
            }
        }
    }
}
