//! One text or several, or tokens in their place: read entry by entry, so that an error names the entry at fault.

use std::fmt;

use serde::de::{Error, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Most texts or lists of tokens in one request, and most tokens in all.
const ENTRIES_MAX: usize = 1 << 20;

/// One text or several: `stop`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// One text.
    One(String),
    /// Several texts.
    Many(Vec<String>),
}

impl OneOrMany {
    /// The texts, in order.
    #[must_use]
    pub fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// Text, or tokens already counted out: `prompt` of completions and `input` of embeddings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Prompt {
    /// One text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// One sequence of token ids.
    Tokens(Vec<i32>),
    /// Several sequences of token ids.
    TokenLists(Vec<Vec<i32>>),
}

/// An entry of a list.
enum Entry {
    Text(String),
    Token(i32),
    Tokens(Vec<i32>),
}

impl Entry {
    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Text(text) => Unexpected::Str(text),
            Self::Token(token) => Unexpected::Signed(i64::from(*token)),
            Self::Tokens(_) => Unexpected::Seq,
        }
    }
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(Any { expects: "a text or a list of texts" })? {
            Prompt::Text(text) => Ok(Self::One(text)),
            Prompt::Texts(texts) => Ok(Self::Many(texts)),
            Prompt::Tokens(_) => Err(D::Error::custom("[0] is a number: expected a text")),
            Prompt::TokenLists(_) => Err(D::Error::custom("[0] is a list: expected a text")),
        }
    }
}

impl<'de> Deserialize<'de> for Prompt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any { expects: "a text, a list of texts, or lists of tokens" })
    }
}

struct Any {
    expects: &'static str,
}

impl<'de> Visitor<'de> for Any {
    type Value = Prompt;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.expects)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Prompt, E> {
        Ok(Prompt::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Prompt, E> {
        Ok(Prompt::Text(text))
    }

    /// The first entry says what all are.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Prompt, A::Error> {
        let mut prompt = Prompt::Texts(Vec::new());
        let mut index = 0;
        while let Some(entry) = list.next_element::<Entry>()? {
            prompt = match (prompt, entry) {
                (Prompt::Texts(mut texts), Entry::Text(text)) => {
                    texts.push(text);
                    Prompt::Texts(texts)
                }
                (Prompt::Texts(texts), Entry::Token(token)) if texts.is_empty() => Prompt::Tokens(vec![token]),
                (Prompt::Texts(texts), Entry::Tokens(tokens)) if texts.is_empty() => Prompt::TokenLists(vec![tokens]),
                (Prompt::Tokens(mut tokens), Entry::Token(token)) => {
                    tokens.push(token);
                    Prompt::Tokens(tokens)
                }
                (Prompt::TokenLists(mut lists), Entry::Tokens(tokens)) => {
                    lists.push(tokens);
                    Prompt::TokenLists(lists)
                }
                (_, entry) => {
                    let expected = format!("[{index}] to be like the entries before");
                    return Err(A::Error::invalid_type(entry.unexpected(), &expected.as_str()));
                }
            };
            index += 1;
            if index > ENTRIES_MAX {
                return Err(A::Error::custom(format!("more than {ENTRIES_MAX} entries")));
            }
        }
        Ok(prompt)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfEntry)
    }
}

struct OfEntry;

impl<'de> Visitor<'de> for OfEntry {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a text or a token")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Entry, E> {
        Ok(Entry::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Entry, E> {
        Ok(Entry::Text(text))
    }

    fn visit_i64<E: Error>(self, token: i64) -> Result<Entry, E> {
        i32::try_from(token).map(Entry::Token).map_err(|_| E::invalid_value(Unexpected::Signed(token), &"a token's id"))
    }

    fn visit_u64<E: Error>(self, token: u64) -> Result<Entry, E> {
        let invalid = |_| E::invalid_value(Unexpected::Unsigned(token), &"a token's id");
        i32::try_from(token).map(Entry::Token).map_err(invalid)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Entry, A::Error> {
        let mut tokens = Vec::new();
        while let Some(token) = list.next_element()? {
            if tokens.len() == ENTRIES_MAX {
                return Err(A::Error::custom(format!("more than {ENTRIES_MAX} tokens")));
            }
            tokens.push(token);
        }
        Ok(Entry::Tokens(tokens))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_read() {
        let read = |json: &str| serde_json::from_str::<Prompt>(json).expect(json);
        assert_eq!(read(r#""a""#), Prompt::Text("a".into()));
        assert_eq!(read("[]"), Prompt::Texts(vec![]));
        assert_eq!(read(r#"["a","b"]"#), Prompt::Texts(vec!["a".into(), "b".into()]));
        assert_eq!(read("[1,2]"), Prompt::Tokens(vec![1, 2]));
        assert_eq!(read("[[1],[]]"), Prompt::TokenLists(vec![vec![1], vec![]]));
        assert_eq!(serde_json::from_str::<OneOrMany>(r#"["a"]"#).expect("texts").into_vec(), ["a"]);
    }

    #[test]
    fn what_is_wrong_is_said_without_inner_words() {
        for json in [
            "[null]",
            "null",
            "3",
            "{}",
            "[1,\"a\"]",
            "[\"a\",1]",
            "[[\"a\"]]",
            "[1e99]",
            "[1.5]",
            "[3000000000]",
            "[true]",
        ] {
            for error in
                [serde_json::from_str::<Prompt>(json).map(drop), serde_json::from_str::<OneOrMany>(json).map(drop)]
            {
                let error = error.expect_err(json).to_string();
                assert!(!error.contains("untagged") && !error.contains("variant"), "{json}: {error}");
            }
        }
        for json in ["[1]", "[[1]]"] {
            assert!(serde_json::from_str::<OneOrMany>(json).is_err(), "{json}");
        }
    }
}
