//! Makes automata of forms: on threads of its own, within bounds of time, memory and number, each at most once as long
//! as it is kept.
//!
//! The bounds are llguidance's fuel, which counts work and not seconds, so that a busy machine refuses nothing that an
//! idle one takes. The time limit is for what fuel does not count: the caller gets its answer, the thread goes on to
//! the end.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use domain::{Kind, Problem};
use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{JsonCompileOptions, Matcher, ParserFactory};
use serde_json::Value;

use super::cache::{Cache, Digest};
use super::gbnf::{self, Vocabulary};
use super::matcher::Constraint;
use super::{Form, LONGEST_SCHEMA_BYTES, schema};
use crate::pool::{Pool, PoolError};

/// Threads that compile, and how many forms wait for them.
const THREADS: usize = 2;
const QUEUE: usize = 32;
/// The longest wait for a turn, and the longest work.
const LIMIT: Duration = Duration::from_secs(15);
/// How much is kept: forms, and their bytes.
const MOST_KEPT: usize = 128;
const MOST_KEPT_BYTES: usize = 128 * 1024 * 1024;
/// White space between JSON's tokens: none, a space, or a new line with its indentation. Without a bound a weak model
/// writes spaces to the end of its answer.
const WHITE_SPACE: &str = r"(?: |\r?\n[ \t]{0,32})";
/// JSON's escapes but `\u`: with it one name has many spellings, and an answer could hold a property twice.
const ESCAPES: &str = "nrbtf\\\"";

/// What one form may cost. Fuel and items are counts of work: about 50,000 and 20,000 of them take a millisecond.
fn limits() -> ParserLimits {
    ParserLimits {
        max_items_in_row: 2_000,
        initial_lexer_fuel: 1_000_000,
        step_lexer_fuel: 100_000,
        step_max_items: 50_000,
        max_lexer_states: 20_000,
        max_grammar_size: 200_000,
        precompute_large_lexemes: true,
        verbose_errors: false,
    }
}

/// The vocabulary as the compiler wants it.
pub struct Tokens {
    /// Each token's bytes; of a control token none.
    pub pieces: Vec<Vec<u8>>,
    /// Each control token's text, by its number.
    pub controls: Vec<(u32, String)>,
    /// The tokens that end an answer.
    pub ends: Vec<u32>,
}

impl Vocabulary for Tokens {
    fn size(&self) -> usize {
        self.pieces.len()
    }

    fn named(&self, text: &str) -> Option<u32> {
        let control = self.controls.iter().find(|(_, control)| control == text).map(|(id, _)| *id);
        let plain =
            || self.pieces.iter().position(|piece| piece == text.as_bytes()).and_then(|at| u32::try_from(at).ok());
        control.or_else(plain)
    }
}

impl Tokens {
    fn environment(&self) -> TokEnv {
        let mut words = self.pieces.clone();
        for (id, text) in &self.controls {
            if let Some(word) = words.get_mut(*id as usize)
                && word.is_empty()
            {
                word.push(TokTrie::SPECIAL_TOKEN_MARKER);
                word.extend_from_slice(text.as_bytes());
            }
        }
        let first_end = self.ends.first().copied().unwrap_or(llguidance::toktrie::INVALID_TOKEN);
        let info = TokRxInfo::new(u32::try_from(words.len()).unwrap_or(u32::MAX), first_end);
        let trie = TokTrie::from(&info, &words);
        let trie = if self.ends.is_empty() { trie } else { trie.with_eos_tokens(&self.ends) };
        Arc::new(ApproximateTokEnv::new(trie))
    }
}

/// An automaton before its first token, or why there is none.
type Compiled = Result<Arc<Mutex<Matcher>>, Problem>;

/// What the threads share.
struct Shared {
    tokens: Tokens,
    factory: OnceLock<Result<ParserFactory, String>>,
    cache: Mutex<Cache<Compiled>>,
}

/// The compiler.
pub struct Compiler {
    shared: Arc<Shared>,
    pool: Pool,
}

impl Compiler {
    /// A compiler for a vocabulary.
    pub fn new(tokens: Tokens) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::new(tokens));
        Ok(Self { shared, pool: Pool::new("compile", THREADS, QUEUE)? })
    }

    /// The automaton of `form`, at its beginning.
    pub async fn compile(&self, form: Form) -> Result<Constraint, Problem> {
        let field = form.field();
        let shared = Arc::clone(&self.shared);
        let made = self.pool.run(LIMIT, move || shared.constraint(&form)).await;
        made.unwrap_or_else(|error| match error {
            PoolError::Busy => Err(Problem::new(Kind::Overloaded, "too many schemas and grammars wait to be compiled")
                .next("try again later")
                .retry_after_ms(1_000)),
            PoolError::Late(limit) => Err(field.refuse(format!("compiling it takes longer than {limit:?}"))),
            PoolError::Failed => Err(field.refuse("it cannot be compiled")),
        })
    }
}

impl Shared {
    fn new(tokens: Tokens) -> Self {
        let cache = Mutex::new(Cache::new(MOST_KEPT, MOST_KEPT_BYTES));
        Self { tokens, factory: OnceLock::new(), cache }
    }

    fn constraint(&self, form: &Form) -> Result<Constraint, Problem> {
        let digest = digest(form);
        let kept = self.cache().get(&digest);
        let compiled = match kept {
            Some(kept) => kept,
            None => {
                let (made, bytes) = self.make(form);
                self.cache().insert(digest, made.clone(), bytes);
                made
            }
        }?;
        // Each answer walks through a copy of its own: what one makes the automaton learn is not counted for another.
        let copy = compiled.lock().unwrap_or_else(PoisonError::into_inner).deep_clone();
        Ok(Constraint::new(copy, form.field(), self.tokens.pieces.len()))
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache<Compiled>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make(&self, form: &Form) -> (Compiled, usize) {
        let text_bytes = match form {
            Form::Schema(value) => value.to_string().len(),
            Form::Grammar(text) => text.len(),
        };
        let refused_bytes = 1_024;
        let made = self.grammar(form, text_bytes).and_then(|grammar| {
            let factory = self.factory.get_or_init(|| factory(&self.tokens)).as_ref();
            let factory = factory.map_err(|error| Problem::internal(format!("no vocabulary for grammars: {error}")))?;
            let parser = factory.create_parser(grammar).map_err(|error| form.field().refuse(readable(&error)))?;
            let bytes = text_bytes + parser.parser.lexer_stats().num_bytes;
            let mut matcher = Matcher::new(Ok(parser));
            // What has no first token is refused before it runs; and the automaton learns its start here, once.
            matcher.compute_mask_or_eos().map_err(|error| form.field().refuse(readable(&error)))?;
            Ok((Arc::new(Mutex::new(matcher)), bytes))
        });
        match made {
            Ok((matcher, bytes)) => (Ok(matcher), bytes),
            Err(problem) => (Err(problem), refused_bytes),
        }
    }

    fn grammar(&self, form: &Form, text_bytes: usize) -> Result<TopLevelGrammar, Problem> {
        match form {
            Form::Grammar(text) => {
                let lark = gbnf::to_lark(text, &self.tokens).map_err(|error| form.field().refuse(error))?;
                Ok(TopLevelGrammar::from_lark(lark))
            }
            Form::Schema(value) => {
                if text_bytes > LONGEST_SCHEMA_BYTES {
                    return Err(form.field().refuse(format!("it is longer than {LONGEST_SCHEMA_BYTES} bytes")));
                }
                let mut value = value.clone();
                schema::check(&mut value).map_err(|error| form.field().refuse(error))?;
                Ok(TopLevelGrammar::from_json_schema(with_options(value)))
            }
        }
    }
}

fn factory(tokens: &Tokens) -> Result<ParserFactory, String> {
    let mut factory = ParserFactory::new_simple(&tokens.environment()).map_err(|error| error.to_string())?;
    factory.quiet();
    *factory.limits_mut() = limits();
    Ok(factory)
}

/// The compiler takes its options from within the schema; what callers write there was refused before.
fn with_options(mut schema: Value) -> Value {
    let options = JsonCompileOptions {
        whitespace_pattern: Some(WHITE_SPACE.to_owned()),
        json_allowed_escapes: Some(ESCAPES.to_owned()),
        ..JsonCompileOptions::default()
    };
    if schema == Value::Bool(true) {
        schema = Value::Object(serde_json::Map::new());
    }
    if schema.is_object() {
        options.apply_to(&mut schema);
    }
    schema
}

fn digest(form: &Form) -> Digest {
    use sha2::Digest as _;
    let (kind, text) = match form {
        Form::Schema(value) => (b's', value.to_string()),
        Form::Grammar(text) => (b'g', text.clone()),
    };
    sha2::Sha256::new().chain_update([kind]).chain_update(text).finalize().into()
}

/// llguidance's error in a form that callers can use: one line, and nothing of its insides.
pub fn readable(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('<'));
    let first = lines.next().unwrap_or_default();
    let said = match (first.ends_with(':'), lines.next_back()) {
        // A regular expression's error ends with what is wrong.
        (true, Some(last)) => format!("{first} {last}"),
        _ => first.to_owned(),
    };
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if said.is_empty() || has(&["panic"]) {
        "it is not understood".to_owned()
    } else if has(&["oneOf constraints"]) {
        "\"oneOf\" is supported only where its options exclude each other; use \"anyOf\"".to_owned()
    } else if has(&["TooComplex", "oo many items", "fuel", "max_lexer_states", "too big", "too many", "cancelled"]) {
        format!("it takes more work than one request may ask for ({said})")
    } else if has(&["NoExtension"]) {
        "no token may come next".to_owned()
    } else {
        said
    }
}

#[cfg(test)]
pub mod testing {
    //! A compiler without threads, on a vocabulary of bytes and a few longer tokens.

    use super::*;

    /// The compiler.
    pub struct Bench(Shared);

    /// Number of the token that ends an answer.
    pub const END: u32 = 256;

    impl Bench {
        /// All bytes, an end, a control token, and what JSON is often made of.
        pub fn new() -> Self {
            let mut pieces: Vec<Vec<u8>> = (0..=255u8).map(|byte| vec![byte]).collect();
            pieces.extend([Vec::new(), Vec::new()]);
            let longer =
                ["{\"", "\":", "\",\"", "true", "false", "null", " \"", "}}", "[]", "ab", "12", ", ", "\\u00", "aaaa"];
            pieces.extend(longer.map(|text| text.as_bytes().to_vec()));
            Self(Shared::new(Tokens {
                pieces,
                controls: vec![(END, "<|end|>".into()), (257, "<|tool|>".into())],
                ends: vec![END],
            }))
        }

        /// The form's automaton, made on a stack of the pool's size.
        pub fn make(&self, form: &Form) -> Result<Constraint, Problem> {
            std::thread::scope(|scope| {
                let builder = std::thread::Builder::new().stack_size(64 * 1024 * 1024);
                let made = builder.spawn_scoped(scope, || self.0.constraint(form)).expect("a thread");
                made.join().expect("no panic")
            })
        }

        /// A token's bytes.
        pub fn piece(&self, token: u32) -> &[u8] {
            &self.0.tokens.pieces[token as usize]
        }

        /// How many tokens there are.
        pub fn size(&self) -> u32 {
            self.0.tokens.pieces.len() as u32
        }
    }
}
