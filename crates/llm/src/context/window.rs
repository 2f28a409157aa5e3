//! Which messages are sent when not all of them fit: the system prompts, the latest, and as many of the turns before it
//! as there is room for. Oldest turns go first, and whole, so that a tool's result never stands without its call.
//!
//! Counting is dear: a template is applied to what would be sent, and the result is cut into tokens. So a window is
//! looked for by few counts, each of about as much text as fits: the first by the bytes of the messages, each further
//! one by what the last ones counted. A conversation far beyond the window is never counted as a whole.

mod search;

use serde_json::Value;

use super::tokens::Count;
use search::Search;

/// Reserved for the answer when the client does not say: this part of the window, but at most so many tokens.
const ANSWER_PART: u64 = 8;
const ANSWER_MAX_TOKENS: u64 = 1_024;
/// A conversation of so many bytes for each token of room is counted as a whole, to say how much was dropped.
const WHOLE_BYTES_A_TOKEN: u64 = 8;
const WHOLE_BYTES_MIN: u64 = 64 << 10;

/// What the window manager needs to know of a message's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// Says how to behave: never dropped.
    System,
    /// Begins a turn.
    User,
    /// Belongs to the turn before: an answer, a tool's call or its result.
    Reply,
}

impl Message {
    /// By the role that it names.
    #[must_use]
    pub fn of(message: &Value) -> Self {
        Self::of_role(message.get("role").and_then(Value::as_str).unwrap_or_default())
    }

    /// By its role.
    #[must_use]
    pub fn of_role(role: &str) -> Self {
        match role {
            "system" | "developer" => Self::System,
            "user" => Self::User,
            _ => Self::Reply,
        }
    }
}

/// A message as the window sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its role.
    pub kind: Message,
    /// How long it is. Only proportions count.
    pub bytes: u32,
}

/// How much room there is, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// The model's window.
    pub context_tokens: u64,
    /// What the client wants generated at most, when it says.
    pub max_tokens: Option<u64>,
}

impl Room {
    /// Tokens that the prompt should have at most.
    #[must_use]
    pub fn wanted(&self) -> u64 {
        let by_default = (self.context_tokens / ANSWER_PART).min(ANSWER_MAX_TOKENS);
        self.context_tokens.saturating_sub(self.max_tokens.unwrap_or(by_default))
    }

    /// Tokens that the prompt may have at most: what the client did not ask for need not be left free, but for one.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.context_tokens.saturating_sub(self.max_tokens.unwrap_or(1).max(1))
    }
}

/// A conversation without its oldest turns: the system prompts, and all from one message on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first message that is kept whatever its role.
    pub first: usize,
}

impl Window {
    /// Indices of the messages in it, in order.
    pub fn indices(self, entries: &[Entry]) -> impl Iterator<Item = usize> {
        let is_kept = move |(index, entry): (usize, &Entry)| {
            (index >= self.first || entry.kind == Message::System).then_some(index)
        };
        entries.iter().enumerate().filter_map(is_kept)
    }
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// The messages kept.
    pub window: Window,
    /// How many were dropped.
    pub dropped_messages: usize,
    /// Tokens that this saved; nothing when the conversation was too long to be counted as a whole.
    pub dropped_tokens: Option<u64>,
    /// Tokens of the prompt that is left.
    pub prompt: Count,
}

/// Why nothing can be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError<E> {
    /// System prompts and latest message alone are too long.
    #[error("the system prompt and the latest message alone have {needed} tokens, and there is room for {limit}")]
    TooLong {
        /// Tokens of what must be sent, at least.
        needed: u64,
        /// Tokens that there is room for.
        limit: u64,
    },
    /// The messages cannot be counted.
    #[error(transparent)]
    Count(E),
}

/// Drops as few of the oldest turns as it takes. `count` says how many tokens the messages of a window have together;
/// fewer turns must not count for more. Fails with `count`, or when counts were too many.
pub fn fit<E>(
    entries: &[Entry],
    room: Room,
    mut count: impl FnMut(Window) -> Result<Count, E>,
) -> Result<Fit, WindowError<E>> {
    let starts = turns(entries);
    let sizes = sizes(entries, &starts);
    let mut search = Search::new(&sizes, room.wanted());
    let mut whole = None;
    if sizes[0] <= WHOLE_BYTES_MIN.max(WHOLE_BYTES_A_TOKEN * room.wanted()) {
        let counted = count(Window { first: 0 }).map_err(WindowError::Count)?;
        whole = Some(counted.tokens);
        search.learn(0, counted);
    }
    while let Some(dropped) = search.next() {
        search.learn(dropped, count(window(&starts, dropped)).map_err(WindowError::Count)?);
    }
    let (dropped, prompt) = match search.found() {
        Ok(found) => found,
        Err((_, least)) if least.tokens > room.limit() => {
            return Err(WindowError::TooLong { needed: least.tokens, limit: room.limit() });
        }
        Err(least) => least,
    };
    let window = window(&starts, dropped);
    Ok(Fit {
        window,
        dropped_messages: entries.len() - window.indices(entries).count(),
        dropped_tokens: whole.map(|whole| whole.saturating_sub(prompt.tokens)),
        prompt,
    })
}

/// The window without so many of the oldest turns.
fn window(starts: &[usize], dropped: usize) -> Window {
    Window { first: if dropped == 0 { 0 } else { starts.get(dropped).copied().unwrap_or(0) } }
}

/// Where turns begin, oldest first. Of no messages, one turn.
fn turns(entries: &[Entry]) -> Vec<usize> {
    let is_user = |index: &usize| entries[*index].kind == Message::User;
    let mut starts: Vec<usize> = (0..entries.len()).filter(is_user).collect();
    // Replies before the first user's message are a turn of their own.
    let first_other = entries.iter().position(|entry| entry.kind != Message::System).unwrap_or(0);
    if starts.first() != Some(&first_other) {
        starts.insert(0, first_other);
    }
    starts
}

/// Bytes that are left when none, one, two… of the oldest turns are dropped; never all of them.
fn sizes(entries: &[Entry], starts: &[usize]) -> Vec<u64> {
    let bytes = |entry: &Entry| u64::from(entry.bytes);
    let mut left: u64 = entries.iter().map(bytes).sum();
    let mut sizes = Vec::with_capacity(starts.len());
    sizes.push(left);
    for pair in starts.windows(2) {
        let turn = entries[pair[0]..pair[1]].iter().filter(|entry| entry.kind != Message::System);
        left -= turn.map(bytes).sum::<u64>();
        sizes.push(left);
    }
    sizes
}

#[cfg(test)]
mod tests;
