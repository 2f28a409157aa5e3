//! Prompts that were sent to a replica and are not read yet.
//!
//! Of a stream it is seen when its prompt has been read: its first token comes. Of an answer that comes whole it is not,
//! so its prompt is taken as read after the time that reading takes, and at the latest when the answer comes.

/// Prompt tokens of one replica that are still to be read.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Backlog {
    /// Of streams whose first token has not been seen.
    streamed: f64,
    /// Of answers that will come whole, and what of them was not read yet at a time, as expected.
    whole: f64,
    unread: f64,
    at: f64,
}

impl Backlog {
    /// Tokens still to be read at `now`, where `rate` tokens are read in a second.
    #[must_use]
    pub fn tokens(&self, rate: f64, now: f64) -> f64 {
        self.streamed + self.whole.min(self.unread(rate, now))
    }

    /// A prompt is sent.
    pub fn add(&mut self, tokens: f64, streams: bool, rate: f64, now: f64) {
        if streams {
            self.streamed += tokens;
        } else {
            self.unread = self.unread(rate, now) + tokens;
            self.at = now;
            self.whole += tokens;
        }
    }

    /// A prompt that was sent was read, or will never be.
    pub fn remove(&mut self, tokens: f64, streams: bool) {
        let of = if streams { &mut self.streamed } else { &mut self.whole };
        *of = (*of - tokens).max(0.0);
    }

    fn unread(&self, rate: f64, now: f64) -> f64 {
        (self.unread - rate * (now - self.at)).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_of_whole_answers_are_taken_as_read_after_their_time() {
        let mut backlog = Backlog::default();
        backlog.add(2_000.0, false, 1_000.0, 0.0);
        backlog.add(2_000.0, false, 1_000.0, 1.0);
        assert_eq!([1.0, 2.0, 4.0, 9.0].map(|now| backlog.tokens(1_000.0, now)), [3_000.0, 2_000.0, 0.0, 0.0]);
        // What ended was read, whatever was expected.
        backlog.remove(2_000.0, false);
        assert_eq!(backlog.tokens(1_000.0, 1.0), 2_000.0);
        backlog.remove(2_000.0, false);
        assert_eq!(backlog.tokens(1_000.0, 1.0), 0.0);
    }

    #[test]
    fn prompts_of_streams_count_until_they_are_seen_to_be_read() {
        let mut backlog = Backlog::default();
        backlog.add(2_000.0, true, 1_000.0, 0.0);
        assert_eq!(backlog.tokens(1_000.0, 60.0), 2_000.0);
        backlog.remove(2_000.0, true);
        assert_eq!(backlog.tokens(1_000.0, 60.0), 0.0);
    }
}
