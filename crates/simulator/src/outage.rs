//! A lost region as it is written on a command line: `REGION@FROM+FOR`, in seconds.

use std::str::FromStr;

/// Latest beginning and longest outage, seconds.
const SECONDS_MAX: f64 = 1e9;

/// A region that is lost for a time.
#[derive(Debug, Clone, PartialEq)]
pub struct LostRegion {
    /// Its name.
    pub region: String,
    /// From when, seconds since the start.
    pub from_seconds: f64,
    /// For how long.
    pub for_seconds: f64,
}

impl FromStr for LostRegion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.rsplit_once('@').and_then(|(region, times)| Some((region, times.split_once('+')?)));
        let (region, (from, length)) = parts.ok_or("write REGION@FROM+FOR, in seconds")?;
        let seconds = |text: &str| match text.parse::<f64>() {
            Ok(seconds) if (0.0..=SECONDS_MAX).contains(&seconds) => Ok(seconds),
            _ => Err(format!("{text:?} is no time in seconds")),
        };
        Ok(Self { region: region.to_owned(), from_seconds: seconds(from)?, for_seconds: seconds(length)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_written_and_refused_with_its_reason() {
        let lost = LostRegion { region: "aws:us-east-1".to_owned(), from_seconds: 600.0, for_seconds: 20.5 };
        assert_eq!("aws:us-east-1@600+20.5".parse(), Ok(lost));
        for (text, said) in [
            ("eu", "REGION@FROM+FOR"),
            ("eu@5", "REGION@FROM+FOR"),
            ("eu@x+5", "\"x\""),
            ("eu@5+-1", "\"-1\""),
            ("eu@NaN+1", "NaN"),
        ] {
            assert!(text.parse::<LostRegion>().unwrap_err().contains(said), "{text}");
        }
    }
}
