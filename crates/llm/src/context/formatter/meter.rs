//! What a render has spent, and how values are weighed.
//!
//! Values can share their parts, so that a list of thirty small lists can be printed for ever: whatever looks at a whole
//! value pays for each part each time it is looked at, before it is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use minijinja::value::{Object, ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind, State, Value};

use crate::context::budget::{Budget, Exhausted};

/// Where templates cannot reach it: no name of a variable ends so.
pub(super) const METER: &str = "meter!";
/// Lists within lists, and so on; freeing and printing a value call themselves once a level.
const DEPTH_MAX: u32 = 32;
/// Units for looking at one part of a value.
const PART_UNITS: u64 = 16;
/// Bytes of text that are looked at for one unit; copies are cheaper than what else is done to text.
const BYTES_READ_A_UNIT: u64 = 8;

/// One render's purse: its own, so that memory is bounded by what was asked, and the request's.
#[derive(Debug)]
pub(super) struct Meter {
    budget: Budget,
    left: AtomicU64,
}

impl Object for Meter {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }
}

/// What a value holds in all.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weight {
    pub(super) parts: u64,
    pub(super) bytes: u64,
}

impl Weight {
    /// Bytes at most when `value`, whose weight this is, is written out: a text as it is, others with quotes, escapes and
    /// brackets.
    pub(super) fn written(self, value: &Value) -> u64 {
        if value.as_str().is_some() { self.bytes } else { 12 * self.bytes + 24 * self.parts }
    }
}

impl Meter {
    pub(super) fn new(budget: Budget, units: u64) -> Self {
        Self { budget, left: AtomicU64::new(units) }
    }

    /// That of the render that runs.
    pub(super) fn of(state: &State) -> Result<Arc<Self>, Error> {
        let found = state.lookup(METER).and_then(|value| value.downcast_object::<Self>());
        found.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "the render is not metered"))
    }

    pub(super) fn charge(&self, units: u64) -> Result<(), Error> {
        let left = self.left.load(Ordering::Relaxed);
        if left < units {
            return Err(spent(Exhausted::Spent));
        }
        self.left.store(left - units, Ordering::Relaxed);
        self.budget.charge(units).map_err(spent)
    }

    /// Pays for looking at all of `value`.
    pub(super) fn read(&self, value: &Value) -> Result<Weight, Error> {
        let mut weight = Weight::default();
        self.walk(value, 0, true, &mut weight)?;
        Ok(weight)
    }

    /// Pays for `value` having been made, and returns it with its parts in memory.
    pub(super) fn made(&self, value: Value) -> Result<Value, Error> {
        let value = self.listed(value)?;
        if let Some(text) = value.as_str() {
            self.charge(text.len() as u64)?;
        } else {
            self.walk(&value, 0, false, &mut Weight::default())?;
        }
        Ok(value)
    }

    /// What is computed while it is walked becomes a list: such values nest, and each level is a call.
    fn listed(&self, value: Value) -> Result<Value, Error> {
        if value.kind() != ValueKind::Iterable {
            return Ok(value);
        }
        let mut items = Vec::new();
        for item in value.try_iter()? {
            self.charge(PART_UNITS)?;
            items.push(item);
        }
        Ok(Value::from(items))
    }

    /// Pays for keeping `value` in another: plain data, not too deep. What refers to other things could refer to what
    /// it is kept in.
    pub(super) fn storable(&self, value: &Value) -> Result<(), Error> {
        self.walk(value, 1, false, &mut Weight::default())
    }

    fn walk(&self, value: &Value, depth: u32, reads_text: bool, weight: &mut Weight) -> Result<(), Error> {
        weight.parts += 1;
        if let Some(text) = value.as_str() {
            weight.bytes += text.len() as u64;
            return self.charge(1 + if reads_text { text.len() as u64 / BYTES_READ_A_UNIT } else { 0 });
        }
        let Some(object) = value.as_object() else {
            // A float can have three hundred digits.
            weight.bytes +=
                if value.is_number() && value.as_i64().is_none() { value.to_string().len() as u64 } else { 0 };
            return self.charge(1);
        };
        self.charge(PART_UNITS)?;
        if depth > DEPTH_MAX {
            return Err(Error::new(ErrorKind::InvalidOperation, "a value is nested too deeply"));
        }
        if depth > 0 && ["Namespace", "Loop"].iter().any(|kind| object.type_name().ends_with(kind)) {
            return Err(Error::new(ErrorKind::InvalidOperation, "a namespace or loop is kept in another value"));
        }
        match object.repr() {
            ObjectRepr::Map => {
                for (key, value) in object.try_iter_pairs().into_iter().flatten() {
                    self.walk(&key, depth + 1, reads_text, weight)?;
                    self.walk(&value, depth + 1, reads_text, weight)?;
                }
            }
            ObjectRepr::Seq | ObjectRepr::Iterable => {
                for item in object.try_iter().into_iter().flatten() {
                    self.walk(&item, depth + 1, reads_text, weight)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn spent(why: Exhausted) -> Error {
    Error::new(ErrorKind::OutOfFuel, why.to_string())
}
