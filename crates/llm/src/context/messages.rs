//! The messages of a request as they are counted: slices of its body, read one by one, and only those that may be sent.

use std::borrow::Cow;
use std::collections::HashMap;

use domain::Timestamp;
use serde::Deserialize;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Budget, Count, Entry, Fit, FormatError, Message, Reader, Room, Turn, Window, WindowError, fit};
use crate::openai::chat::MESSAGES_MAX;

/// Counts go on to so many times the room; beyond that only "more" matters.
const ROOMS_COUNTED: u64 = 4;
/// Bytes of JSON for one byte of text at most: `\u0041`.
const ESCAPE_BYTES: u64 = 6;
/// Units for reading a byte of JSON.
const BYTE_UNITS: u64 = 2;

/// Why messages cannot be fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// More than [`MESSAGES_MAX`].
    #[error("there are more than {MESSAGES_MAX} messages")]
    TooMany,
    /// They are not what any replica takes, or reading them takes too long: a replica will say what is wrong.
    #[error("they are no list of messages, or reading them takes too long")]
    Unreadable,
}

/// A request's messages, as they came and as they are read.
#[derive(Debug)]
pub struct Messages<'a> {
    entries: Vec<Entry>,
    raw: Vec<&'a RawValue>,
    /// Those that were read, for they are counted several times.
    turns: HashMap<usize, Turn>,
    reader: &'a Reader,
    budget: &'a Budget,
}

impl<'a> Messages<'a> {
    /// Reads where messages begin and end, and their roles.
    pub fn read(reader: &'a Reader, messages: &'a [u8], budget: &'a Budget) -> Result<Self, ReadError> {
        budget.charge(BYTE_UNITS * messages.len() as u64).map_err(|_| ReadError::Unreadable)?;
        let mut list = List::default();
        let mut json = serde_json::Deserializer::from_slice(messages);
        let read = serde::Deserializer::deserialize_seq(&mut json, &mut list);
        if list.is_over {
            return Err(ReadError::TooMany);
        }
        if read.is_err() || list.raw.is_empty() {
            return Err(ReadError::Unreadable);
        }
        let mut entries = Vec::with_capacity(list.raw.len());
        for raw in &list.raw {
            budget.charge(BYTE_UNITS * raw.get().len() as u64).map_err(|_| ReadError::Unreadable)?;
            entries.push(entry(raw.get()).ok_or(ReadError::Unreadable)?);
        }
        Ok(Self { entries, raw: list.raw, turns: HashMap::new(), reader, budget })
    }

    /// Drops as few of the oldest turns as it takes.
    pub fn fit(&mut self, room: Room, now: Timestamp) -> Result<Fit, WindowError<FormatError>> {
        let entries = std::mem::take(&mut self.entries);
        let found = fit(&entries, room, |window| self.count(&entries, window, room, now));
        self.entries = entries;
        found
    }

    /// Tokens of the messages in `window`, as their model gets them.
    fn count(&mut self, entries: &[Entry], window: Window, room: Room, now: Timestamp) -> Result<Count, FormatError> {
        let most = if window.first == 0 { u64::MAX } else { ROOMS_COUNTED.saturating_mul(room.wanted().max(1)) };
        let bytes: u64 = window.indices(entries).map(|index| u64::from(entries[index].bytes)).sum();
        self.budget.charge(BYTE_UNITS * bytes).map_err(FormatError::Exhausted)?;
        // What is sure to be far too long is not written out to be counted.
        let least = bytes / ESCAPE_BYTES / self.reader.tokenizer().longest_bytes();
        if least > most.min(ROOMS_COUNTED.saturating_mul(room.context_tokens)) {
            return Ok(Count { tokens: least, exact: false });
        }
        let turns = window.indices(entries).map(|index| self.turn(index)).collect::<Result<Vec<Turn>, _>>()?;
        self.reader.count_chat(&turns, now, most, self.budget)
    }

    fn turn(&mut self, index: usize) -> Result<Turn, FormatError> {
        if let Some(turn) = self.turns.get(&index) {
            return Ok(turn.clone());
        }
        let refused = |why: String| FormatError::Refused(format!("messages[{index}]: {why}"));
        let message = serde_json::from_str(self.raw[index].get()).map_err(|error| refused(error.to_string()))?;
        let turn = Turn::of(&message, self.reader.tokenizer().controls()).map_err(|problem| refused(problem.cause))?;
        self.turns.insert(index, turn.clone());
        Ok(turn)
    }

    /// A list of the messages in `window`, byte for byte as they came.
    #[must_use]
    pub fn json_of(&self, window: Window) -> String {
        let mut json = "[".to_owned();
        for index in window.indices(&self.entries) {
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(self.raw[index].get());
        }
        json.push(']');
        json
    }
}

/// Slices of a list, up to the most that is accepted.
#[derive(Default)]
struct List<'a> {
    raw: Vec<&'a RawValue>,
    is_over: bool,
}

impl<'de> Visitor<'de> for &mut List<'de> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("a list of messages")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut messages: A) -> Result<(), A::Error> {
        while let Some(raw) = messages.next_element::<&'de RawValue>()? {
            if self.raw.len() == MESSAGES_MAX {
                self.is_over = true;
                return Err(A::Error::custom("too many messages"));
            }
            self.raw.push(raw);
        }
        Ok(())
    }
}

/// What the window needs to know of a message; nothing when it is no object with a role.
fn entry(message: &str) -> Option<Entry> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow)]
        role: Cow<'a, str>,
    }
    if !message.starts_with('{') {
        return None;
    }
    let head: Head = serde_json::from_str(message).ok()?;
    Some(Entry { kind: Message::of_role(&head.role), bytes: u32::try_from(message.len()).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Metadata;

    fn read(messages: &str) -> Result<(usize, String), ReadError> {
        let reader = Reader::from_metadata(&Metadata::default()).expect("ChatML");
        let budget = Budget::of(1 << 30);
        let read = Messages::read(&reader, messages.as_bytes(), &budget);
        read.map(|messages| (messages.entries.len(), messages.json_of(Window { first: 0 })))
    }

    #[test]
    fn messages_are_kept_byte_for_byte() {
        let messages = r#" [ {"role" : "us\u0065r","content":1e999} , {"content":"\ud800","role":"system"}]"#;
        let kept = r#"[{"role" : "us\u0065r","content":1e999},{"content":"\ud800","role":"system"}]"#;
        assert_eq!(read(messages), Ok((2, kept.to_owned())));
    }

    #[test]
    fn what_is_no_list_of_messages_is_left_to_the_replica() {
        for messages in ["", "{}", "[]", "3", "[3]", "[[\"user\",\"hi\"]]", r#"[{"a":0}]"#, r#"[{"role":3}]"#, "[{]"] {
            assert_eq!(read(messages), Err(ReadError::Unreadable), "{messages}");
        }
    }

    #[test]
    fn nesting_of_any_depth_is_passed_over() {
        let deep = format!("[{{\"role\":\"user\",\"content\":{}{}}}]", "[".repeat(500_000), "]".repeat(500_000));
        let kept = read(&deep).map(|(count, kept)| (count, kept.len()));
        assert_eq!(kept, Ok((1, deep.len())));
    }

    #[test]
    fn more_messages_than_are_accepted_are_not_looked_at() {
        let many = format!("[{}{{\"a\":0}}]", r#"{"a":0},"#.repeat(MESSAGES_MAX));
        assert_eq!(read(&many), Err(ReadError::TooMany));
    }
}
