//! Finds stop texts in an answer as it grows, and holds back whatever may still become one.

/// Lets text through until a stop text appears.
#[derive(Debug, Default)]
pub struct StopMatcher {
    stops: Vec<String>,
    held: String,
}

/// What may be sent after new text came.
#[derive(Debug, PartialEq, Eq)]
pub struct Passed {
    /// Text that is certainly not part of a stop text.
    pub text: String,
    /// Whether a stop text has appeared: the answer ends here.
    pub stopped: bool,
}

impl StopMatcher {
    /// A matcher of `stops`; empty ones match nothing.
    pub fn new(mut stops: Vec<String>) -> Self {
        stops.retain(|stop| !stop.is_empty());
        Self { stops, held: String::new() }
    }

    /// Takes new text and says what may be sent.
    pub fn push(&mut self, text: String) -> Passed {
        if self.stops.is_empty() {
            return Passed { text, stopped: false };
        }
        self.held.push_str(&text);
        if let Some(start) = first_stop(&self.held, &self.stops) {
            self.held.truncate(start);
            return Passed { text: std::mem::take(&mut self.held), stopped: true };
        }
        let keep = self.stops.iter().map(|stop| longest_overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        Passed { text: std::mem::replace(&mut self.held, rest), stopped: false }
    }

    /// The text still held when the answer ends without a stop text.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// Where the stop text begins that is complete first, so that it does not matter in which pieces the text came.
fn first_stop(text: &str, stops: &[String]) -> Option<usize> {
    let found = stops.iter().filter_map(|stop| text.find(stop.as_str()).map(|start| (start + stop.len(), start)));
    found.min().map(|(_, start)| start)
}

/// How many bytes at the end of `text` are a beginning of `stop`, short of all of it.
fn longest_overlap(text: &str, stop: &str) -> usize {
    let longest = text.len().min(stop.len().saturating_sub(1));
    (1..=longest).rev().find(|&n| text.as_bytes().ends_with(&stop.as_bytes()[..n])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(stops: &[&str], pieces: &[&str]) -> (String, bool) {
        let mut matcher = StopMatcher::new(stops.iter().map(|s| (*s).to_owned()).collect());
        let mut out = String::new();
        for piece in pieces {
            let passed = matcher.push((*piece).to_owned());
            out.push_str(&passed.text);
            if passed.stopped {
                return (out, true);
            }
        }
        out.push_str(&matcher.finish());
        (out, false)
    }

    #[test]
    fn a_stop_over_several_pieces_never_leaks() {
        assert_eq!(run(&["</end>"], &["hi <", "/en", "d> more"]), ("hi ".to_owned(), true));
        assert_eq!(run(&["</end>"], &["hi <", "/en", "t>"]), ("hi </ent>".to_owned(), false));
        assert_eq!(run(&["bc", "abcd"], &["ab", "cd"]), ("a".to_owned(), true));
        assert_eq!(run(&["aab"], &["aaa", "ab"]), ("aa".to_owned(), true));
        assert_eq!(run(&["é!"], &["caf", "é", "!"]), ("caf".to_owned(), true));
        assert_eq!(run(&["", "x"], &["a", "b"]), ("ab".to_owned(), false));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            text in "[ab€]{0,24}", stops in prop::collection::vec("[ab€]{1,4}", 0..3), cuts in prop::collection::vec(1usize..4, 0..24)
        ) {
            let expected = first_stop(&text, &stops).map(|start| text[..start].to_owned());
            let mut pieces = Vec::new();
            let mut chars: Vec<char> = text.chars().collect();
            for cut in cuts {
                let rest = chars.split_off(cut.min(chars.len()));
                pieces.push(chars.into_iter().collect::<String>());
                chars = rest;
            }
            pieces.push(chars.into_iter().collect());
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            let (out, stopped) = run(&stops, &pieces);
            prop_assert_eq!(stopped, expected.is_some());
            prop_assert_eq!(out, expected.unwrap_or(text));
        }
    }
}
