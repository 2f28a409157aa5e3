//! Where a client's tokens come from.

use std::collections::HashMap;
use std::sync::Arc;

use access::token::Signer;
use domain::{Problem, Timestamp};
use parking_lot::Mutex;

/// Gives tokens, and renews them before they end.
pub trait TokenSource: Send + Sync {
    /// A token for `audience` that is valid at `now`.
    fn token(&self, audience: &str, now: Timestamp) -> Result<String, Problem>;

    /// The token given last was refused: the next one is to be new.
    fn forget(&self, _audience: &str) {}
}

/// Most audiences whose tokens are kept.
const KEPT_MAX: usize = 64;

/// Tokens that are signed here, for a control plane that holds the key itself.
pub struct SignedTokens {
    signer: Arc<Signer>,
    subject: String,
    roles: Vec<String>,
    ttl_seconds: u32,
    kept: Mutex<HashMap<String, (String, Timestamp)>>,
}

impl SignedTokens {
    /// Tokens for `subject` with `roles` that live `ttl_seconds`, and are renewed when half of that is over.
    pub fn new(signer: Arc<Signer>, subject: impl Into<String>, roles: &[&str], ttl_seconds: u32) -> Self {
        let roles = roles.iter().map(|&role| role.to_owned()).collect();
        Self { signer, subject: subject.into(), roles, ttl_seconds, kept: Mutex::default() }
    }
}

impl TokenSource for SignedTokens {
    fn token(&self, audience: &str, now: Timestamp) -> Result<String, Problem> {
        let mut kept = self.kept.lock();
        if let Some((token, renew_at)) = kept.get(audience)
            && now < *renew_at
        {
            return Ok(token.clone());
        }
        let roles: Vec<&str> = self.roles.iter().map(String::as_str).collect();
        let token = self.signer.issue(&self.subject, audience, &roles, self.ttl_seconds, now)?;
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        let renew_at = now.plus_millis(i64::from(self.ttl_seconds) * 500);
        kept.insert(audience.to_owned(), (token.clone(), renew_at));
        Ok(token)
    }

    fn forget(&self, audience: &str) {
        self.kept.lock().remove(audience);
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn a_token_is_kept_for_half_its_life() {
        let signer = Arc::new(Signer::generate(&mut StdRng::seed_from_u64(1)).expect("a key"));
        let tokens = SignedTokens::new(signer.clone(), "control", &["operator"], 60);
        let token = |seconds: i64| tokens.token("http://a/mcp", Timestamp(seconds * 1_000_000)).expect("a token");
        let first = token(100);
        assert_eq!(token(129), first);
        let renewed = token(130);
        assert_ne!(renewed, first);
        assert!(signer.verifier().verify(&renewed, "http://a/mcp", Timestamp(189_000_000)).is_ok());
        tokens.forget("http://a/mcp");
        assert_ne!(token(140), renewed);
    }
}
