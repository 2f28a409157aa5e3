//! Who calls, and which models he may call: answered from the snapshot, without asking anybody.

use std::sync::Arc;

use access::api_key::KeyHash;
use domain::{KeyGrant, Timestamp};
use http::{HeaderMap, header};

use crate::refusal::Refusal;
use crate::table::{Model, Table};

/// Headers that carry a client's credential. None of them is passed on.
pub(crate) const CREDENTIAL_HEADERS: [&str; 5] =
    ["authorization", "x-api-key", "api-key", "x-goog-api-key", "proxy-authorization"];

/// The key that the request shows, and its grant.
pub(crate) fn identify<'t>(
    table: &'t Table,
    headers: &HeaderMap,
    now: Timestamp,
) -> Result<(KeyHash, &'t KeyGrant), Refusal> {
    let key = KeyHash::of(secret(headers).ok_or_else(Refusal::no_key)?);
    // Only hashes are compared: how long the look-up takes says nothing of any key.
    let grant = table.keys.get(&key).ok_or_else(Refusal::wrong_key)?;
    match grant.expires_at {
        Some(expires_at) if expires_at <= now => Err(Refusal::expired_key()),
        _ => Ok((key, grant)),
    }
}

/// The model of that name, when it exists and the grant covers it. Both are answered alike: who may not call a model does
/// not learn whether there is one.
pub(crate) fn authorise<'t>(table: &'t Table, grant: &KeyGrant, name: &str) -> Result<&'t Arc<Model>, Refusal> {
    let model = table.models.get(name).filter(|model| may_call(grant, model));
    model.ok_or_else(|| Refusal::unknown_model(name))
}

/// Whether a grant covers a model: under the name asked for, or under its full name.
pub(crate) fn may_call(grant: &KeyGrant, model: &Model) -> bool {
    let full_name = model.alias_json.trim_matches('"');
    grant.models.is_empty() || grant.models.iter().any(|name| *name == model.name || name == full_name)
}

fn secret(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then_some(token.trim());
    }
    ["x-api-key", "api-key"].iter().find_map(|name| headers.get(*name)?.to_str().ok())
}
