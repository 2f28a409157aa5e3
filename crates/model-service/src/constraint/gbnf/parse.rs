//! Reads GBNF.

use std::collections::HashMap;

use super::{DEEPEST, GbnfError, Grammar, LONGEST_BYTES, MOST_REPEATS, MOST_RULES, Node, TokenName};

/// Reads a whole grammar.
pub fn parse(text: &str) -> Result<Grammar, GbnfError> {
    if text.len() > LONGEST_BYTES {
        return Err(GbnfError::TooLong);
    }
    let mut parser =
        Parser { chars: text.chars().collect(), at: 0, names: HashMap::new(), rules: Vec::new(), depth: 0 };
    parser.space(true);
    while parser.peek().is_some() {
        parser.rule()?;
    }
    let names = parser.names;
    let undefined = |at: usize| names.iter().find(|(_, number)| **number == at).map(|(name, _)| name.clone());
    let mut rules = Vec::with_capacity(parser.rules.len());
    for (at, rule) in parser.rules.into_iter().enumerate() {
        rules.push(rule.ok_or_else(|| GbnfError::Undefined(undefined(at).unwrap_or_default()))?);
    }
    let root = *names.get("root").ok_or_else(|| GbnfError::Undefined("root".to_owned()))?;
    Ok(Grammar { rules, root })
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    names: HashMap<String, usize>,
    /// What each rule stands for, once it was read.
    rules: Vec<Option<Node>>,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take(&mut self, wanted: &str) -> bool {
        let found = wanted.chars().enumerate().all(|(i, c)| self.chars.get(self.at + i) == Some(&c));
        self.at += if found { wanted.chars().count() } else { 0 };
        found
    }

    fn line(&self) -> usize {
        let before = self.chars.get(..self.at).unwrap_or(&self.chars);
        1 + before.iter().filter(|&&c| c == '\n').count()
    }

    fn expected<T>(&self, expected: &'static str) -> Result<T, GbnfError> {
        Err(GbnfError::Expected { line: self.line(), expected })
    }

    /// Skips spaces and comments, and the ends of lines where they mean nothing.
    fn space(&mut self, lines: bool) {
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' => self.at += 1,
                '\n' | '\r' if lines => self.at += 1,
                '#' => {
                    while self.peek().is_some_and(|c| c != '\n' && c != '\r') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn name(&mut self) -> Result<usize, GbnfError> {
        let start = self.at;
        while self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
            self.at += 1;
        }
        if self.at == start {
            return self.expected("the name of a rule");
        }
        let name: String = self.chars.get(start..self.at).unwrap_or_default().iter().collect();
        if let Some(&number) = self.names.get(&name) {
            return Ok(number);
        }
        if self.rules.len() == MOST_RULES {
            return Err(GbnfError::TooManyRules);
        }
        self.rules.push(None);
        self.names.insert(name, self.rules.len() - 1);
        Ok(self.rules.len() - 1)
    }

    fn rule(&mut self) -> Result<(), GbnfError> {
        let number = self.name()?;
        self.space(false);
        if !self.take("::=") {
            return self.expected("`::=`");
        }
        self.space(true);
        let node = self.choice(false)?;
        if self.peek().is_some_and(|c| c != '\n' && c != '\r') {
            return self.expected("the end of the line");
        }
        self.space(true);
        if let Some(rule) = self.rules.get_mut(number) {
            *rule = Some(node);
        }
        Ok(())
    }

    fn choice(&mut self, nested: bool) -> Result<Node, GbnfError> {
        let mut options = vec![self.sequence(nested)?];
        while self.take("|") {
            self.space(true);
            options.push(self.sequence(nested)?);
        }
        Ok(if options.len() == 1 { options.swap_remove(0) } else { Node::Choice(options) })
    }

    fn sequence(&mut self, nested: bool) -> Result<Node, GbnfError> {
        let mut parts: Vec<Node> = Vec::new();
        let mut repeated = false;
        while let Some(c) = self.peek() {
            let repeats = matches!(c, '*' | '+' | '?' | '{');
            if repeats && repeated {
                return self.expected("one repetition; put the first in a group");
            }
            repeated = repeats;
            let part = match c {
                '"' => self.text()?,
                '[' => self.class()?,
                '(' => self.group()?,
                '.' => {
                    self.at += 1;
                    Node::Class { ranges: Vec::new(), negated: true }
                }
                '<' | '!' => self.token()?,
                '*' | '+' | '?' | '{' => self.repeat(parts.pop())?,
                c if c.is_ascii_alphanumeric() || c == '-' || c == '_' => Node::Rule(self.name()?),
                _ => break,
            };
            parts.push(part);
            self.space(nested);
        }
        Ok(if parts.len() == 1 { parts.swap_remove(0) } else { Node::Sequence(parts) })
    }

    fn group(&mut self) -> Result<Node, GbnfError> {
        if self.depth == DEEPEST {
            return Err(GbnfError::TooDeep { line: self.line() });
        }
        self.depth += 1;
        self.at += 1;
        self.space(true);
        let node = self.choice(true)?;
        self.depth -= 1;
        if self.take(")") { Ok(node) } else { self.expected("`)`") }
    }

    fn repeat(&mut self, before: Option<Node>) -> Result<Node, GbnfError> {
        let Some(node) = before else { return self.expected("something before a repetition") };
        let (least, most) = if self.take("*") {
            (0, None)
        } else if self.take("+") {
            (1, None)
        } else if self.take("?") {
            (0, Some(1))
        } else {
            self.counts()?
        };
        if least > MOST_REPEATS || most.is_some_and(|most| most > MOST_REPEATS || most < least) {
            return Err(GbnfError::Repeats { line: self.line() });
        }
        Ok(Node::Repeat { node: Box::new(node), least, most })
    }

    /// `{m}`, `{m,}` or `{m,n}`.
    fn counts(&mut self) -> Result<(u32, Option<u32>), GbnfError> {
        self.at += 1;
        self.space(true);
        let least = self.number()?;
        self.space(true);
        let mut most = Some(least);
        if self.take(",") {
            self.space(true);
            most = if self.peek().is_some_and(|c| c.is_ascii_digit()) { Some(self.number()?) } else { None };
            self.space(true);
        }
        if self.take("}") { Ok((least, most)) } else { self.expected("`}`") }
    }

    fn number(&mut self) -> Result<u32, GbnfError> {
        let mut number: Option<u32> = None;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit));
            self.at += 1;
        }
        number.map_or_else(|| self.expected("a number"), Ok)
    }

    fn text(&mut self) -> Result<Node, GbnfError> {
        self.at += 1;
        let mut text = String::new();
        while !self.take("\"") {
            text.push(self.character()?);
        }
        Ok(Node::Text(text))
    }

    fn class(&mut self) -> Result<Node, GbnfError> {
        self.at += 1;
        let negated = self.take("^");
        let mut ranges = Vec::new();
        while !self.take("]") {
            let first = self.character()?;
            let is_range = self.peek() == Some('-') && self.chars.get(self.at + 1).is_some_and(|&c| c != ']');
            let last = if is_range {
                self.at += 1;
                self.character()?
            } else {
                first
            };
            if first > last {
                return self.expected("a range whose end is not before its start");
            }
            ranges.push((first, last));
        }
        Ok(Node::Class { ranges, negated })
    }

    /// One character of a text or a class, escaped or not.
    fn character(&mut self) -> Result<char, GbnfError> {
        let Some(c) = self.peek() else { return self.expected("the end of a text or a class") };
        self.at += 1;
        if c != '\\' {
            return Ok(c);
        }
        let Some(escape) = self.peek() else { return self.expected("an escaped character") };
        self.at += 1;
        match escape {
            'x' => self.hex(2),
            'u' => self.hex(4),
            'U' => self.hex(8),
            't' => Ok('\t'),
            'r' => Ok('\r'),
            'n' => Ok('\n'),
            '\\' | '"' | '[' | ']' | '-' | '^' | '/' => Ok(escape),
            _ => self.expected("an escape that GBNF knows: \\n \\r \\t \\\\ \\\" \\[ \\] \\xHH \\uHHHH \\UHHHHHHHH"),
        }
    }

    fn hex(&mut self, digits: usize) -> Result<char, GbnfError> {
        let mut code = 0u32;
        for _ in 0..digits {
            let Some(digit) = self.peek().and_then(|c| c.to_digit(16)) else {
                return self.expected("hexadecimal digits");
            };
            code = code.wrapping_mul(16).wrapping_add(digit);
            self.at += 1;
        }
        char::from_u32(code).map_or_else(|| self.expected("the code of a character"), Ok)
    }

    fn token(&mut self) -> Result<Node, GbnfError> {
        let negated = self.take("!");
        if !self.take("<") {
            return self.expected("`<`");
        }
        let start = self.at;
        while self.peek().is_some_and(|c| c != '>' && c != '\n') {
            self.at += 1;
        }
        let name: String = self.chars.get(start..self.at).unwrap_or_default().iter().collect();
        if !self.take(">") || name.is_empty() {
            return self.expected("a token, as <[id]> or <text>");
        }
        let token = match name.strip_prefix('[').and_then(|id| id.strip_suffix(']')) {
            Some(id) => TokenName::Id(id.parse().map_err(|_| GbnfError::NoToken(format!("<{name}>")))?),
            None => TokenName::Text(format!("<{name}>")),
        };
        Ok(Node::Token { token, negated })
    }
}
