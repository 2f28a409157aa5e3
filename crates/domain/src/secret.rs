//! A secret text. It is stored and sent like any text, and shown nowhere: what prints it says only that it is there.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A credential, key or password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// A secret from its text.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text, for the place where it is shown as a credential or hashed. It belongs into no log, error or URL.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_stored_and_not_shown() {
        let secret = Secret::new("swordfish".to_owned());
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "[secret] Some(\n    [secret],\n)");
        let stored = serde_json::to_string(&secret).expect("it serialises");
        assert_eq!(stored, "\"swordfish\"");
        assert_eq!(serde_json::from_str::<Secret>(&stored).expect("it parses").reveal(), "swordfish");
    }
}
