//! The operators of templates that can make size out of nothing, or take time of their own: the engine's rules, paid for
//! before they are done. Numbers are counted in 128 bits, as in the engine.

use minijinja::value::{Rest, Tuple, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::guard;
use super::meter::Meter;

type Made = Result<Value, Error>;

/// Registers them.
pub(super) fn register(environment: &mut Environment<'static>) {
    let mut two = |name: &'static str, operator: fn(&Meter, &Value, &Value) -> Made| {
        environment.add_filter(name, move |state: &mut State, left: Value, right: Value| {
            operator(&*Meter::of(state)?, &left, &right)
        });
    };
    two(guard::CONCAT, concat);
    two(guard::ADD, add);
    two(guard::MUL, multiply);
    two(guard::EQ, |meter, left, right| compared(meter, left, right, left_eq));
    two(guard::NE, |meter, left, right| compared(meter, left, right, |left, right| left != right));
    two(guard::LT, |meter, left, right| compared(meter, left, right, |left, right| left < right));
    two(guard::LE, |meter, left, right| compared(meter, left, right, |left, right| left <= right));
    two(guard::GT, |meter, left, right| compared(meter, left, right, |left, right| left > right));
    two(guard::GE, |meter, left, right| compared(meter, left, right, |left, right| left >= right));
    two(guard::IN, |meter, item, container| contains(meter, container, item));
    two(guard::ITEM, item);
    environment.add_filter(guard::SLICE, |state: &mut State, value: Value, from: Value, to: Value, step: Value| {
        slice(&*Meter::of(state)?, &value, [from, to, step])
    });
    environment.add_filter(guard::LIST, |state: &mut State, items: Rest<Value>| {
        let meter = Meter::of(state)?;
        items.iter().try_for_each(|item| meter.storable(item))?;
        meter.made(Value::from(items.0))
    });
    environment.add_filter(guard::TUPLE, |state: &mut State, items: Rest<Value>| {
        let meter = Meter::of(state)?;
        items.iter().try_for_each(|item| meter.storable(item))?;
        meter.made(Value::from(Tuple::from(items.0)))
    });
    environment.add_filter(guard::MAP, |state: &mut State, parts: Rest<Value>| {
        let meter = Meter::of(state)?;
        parts.iter().try_for_each(|part| meter.storable(part))?;
        let pairs = parts.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        meter.made(Value::from_pairs(pairs))
    });
    environment.add_filter(guard::STORABLE, |state: &mut State, value: Value| -> Made {
        Meter::of(state)?.storable(&value)?;
        Ok(value)
    });
}

fn left_eq(left: &Value, right: &Value) -> bool {
    left == right
}

fn compared(meter: &Meter, left: &Value, right: &Value, is: fn(&Value, &Value) -> bool) -> Made {
    meter.read(left)?;
    meter.read(right)?;
    Ok(Value::from(is(left, right)))
}

fn concat(meter: &Meter, left: &Value, right: &Value) -> Made {
    meter.charge(meter.read(left)?.written(left) + meter.read(right)?.written(right))?;
    Ok(Value::from(format!("{left}{right}")))
}

fn is_list(value: &Value) -> bool {
    matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable)
}

fn impossible(operator: &str, left: &Value, right: &Value) -> Error {
    let (left, right) = (left.kind(), right.kind());
    Error::new(ErrorKind::InvalidOperation, format!("{left} {operator} {right} is not possible"))
}

fn add(meter: &Meter, left: &Value, right: &Value) -> Made {
    if let (Some(left), Some(right)) = (left.as_str(), right.as_str()) {
        meter.charge((left.len() + right.len()) as u64)?;
        return Ok(Value::from([left, right].concat()));
    }
    if is_list(left) && is_list(right) && left.is_tuple() == right.is_tuple() {
        let mut items = Vec::new();
        for item in left.try_iter()?.chain(right.try_iter()?) {
            meter.charge(4)?;
            items.push(item);
        }
        return meter.made(if left.is_tuple() { Value::from(Tuple::from(items)) } else { Value::from(items) });
    }
    number(left, right, i128::checked_add, |left, right| left + right)
        .unwrap_or_else(|| Err(impossible("+", left, right)))
}

fn multiply(meter: &Meter, left: &Value, right: &Value) -> Made {
    let (repeated, times) = if right.as_str().is_some() || is_list(right) { (right, left) } else { (left, right) };
    if repeated.as_str().is_none() && !is_list(repeated) {
        let product = number(left, right, i128::checked_mul, |left, right| left * right);
        return product.unwrap_or_else(|| Err(impossible("*", left, right)));
    }
    let times = times.as_usize().ok_or_else(|| impossible("*", left, right))?;
    if let Some(text) = repeated.as_str() {
        meter.charge((text.len() as u64).saturating_mul(times as u64))?;
        return Ok(Value::from(text.repeat(times)));
    }
    let items: Vec<Value> = repeated.try_iter()?.collect();
    meter.charge((items.len() as u64).saturating_mul(times as u64).saturating_mul(24))?;
    let is_tuple = repeated.is_tuple();
    let repeated = items.iter().cycle().take(items.len() * times).cloned();
    let repeated: Vec<Value> = repeated.collect();
    meter.made(if is_tuple { Value::from(Tuple::from(repeated)) } else { Value::from(repeated) })
}

/// Of two numbers; nothing where one of them is none.
fn number(
    left: &Value,
    right: &Value,
    whole: fn(i128, i128) -> Option<i128>,
    float: fn(f64, f64) -> f64,
) -> Option<Made> {
    let counts = |value: &Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
    if !counts(left) || !counts(right) {
        return None;
    }
    let integer =
        |value: &Value| i128::try_from(value.clone()).ok().filter(|_| value.is_integer() || !value.is_number());
    if let (Some(left), Some(right)) = (integer(left), integer(right)) {
        let too_large = || Error::new(ErrorKind::InvalidOperation, "a number is too large");
        return Some(
            whole(left, right)
                .ok_or_else(too_large)
                .map(|made| i64::try_from(made).map_or_else(|_| Value::from(made), Value::from)),
        );
    }
    let as_float = |value: &Value| match integer(value) {
        Some(whole) => Some(whole as f64),
        None => f64::try_from(value.clone()).ok(),
    };
    Some(Ok(Value::from(float(as_float(left)?, as_float(right)?))))
}

fn contains(meter: &Meter, container: &Value, item: &Value) -> Made {
    if container.is_undefined() {
        return Ok(Value::from(false));
    }
    let weight = meter.read(item)?;
    if let Some(text) = container.as_str() {
        meter.charge(text.len() as u64 + weight.written(item))?;
        let found = item.as_str().map_or_else(|| text.contains(&item.to_string()), |item| text.contains(item));
        return Ok(Value::from(found));
    }
    let not_possible = || Error::new(ErrorKind::InvalidOperation, "cannot look for something in this value");
    let object = container.as_object().ok_or_else(not_possible)?;
    if container.kind() == ValueKind::Map {
        return Ok(Value::from(object.get_value(item).is_some()));
    }
    meter.read(container)?;
    // An item is compared with each.
    meter.charge(object.enumerator_len().unwrap_or(0) as u64 * weight.parts)?;
    Ok(Value::from(object.try_iter().into_iter().flatten().any(|found| found == *item)))
}

fn item(meter: &Meter, container: &Value, key: &Value) -> Made {
    meter.read(key)?;
    if let Some(text) = container.as_str() {
        meter.charge(text.len() as u64)?;
    }
    container.get_item(key)
}

/// As Python slices: a text by characters, a list by items.
fn slice(meter: &Meter, value: &Value, bounds: [Value; 3]) -> Made {
    let mut numbers = [None; 3];
    for (number, bound) in numbers.iter_mut().zip(bounds) {
        if !bound.is_none() && !bound.is_undefined() {
            let invalid = || Error::new(ErrorKind::InvalidOperation, "a slice needs whole numbers");
            *number = Some(bound.as_i64().ok_or_else(invalid)?);
        }
    }
    if value.is_undefined() || value.is_none() {
        return Ok(Value::from(Vec::<Value>::new()));
    }
    if let Some(text) = value.as_str() {
        meter.charge(8 * text.len() as u64)?;
        let characters: Vec<char> = text.chars().collect();
        let places = places(characters.len(), numbers)?;
        return Ok(Value::from(places.into_iter().map(|place| characters[place]).collect::<String>()));
    }
    if !is_list(value) {
        let message = format!("{} cannot be sliced", value.kind());
        return Err(Error::new(ErrorKind::InvalidOperation, message));
    }
    let mut items = Vec::new();
    for item in value.try_iter()? {
        meter.charge(4)?;
        items.push(item);
    }
    let places = places(items.len(), numbers)?;
    Ok(Value::from(places.into_iter().map(|place| items[place].clone()).collect::<Vec<Value>>()))
}

/// The places that `[from:to:step]` names in a sequence of that length.
fn places(length: usize, [from, to, step]: [Option<i64>; 3]) -> Result<Vec<usize>, Error> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(Error::new(ErrorKind::InvalidOperation, "a slice cannot step by 0"));
    }
    let (least, most) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let clamp = |bound: i64| if bound < 0 { bound.saturating_add(length) } else { bound }.clamp(least, most);
    let (from, to) = if step > 0 {
        (from.map_or(0, clamp), to.map_or(length, clamp))
    } else {
        (from.map_or(length - 1, clamp), to.map_or(-1, clamp))
    };
    let mut places = Vec::new();
    let mut at = from;
    while if step > 0 { at < to } else { at > to } {
        places.extend(usize::try_from(at).ok());
        let Some(next) = at.checked_add(step) else { break };
        at = next;
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slices_are_pythons() {
        let of = |from, to, step| places(5, [from, to, step]).expect("a step");
        assert_eq!(of(Some(1), None, None), [1, 2, 3, 4]);
        assert_eq!(of(None, Some(-1), None), [0, 1, 2, 3]);
        assert_eq!(of(None, None, Some(-1)), [4, 3, 2, 1, 0]);
        assert_eq!(of(Some(-2), None, None), [3, 4]);
        assert_eq!(of(Some(3), Some(0), Some(-2)), [3, 1]);
        assert_eq!(of(Some(9), Some(-9), Some(-1)), [4, 3, 2, 1, 0]);
        assert!(places(5, [None, None, Some(0)]).is_err());
    }

    proptest! {
        #[test]
        fn a_slice_names_places_that_exist(length in 0_usize..20, from: Option<i64>, to: Option<i64>, step: Option<i64>) {
            if let Ok(places) = places(length, [from, to, step]) {
                prop_assert!(places.len() <= length && places.iter().all(|place| *place < length));
            }
        }
    }
}
