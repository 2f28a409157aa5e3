//! A range with round steps around some values, in equal steps or in powers of ten.

/// Digits of a number in threes.
pub fn in_threes(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let (whole, fraction) =
        digits.split_once('.').map_or((digits, String::new()), |(whole, rest)| (whole, format!(".{rest}")));
    let mut text = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    format!("{sign}{text}{fraction}")
}

/// Most powers of ten on an axis.
const POWERS_MAX: i32 = 12;

/// Where values lie between two ends.
#[derive(Debug, Clone, Copy)]
pub struct Axis {
    pub low: f64,
    pub high: f64,
    step: f64,
    is_log: bool,
}

impl Axis {
    /// Around values, in about `steps` equal steps.
    pub fn around(values: impl Iterator<Item = f64>, steps: f64) -> Self {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Self { low: 0.0, high: 1.0, step: 0.5, is_log: false };
        }
        let span = if high > low { high - low } else { high.abs().max(1e-9) };
        let power = 10_f64.powf((span / steps).log10().floor());
        let step = [1.0, 2.0, 2.5, 5.0, 10.0].map(|times| times * power).into_iter().find(|step| span / step <= steps);
        let step = step.unwrap_or(span);
        // A value that lies on a step needs no further one, whatever the last digit says.
        let (low, high) = ((low / step + 1e-9).floor() * step, (high / step - 1e-9).ceil() * step);
        Self { low, high: high.max(low + step), step, is_log: false }
    }

    /// From zero to the largest value, in about `steps` equal steps.
    pub fn from_zero(values: impl Iterator<Item = f64>, steps: f64) -> Self {
        let high = values.filter(|value| value.is_finite()).fold(0.0, f64::max);
        let rounded = Self::around([0.0, high].into_iter(), steps.max(1.0));
        Self { high: if high > 0.0 { high } else { rounded.high }, ..rounded }
    }

    /// Around values above zero up to the largest, in powers of ten.
    pub fn powers(values: impl Iterator<Item = f64>) -> Self {
        let positive = values.filter(|value| value.is_finite() && *value > 0.0).map(f64::log10);
        let (low, high) =
            positive.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Self { low: 1.0, high: 10.0, step: 1.0, is_log: true };
        }
        // A bar needs a beginning: the power below the least.
        let low = (low - 0.3).floor().clamp((high - f64::from(POWERS_MAX)).floor(), (high - 1.0).floor());
        Self { low: 10_f64.powf(low), high: 10_f64.powf(high), step: 1.0, is_log: true }
    }

    /// How far along a value lies, from 0 to 1.
    pub fn share(&self, value: f64) -> f64 {
        let share = if self.is_log {
            (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    /// The values to write beside it.
    pub fn ticks(&self) -> Vec<f64> {
        if self.is_log {
            let (low, high) = (self.low.log10().round() as i32, (self.high.log10() + 1e-9).floor() as i32);
            return (low..=high).map(|power| 10_f64.powi(power)).collect();
        }
        let count = ((self.high - self.low) / self.step + 1e-9).floor() as usize;
        (0..=count).map(|tick| self.low + tick as f64 * self.step).collect()
    }

    /// How a tick is written.
    pub fn label(&self, tick: f64) -> String {
        let step = if self.is_log { tick } else { self.step };
        let mut decimals = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
        // Steps of a quarter need a digit more.
        decimals += usize::from((step * 10_f64.powi(decimals as i32)).fract().abs() > 1e-6);
        let text = format!("{tick:.decimals$}");
        in_threes(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_hold_every_value() {
        let axis = Axis::around([98.0, 99.3, 100.0].into_iter(), 6.0);
        assert_eq!((axis.low, axis.high), (98.0, 100.0));
        assert_eq!(
            axis.ticks().iter().map(|tick| axis.label(*tick)).collect::<Vec<_>>(),
            ["98.0", "98.5", "99.0", "99.5", "100.0"]
        );
        let log = Axis::powers([6.2, 57_700.0].into_iter());
        assert_eq!((log.share(0.5), log.share(57_700.0)), (0.0, 1.0));
        assert_eq!(
            log.ticks().iter().map(|tick| log.label(*tick)).collect::<Vec<_>>(),
            ["1", "10", "100", "1,000", "10,000"]
        );
        assert_eq!(in_threes("-1234567.25"), "-1,234,567.25");
    }

    #[test]
    fn nothing_and_nonsense_still_give_an_axis() {
        for values in [vec![], vec![f64::NAN], vec![3.0], vec![0.0, 0.0]] {
            let values = || values.iter().copied();
            for axis in [Axis::around(values(), 5.0), Axis::from_zero(values(), 0.3), Axis::powers(values())] {
                assert!(axis.high > axis.low && axis.ticks().len() < 20, "{axis:?}");
                assert!((0.0..=1.0).contains(&axis.share(3.0)));
            }
        }
    }
}
