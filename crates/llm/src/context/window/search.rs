//! The search for the fewest turns to drop: which number to try next, by the counts so far. Pure numbers.

use super::super::tokens::Count;

/// Counts at most. Halving alone would take eighteen for the longest conversation that is accepted.
const COUNTS_MAX: u32 = 48;
/// Bytes of a message for one token, before anything is counted. Text has some four; JSON adds what templates add.
const BYTES_A_TOKEN: u64 = 4;
/// Counts after which every second one halves what is left, for proportions lead nowhere there.
const GUESSES: u32 = 4;

/// A number of turns to drop, and what was counted without them.
type Tried = (usize, Count);

/// What is known: the most turns dropped that were too few, the fewest that were enough.
#[derive(Debug)]
pub(super) struct Search<'s> {
    /// Bytes left for each number of turns dropped: falling.
    sizes: &'s [u64],
    wanted: u64,
    too_few: Option<Tried>,
    enough: Option<Tried>,
    counts: u32,
}

impl<'s> Search<'s> {
    pub(super) fn new(sizes: &'s [u64], wanted: u64) -> Self {
        Self { sizes, wanted, too_few: None, enough: None, counts: 0 }
    }

    /// Takes in a count.
    pub(super) fn learn(&mut self, dropped: usize, count: Count) {
        self.counts += 1;
        let is_enough = count.tokens <= self.wanted;
        *(if is_enough { &mut self.enough } else { &mut self.too_few }) = Some((dropped, count));
    }

    /// The number of turns to count without next; nothing when the answer is known.
    pub(super) fn next(&self) -> Option<usize> {
        let most = self.sizes.len() - 1;
        // Candidates lie in `from..to`.
        let from = self.too_few.map_or(0, |(dropped, _)| dropped + 1);
        let to = self.enough.map_or(most + 1, |(dropped, _)| dropped);
        if from >= to {
            return None;
        }
        if self.counts >= COUNTS_MAX {
            // What is known to be enough will do.
            return if self.enough.is_some() { None } else { Some(most) };
        }
        let halves = self.counts > GUESSES && !self.counts.is_multiple_of(2);
        let guess = match (self.too_few, self.enough) {
            (Some(_), _) if halves => from + (to - from) / 2,
            (Some(few), Some(enough)) => self.within(self.between(few, enough)),
            (Some((dropped, count)), None) => self.within(self.scaled(dropped, count)),
            (None, Some((dropped, count))) => {
                // What is kept at most doubles, so that no count is of much more than fits.
                let doubled = self.sizes[dropped].saturating_mul(2);
                self.within(if halves { doubled } else { self.scaled(dropped, count).min(doubled) })
            }
            (None, None) => self.within(self.wanted.saturating_mul(BYTES_A_TOKEN)),
        };
        Some(guess.clamp(from, to - 1))
    }

    /// The fewest turns that are enough; when none are, the most that can be dropped.
    pub(super) fn found(&self) -> Result<Tried, Tried> {
        let nothing = (0, Count { tokens: 0, exact: false });
        self.enough.ok_or(self.too_few.unwrap_or(nothing))
    }

    /// The fewest turns to drop so that at most so many bytes are left.
    fn within(&self, bytes: u64) -> usize {
        self.sizes.partition_point(|size| *size > bytes)
    }

    /// Bytes that would fit if tokens went with bytes.
    fn scaled(&self, dropped: usize, count: Count) -> u64 {
        let bytes = u128::from(self.sizes[dropped]) * u128::from(self.wanted) / u128::from(count.tokens.max(1));
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    /// Bytes that would fit if tokens went with bytes between two counts.
    fn between(&self, (few, many_tokens): Tried, (enough, few_tokens): Tried) -> u64 {
        let (large, small) = (self.sizes[few], self.sizes[enough]);
        let tokens = u128::from(many_tokens.tokens.saturating_sub(few_tokens.tokens).max(1));
        let room = u128::from(self.wanted.saturating_sub(few_tokens.tokens));
        let more = u128::from(large - small) * room / tokens;
        small.saturating_add(u64::try_from(more).unwrap_or(u64::MAX))
    }
}
