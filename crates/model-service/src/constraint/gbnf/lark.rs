//! Writes a grammar as Lark.
//!
//! Lark cuts text into terminals with a greedy lexer, and GBNF knows no terminals. A greedy lexer may run past a place
//! where GBNF would go on with another rule, so two ways are taken that keep GBNF's meaning to the letter:
//!
//! - A grammar without recursion and without tokens is one regular expression: one terminal.
//! - Any other grammar is written character by character: each terminal is one character, and no character begins
//!   another. That is exact, and its masks cost more, since the parser moves with every byte.

use std::fmt::Write as _;

use super::{GbnfError, Grammar, Node, TokenName, parse};

/// What the conversion must know of a model's tokens.
pub trait Vocabulary {
    /// How many there are.
    fn size(&self) -> usize;
    /// The token that is written so, with angle brackets.
    fn named(&self, text: &str) -> Option<u32>;
}

/// The Lark text of the GBNF grammar `text`.
pub fn to_lark(text: &str, vocabulary: &dyn Vocabulary) -> Result<String, GbnfError> {
    let grammar = prune(parse::parse(text)?)?;
    let reached = reached(&grammar);
    if is_regular(&grammar, &reached) {
        return Ok(write_terminals(&grammar, &reached));
    }
    write_rules(&grammar, &reached, vocabulary)
}

/// Leaves out what no text can match: rules that never end, and empty classes.
fn prune(mut grammar: Grammar) -> Result<Grammar, GbnfError> {
    let mut ends = vec![false; grammar.rules.len()];
    loop {
        let next: Vec<bool> = grammar.rules.iter().map(|rule| can_end(rule, &ends)).collect();
        if next == ends {
            break;
        }
        ends = next;
    }
    if !ends.get(grammar.root).copied().unwrap_or(false) {
        return Err(GbnfError::NoText);
    }
    for (rule, ends_too) in grammar.rules.iter_mut().zip(&ends) {
        if *ends_too {
            drop_endless(rule, &ends);
        }
    }
    Ok(grammar)
}

fn can_end(node: &Node, ends: &[bool]) -> bool {
    match node {
        Node::Class { ranges, negated } => *negated || !ranges.is_empty(),
        Node::Text(_) | Node::Token { .. } => true,
        Node::Rule(number) => ends.get(*number).copied().unwrap_or(false),
        Node::Sequence(parts) => parts.iter().all(|part| can_end(part, ends)),
        Node::Choice(options) => options.iter().any(|option| can_end(option, ends)),
        Node::Repeat { node, least, .. } => *least == 0 || can_end(node, ends),
    }
}

/// Drops options and optional repetitions that cannot end from a node that can.
fn drop_endless(node: &mut Node, ends: &[bool]) {
    match node {
        Node::Choice(options) => {
            options.retain(|option| can_end(option, ends));
            options.iter_mut().for_each(|option| drop_endless(option, ends));
        }
        Node::Sequence(parts) => parts.iter_mut().for_each(|part| drop_endless(part, ends)),
        Node::Repeat { node: inner, .. } if can_end(inner, ends) => drop_endless(inner, ends),
        Node::Repeat { .. } => *node = Node::Text(String::new()),
        Node::Class { .. } | Node::Text(_) | Node::Rule(_) | Node::Token { .. } => {}
    }
}

/// Rules in an order in which each comes after those that it uses, as far as there is no recursion; unused ones are
/// left out.
struct Reached {
    order: Vec<usize>,
    recursive: bool,
    tokens: bool,
}

fn reached(grammar: &Grammar) -> Reached {
    #[derive(Clone, Copy, PartialEq)]
    enum Visit {
        New,
        Open,
        Done,
    }
    let mut visits = vec![Visit::New; grammar.rules.len()];
    let mut found = Reached { order: Vec::new(), recursive: false, tokens: false };
    // A stack of its own: rules may call each other deeper than a thread's stack is.
    let mut stack = vec![(grammar.root, false)];
    while let Some((rule, left)) = stack.pop() {
        let (Some(visit), Some(node)) = (visits.get_mut(rule), grammar.rules.get(rule)) else { continue };
        if left {
            *visit = Visit::Done;
            found.order.push(rule);
            continue;
        }
        if *visit != Visit::New {
            found.recursive |= *visit == Visit::Open;
            continue;
        }
        *visit = Visit::Open;
        stack.push((rule, true));
        let mut used = Vec::new();
        found.tokens |= uses(node, &mut used);
        for number in used {
            found.recursive |= visits.get(number) == Some(&Visit::Open);
            if visits.get(number) == Some(&Visit::New) {
                stack.push((number, false));
            }
        }
    }
    found
}

/// Collects the rules that `node` uses; says whether it uses tokens.
fn uses(node: &Node, rules: &mut Vec<usize>) -> bool {
    match node {
        Node::Class { .. } | Node::Text(_) => false,
        Node::Token { .. } => true,
        Node::Rule(number) => {
            rules.push(*number);
            false
        }
        Node::Sequence(nodes) | Node::Choice(nodes) => {
            // All are looked at, whether or not one uses tokens.
            nodes.iter().map(|node| uses(node, rules)).max().unwrap_or(false)
        }
        Node::Repeat { node, .. } => uses(node, rules),
    }
}

const fn is_regular(_: &Grammar, reached: &Reached) -> bool {
    !reached.recursive && !reached.tokens
}

/// One terminal a rule, and a start that is one terminal.
fn write_terminals(grammar: &Grammar, reached: &Reached) -> String {
    let mut out = format!("start: T{}\n", grammar.root);
    for &rule in &reached.order {
        let _ = write!(out, "T{rule}: ");
        if let Some(node) = grammar.rules.get(rule) {
            write_terminal(&mut out, node);
        }
        out.push('\n');
    }
    out
}

fn write_terminal(out: &mut String, node: &Node) {
    match node {
        Node::Rule(number) => {
            let _ = write!(out, "T{number}");
        }
        Node::Text(text) => write_text(out, text),
        _ => write_compound(out, node, &mut |out, inner| {
            write_terminal(out, inner);
            Ok(())
        })
        .unwrap_or_default(),
    }
}

/// One rule a rule, each character a terminal of its own.
fn write_rules(grammar: &Grammar, reached: &Reached, vocabulary: &dyn Vocabulary) -> Result<String, GbnfError> {
    let mut out = format!("start: r{}\n", grammar.root);
    for &rule in reached.order.iter().rev() {
        let _ = write!(out, "r{rule}: ");
        if let Some(node) = grammar.rules.get(rule) {
            write_rule(&mut out, node, vocabulary)?;
        }
        out.push('\n');
    }
    Ok(out)
}

fn write_rule(out: &mut String, node: &Node, vocabulary: &dyn Vocabulary) -> Result<(), GbnfError> {
    match node {
        Node::Rule(number) => {
            let _ = write!(out, "r{number}");
        }
        Node::Token { token, negated } => {
            let id = token_id(token, vocabulary)?;
            let _ = write!(out, "<[{}{id}]>", if *negated { "^" } else { "" });
        }
        Node::Text(text) if text.is_empty() => out.push_str("\"\""),
        Node::Text(text) => {
            out.push('(');
            let mut letter = [0; 4];
            for c in text.chars() {
                write_text(out, c.encode_utf8(&mut letter));
                out.push(' ');
            }
            out.push(')');
        }
        _ => write_compound(out, node, &mut |out, inner| write_rule(out, inner, vocabulary))?,
    }
    Ok(())
}

fn token_id(token: &TokenName, vocabulary: &dyn Vocabulary) -> Result<u32, GbnfError> {
    match token {
        TokenName::Id(id) if (*id as usize) < vocabulary.size() => Ok(*id),
        TokenName::Id(id) => Err(GbnfError::NoToken(format!("<[{id}]>"))),
        TokenName::Text(text) => vocabulary.named(text).ok_or_else(|| GbnfError::NoToken(text.clone())),
    }
}

/// What is written in the same way in rules and in terminals, with `write` for the parts.
fn write_compound(
    out: &mut String,
    node: &Node,
    write: &mut dyn FnMut(&mut String, &Node) -> Result<(), GbnfError>,
) -> Result<(), GbnfError> {
    match node {
        Node::Class { ranges, negated } => write_class(out, ranges, *negated),
        Node::Sequence(parts) if parts.is_empty() => out.push_str("\"\""),
        Node::Sequence(nodes) | Node::Choice(nodes) => {
            let between = if matches!(node, Node::Choice(_)) { " | " } else { " " };
            out.push('(');
            for (at, part) in nodes.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { between });
                write(out, part)?;
            }
            out.push(')');
        }
        Node::Repeat { node, least, most } => {
            // Nothing else needs more brackets than it has: the deeper the text, the less of it the compiler takes.
            let inner_repeats = matches!(**node, Node::Repeat { .. });
            out.push_str(if inner_repeats { "(" } else { "" });
            write(out, node)?;
            out.push_str(if inner_repeats { ")" } else { "" });
            match (least, most) {
                (0, None) => out.push('*'),
                (1, None) => out.push('+'),
                (0, Some(1)) => out.push('?'),
                (least, None) => {
                    let _ = write!(out, "{{{least},}}");
                }
                (least, Some(most)) => {
                    let _ = write!(out, "{{{least},{most}}}");
                }
            }
        }
        Node::Rule(_) | Node::Text(_) | Node::Token { .. } => {}
    }
    Ok(())
}

/// A text in JSON's notation, which is Lark's.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A class as a regular expression, each character by its code, so that nothing needs an escape.
fn write_class(out: &mut String, ranges: &[(char, char)], negated: bool) {
    if ranges.is_empty() {
        // Any character; an empty class that is not negated was dropped.
        out.push_str("/(?s:.)/");
        return;
    }
    out.push_str(if negated { "/[^" } else { "/[" });
    for (first, last) in ranges {
        let _ = write!(out, "\\x{{{:X}}}", u32::from(*first));
        if first != last {
            let _ = write!(out, "-\\x{{{:X}}}", u32::from(*last));
        }
    }
    out.push_str("]/");
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Few;

    impl Vocabulary for Few {
        fn size(&self) -> usize {
            100
        }
        fn named(&self, text: &str) -> Option<u32> {
            (text == "<|end|>").then_some(7)
        }
    }

    fn lark(text: &str) -> Result<String, GbnfError> {
        to_lark(text, &Few)
    }

    #[test]
    fn what_needs_no_stack_is_one_terminal() {
        let cases = [
            ("root ::= \"yes\" | \"no\"", "start: T0\nT0: (\"yes\" | \"no\")\n"),
            ("root ::= [a-z0-9_]+ # a comment\n", "start: T0\nT0: /[\\x{61}-\\x{7A}\\x{30}-\\x{39}\\x{5F}]/+\n"),
            (
                "root ::= a{2,3} \"\\n\"\na ::= [^\"\\\\\\x7F-\\U0001F600] .\n",
                "start: T0\nT1: (/[^\\x{22}\\x{5C}\\x{7F}-\\x{1F600}]/ /(?s:.)/)\nT0: (T1{2,3} \"\\u000a\")\n",
            ),
            ("root ::= (\"a\" |\n  [b-]{2,}) ?", "start: T0\nT0: (\"a\" | /[\\x{62}\\x{2D}]/{2,})?\n"),
            ("root ::= \"\"", "start: T0\nT0: \"\"\n"),
            ("root ::= \"a\" |", "start: T0\nT0: (\"a\" | \"\")\n"),
        ];
        for (gbnf, expected) in cases {
            assert_eq!(lark(gbnf).as_deref(), Ok(expected), "{gbnf}");
        }
    }

    #[test]
    fn what_needs_a_stack_or_tokens_is_written_character_by_character() {
        let cases = [
            ("root ::= \"ab\" root? | \"/\"", "start: r0\nr0: (((\"a\" \"b\" ) r0?) | (\"/\" ))\n"),
            ("root ::= <[5]> !<[6]> <|end|>", "start: r0\nr0: (<[5]> <[^6]> <[7]>)\n"),
            // Left recursion with an end is fine; a branch without one is dropped, and so is a rule that is not used.
            (
                "root ::= root \"x\" | \"y\" | loop\nloop ::= loop \"z\"\nunused ::= \"u\"",
                "start: r0\nr0: ((r0 (\"x\" )) | (\"y\" ))\n",
            ),
        ];
        for (gbnf, expected) in cases {
            assert_eq!(lark(gbnf).as_deref(), Ok(expected), "{gbnf}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let line = |line| {
            move |error: &GbnfError| {
                matches!(error,
            GbnfError::Expected { line: l, .. } | GbnfError::TooDeep { line: l } | GbnfError::Repeats { line: l } if *l == line)
            }
        };
        let long = "x".repeat(64 * 1024 + 1);
        let deep = format!("root ::= {}\"a\"{}", "(".repeat(33), ")".repeat(33));
        let many: String = (0..3_000).map(|at| format!("r{at} ::= \"a\"\n")).collect();
        type Check = Box<dyn Fn(&GbnfError) -> bool>;
        let cases: Vec<(&str, Check)> = vec![
            ("", Box::new(|e| *e == GbnfError::Undefined("root".into()))),
            ("root ::= other", Box::new(|e| *e == GbnfError::Undefined("other".into()))),
            ("root ::= (", Box::new(line(1))),
            ("root ::= \"a", Box::new(line(1))),
            ("root ::= [a", Box::new(line(1))),
            ("root ::= \"a\"\nroot = b", Box::new(line(2))),
            ("root ::= * \"a\"", Box::new(line(1))),
            ("root ::= \"a\"**", Box::new(line(1))),
            ("root ::= \"a\"{3,2}", Box::new(line(1))),
            ("root ::= \"a\"{2001}", Box::new(line(1))),
            ("root ::= \"a\"{99999999999999999999}", Box::new(line(1))),
            ("root ::= \"\\q\"", Box::new(line(1))),
            ("root ::= \"\\uD800\"", Box::new(line(1))),
            ("root ::= [z-a]", Box::new(line(1))),
            ("root ::= \"a\" )", Box::new(line(1))),
            ("root ::= root \"a\"", Box::new(|e| *e == GbnfError::NoText)),
            ("root ::= []", Box::new(|e| *e == GbnfError::NoText)),
            ("root ::= <[99999999]>", Box::new(|e| matches!(e, GbnfError::NoToken(_)))),
            ("root ::= <[99999999999999999999]>", Box::new(|e| matches!(e, GbnfError::NoToken(_)))),
            ("root ::= <nothing>", Box::new(|e| matches!(e, GbnfError::NoToken(_)))),
            (&long, Box::new(|e| *e == GbnfError::TooLong)),
            (&deep, Box::new(line(1))),
            (&many, Box::new(|e| *e == GbnfError::TooManyRules)),
        ];
        for (text, check) in cases {
            let error = lark(text).expect_err(text);
            assert!(check(&error), "{error} for {:.60}", text);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(root ::= )?[a-c \"\\[\\](){}|*+?.,<>!#\\n\\\\^:=0-9-]{0,80}") {
            let _ = lark(&text);
        }
    }
}
