//! The window against an oracle that tries every number of turns, with templates of many kinds.

use proptest::prelude::*;

use super::*;

/// Each message has its own number of tokens, and the format adds three.
fn fitted(messages: &[(Message, u64)], room: Room) -> Result<Fit, WindowError<()>> {
    fit(&entries(messages), room, |window| Ok(Count { tokens: tokens(messages, &kept(messages, window)), exact: true }))
}

fn entries(messages: &[(Message, u64)]) -> Vec<Entry> {
    messages.iter().map(|(kind, bytes)| Entry { kind: *kind, bytes: *bytes as u32 }).collect()
}

fn kept(messages: &[(Message, u64)], window: Window) -> Vec<usize> {
    window.indices(&entries(messages)).collect()
}

fn tokens(messages: &[(Message, u64)], kept: &[usize]) -> u64 {
    3 + kept.iter().map(|index| messages[*index].1).sum::<u64>()
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
    let kept_in = |context_tokens| kept(&CONVERSATION, fit_in(context_tokens).expect("it fits").window);
    assert_eq!(kept_in(100), [0, 1, 2, 3, 4, 5, 6]);
    let fit = fit_in(99).expect("without the first turn");
    assert_eq!((fit.dropped_messages, fit.dropped_tokens), (2, Some(50)));
    assert_eq!(kept(&CONVERSATION, fit.window), [0, 3, 4, 5, 6]);
    assert_eq!(kept_in(49), [0, 6]);
    assert_eq!(fit_in(34), Err(WindowError::TooLong { needed: 20, limit: 19 }));
}

#[test]
fn what_was_not_asked_for_need_not_be_left_free() {
    // By default an eighth is kept for the answer, but a prompt that only fits without it is still sent.
    let room = Room { context_tokens: 22, max_tokens: None };
    assert_eq!(room.wanted(), 20);
    let tight = fitted(&CONVERSATION, Room { context_tokens: 21, max_tokens: None }).expect("tight");
    assert_eq!(kept(&CONVERSATION, tight.window), [0, 6]);
}

#[test]
fn no_messages_and_only_system_prompts_are_counted_once() {
    assert_eq!(fitted(&[], Room { context_tokens: 9, max_tokens: None }).expect("three").prompt.tokens, 3);
    let systems = [(Message::System, 10), (Message::System, 10)];
    assert_eq!(fitted(&systems, Room { context_tokens: 40, max_tokens: None }).expect("23").dropped_messages, 0);
    let error = fitted(&systems, Room { context_tokens: 20, max_tokens: None }).expect_err("23 of 19");
    assert_eq!(error, WindowError::TooLong { needed: 23, limit: 19 });
}

#[test]
fn a_conversation_far_beyond_the_window_takes_few_counts_of_little() {
    let messages: Vec<_> = (0..200_000).map(|place| (Message::User, 28 + place % 7)).collect();
    let entries = entries(&messages);
    let (mut counts, mut counted) = (0, 0);
    let room = Room { context_tokens: 4_096, max_tokens: Some(96) };
    let of = |bytes: u64| bytes / 4 + 5;
    let fit = fit(&entries, room, |window| {
        counts += 1;
        counted += window.indices(&entries).count();
        Ok::<_, ()>(Count { tokens: window.indices(&entries).map(|index| of(messages[index].1)).sum(), exact: true })
    });
    let fit = fit.expect("some fit");
    let least = |first: usize| messages[first..].iter().map(|message| of(message.1)).sum::<u64>();
    assert!(least(fit.window.first) <= 4_000 && least(fit.window.first - 1) > 4_000);
    assert_eq!(fit.dropped_tokens, None);
    assert!(counts <= 8 && counted < 8 * 700, "{counts} counts of {counted} messages");
}

/// What a template makes of messages, in tokens: nothing of it goes with bytes.
#[derive(Debug, Clone, Copy)]
enum Template {
    /// So much for each message, and at the ends.
    Plain { each: u64, ends: u64 },
    /// Only the latest message is written out; of the others there is a line.
    Latest,
    /// Two messages of one role in a row are joined.
    Joined,
    /// System prompts are written twice.
    Twice,
    /// The length of a conversation is written down, a token for each digit.
    Numbered,
}

impl Template {
    fn tokens(self, messages: &[(Message, u64)], kept: &[usize]) -> u64 {
        let all: u64 = kept.iter().map(|index| messages[*index].1).sum();
        let of =
            |kind| kept.iter().filter(|index| messages[**index].0 == kind).map(|index| messages[*index].1).sum::<u64>();
        match self {
            Self::Plain { each, ends } => all + each * kept.len() as u64 + ends,
            Self::Latest => kept.last().map_or(0, |last| messages[*last].1) + kept.len() as u64,
            Self::Joined => {
                let changes = kept.windows(2).filter(|pair| messages[pair[0]].0 != messages[pair[1]].0).count();
                all + 4 * (changes as u64 + 1)
            }
            Self::Twice => all + of(Message::System),
            Self::Numbered => all + kept.len().to_string().len() as u64,
        }
    }
}

/// The rule, by trying everything: no search, no sizes, no windows.
fn by_trying(messages: &[(Message, u64)], room: Room, template: Template) -> Result<Vec<usize>, u64> {
    let mut turn_of = Vec::new();
    let mut turn = 0;
    let mut speaks = false;
    for (kind, _) in messages {
        if *kind == Message::System {
            turn_of.push(None);
            continue;
        }
        if *kind == Message::User && speaks {
            turn += 1;
        }
        speaks = true;
        turn_of.push(Some(turn));
    }
    let without = |dropped: usize| -> Vec<usize> {
        (0..messages.len()).filter(|index| turn_of[*index].is_none_or(|turn| turn >= dropped)).collect()
    };
    let counted = |dropped| template.tokens(messages, &without(dropped));
    // The latest turn always stays.
    for dropped in 0..=turn {
        if counted(dropped)
            <= room.context_tokens.saturating_sub(room.max_tokens.unwrap_or((room.context_tokens / 8).min(1_024)))
        {
            return Ok(without(dropped));
        }
    }
    let least = counted(turn);
    let limit = room.context_tokens.saturating_sub(room.max_tokens.map_or(1, |most| most.max(1)));
    if least <= limit { Ok(without(turn)) } else { Err(least) }
}

fn any_conversation() -> impl Strategy<Value = Vec<(Message, u64)>> {
    let kind = prop_oneof![1 => Just(Message::System), 3 => Just(Message::User), 4 => Just(Message::Reply)];
    let bytes = prop_oneof![4 => 0_u64..60, 1 => 0_u64..2_000];
    proptest::collection::vec((kind, bytes), 1..60)
}

fn any_template() -> impl Strategy<Value = Template> {
    prop_oneof![
        (0_u64..20, 0_u64..50).prop_map(|(each, ends)| Template::Plain { each, ends }),
        Just(Template::Latest),
        Just(Template::Joined),
        Just(Template::Twice),
        Just(Template::Numbered),
    ]
}

proptest! {
    #[test]
    fn what_is_kept_is_what_trying_everything_finds(
        messages in any_conversation(), context_tokens in 0_u64..3_000,
        max_tokens in proptest::option::of(0_u64..100), template in any_template(), bytes_a_token in 1_u32..300,
    ) {
        let room = Room { context_tokens, max_tokens };
        // Sizes that have little to do with tokens, and are too large to be counted as a whole at times.
        let entries: Vec<Entry> = messages
            .iter()
            .map(|(kind, tokens)| Entry { kind: *kind, bytes: bytes_a_token * (*tokens as u32 % 50 + 3) })
            .collect();
        let result = fit(&entries, room, |window| {
            let kept: Vec<usize> = window.indices(&entries).collect();
            Ok::<_, ()>(Count { tokens: template.tokens(&messages, &kept), exact: true })
        });
        match (result, by_trying(&messages, room, template)) {
            (Ok(fit), Ok(best)) => {
                let kept: Vec<usize> = fit.window.indices(&entries).collect();
                prop_assert_eq!(&kept, &best);
                prop_assert_eq!(fit.prompt.tokens, template.tokens(&messages, &best));
                prop_assert_eq!(fit.dropped_messages, messages.len() - best.len());
                let all: Vec<usize> = (0..messages.len()).collect();
                let saved = template.tokens(&messages, &all) - fit.prompt.tokens;
                prop_assert!(fit.dropped_tokens.is_none_or(|dropped| dropped == saved));
            }
            (Err(WindowError::TooLong { needed, limit }), Err(least)) => {
                prop_assert_eq!((needed, limit), (least, room.limit()));
            }
            (ours, best) => prop_assert!(false, "{:?} instead of {:?}", ours, best),
        }
    }
}
