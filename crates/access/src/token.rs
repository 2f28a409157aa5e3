//! Short-lived bearer tokens: JWTs (RFC 7519) signed with Ed25519 (RFC 8037), bound to one audience.
//!
//! The key arrives and leaves as PEM bytes; where they are kept is the caller's business. Time and chance are arguments.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::{Kind, Problem, Timestamp};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rand::CryptoRng;

pub use crate::claims::Claims;

/// Longest life of a token, in seconds: one day.
pub const TTL_SECONDS_MAX: u32 = 86_400;
/// How far two clocks may differ, in seconds.
const LEEWAY_SECONDS: i64 = 5;
/// The PKCS #8 frame around the 32 bytes of an Ed25519 key (RFC 8410, section 7).
const PKCS8_FRAME: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Why a token or a key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no JWT, or carries a claim of the wrong form.
    #[error("the token does not parse")]
    Malformed,
    /// It was not signed by this key with Ed25519, or was changed since.
    #[error("the token's signature is not valid")]
    Signature,
    /// It was issued for another server.
    #[error("the token is for another audience")]
    Audience,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// It was issued in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The key does not parse.
    #[error("the key is not an Ed25519 private key in PEM form")]
    Key,
    /// The token could not be made.
    #[error("the token cannot be signed: {0}")]
    Signing(String),
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        let cause = error.to_string();
        match error {
            TokenError::Key | TokenError::Signing(_) => {
                Self::internal(cause).next("remove the key file to have a new key made")
            }
            _ => Self::new(Kind::Unauthenticated, cause).next("send a fresh token that was issued for this server"),
        }
    }
}

/// Issues tokens.
pub struct Signer {
    pem: String,
    encoding: EncodingKey,
    verifier: Verifier,
}

impl Signer {
    /// A new key from `rng`, which must be fit for secrets.
    pub fn generate(rng: &mut impl CryptoRng) -> Result<Self, TokenError> {
        let mut der = PKCS8_FRAME.to_vec();
        let mut seed = [0_u8; 32];
        rng.fill_bytes(&mut seed);
        der.extend_from_slice(&seed);
        let body = BASE64_STANDARD.encode(&der);
        Self::from_pem(format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n").as_bytes())
    }

    /// The key that [`Signer::to_pem`] gave.
    pub fn from_pem(pem: &[u8]) -> Result<Self, TokenError> {
        let encoding = EncodingKey::from_ed_pem(pem).map_err(|_| TokenError::Key)?;
        let public = Jwk::from_encoding_key(&encoding, Algorithm::EdDSA).map_err(|_| TokenError::Key)?;
        let AlgorithmParameters::OctetKeyPair(parameters) = public.algorithm else { return Err(TokenError::Key) };
        let decoding = DecodingKey::from_ed_components(&parameters.x).map_err(|_| TokenError::Key)?;
        let pem = String::from_utf8(pem.to_vec()).map_err(|_| TokenError::Key)?;
        Ok(Self { pem, encoding, verifier: Verifier { decoding } })
    }

    /// The private key in PEM form (PKCS #8). Keep it in a file that only its owner can read.
    #[must_use]
    pub fn to_pem(&self) -> &str {
        &self.pem
    }

    /// Checks tokens that this signer issued.
    #[must_use]
    pub fn verifier(&self) -> Verifier {
        self.verifier.clone()
    }

    /// A token for `sub` to show to `audience` (that server's URL) until `ttl_seconds` after `now`, at most
    /// [`TTL_SECONDS_MAX`].
    pub fn issue(
        &self,
        sub: &str,
        audience: &str,
        roles: &[&str],
        ttl_seconds: u32,
        now: Timestamp,
    ) -> Result<String, TokenError> {
        let iat = now.unix_seconds();
        let claims = Claims {
            sub: sub.to_owned(),
            aud: vec![audience.to_owned()],
            scope: String::new(),
            nbf: None,
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
            iat,
            exp: iat.saturating_add(i64::from(ttl_seconds.min(TTL_SECONDS_MAX))),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &self.encoding)
            .map_err(|e| TokenError::Signing(e.to_string()))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer { .. }")
    }
}

/// Checks tokens.
#[derive(Clone)]
pub struct Verifier {
    decoding: DecodingKey,
}

impl Verifier {
    /// The claims of a token that this key signed, that is meant for `audience` (compared to the letter), and that lives
    /// at `now`.
    pub fn verify(&self, token: &str, audience: &str, now: Timestamp) -> Result<Claims, TokenError> {
        // The library would compare with the machine's clock, which is an argument here.
        let mut rules = Validation::new(Algorithm::EdDSA);
        rules.validate_exp = false;
        rules.validate_aud = false;
        rules.validate_nbf = false;
        rules.required_spec_claims.clear();
        let claims = jsonwebtoken::decode::<Claims>(token, &self.decoding, &rules).map_err(|e| refusal(&e))?.claims;
        let now = now.unix_seconds();
        if !claims.aud.iter().any(|one| one == audience) {
            return Err(TokenError::Audience);
        }
        if claims.exp.saturating_add(LEEWAY_SECONDS) <= now {
            return Err(TokenError::Expired);
        }
        let from = claims.nbf.unwrap_or(claims.iat).max(claims.iat);
        if from.saturating_sub(LEEWAY_SECONDS) > now {
            return Err(TokenError::NotYetValid);
        }
        Ok(claims)
    }
}

fn refusal(error: &jsonwebtoken::errors::Error) -> TokenError {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => {
            TokenError::Signature
        }
        _ => TokenError::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;

    const HERE: &str = "http://127.0.0.1:8002/local/mcp";
    const NOW: Timestamp = Timestamp(1_700_000_000_000_000);

    fn signer(seed: u64) -> Signer {
        Signer::generate(&mut StdRng::seed_from_u64(seed)).expect("a key")
    }

    fn token(signer: &Signer) -> String {
        signer.issue("control", HERE, &["operator"], 300, NOW).expect("a token")
    }

    #[test]
    fn a_token_is_accepted_where_and_while_it_is_valid() {
        let signer = signer(1);
        let claims = signer.verifier().verify(&token(&signer), HERE, NOW).expect("valid");
        assert_eq!((claims.sub.as_str(), claims.roles), ("control", vec!["operator".to_owned()]));
        let again = Signer::from_pem(signer.to_pem().as_bytes()).expect("the key comes back");
        assert!(again.verifier().verify(&token(&signer), HERE, NOW).is_ok());
    }

    #[test]
    fn another_audience_time_or_key_is_refused() {
        let signer = signer(1);
        let verifier = signer.verifier();
        let good = token(&signer);
        let near = ["http://127.0.0.1:8002/local/mcp/", "http://127.0.0.1:8002/aws/mcp", ""];
        for audience in near {
            assert_eq!(verifier.verify(&good, audience, NOW), Err(TokenError::Audience), "{audience}");
        }
        assert!(verifier.verify(&good, HERE, NOW.plus_millis(304_000)).is_ok(), "within the leeway");
        assert_eq!(verifier.verify(&good, HERE, NOW.plus_millis(306_000)), Err(TokenError::Expired));
        assert_eq!(verifier.verify(&good, HERE, NOW.plus_millis(-60_000)), Err(TokenError::NotYetValid));
        let other = self::signer(2);
        assert_eq!(other.verifier().verify(&good, HERE, NOW), Err(TokenError::Signature));
    }

    /// A token with these claims, signed by this key.
    fn signed(signer: &Signer, claims: &str) -> String {
        let claims: serde_json::Value = serde_json::from_str(claims).expect("claims");
        jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &signer.encoding).expect("a token")
    }

    #[test]
    fn audiences_may_be_a_list_and_a_token_may_begin_later() {
        let signer = signer(1);
        let verify = |claims: &str| signer.verifier().verify(&signed(&signer, claims), HERE, NOW);
        let (now, there) = (NOW.unix_seconds(), "https://elsewhere.example/mcp");
        let end = now + 60;
        for (claims, wanted) in [
            (format!(r#"{{"sub":"x","aud":["{there}","{HERE}"],"exp":{end}}}"#), None),
            (format!(r#"{{"sub":"x","aud":["{there}"],"exp":{end}}}"#), Some(TokenError::Audience)),
            (format!(r#"{{"sub":"x","aud":[],"exp":{end}}}"#), Some(TokenError::Audience)),
            (format!(r#"{{"sub":"x","aud":"{HERE} {there}","exp":{end}}}"#), Some(TokenError::Audience)),
            (format!(r#"{{"sub":"x","aud":[7],"exp":{end}}}"#), Some(TokenError::Malformed)),
            (format!(r#"{{"sub":"x","exp":{end}}}"#), Some(TokenError::Malformed)),
            (format!(r#"{{"sub":"x","aud":"{HERE}"}}"#), Some(TokenError::Malformed)),
            (format!(r#"{{"sub":"x","aud":"{HERE}","exp":{end},"nbf":{}}}"#, now + 4), None),
            (format!(r#"{{"sub":"x","aud":"{HERE}","exp":{end},"nbf":{}}}"#, now + 30), Some(TokenError::NotYetValid)),
            (format!(r#"{{"sub":"x","aud":"{HERE}","exp":{end}.5,"iat":{now}.25,"nbf":{now}.0}}"#), None),
            (format!(r#"{{"sub":"x","aud":"{HERE}","exp":"{end}"}}"#), Some(TokenError::Malformed)),
            (format!(r#"{{"sub":"x","aud":"{HERE}","exp":1e300}}"#), Some(TokenError::Malformed)),
        ] {
            assert_eq!(verify(&claims).err(), wanted, "{claims}");
        }
        let scoped =
            format!(r#"{{"sub":"x","aud":"{HERE}","exp":{end},"roles":["viewer"],"scope":"operator  other"}}"#);
        assert_eq!(verify(&scoped).expect("valid").all_roles(), ["viewer", "operator", "other"]);
    }

    #[test]
    fn unsigned_and_changed_tokens_are_refused() {
        let signer = signer(1);
        let verifier = signer.verifier();
        let good = token(&signer);
        let [header, claims, signature]: [&str; 3] =
            good.split('.').collect::<Vec<_>>().try_into().expect("three parts");
        let part = |json: &str| BASE64_URL_SAFE_NO_PAD.encode(json);
        for algorithm in ["none", "None", "HS256", "RS256"] {
            let head = part(&format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#));
            for tail in ["", signature] {
                let forged = format!("{head}.{claims}.{tail}");
                assert!(verifier.verify(&forged, HERE, NOW).is_err(), "{algorithm} {tail}");
            }
        }
        let more = part(&format!(r#"{{"sub":"x","aud":"{HERE}","roles":["operator"],"iat":0,"exp":99999999999}}"#));
        assert_eq!(verifier.verify(&format!("{header}.{more}.{signature}"), HERE, NOW), Err(TokenError::Signature));
        for junk in ["", "a", "a.b.c", "..", "Bearer x"] {
            assert!(verifier.verify(junk, HERE, NOW).is_err(), "{junk:?}");
        }
    }

    #[test]
    fn a_life_is_bounded_and_junk_is_no_key() {
        let signer = signer(3);
        let long = signer.issue("x", HERE, &[], u32::MAX, NOW).expect("a token");
        let claims = signer.verifier().verify(&long, HERE, NOW).expect("valid");
        assert_eq!(claims.exp - claims.iat, i64::from(TTL_SECONDS_MAX));
        for junk in [&b""[..], b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", &[0xff; 80]] {
            assert_eq!(Signer::from_pem(junk).err(), Some(TokenError::Key));
        }
    }
}
