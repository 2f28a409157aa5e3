//! Medians, and the quantiles of Student's t.

/// Makes the median absolute deviation of a normal distribution its standard deviation (1 / Φ⁻¹(3/4)).
pub(super) const MAD_TO_SIGMA: f64 = 1.4826;

/// The median; of an even number of values, the mean of the middle two. `None` of nothing. Reorders `values`.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let odd = values.len() % 2 == 1;
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some(if odd { upper } else { f64::midpoint(lower, upper) })
}

/// The standard deviation that the median absolute deviation around `centre` stands for.
pub(super) fn robust_sigma(values: impl Iterator<Item = f64>, centre: f64) -> f64 {
    let mut deviations: Vec<f64> = values.map(|value| (value - centre).abs()).collect();
    median(&mut deviations).unwrap_or(0.0) * MAD_TO_SIGMA
}

/// `t` such that a Student variable with `dof` degrees of freedom (at least 1) lies within ± `t` with probability `level`.
///
/// By bisection of the closed forms of Abramowitz & Stegun, *Handbook of Mathematical Functions* (1964), 26.7.3 and 26.7.4.
#[must_use]
pub fn student_quantile(level: f64, dof: u32) -> f64 {
    let (level, dof) = (level.clamp(0.0, 1.0 - 1e-9), dof.max(1));
    let (mut low, mut high) = (0.0, std::f64::consts::FRAC_PI_2);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if within(middle, dof) < level { low = middle } else { high = middle }
    }
    f64::from(dof).sqrt() * low.tan()
}

/// The probability of lying within ± √dof · tan `angle`.
fn within(angle: f64, dof: u32) -> f64 {
    let (sine, cosine) = angle.sin_cos();
    let odd = dof % 2 == 1;
    let (mut term, first) = if odd { (cosine, 3) } else { (1.0, 2) };
    let mut sum = term;
    for order in (first..=dof.saturating_sub(2)).step_by(2) {
        term *= f64::from(order - 1) / f64::from(order) * cosine * cosine;
        sum += term;
    }
    match (odd, dof) {
        (true, 1) => angle * std::f64::consts::FRAC_2_PI,
        (true, _) => (angle + sine * sum) * std::f64::consts::FRAC_2_PI,
        (false, _) => sine * sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two-sided quantiles as printed in Abramowitz & Stegun, table 26.10.
    #[test]
    fn quantiles_of_t_are_those_of_the_tables() {
        for (level, dof, expected) in [
            (0.95, 1, 12.706),
            (0.95, 2, 4.303),
            (0.95, 3, 3.182),
            (0.8, 5, 1.476),
            (0.95, 10, 2.228),
            (0.99, 30, 2.750),
            (0.95, 400, 1.966),
        ] {
            let found = student_quantile(level, dof);
            assert!((found - expected).abs() < 6e-4, "{level} {dof}: {found}");
        }
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [3.0]), Some(3.0));
        assert_eq!(median(&mut [4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&mut [9.0, 1.0, 5.0]), Some(5.0));
    }
}
