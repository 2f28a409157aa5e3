//! The salt under which replicas keep what they computed of a prompt: one for each project and model.
//!
//! A replica reuses a prefix only within one salt, so that nobody can tell by `cached_tokens` or by time what others have
//! sent. The salt is a hash, for a replica needs not know whose prompt it computes, and it is the same at every gateway.

use domain::KeyGrant;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::table::Model;

/// Says to a replica under which salt a prompt is kept. Set here alone: what a caller sends under this name is dropped.
const CACHE_SALT: HeaderName = HeaderName::from_static("x-mcp-cache-salt");
/// What these hashes are for, so that they are like no other hash of the same names.
const CONTEXT: &str = "mastercontrol 2026-12-01 prefix cache salt";
/// Bytes of the salt: two of them are never the same by chance.
const SALT_BYTES: usize = 16;

/// A request's salt in hexadecimal digits; empty where projects share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Salt {
    digits: [u8; 2 * SALT_BYTES],
    length: usize,
}

impl Salt {
    /// The salt of a key's requests to a model. A key without a project is a project of its own.
    pub(crate) fn of(grant: &KeyGrant, model: &Model) -> Self {
        if model.shared_prefix_cache {
            return Self::default();
        }
        let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
        // The kind comes first: a project that is named like a key is not that key.
        let (kind, owner) =
            grant.project.as_ref().map_or(("key", grant.id.as_str()), |name| ("project", name.as_str()));
        for part in [kind, owner, &model.alias_json] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        let hash = hasher.finalize();
        let mut digits = [0; 2 * SALT_BYTES];
        digits.copy_from_slice(&hash.to_hex().as_bytes()[..2 * SALT_BYTES]);
        Self { digits, length: digits.len() }
    }

    /// As text.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.length]
    }

    /// Puts the salt into a replica's headers, in place of whatever the caller sent.
    pub(crate) fn mark(&self, headers: &mut HeaderMap) {
        match HeaderValue::from_bytes(self.as_bytes()) {
            Ok(value) if self.length > 0 => drop(headers.insert(CACHE_SALT, value)),
            _ => drop(headers.remove(CACHE_SALT)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::table::Table;

    fn model(reference: &str, shared_prefix_cache: bool) -> Arc<Model> {
        let route = domain::ModelRoute {
            model: reference.parse().expect("a model"),
            artifact: "/nonexistent".into(),
            context_tokens: 4_096,
            created_at: domain::Timestamp(0),
            starts_in_seconds: None,
            shared_prefix_cache,
            replicas: Vec::new(),
        };
        let models = [("demo".to_owned(), route)].into();
        let snapshot = domain::RoutingSnapshot { models, ..domain::RoutingSnapshot::default() };
        let table = Table::build(&snapshot, &Table::default(), &crate::GatewayConfig::default());
        Arc::clone(&table.models["demo"])
    }

    fn grant(id: &str, project: Option<&str>) -> KeyGrant {
        let project = project.map(|name| name.parse().expect("a name"));
        KeyGrant { id: id.to_owned(), name: "app".to_owned(), models: Vec::new(), project, expires_at: None }
    }

    #[test]
    fn one_for_each_project_and_model_and_the_same_everywhere() {
        let demo = model("demo:1.0", false);
        let of = |id, project| Salt::of(&grant(id, project), &demo);
        assert_eq!(of("key-1", Some("search")), of("key-2", Some("search")));
        assert_eq!(of("key-1", None), Salt::of(&grant("key-1", None), &model("demo:1.0", false)));
        let all = [
            of("key-1", None),
            of("key-2", None),
            of("key-1", Some("search")),
            of("x", Some("key-1")),
            Salt::of(&grant("key-1", None), &model("demo:1.1", false)),
        ];
        for (place, salt) in all.iter().enumerate() {
            assert_eq!(salt.as_bytes().len(), 32);
            assert!(!all[..place].contains(salt), "{place}");
        }
        assert_eq!(std::str::from_utf8(of("key-1", Some("search")).as_bytes()), Ok("9e915bad71f0d81f5be004551d2212f0"));
    }

    #[test]
    fn a_callers_own_is_dropped() {
        for (shared, count) in [(true, 0), (false, 1)] {
            let salt = Salt::of(&grant("key-1", None), &model("demo:1.0", shared));
            let mut headers = HeaderMap::new();
            headers.append(CACHE_SALT, HeaderValue::from_static("anothers"));
            headers.append(CACHE_SALT, HeaderValue::from_static("guessed"));
            salt.mark(&mut headers);
            let values: Vec<_> = headers.get_all(CACHE_SALT).iter().map(HeaderValue::as_bytes).collect();
            assert_eq!((values.len(), values.contains(&&b"anothers"[..])), (count, false));
        }
    }
}
