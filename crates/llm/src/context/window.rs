//! Which messages are sent when not all of them fit: the system prompts, the latest, and as many of the turns before it
//! as there is room for. Oldest turns go first, and whole, so that a tool's result never stands without its call.

use serde_json::Value;

use super::tokens::Count;

/// Reserved for the answer when the client does not say: this part of the window, but at most so many tokens.
const ANSWER_PART: u64 = 8;
const ANSWER_MAX_TOKENS: u64 = 1_024;

/// What the window manager needs to know of a message.
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
        match message.get("role").and_then(Value::as_str) {
            Some("system" | "developer") => Self::System,
            Some("user") => Self::User,
            _ => Self::Reply,
        }
    }
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

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// Indices of the messages kept, in order.
    pub kept: Vec<usize>,
    /// How many were dropped.
    pub dropped_messages: usize,
    /// Tokens that this saved.
    pub dropped_tokens: u64,
    /// Tokens of the prompt that is left.
    pub prompt: Count,
}

/// Why nothing can be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WindowError<E> {
    /// System prompts and latest message alone are too long.
    #[error("the system prompt and the latest message alone have {needed} tokens, and there is room for {limit}")]
    TooLong {
        /// Tokens of what must be sent.
        needed: u64,
        /// Tokens that there is room for.
        limit: u64,
    },
    /// The messages cannot be counted.
    #[error(transparent)]
    Count(E),
}

/// Drops as few of the oldest turns as it takes. `count` says how many tokens the messages at these indices have
/// together; fewer turns must not count for more.
pub fn fit<E>(
    messages: &[Message],
    room: Room,
    mut count: impl FnMut(&[usize]) -> Result<Count, E>,
) -> Result<Fit, WindowError<E>> {
    let turns = droppable_turns(messages);
    let without = |dropped: usize| -> Vec<usize> {
        let gone = turns.get(..dropped).unwrap_or(&turns);
        let is_gone =
            |index: &usize| gone.iter().any(|turn| turn.contains(index)) && messages[*index] != Message::System;
        (0..messages.len()).filter(|index| !is_gone(index)).collect()
    };
    let whole = count(&without(0)).map_err(WindowError::Count)?;
    let fits = |tokens: u64, limit: u64| tokens <= limit;
    let mut best = (without(0), whole);
    if !fits(whole.tokens, room.wanted()) {
        let least = without(turns.len());
        let needed = if turns.is_empty() { whole } else { count(&least).map_err(WindowError::Count)? };
        if !fits(needed.tokens, room.limit()) {
            return Err(WindowError::TooLong { needed: needed.tokens, limit: room.limit() });
        }
        best = (least, needed);
        // The fewest turns whose absence makes the rest fit lie between "none is enough" and "all are".
        let (mut too_few, mut enough) = (0, turns.len());
        while fits(needed.tokens, room.wanted()) && enough - too_few > 1 {
            let middle = too_few + (enough - too_few) / 2;
            let kept = without(middle);
            let counted = count(&kept).map_err(WindowError::Count)?;
            if fits(counted.tokens, room.wanted()) {
                enough = middle;
                best = (kept, counted);
            } else {
                too_few = middle;
            }
        }
    }
    let (kept, prompt) = best;
    Ok(Fit {
        dropped_messages: messages.len() - kept.len(),
        dropped_tokens: whole.tokens.saturating_sub(prompt.tokens),
        kept,
        prompt,
    })
}

/// Turns before the latest, oldest first. System prompts within them stay.
fn droppable_turns(messages: &[Message]) -> Vec<std::ops::Range<usize>> {
    let mut starts: Vec<usize> = (0..messages.len()).filter(|index| messages[*index] == Message::User).collect();
    // Replies before the first user's message are a turn of their own.
    let first_other = messages.iter().position(|message| *message != Message::System);
    if let Some(first) = first_other.filter(|first| starts.first() != Some(first)) {
        starts.insert(0, first);
    }
    starts.windows(2).map(|pair| pair[0]..pair[1]).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each message has its own number of tokens, and the format adds three.
    fn fitted(messages: &[(Message, u64)], room: Room) -> Result<Fit, WindowError<()>> {
        let kinds: Vec<_> = messages.iter().map(|message| message.0).collect();
        fit(&kinds, room, |kept| {
            Ok(Count { tokens: 3 + kept.iter().map(|index| messages[*index].1).sum::<u64>(), exact: true })
        })
    }

    const CONVERSATION: [(Message, u64); 7] = [
        (Message::System, 10),
        (Message::User, 20),
        (Message::Reply, 30),
        (Message::User, 5),
        (Message::Reply, 5),
        (Message::Reply, 5),
        (Message::User, 7),
    ];

    #[test]
    fn oldest_turns_go_first_and_whole() {
        let fit_in = |context_tokens| fitted(&CONVERSATION, Room { context_tokens, max_tokens: Some(15) });
        assert_eq!(fit_in(100).expect("all of it").kept, [0, 1, 2, 3, 4, 5, 6]);
        let fit = fit_in(99).expect("without the first turn");
        assert_eq!((fit.kept.as_slice(), fit.dropped_messages, fit.dropped_tokens), (&[0, 3, 4, 5, 6][..], 2, 50));
        assert_eq!(fit_in(49).expect("the least").kept, [0, 6]);
        assert_eq!(fit_in(34), Err(WindowError::TooLong { needed: 20, limit: 19 }));
    }

    #[test]
    fn what_was_not_asked_for_need_not_be_left_free() {
        // By default an eighth is kept for the answer, but a prompt that only fits without it is still sent.
        let room = Room { context_tokens: 22, max_tokens: None };
        assert_eq!(room.wanted(), 20);
        assert_eq!(fitted(&CONVERSATION, Room { context_tokens: 21, max_tokens: None }).expect("tight").kept, [0, 6]);
    }

    fn any_conversation() -> impl Strategy<Value = Vec<(Message, u64)>> {
        let kind = prop_oneof![1 => Just(Message::System), 3 => Just(Message::User), 4 => Just(Message::Reply)];
        proptest::collection::vec((kind, 0_u64..60), 1..25)
    }

    proptest! {
        #[test]
        fn what_is_kept_fits_is_in_order_and_is_minimal(
            messages in any_conversation(), context_tokens in 0_u64..600, max_tokens in proptest::option::of(0_u64..100),
        ) {
            let room = Room { context_tokens, max_tokens };
            let last = messages.len() - 1;
            let total = |kept: &[usize]| 3 + kept.iter().map(|index| messages[*index].1).sum::<u64>();
            match fitted(&messages, room) {
                Ok(fit) => {
                    prop_assert!(fit.kept.is_sorted());
                    prop_assert!(fit.kept.contains(&last));
                    prop_assert_eq!(fit.prompt.tokens, total(&fit.kept));
                    prop_assert!(fit.prompt.tokens <= room.limit() || fit.dropped_messages == 0);
                    prop_assert!(fit.prompt.tokens <= room.wanted().max(room.limit()));
                    for (index, message) in messages.iter().enumerate() {
                        let is_kept = fit.kept.contains(&index);
                        prop_assert!(is_kept || message.0 != Message::System);
                        // A reply stands or falls with the message before it.
                        let before = (0..index).rev().find(|before| messages[*before].0 != Message::System);
                        if let (Message::Reply, Some(before)) = (message.0, before) {
                            prop_assert_eq!(is_kept, fit.kept.contains(&before));
                        }
                    }
                }
                Err(WindowError::TooLong { needed, limit }) => {
                    prop_assert_eq!(limit, room.limit());
                    prop_assert!(needed > limit);
                }
                Err(WindowError::Count(())) => prop_assert!(false, "counting does not fail here"),
            }
        }
    }
}
