//! A text cut into neighbouring pieces that are joined two by two: a linked list in a vector.

use std::ops::Range;

/// The pieces of a text, in order.
#[derive(Debug)]
pub(in crate::context::tokens) struct Chain(Vec<Link>);

/// Places in a text of less than 4 GB: sixteen bytes a character, for texts can be long.
#[derive(Debug, Clone, Copy)]
struct Link {
    start: u32,
    /// Zero when the piece was joined to the one before.
    bytes: u32,
    before: u32,
    after: u32,
}

const NONE: u32 = u32::MAX;
/// Longest text that is cut: its places fit, and memory stays within bounds.
pub(in crate::context::tokens) const TEXT_MAX_BYTES: usize = 4 << 20;

impl Chain {
    /// A piece for each character. The text has [`TEXT_MAX_BYTES`] at most.
    pub(in crate::context::tokens) fn of_characters(text: &str) -> Self {
        let mut links: Vec<Link> = Vec::new();
        for (start, character) in text.char_indices() {
            let place = links.len() as u32;
            let bytes = character.len_utf8() as u32;
            links.push(Link { start: start as u32, bytes, before: place.wrapping_sub(1), after: place + 1 });
        }
        if let Some(last) = links.last_mut() {
            last.after = NONE;
        }
        Self(links)
    }

    pub(in crate::context::tokens) fn len(&self) -> u32 {
        self.0.len() as u32
    }

    fn at(&self, piece: u32) -> Link {
        self.0[piece as usize]
    }

    /// Whether both pieces are still there and have that many bytes together.
    pub(in crate::context::tokens) fn holds(&self, left: u32, right: u32, bytes: u32) -> bool {
        let (l, r) = (self.at(left), self.at(right));
        l.bytes > 0 && r.bytes > 0 && l.after == right && l.bytes + r.bytes == bytes
    }

    /// Joins `right` to `left`.
    pub(in crate::context::tokens) fn join(&mut self, left: u32, right: u32) {
        let Link { bytes, after, .. } = self.at(right);
        self.0[right as usize].bytes = 0;
        self.0[left as usize].bytes += bytes;
        self.0[left as usize].after = after;
        if after != NONE {
            self.0[after as usize].before = left;
        }
    }

    pub(in crate::context::tokens) fn before(&self, piece: u32) -> Option<u32> {
        Some(self.at(piece).before).filter(|before| *before != NONE)
    }

    pub(in crate::context::tokens) fn after(&self, piece: u32) -> Option<u32> {
        Some(self.at(piece).after).filter(|after| *after != NONE)
    }

    /// Where two neighbours stand, taken together.
    pub(in crate::context::tokens) fn joined_range(&self, left: u32, right: u32) -> Range<usize> {
        let (l, r) = (self.at(left), self.at(right));
        l.start as usize..(r.start + r.bytes) as usize
    }

    /// Where the pieces stand.
    pub(in crate::context::tokens) fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.0.iter().filter(|link| link.bytes > 0).map(|link| link.start as usize..(link.start + link.bytes) as usize)
    }
}
