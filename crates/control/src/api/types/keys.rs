//! Keys and tokens as clients read them. A view may grow fields.

use domain::{Name, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A key without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyView {
    /// Its public id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Models it may call; empty means all.
    pub models: Vec<String>,
    /// The project that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<Name>,
    /// After this instant it no longer works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A key just made.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyCreated {
    /// The key.
    pub key: KeyView,
    /// Its secret. Shown this once, and kept nowhere.
    pub secret: String,
    /// Whether it works at every gateway.
    #[serde(flatten)]
    pub confirmation: Confirmation,
}

impl std::fmt::Debug for KeyCreated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyCreated").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A key that was changed or revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyChanged {
    /// The key; as it was, when it was revoked.
    #[serde(flatten)]
    pub key: KeyView,
    /// Whether every gateway goes by it.
    #[serde(flatten)]
    pub confirmation: Confirmation,
}

/// Whether every gateway has taken a change over. Until then the change is kept, and a gateway that is pending may go by
/// what was before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Confirmation {
    /// Whether all have.
    #[serde(default)]
    pub confirmed: bool,
    /// Gateways that have not said so in time.
    #[serde(default)]
    pub pending_gateways: Vec<String>,
}

/// The admin token that is valid from now on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdminToken {
    /// The token: a secret.
    pub token: String,
}

impl std::fmt::Debug for AdminToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdminToken").finish_non_exhaustive()
    }
}
