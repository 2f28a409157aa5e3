//! The last lines of the log, kept in memory for `/logs`, beside standard error where they all go.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// How many lines are kept.
const LINES: usize = 1_000;
/// How much of one line is kept.
const LINE_BYTES: usize = 4_096;

/// The kept lines; clones share them.
#[derive(Debug, Clone, Default)]
pub struct LogRing(Arc<Mutex<VecDeque<String>>>);

impl LogRing {
    /// The last `count` lines, oldest first.
    pub fn tail(&self, count: usize) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let skipped = lines.len().saturating_sub(count);
        lines.iter().skip(skipped).flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    /// A writer that keeps what is written and passes it on to standard error.
    pub fn writer(&self) -> Tee {
        Tee(self.clone())
    }

    fn keep(&self, text: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for line in text.lines() {
            if lines.len() == LINES {
                lines.pop_front();
            }
            let end = (0..=LINE_BYTES.min(line.len())).rev().find(|&at| line.is_char_boundary(at)).unwrap_or(0);
            lines.push_back(line.get(..end).unwrap_or_default().to_owned());
        }
    }
}

/// Keeps and passes on. The log writes a whole event at a time.
pub struct Tee(LogRing);

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.keep(&String::from_utf8_lossy(bytes));
        io::stderr().write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_lines_stay() {
        let ring = LogRing::default();
        for at in 0..LINES + 5 {
            ring.keep(&format!("line {at}\n"));
        }
        assert_eq!(ring.tail(2), "line 1003\nline 1004\n");
        assert!(ring.tail(usize::MAX).starts_with("line 5\n"));
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let ring = LogRing::default();
        ring.keep(&"é".repeat(LINE_BYTES));
        assert_eq!(ring.tail(1).len(), LINE_BYTES + 1);
    }
}
