//! Control tokens: they are cut out of a text before anything else looks at it, the longest first.

use aho_corasick::AhoCorasick;

use crate::context::budget::{Budget, Exhausted};

/// Token types of the GGUF specification that are matched as a whole: unknown, control, user-defined.
const MATCHED_TYPES: [f64; 3] = [2.0, 3.0, 4.0];
/// The type of control tokens.
const CONTROL: f64 = 3.0;
/// Most bytes of all such tokens together. The largest vocabularies have some 100 kB.
const TEXTS_MAX_BYTES: usize = 1 << 20;
/// Units for one place where one of them stands.
const PLACE_UNITS: u64 = 64;

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Text(&'t str),
    Special(u32),
}

/// The tokens that are matched as a whole, the longest first.
#[derive(Debug, Default)]
pub(super) struct SpecialTokens {
    ids: Vec<u32>,
    search: Option<AhoCorasick>,
}

impl SpecialTokens {
    /// Those of `tokens` whose type says so; nothing when they are too long together.
    pub(super) fn new(tokens: &[String], types: &[f64]) -> Option<Self> {
        let special = tokens
            .iter()
            .zip(types)
            .enumerate()
            .filter(|(_, (text, kind))| !text.is_empty() && MATCHED_TYPES.contains(kind));
        let mut special: Vec<_> =
            special.filter_map(|(id, (text, _))| Some((u32::try_from(id).ok()?, text.as_str()))).collect();
        if special.iter().map(|(_, text)| text.len()).sum::<usize>() > TEXTS_MAX_BYTES {
            return None;
        }
        if special.is_empty() {
            return Some(Self::default());
        }
        // A stable sort: among tokens of one length the order of the vocabulary decides.
        special.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
        let search = AhoCorasick::new(special.iter().map(|(_, text)| text)).ok()?;
        Some(Self { ids: special.into_iter().map(|(id, _)| id).collect(), search: Some(search) })
    }

    /// `text`, cut at its special tokens: the longest wherever they stand, then the next, in what is left.
    pub(super) fn split<'t>(&self, text: &'t str, budget: &Budget) -> Result<Vec<Piece<'t>>, Exhausted> {
        let mut pieces = Vec::new();
        let mut done = 0;
        for (start, end, id) in self.places(text, budget)? {
            pieces.extend(Some(&text[done..start]).filter(|text| !text.is_empty()).map(Piece::Text));
            pieces.push(Piece::Special(id));
            done = end;
        }
        pieces.extend(Some(&text[done..]).filter(|text| !text.is_empty()).map(Piece::Text));
        Ok(pieces)
    }

    /// Where they stand, in order, without overlap.
    fn places(&self, text: &str, budget: &Budget) -> Result<Vec<(usize, usize, u32)>, Exhausted> {
        let Some(search) = &self.search else { return Ok(Vec::new()) };
        budget.charge(text.len() as u64)?;
        let mut found = Vec::new();
        for place in search.find_overlapping_iter(text) {
            budget.charge(PLACE_UNITS)?;
            found.push((place.pattern().as_usize(), place.start(), place.end()));
        }
        // By rank, and from the left.
        found.sort_unstable();
        let mut taken = vec![false; if found.is_empty() { 0 } else { text.len() }];
        let mut places = Vec::new();
        for (rank, start, end) in found {
            // What is taken is never shorter than this: it would cover one of its ends.
            if taken[start] || taken[end - 1] {
                continue;
            }
            taken[start..end].fill(true);
            places.push((start, end, self.ids[rank]));
        }
        places.sort_unstable();
        Ok(places)
    }
}

/// The texts of the control tokens among `tokens`.
pub(super) fn control_texts<'t>(tokens: &'t [String], types: &'t [f64]) -> impl Iterator<Item = &'t str> {
    tokens.iter().zip(types).filter(|(_, kind)| **kind == CONTROL).map(|(text, _)| text.as_str())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule as llama.cpp has it: one token after the other, each wherever it stands in what is left.
    fn one_after_the_other<'t>(tokens: &[String], text: &'t str) -> Vec<Piece<'t>> {
        let mut order: Vec<usize> = (0..tokens.len()).collect();
        order.sort_by_key(|id| std::cmp::Reverse(tokens[*id].len()));
        let mut pieces = if text.is_empty() { vec![] } else { vec![Piece::Text(text)] };
        for id in order {
            let mut cut = Vec::new();
            for piece in pieces {
                let Piece::Text(text) = piece else {
                    cut.push(piece);
                    continue;
                };
                for (place, part) in text.split(tokens[id].as_str()).enumerate() {
                    cut.extend((place > 0).then_some(Piece::Special(id as u32)));
                    cut.extend((!part.is_empty()).then_some(Piece::Text(part)));
                }
            }
            pieces = cut;
        }
        pieces
    }

    proptest! {
        #[test]
        fn the_longest_goes_first_everywhere(
            tokens in proptest::collection::vec("[ab<>]{1,4}", 1..6), text in "[ab<>ä]{0,40}",
        ) {
            let types = vec![3.0; tokens.len()];
            let special = SpecialTokens::new(&tokens, &types).expect("few");
            prop_assert_eq!(special.split(&text, &Budget::of(1 << 20)).expect("enough"), one_after_the_other(&tokens, &text));
        }
    }

    #[test]
    fn tokens_within_tokens_end_with_the_budget() {
        let tokens: Vec<String> = (1..1_000).map(|length| "a".repeat(length)).collect();
        let special = SpecialTokens::new(&tokens, &vec![3.0; tokens.len()]).expect("half a megabyte");
        assert_eq!(special.split(&"a".repeat(1 << 20), &Budget::of(1 << 26)), Err(Exhausted::Spent));
    }
}
