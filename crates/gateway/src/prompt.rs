//! A request's prompt as the choice of a replica sees it: how long it is, the names of its leading blocks, how long its
//! answer may be. Not the prompt itself: that is not looked into again.

use planning::balance::{Ask, Chain, Fleet, Prompt};

use crate::endpoint::Endpoint;
use crate::request::Outline;
use crate::salt::Salt;
use crate::table::Model;
use crate::window::Fitted;

/// Bytes of a block: some 64 tokens of English, so that a system prompt of a page has several.
pub(crate) const BLOCK_BYTES: usize = 256;
/// Blocks that are named: half a million bytes, which is more than most windows hold.
const CHAIN: Chain = Chain { block_bytes: BLOCK_BYTES, blocks_max: 2_048 };

/// What is known of a prompt before it is sent.
#[derive(Debug, Default)]
pub(crate) struct PromptOutline {
    /// Bytes of what its tokens come from.
    pub(crate) bytes: usize,
    /// Its tokens, when they were counted.
    counted: Option<u32>,
    /// They were counted with the model's own vocabulary, and may be held against a window.
    pub(crate) is_exact: bool,
    blocks: Vec<u64>,
    reuses: bool,
    streams: bool,
    output_max: Option<u64>,
}

impl PromptOutline {
    /// Of a request whose conversation has been fitted. Blocks have other names under another salt, for a replica does not
    /// reuse them there.
    pub(crate) fn of(
        model: &Model,
        endpoint: Endpoint,
        outline: &Outline,
        body: &[u8],
        fitted: &Fitted,
        salt: &Salt,
    ) -> Self {
        let part = |at: &Option<std::ops::Range<usize>>| at.clone().and_then(|at| body.get(at)).unwrap_or_default();
        let tools = part(&outline.tools_at);
        let cut = fitted.edit.as_ref().map(|edit| edit.text().as_bytes());
        let text = match endpoint {
            Endpoint::Chat => cut.unwrap_or_else(|| part(&outline.messages_at)),
            Endpoint::Completions | Endpoint::Embeddings => part(&outline.input_at),
        };
        let path = endpoint.path().as_bytes();
        // An embedding takes over nothing, and leaves nothing that could be.
        let blocks = match endpoint {
            Endpoint::Embeddings => Vec::new(),
            Endpoint::Chat | Endpoint::Completions => {
                CHAIN.names(&[salt.as_bytes(), model.alias_json.as_bytes(), path, tools], text)
            }
        };
        Self {
            bytes: text.len() + tools.len(),
            counted: fitted.counted.map(|count| u32::try_from(count.tokens).unwrap_or(u32::MAX)),
            is_exact: fitted.counted.is_some_and(|count| count.exact),
            blocks,
            // Who names a seed wants the same answer again, and gets it computed afresh.
            reuses: !outline.has_seed,
            streams: outline.stream,
            output_max: if endpoint == Endpoint::Embeddings { Some(0) } else { outline.max_tokens },
        }
    }

    /// With what its model's replicas have shown.
    pub(crate) fn prompt(&self, fleet: &Fleet) -> Prompt<'_> {
        let tokens_per_byte = fleet.tokens_per_byte();
        // The cast saturates, which is as good as any number of that size.
        let estimated = || (self.bytes as f64 * tokens_per_byte) as u32;
        Prompt {
            tokens: self.counted.unwrap_or_else(estimated),
            blocks: &self.blocks,
            block_tokens: BLOCK_BYTES as f64 * tokens_per_byte,
            reuses: self.reuses,
            streams: self.streams,
        }
    }

    /// What the choice is asked.
    pub(crate) fn ask(&self, prompt: &Prompt<'_>, fleet: &Fleet) -> Ask {
        let most = self.output_max.map_or(f64::INFINITY, |most| most as f64);
        Ask { input_tokens: prompt.tokens, output_tokens: fleet.output_tokens().min(most) }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::request::outline;
    use crate::table::Table;

    fn model() -> std::sync::Arc<Model> {
        let route = domain::ModelRoute {
            model: "demo:1.0".parse().expect("a model"),
            artifact: "/nonexistent".into(),
            context_tokens: 4_096,
            created_at: domain::Timestamp(0),
            starts_in_seconds: None,
            shared_prefix_cache: false,
            replicas: Vec::new(),
        };
        let snapshot = domain::RoutingSnapshot {
            models: [("demo".to_owned(), route)].into(),
            ..domain::RoutingSnapshot::default()
        };
        let table = Table::build(&snapshot, &Table::default(), &crate::GatewayConfig::default());
        std::sync::Arc::clone(&table.models["demo"])
    }

    fn of(endpoint: Endpoint, body: &Value) -> PromptOutline {
        salted(endpoint, body, None)
    }

    fn salted(endpoint: Endpoint, body: &Value, project: Option<&str>) -> PromptOutline {
        let grant = domain::KeyGrant {
            id: "key-1".to_owned(),
            name: "app".to_owned(),
            models: Vec::new(),
            project: project.map(|name| name.parse().expect("a name")),
            expires_at: None,
        };
        let salt = Salt::of(&grant, &model());
        let body = Bytes::from(body.to_string());
        let outline = outline(&body).expect("a request");
        PromptOutline::of(&model(), endpoint, &outline, &body, &Fitted::default(), &salt)
    }

    fn turn(role: &str, length: usize) -> Value {
        json!({"role": role, "content": "x".repeat(length)})
    }

    #[test]
    fn the_next_turn_of_a_conversation_begins_with_the_names_of_the_last() {
        let (system, user) = (turn("system", 400), turn("user", 400));
        let first = of(Endpoint::Chat, &json!({"model": "demo", "messages": [system, user]}));
        assert_eq!(first.blocks.len(), 3);
        let more = [system.clone(), user.clone(), turn("assistant", 500), turn("user", 900)];
        let second =
            of(Endpoint::Chat, &json!({"temperature": 0.5, "messages": more, "model": "demo", "stream": true}));
        assert_eq!(second.blocks[..3], first.blocks);
        // What changes the beginning of the prompt changes every name.
        for other in [
            json!({"model": "demo", "messages": [turn("developer", 400), user]}),
            json!({"model": "demo", "messages": [system, user], "tools": [{"type": "function"}]}),
        ] {
            assert!(of(Endpoint::Chat, &other).blocks.iter().all(|name| !first.blocks.contains(name)), "{other}");
        }
    }

    #[test]
    fn another_project_has_other_names() {
        let body = json!({"model": "demo", "messages": [turn("system", 4_000)]});
        let [one, again, other] =
            [Some("one"), Some("one"), None].map(|name| salted(Endpoint::Chat, &body, name).blocks);
        assert!(one.len() > 10 && one == again);
        assert!(one.iter().all(|name| !other.contains(name)));
    }

    #[test]
    fn the_length_is_counted_or_estimated_of_the_bytes() {
        let fleet = Fleet::default();
        let chat = of(Endpoint::Chat, &json!({"model": "demo", "messages": "x".repeat(998), "max_tokens": 9}));
        let prompt = chat.prompt(&fleet);
        assert_eq!((prompt.tokens, prompt.block_tokens, prompt.blocks.len()), (250, 64.0, 3));
        assert_eq!(chat.ask(&prompt, &fleet).output_tokens, 9.0);
        let counted = PromptOutline { counted: Some(77), ..chat };
        assert_eq!(counted.prompt(&fleet).tokens, 77);
    }

    #[test]
    fn a_seed_takes_over_nothing_and_an_embedding_leaves_nothing() {
        let seeded = of(Endpoint::Completions, &json!({"model": "demo", "prompt": "x".repeat(600), "seed": 1}));
        assert_eq!((seeded.blocks.len(), seeded.reuses), (2, false));
        let embedding = of(Endpoint::Embeddings, &json!({"model": "demo", "input": "x".repeat(600)}));
        assert_eq!((embedding.blocks.len(), embedding.bytes), (0, 602));
        assert_eq!(embedding.ask(&embedding.prompt(&Fleet::default()), &Fleet::default()).output_tokens, 0.0);
    }

    proptest! {
        #[test]
        fn any_request_has_a_prompt(body in "\\PC{0,80}", tokens in any::<i64>()) {
            let made = of(Endpoint::Chat, &json!({"model": "demo", "messages": body, "max_tokens": tokens}));
            let ask = made.ask(&made.prompt(&Fleet::default()), &Fleet::default());
            prop_assert!(ask.output_tokens >= 0.0 && ask.output_tokens.is_finite());
        }
    }
}
