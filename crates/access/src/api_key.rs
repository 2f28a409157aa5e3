//! Keys that clients call the gateway with: 256 random bits behind `sk-`, kept only as their BLAKE3 hash.
//!
//! A hash without salt is enough here: a key is not a password, and 256 random bits cannot be guessed. What is *not*
//! here: what a key may do ([`domain::KeyGrant`]) and where keys are kept.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::{CryptoRng, RngCore};
use subtle::ConstantTimeEq as _;

/// What every key begins with.
pub const PREFIX: &str = "sk-";
/// Length of a key: the prefix and 43 characters of base64url, which hold 256 bits.
pub const LENGTH: usize = PREFIX.len() + 43;

/// The hash of a key: all that is ever stored of it.
#[derive(Clone, Copy, Eq)]
pub struct KeyHash([u8; 32]);

/// A key just made. The secret is shown once and then forgotten.
pub struct NewKey {
    /// What the client sends. Never stored, never logged.
    pub secret: String,
    /// The public id, safe to log: `key-` and 12 hexadecimal digits.
    pub id: String,
    /// What is stored: the hash, as 64 hexadecimal digits.
    pub hash: String,
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Makes a key out of 256 bits of `rng`.
pub fn generate<R: CryptoRng + RngCore>(rng: &mut R) -> NewKey {
    let mut bits = [0_u8; 32];
    rng.fill_bytes(&mut bits);
    let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bits));
    let hash = hash(&secret);
    NewKey { id: format!("key-{}", &hash[..12]), secret, hash }
}

/// The hash under which a key is stored, as 64 hexadecimal digits.
#[must_use]
pub fn hash(secret: &str) -> String {
    KeyHash::of(secret).to_string()
}

impl KeyHash {
    /// The hash of a secret.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(*blake3::hash(secret.as_bytes()).as_bytes())
    }

    /// Reads the stored form; nothing when it is not 64 hexadecimal digits.
    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        blake3::Hash::from_hex(hex).ok().map(|hash| Self(*hash.as_bytes()))
    }
}

impl PartialEq for KeyHash {
    /// Takes the same time whatever the first differing byte.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::hash::Hash for KeyHash {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    proptest! {
        #[test]
        fn a_key_is_found_by_its_hash_and_by_no_other(seed: u64, other: u64) {
            let key = generate(&mut StdRng::seed_from_u64(seed));
            prop_assert_eq!(key.secret.len(), LENGTH);
            prop_assert_eq!(hash(&key.secret), key.hash.clone());
            prop_assert_eq!(KeyHash::parse(&key.hash), Some(KeyHash::of(&key.secret)));
            if seed != other {
                let another = generate(&mut StdRng::seed_from_u64(other));
                prop_assert_ne!(KeyHash::of(&another.secret), KeyHash::of(&key.secret));
            }
        }

        #[test]
        fn nothing_panics(text in "\\PC{0,80}") {
            let _ = KeyHash::parse(&text);
        }
    }

    #[test]
    fn the_secret_is_not_in_the_debug_form() {
        let key = generate(&mut StdRng::seed_from_u64(7));
        assert!(!format!("{key:?}").contains(&key.secret));
        assert!(!key.id.contains(&key.secret[3..]));
    }
}
