//! Typed objects over the untyped store: a kind is a Rust type with a name.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::batch::{Expect, Write};
use crate::error::StoreError;
use crate::{PAGE_LIMIT, Store};

/// A type that is kept as objects of one kind.
pub trait Stored: Serialize + DeserializeOwned {
    /// The kind: a short constant.
    const KIND: &'static str;
    /// The name of this one within its kind.
    fn object_name(&self) -> String;
}

/// A typed object with the version at which it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The value.
    pub value: T,
    /// What [`Expect::Version`] compares.
    pub version: u64,
}

/// The write that stores `value`.
pub fn put<T: Stored>(value: &T, expect: Expect) -> Result<Write, StoreError> {
    let name = value.object_name();
    let body = serde_json::to_string(value)
        .map_err(|e| StoreError::Invalid(format!("{} {name:?} cannot be written: {e}", T::KIND)))?;
    Ok(Write::Put { kind: T::KIND.to_owned(), name, body, expect })
}

/// The write that removes the object of that name.
#[must_use]
pub fn delete<T: Stored>(name: &str, expect: Expect) -> Write {
    Write::Delete { kind: T::KIND.to_owned(), name: name.to_owned(), expect }
}

/// Reads one.
pub async fn get<T: Stored>(store: &dyn Store, name: &str) -> Result<Option<Versioned<T>>, StoreError> {
    store.get(T::KIND, name).await?.map(decode).transpose()
}

/// Reads all of a kind, page by page.
pub async fn list<T: Stored>(store: &dyn Store) -> Result<Vec<Versioned<T>>, StoreError> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.list(T::KIND, after.as_deref(), PAGE_LIMIT).await?;
        let full = page.len() == PAGE_LIMIT;
        after = page.last().map(|object| object.name.clone());
        for object in page {
            all.push(decode(object)?);
        }
        if !full {
            return Ok(all);
        }
    }
}

fn decode<T: Stored>(object: crate::Object) -> Result<Versioned<T>, StoreError> {
    match serde_json::from_str(&object.body) {
        Ok(value) => Ok(Versioned { value, version: object.version }),
        Err(cause) => Err(StoreError::Corrupt { kind: object.kind, name: object.name, cause: cause.to_string() }),
    }
}

macro_rules! stored {
    ($type:ty, $kind:literal, |$value:ident| $name:expr) => {
        impl Stored for $type {
            const KIND: &'static str = $kind;
            fn object_name(&self) -> String {
                let $value = self;
                $name
            }
        }
    };
}

stored!(domain::Model, "model", |model| model.reference.to_string());
stored!(domain::Environment, "environment", |environment| environment.name.to_string());
stored!(domain::Deployment, "deployment", |deployment| deployment.name.to_string());
stored!(domain::Replica, "replica", |replica| replica.id.clone());
// One snapshot is current; the gateway watches this object alone.
stored!(domain::RoutingSnapshot, "routing_snapshot", |_snapshot| "current".to_owned());
stored!(domain::GatewayStatus, "gateway_status", |status| status.gateway.clone());
