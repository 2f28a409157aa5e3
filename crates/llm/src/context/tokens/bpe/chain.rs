//! A text cut into neighbouring pieces that are joined two by two: a linked list in a vector.

use std::ops::Range;

/// The pieces of a text, in order.
#[derive(Debug)]
pub(in crate::context::tokens) struct Chain(Vec<Link>);

#[derive(Debug, Clone, Copy)]
struct Link {
    start: usize,
    /// Zero when the piece was joined to the one before.
    bytes: usize,
    before: usize,
    after: usize,
}

const NONE: usize = usize::MAX;

impl Chain {
    /// A piece for each character.
    pub(in crate::context::tokens) fn of_characters(text: &str) -> Self {
        let count = text.chars().count();
        let link = |(index, (start, character)): (usize, (usize, char))| Link {
            start,
            bytes: character.len_utf8(),
            before: index.checked_sub(1).unwrap_or(NONE),
            after: if index + 1 < count { index + 1 } else { NONE },
        };
        Self(text.char_indices().enumerate().map(link).collect())
    }

    pub(in crate::context::tokens) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether both pieces are still there and have that many bytes together.
    pub(in crate::context::tokens) fn holds(&self, left: usize, right: usize, bytes: usize) -> bool {
        let (l, r) = (self.0[left], self.0[right]);
        l.bytes > 0 && r.bytes > 0 && l.after == right && l.bytes + r.bytes == bytes
    }

    /// Joins `right` to `left`.
    pub(in crate::context::tokens) fn join(&mut self, left: usize, right: usize) {
        let Link { bytes, after, .. } = self.0[right];
        self.0[right].bytes = 0;
        self.0[left].bytes += bytes;
        self.0[left].after = after;
        if after != NONE {
            self.0[after].before = left;
        }
    }

    pub(in crate::context::tokens) fn before(&self, piece: usize) -> Option<usize> {
        Some(self.0[piece].before).filter(|before| *before != NONE)
    }

    pub(in crate::context::tokens) fn after(&self, piece: usize) -> Option<usize> {
        Some(self.0[piece].after).filter(|after| *after != NONE)
    }

    /// Where two neighbours stand, taken together.
    pub(in crate::context::tokens) fn joined_range(&self, left: usize, right: usize) -> Range<usize> {
        let (l, r) = (self.0[left], self.0[right]);
        l.start..r.start + r.bytes
    }

    /// Where the pieces stand.
    pub(in crate::context::tokens) fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.0.iter().filter(|link| link.bytes > 0).map(|link| link.start..link.start + link.bytes)
    }
}
