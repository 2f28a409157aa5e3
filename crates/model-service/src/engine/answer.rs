//! The text of an answer as it grows: bytes to characters, stop texts, and the log probabilities that go with what is sent.

use std::collections::VecDeque;

use super::logprobs::TokenLogprobs;
use super::stop::StopMatcher;
use super::utf8::Utf8Assembler;

/// New text that may be sent, with the tokens that it begins in.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Delta {
    /// The text.
    pub text: String,
    /// Its tokens' log probabilities; empty unless asked for.
    pub logprobs: Vec<TokenLogprobs>,
}

impl Delta {
    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.logprobs.is_empty()
    }

    /// Joins `later` to this one.
    pub fn append(&mut self, later: Self) {
        self.text.push_str(&later.text);
        self.logprobs.extend(later.logprobs);
    }
}

/// The growing answer.
#[derive(Debug)]
pub struct Answer {
    characters: Utf8Assembler,
    stops: StopMatcher,
    /// Log probabilities of tokens whose text is not sent yet.
    held: VecDeque<TokenLogprobs>,
    /// Characters that are complete, and those of them that were sent.
    received: usize,
    sent: usize,
}

impl Answer {
    /// An empty answer that ends before any of `stops`.
    pub fn new(stops: Vec<String>) -> Self {
        Self {
            characters: Utf8Assembler::default(),
            stops: StopMatcher::new(stops),
            held: VecDeque::new(),
            received: 0,
            sent: 0,
        }
    }

    /// Adds a token's bytes. Returns what may be sent, and whether a stop text has appeared.
    pub fn push(&mut self, bytes: &[u8], logprobs: Option<TokenLogprobs>) -> (Delta, bool) {
        // A token that begins within a character begins where that character does.
        self.held.extend(logprobs.map(|logprobs| TokenLogprobs { offset: self.received, ..logprobs }));
        let text = self.characters.push(bytes);
        self.received += text.chars().count();
        let passed = self.stops.push(text);
        (self.release(passed.text), passed.stopped)
    }

    /// What is left to send when the answer ends without a stop text.
    pub fn finish(&mut self) -> Delta {
        let cut = self.characters.finish();
        let passed = self.stops.push(cut);
        let mut text = passed.text;
        text.push_str(&self.stops.finish());
        let mut delta = self.release(text);
        delta.logprobs.extend(self.held.drain(..));
        delta
    }

    fn release(&mut self, text: String) -> Delta {
        self.sent += text.chars().count();
        let begun = self.held.partition_point(|logprobs| logprobs.offset < self.sent);
        Delta { text, logprobs: self.held.drain(..begun).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(id: i32) -> Option<TokenLogprobs> {
        Some(TokenLogprobs { token: id, logprob: -1.0, top: vec![], offset: 0 })
    }

    fn ids(delta: &Delta) -> Vec<i32> {
        delta.logprobs.iter().map(|l| l.token).collect()
    }

    #[test]
    fn log_probabilities_travel_with_their_text() {
        let mut answer = Answer::new(vec!["END".into()]);
        let (first, stopped) = answer.push(b"hi", token(1));
        assert_eq!((first.text.as_str(), ids(&first), stopped), ("hi", vec![1], false));
        let (held, _) = answer.push(b"EN", token(2));
        assert!(held.is_empty());
        let (last, stopped) = answer.push(b"D", token(3));
        assert_eq!((last.text.as_str(), ids(&last), stopped), ("", vec![], true));
    }

    /// Offsets are positions in the text that is sent, however tokens cut its characters.
    #[test]
    fn offsets_count_characters_of_the_answer() {
        let mut answer = Answer::new(vec![]);
        // "é€x", a byte that is no text, "y": tokens end in the middle of characters.
        let tokens: [&[u8]; 7] = [&[0xc3], &[0xa9, 0xe2], &[0x82], &[0xac], b"x", &[0xff], b"y"];
        let mut all = Delta::default();
        for (id, bytes) in (0..).zip(tokens) {
            all.append(answer.push(bytes, token(id)).0);
        }
        all.append(answer.finish());
        assert_eq!(all.text, "é€x\u{fffd}y");
        assert_eq!(ids(&all), [0, 1, 2, 3, 4, 5, 6]);
        let offsets: Vec<usize> = all.logprobs.iter().map(|logprobs| logprobs.offset).collect();
        assert_eq!(offsets, [0, 0, 1, 1, 2, 3, 4]);
    }

    #[test]
    fn what_was_held_comes_at_the_end() {
        let mut answer = Answer::new(vec!["END".into()]);
        let _ = answer.push(b"E", token(1));
        let _ = answer.push(&[0xe2, 0x82], token(2));
        let rest = answer.finish();
        assert_eq!((rest.text.as_str(), ids(&rest)), ("E\u{fffd}", vec![1, 2]));
    }
}
