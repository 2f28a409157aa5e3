//! Control tokens: they are cut out of a text before anything else looks at it, the longest first.

use memchr::memmem;

/// Token types of the GGUF specification that are matched as a whole: unknown, control, user-defined.
const MATCHED_TYPES: [f64; 3] = [2.0, 3.0, 4.0];

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Text(&'t str),
    Special(u32),
}

/// The tokens that are matched as a whole, the longest first.
#[derive(Debug, Default)]
pub(super) struct SpecialTokens(Vec<(u32, String)>);

impl SpecialTokens {
    /// Those of `tokens` whose type says so.
    pub(super) fn new(tokens: &[String], types: &[f64]) -> Self {
        let special = tokens
            .iter()
            .zip(types)
            .enumerate()
            .filter(|(_, (text, kind))| !text.is_empty() && MATCHED_TYPES.contains(kind));
        let mut special: Vec<_> =
            special.filter_map(|(id, (text, _))| Some((u32::try_from(id).ok()?, text.clone()))).collect();
        // A stable sort: among tokens of one length the order of the vocabulary decides.
        special.sort_by_key(|(_, text)| std::cmp::Reverse(text.len()));
        Self(special)
    }

    /// `text`, cut at its special tokens.
    pub(super) fn split<'t>(&self, text: &'t str) -> Vec<Piece<'t>> {
        let mut pieces = if text.is_empty() { Vec::new() } else { vec![Piece::Text(text)] };
        for (id, special) in &self.0 {
            if memmem::find(text.as_bytes(), special.as_bytes()).is_none() {
                continue;
            }
            pieces = pieces.into_iter().flat_map(|piece| cut(piece, *id, special)).collect();
        }
        pieces
    }
}

fn cut<'t>(piece: Piece<'t>, id: u32, special: &str) -> Vec<Piece<'t>> {
    let Piece::Text(text) = piece else { return vec![piece] };
    let mut pieces = Vec::new();
    for (index, part) in text.split(special).enumerate() {
        if index > 0 {
            pieces.push(Piece::Special(id));
        }
        if !part.is_empty() {
            pieces.push(Piece::Text(part));
        }
    }
    pieces
}
