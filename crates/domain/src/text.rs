//! Text from outside, made fit to be shown: model files, clouds, labels and callers choose it, and terminals, logs and
//! models read it.
//!
//! What could steer a reader is escaped: control characters (with them ANSI sequences and line ends), characters that
//! turn or hide text, and separators of lines. What is too long is cut. Text that goes out as JSON is escaped by JSON
//! already and is only cut.

use std::borrow::Cow;

/// Longest cause, next step or field of a [`crate::Problem`], in characters.
pub const PROBLEM_MAX_CHARS: usize = 2_000;
/// Longest name, label value or the like, in characters, as it is shown.
pub const LABEL_MAX_CHARS: usize = 200;
/// What stands for the part that was cut off.
const CUT: char = '…';

/// `text` on one line, without anything that steers a terminal, and at most `max_chars` characters long.
///
/// Line ends become `\n`, other hidden characters `\u{1b}`. A text that is longer ends in `…`. What comes out is left
/// as it is by a second call with the same length.
#[must_use]
pub fn printable(text: &str, max_chars: usize) -> Cow<'_, str> {
    shown(text, max_chars, is_hidden)
}

/// The same for a text of several lines: line ends and tabs stay.
#[must_use]
pub fn printable_lines(text: &str, max_chars: usize) -> Cow<'_, str> {
    shown(text, max_chars, |c| is_hidden(c) && !matches!(c, '\n' | '\t'))
}

/// JSON text in which no hidden character stands as it is: inside strings, the only place where JSON has them, they become
/// `\u009b`. What it means stays the same. Line ends between values stay.
#[must_use]
pub fn json_escaped(json: &str) -> Cow<'_, str> {
    let needs_escape = |c: char| is_hidden(c) && c != '\n';
    if !json.chars().any(needs_escape) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if needs_escape(c) {
            let units = c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            escaped.push_str(&units);
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// `text` as it is, but at most `max_chars` characters long: for what is written as JSON.
#[must_use]
pub fn cut(text: &str, max_chars: usize) -> Cow<'_, str> {
    shown(text, max_chars, |_| false)
}

fn shown(text: &str, max_chars: usize, hidden: impl Fn(char) -> bool) -> Cow<'_, str> {
    // Only what may be shown is looked at: a text of a gigabyte costs no more than one of `max_chars`.
    let begin = text.char_indices().nth(max_chars).map_or(text, |(end, _)| &text[..end]);
    if begin.len() == text.len() && !text.chars().any(&hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(begin.len());
    let mut left = max_chars;
    for c in begin.chars() {
        let width = if hidden(c) { c.escape_default().count() } else { 1 };
        if width > left {
            return Cow::Owned(ended(shown, max_chars));
        }
        left -= width;
        if hidden(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(if begin.len() < text.len() { ended(shown, max_chars) } else { shown })
}

/// Puts the mark of a cut at the end, in place of the last character where there is no room.
fn ended(mut shown: String, max_chars: usize) -> String {
    if max_chars == 0 {
        return shown;
    }
    if shown.chars().count() >= max_chars {
        shown.pop();
    }
    shown.push(CUT);
    shown
}

/// Whether a character steers or hides what is around it instead of showing something.
#[must_use]
pub const fn is_hidden(c: char) -> bool {
    matches!(c,
        // Control characters: C0, DEL and C1, which hold ESC and the one-character CSI.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // Marks, embeddings, overrides and isolates of writing direction (Unicode Technical Report 36).
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // Separators of lines and paragraphs.
        | '\u{2028}' | '\u{2029}'
        // Characters without a width, and fillers. The joiners U+200C and U+200D are part of words and stay.
        | '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        // Tags and more variation selectors: text that models read and people do not see.
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        let table = [
            ("demo: a model of 3 × 10⁶ weights", "demo: a model of 3 × 10⁶ weights"),
            ("a\nforged line", r"a\nforged line"),
            ("\r\t", r"\r\t"),
            ("\x1b[2J\x1b]8;;http://x\x07", r"\u{1b}[2J\u{1b}]8;;http://x\u{7}"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("fdp\u{202e}exe", r"fdp\u{202e}exe"),
            ("a\u{2028}b", r"a\u{2028}b"),
            ("hid\u{200b}den\u{e0041}", r"hid\u{200b}den\u{e0041}"),
            ("می\u{200c}خواهم", "می\u{200c}خواهم"),
        ];
        for (text, expected) in table {
            assert_eq!(printable(text, 200), expected);
        }
        assert_eq!(printable_lines("a\n\tb\x1b[m\r", 200), "a\n\tb\\u{1b}[m\\r");
    }

    #[test]
    fn what_is_long_is_cut() {
        assert_eq!(printable("abcdef", 4), "abc…");
        assert_eq!(printable("abcd", 4), "abcd");
        assert_eq!(printable("ab\x1b", 4), "ab…");
        assert_eq!(printable("abc", 0), "");
        assert_eq!(cut("a\nbc", 3), "a\n…");
        assert_eq!(printable(&"x".repeat(10 << 20), 80).chars().count(), 80);
    }

    #[test]
    fn json_keeps_its_meaning_without_hidden_characters() {
        let value = serde_json::json!({ "a\u{9b}": "\x1b[m\n\u{202e}\u{e0041} plain" });
        let text = serde_json::to_string_pretty(&value).expect("plain data");
        let escaped = json_escaped(&text);
        assert!(!escaped.chars().any(|c| is_hidden(c) && c != '\n'), "{escaped}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).expect("JSON"), value);
    }

    proptest! {
        #[test]
        fn nothing_hidden_is_left_and_a_second_call_changes_nothing(text in any::<String>(), max in 0_usize..40) {
            let once = printable(&text, max);
            prop_assert!(!once.chars().any(is_hidden));
            prop_assert!(once.chars().count() <= max);
            prop_assert_eq!(printable(&once, max), once.clone());
            prop_assert!(cut(&text, max).chars().count() <= max);
        }
    }
}
