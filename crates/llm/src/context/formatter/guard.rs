//! The guards that stand in place of a template's operations (see [`super::compile`]): each pays for what it is about to
//! do, by its arguments, and for what it made.

use minijinja::value::ValueKind;
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::meter::{Meter, Weight};
use super::operators;

// Names that no template can write.
pub(super) const FILTER: &str = "op!filter";
pub(super) const TEST: &str = "op!test";
pub(super) const METHOD: &str = "op!method";
pub(super) const CONCAT: &str = "op!concat";
pub(super) const ADD: &str = "op!add";
pub(super) const MUL: &str = "op!mul";
pub(super) const EQ: &str = "op!eq";
pub(super) const NE: &str = "op!ne";
pub(super) const LT: &str = "op!lt";
pub(super) const LE: &str = "op!le";
pub(super) const GT: &str = "op!gt";
pub(super) const GE: &str = "op!ge";
pub(super) const IN: &str = "op!in";
pub(super) const ITEM: &str = "op!item";
pub(super) const SLICE: &str = "op!slice";
pub(super) const LIST: &str = "op!list";
pub(super) const TUPLE: &str = "op!tuple";
pub(super) const MAP: &str = "op!map";
pub(super) const STORABLE: &str = "op!storable";

/// Filters that look at their arguments' tops alone, and make nothing.
const LIGHT_FILTERS: [&str; 8] = ["attr", "bool", "count", "d", "default", "first", "last", "length"];
/// Filters that pay for all of their arguments. The engine has more; what no chat template needs is not offered.
const FILTERS: [&str; 34] = [
    "abs",
    "capitalize",
    "dictsort",
    "e",
    "escape",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "sort",
    "split",
    "string",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
];
/// Tests that look at the kind of a value alone.
const LIGHT_TESTS: [&str; 14] = [
    "boolean", "defined", "even", "false", "float", "integer", "iterable", "mapping", "none", "number", "odd",
    "sequence", "string", "true",
];
/// Widest indentation, and longest width in a format.
const WIDTH_MAX: usize = 999;
/// Bytes in memory for each byte of a text that is cut into pieces of a byte.
const PIECE_BYTES: u64 = 24;

/// Registers the guards.
pub(super) fn register(environment: &mut Environment<'static>) {
    environment.add_filter(FILTER, |state: &mut State, arguments: Value, name: Value| {
        let (name, arguments) = named(&name, &arguments)?;
        filter(state, name, arguments)
    });
    environment.add_filter(TEST, |state: &mut State, arguments: Value, name: Value| -> Result<Value, Error> {
        let (name, arguments) = named(&name, &arguments)?;
        if !LIGHT_TESTS.contains(&name) {
            let meter = Meter::of(state)?;
            arguments.iter().try_for_each(|argument| meter.read(argument).map(drop))?;
        }
        state.perform_test(name, arguments).map(Value::from)
    });
    environment.add_filter(METHOD, |state: &mut State, arguments: Value, name: Value| {
        let (name, arguments) = named(&name, &arguments)?;
        method(state, name, arguments)
    });
    environment.set_formatter(|out, state, value| {
        let meter = Meter::of(state)?;
        let written = meter.read(value)?.written(value);
        meter.charge(written)?;
        minijinja::escape_formatter(out, state, value)
    });
    operators::register(environment);
}

/// What is called, and with what.
fn named<'v>(name: &'v Value, arguments: &'v Value) -> Result<(&'v str, &'v [Value]), Error> {
    let arguments = arguments.downcast_object_ref::<Vec<Value>>().map_or(&[][..], Vec::as_slice);
    let name = name.as_str().ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "a call without a name"))?;
    Ok((name, arguments))
}

fn filter(state: &mut State, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let meter = Meter::of(state)?;
    if LIGHT_FILTERS.contains(&name) {
        let bytes: usize = arguments.iter().filter_map(|argument| argument.as_str().map(str::len)).sum();
        meter.charge(1 + bytes as u64)?;
        return state.apply_filter(name, arguments);
    }
    if !FILTERS.contains(&name) {
        return Err(Error::new(ErrorKind::UnknownFilter, format!("filter {name} is unknown")));
    }
    if let ("map", [items, inner, rest @ ..]) = (name, arguments)
        && let Some(inner) = inner.as_str()
    {
        return map(state, &meter, items, inner, rest);
    }
    meter.charge(growth(name, &Given::of(&meter, arguments)?)?)?;
    let made = state.apply_filter(name, arguments)?;
    meter.made(made)
}

/// `map("filter")`: the filter is called here, for it pays too.
fn map(state: &mut State, meter: &Meter, items: &Value, inner: &str, rest: &[Value]) -> Result<Value, Error> {
    let mut mapped = Vec::new();
    for item in items.try_iter()? {
        meter.charge(PIECE_BYTES)?;
        let arguments: Vec<Value> = std::iter::once(item).chain(rest.iter().cloned()).collect();
        mapped.push(filter(state, inner, &arguments)?);
    }
    meter.made(Value::from(mapped))
}

fn method(state: &mut State, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let [of, rest @ ..] = arguments else {
        return Err(Error::new(ErrorKind::InvalidOperation, "a method of nothing"));
    };
    let meter = Meter::of(state)?;
    if of.kind() == ValueKind::Map && name == "get" {
        rest.iter().try_for_each(|argument| meter.read(argument).map(drop))?;
        return of.call_method(state, name, rest);
    }
    let mut given = Given::of(&meter, arguments)?;
    if name == "join" {
        // `text.join(list)` is `list | join(text)`.
        given.0.reverse();
    }
    meter.charge(growth(name, &given)?)?;
    let made = of.call_method(state, name, rest)?;
    meter.made(made)
}

/// Arguments, each with its weight.
struct Given<'v>(Vec<(&'v Value, Weight)>);

impl<'v> Given<'v> {
    fn of(meter: &Meter, arguments: &'v [Value]) -> Result<Self, Error> {
        arguments.iter().map(|argument| Ok((argument, meter.read(argument)?))).collect::<Result<_, _>>().map(Self)
    }

    /// An argument as text; nothing when it is none.
    fn text(&self, place: usize) -> Option<&'v str> {
        self.0.get(place).and_then(|(value, _)| value.as_str())
    }

    /// Bytes of an argument at most when it is written out, as filters do with what is no text.
    fn written(&self, place: usize) -> u64 {
        self.0.get(place).map_or(0, |(value, weight)| weight.written(value))
    }

    fn all_written(&self) -> u64 {
        (0..self.0.len()).map(|place| self.written(place)).sum()
    }
}

/// Bytes at most that a filter or method of that name makes beyond what it is paid for when it is made, and units for
/// what takes more than one look.
fn growth(name: &str, given: &Given) -> Result<u64, Error> {
    let refused = |what: &'static str| Err(Error::new(ErrorKind::InvalidOperation, what));
    Ok(match name {
        "replace" => {
            let times = match (given.text(0), given.text(1)) {
                (Some(whole), Some(old)) if !old.is_empty() => whole.matches(old).count() as u64,
                _ => given.written(0) + 1,
            };
            given.written(0).saturating_add(times.saturating_mul(given.written(2)))
        }
        "join" => {
            let items = given.0.first().and_then(|(value, _)| value.len()).unwrap_or(1) as u64;
            given.all_written().saturating_add(items.saturating_mul(given.written(1)))
        }
        "indent" => {
            let width = given.0.iter().skip(1).filter_map(|(value, _)| value.as_usize()).max().unwrap_or(4);
            if width > WIDTH_MAX {
                return refused("the indentation is too wide");
            }
            let lines = given.text(0).map_or(given.written(0), |text| text.lines().count() as u64) + 1;
            given.written(0).saturating_add(lines.saturating_mul(width as u64))
        }
        // Lines of nested values are indented, by sixteen for each level at most.
        "tojson" => {
            given.0.iter().map(|(value, weight)| weight.written(value) + 6 * weight.bytes + 600 * weight.parts).sum()
        }
        "format" => {
            let Some(format) = given.text(0) else { return refused("the format is no text") };
            // A width has three digits at most.
            let is_wide = format.as_bytes().windows(4).any(|four| four.iter().all(u8::is_ascii_digit));
            // A width may itself be an argument: `*`, or braces within braces.
            let is_nested = format.split('{').any(|part| part.contains(':') && !part.contains('}'));
            if is_wide || is_nested || format.contains('*') {
                return refused("a width in a format is too large");
            }
            let places = format.matches(['%', '{']).count() as u64;
            places.saturating_mul(given.all_written() + WIDTH_MAX as u64)
        }
        "split" | "splitlines" | "lines" | "list" => given.written(0).saturating_mul(PIECE_BYTES),
        // Each comparison looks at two values again.
        "sort" | "dictsort" | "unique" | "groupby" | "min" | "max" => {
            let parts: u64 = given.0.iter().map(|(_, weight)| weight.parts).sum();
            u64::from(u64::BITS - parts.leading_zeros()) * (given.all_written() / 8 + 16 * parts)
        }
        _ => given.all_written().saturating_mul(3),
    })
}
