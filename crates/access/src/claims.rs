//! What a token says (RFC 7519, section 4), in the forms in which issuers write it.

use serde::{Deserialize, Serialize};

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who it was issued to.
    pub sub: String,
    /// The servers that may accept it, as their URLs. On the wire one text, or a list (RFC 7519, section 4.1.3).
    #[serde(with = "audiences")]
    pub aud: Vec<String>,
    /// What its bearer may do there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The same as OAuth says it: names with spaces between them (RFC 6749, section 3.3).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub scope: String,
    /// When it was issued, in seconds since the Unix epoch; 0 where it does not say.
    #[serde(default, deserialize_with = "date::read")]
    pub iat: i64,
    /// From when on it is valid, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "date::read_optional")]
    pub nbf: Option<i64>,
    /// When it ends, in seconds since the Unix epoch.
    #[serde(deserialize_with = "date::read")]
    pub exp: i64,
}

impl Claims {
    /// What its bearer may do: the roles, and the names in the scope.
    #[must_use]
    pub fn all_roles(&self) -> Vec<String> {
        let scope = self.scope.split_ascii_whitespace().map(str::to_owned);
        self.roles.iter().cloned().chain(scope).collect()
    }
}

/// An audience: one text, or a list of them.
mod audiences {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Some(Vec<String>),
    }

    pub fn serialize<S: Serializer>(audiences: &[String], serializer: S) -> Result<S::Ok, S::Error> {
        match audiences {
            [one] => one.serialize(serializer),
            some => some.serialize(serializer),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
        Ok(match Audience::deserialize(deserializer)? {
            Audience::One(one) => vec![one],
            Audience::Some(some) => some,
        })
    }
}

/// A date in seconds, which may have a fraction (RFC 7519, section 2).
mod date {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer};

    /// Seconds of which an `i64` and an `f64` say the same.
    const SECONDS_MAX: f64 = 9.0e15;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Date {
        Whole(i64),
        Fraction(f64),
    }

    pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        match Date::deserialize(deserializer)? {
            Date::Whole(seconds) => Ok(seconds),
            // The bound keeps it within the integer's range.
            #[allow(clippy::cast_possible_truncation)]
            Date::Fraction(seconds) if seconds.abs() < SECONDS_MAX => Ok(seconds.floor() as i64),
            Date::Fraction(_) => Err(D::Error::custom("a date beyond all calendars")),
        }
    }

    pub fn read_optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        read(deserializer).map(Some)
    }
}
