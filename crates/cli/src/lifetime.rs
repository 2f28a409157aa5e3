//! Spans of time as people write them: `90s`, `90m`, `12h`, `30d`.

/// Seconds of a span, for clap.
pub fn parse(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no span of time: write it like 90m, 12h or 30d");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - unit.len_utf8()].parse().map_err(|_| wrong())?;
    count.checked_mul(seconds).filter(|seconds| *seconds > 0).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_or_refused() {
        for (text, seconds) in [("90s", 90), ("90m", 5_400), ("12h", 43_200), ("30d", 2_592_000)] {
            assert_eq!(parse(text), Ok(seconds));
        }
        for text in ["", "30", "d", "0d", "-1d", "1.5h", "99999999999999999999d", "18446744073709551615d", "3 d", "1é"]
        {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
