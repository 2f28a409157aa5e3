//! Times between arrivals whose spread is another than chance's: Gamma and Weibull, as clients of model services show them.
//!
//! Y. Xiang et al., "ServeGen: Workload Characterization and Generation of Large Language Model Serving in Production" (NSDI
//! 2026) finds arrivals of single clients burstier than Poisson and best described by these two families.

use clap::ValueEnum;
use rand::Rng;
use rand::rngs::StdRng;

/// Least and largest shape that is drawn from.
const SHAPES: (f64, f64) = (1e-4, 1e6);
/// Tries of a draw by rejection, of which each succeeds with a chance of more than 0.95.
const TRIES_MAX: usize = 1_000;

/// The law of the gaps between arrivals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// With a shape below 1 burstier than chance.
    Gamma,
    /// With a shape below 1 burstier than chance, and with a longer tail.
    Weibull,
}

/// Where the shape of a window's gaps comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Burstiness {
    /// From the coefficient of variation, which was measured.
    Measured,
    /// From the first parameter, which was fitted.
    Fitted,
}

/// Gaps of a family and shape. They have no unit: how long they are on average, the rate says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Gaps {
    family: Family,
    shape: f64,
}

impl Gaps {
    /// With this shape, brought into the range that is drawn from.
    #[must_use]
    pub fn of_shape(family: Family, shape: f64) -> Self {
        Self { family, shape: shape.clamp(SHAPES.0, SHAPES.1) }
    }

    /// With this coefficient of variation (standard deviation over mean): `1/√shape` for Gamma, and for Weibull the shape
    /// where `Γ(1+2/shape)/Γ(1+1/shape)² − 1` is its square, found by halving.
    #[must_use]
    pub fn of_cv(family: Family, cv: f64) -> Self {
        match family {
            Family::Gamma => Self::of_shape(family, 1.0 / (cv * cv)),
            Family::Weibull => {
                let (mut low, mut high) = (0.02_f64.ln(), 1e3_f64.ln());
                for _ in 0..60 {
                    let middle = f64::midpoint(low, high);
                    // The larger the shape, the more even the gaps.
                    if Self::of_shape(family, middle.exp()).cv() > cv { low = middle } else { high = middle }
                }
                Self::of_shape(family, low.exp())
            }
        }
    }

    /// Standard deviation over mean.
    #[must_use]
    pub fn cv(&self) -> f64 {
        match self.family {
            Family::Gamma => 1.0 / self.shape.sqrt(),
            Family::Weibull => {
                let (mean, square) = (ln_gamma(1.0 + 1.0 / self.shape), ln_gamma(1.0 + 2.0 / self.shape));
                (square - 2.0 * mean).exp_m1().max(0.0).sqrt()
            }
        }
    }

    /// Its shape.
    #[must_use]
    pub const fn shape(&self) -> f64 {
        self.shape
    }

    /// The mean of the family with this shape and a scale of 1.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match self.family {
            Family::Gamma => self.shape,
            Family::Weibull => ln_gamma(1.0 + 1.0 / self.shape).exp(),
        }
    }

    /// The logarithm of a gap with a scale of 1: with a small shape the gap itself may be too small to write down.
    fn ln_draw(&self, rng: &mut StdRng) -> f64 {
        match self.family {
            Family::Gamma if self.shape < 1.0 => ln_gamma_draw(self.shape + 1.0, rng) + uniform(rng).ln() / self.shape,
            Family::Gamma => ln_gamma_draw(self.shape, rng),
            Family::Weibull => (-uniform(rng).ln()).ln() / self.shape,
        }
    }

    /// `count` gaps that add up to `length`.
    #[must_use]
    pub fn draw(&self, count: usize, length: f64, rng: &mut StdRng) -> Vec<f64> {
        let logarithms: Vec<f64> = (0..count).map(|_| self.ln_draw(rng)).collect();
        let longest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let gaps: Vec<f64> = logarithms.iter().map(|ln| (ln - longest).exp()).collect();
        let sum: f64 = gaps.iter().sum();
        gaps.into_iter().map(|gap| gap / sum * length).collect()
    }
}

/// Moments within `length` seconds, in order: the gaps laid around a circle of that length, which begins anywhere. So no moment
/// is likelier than another, and as many arrive as there are gaps.
#[must_use]
pub fn around(gaps: &[f64], length: f64, rng: &mut StdRng) -> Vec<f64> {
    let mut at = rng.random_range(0.0..length);
    let mut moments: Vec<f64> = gaps
        .iter()
        .map(|gap| {
            at += gap;
            at.rem_euclid(length)
        })
        .collect();
    moments.sort_by(f64::total_cmp);
    moments
}

/// Standard deviation over mean of a sample; zero of nothing.
#[must_use]
pub fn spread(gaps: &[f64]) -> f64 {
    let count = gaps.len().max(1) as f64;
    let mean = gaps.iter().sum::<f64>() / count;
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count;
    if mean > 0.0 { variance.sqrt() / mean } else { 0.0 }
}

fn uniform(rng: &mut StdRng) -> f64 {
    rng.random_range(f64::MIN_POSITIVE..1.0)
}

/// A draw from the standard normal law (Box and Muller, 1958).
pub(super) fn normal(rng: &mut StdRng) -> f64 {
    (-2.0 * uniform(rng).ln()).sqrt() * (std::f64::consts::TAU * rng.random_range(0.0..1.0_f64)).cos()
}

/// The logarithm of a Gamma draw with a shape of at least 1 and a scale of 1 (G. Marsaglia and W. W. Tsang, "A Simple Method for
/// Generating Gamma Variables", 2000).
fn ln_gamma_draw(shape: f64, rng: &mut StdRng) -> f64 {
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    for _ in 0..TRIES_MAX {
        let x = normal(rng);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && uniform(rng).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return (d * v).ln();
        }
    }
    d.ln()
}

/// ln Γ(x) for x of at least 1, to about 15 digits (C. Lanczos, 1964, with the nine coefficients of P. Godfrey for g = 7).
fn ln_gamma(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let x = x - 1.0;
    let terms = COEFFICIENTS.iter().zip(1_u32..).map(|(coefficient, at)| coefficient / (x + f64::from(at)));
    let sum = terms.fold(0.999_999_999_999_809_9, |sum, term| sum + term);
    let t = x + 7.5;
    0.5 * std::f64::consts::TAU.ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_gamma_function_is_the_factorial() {
        let mut factorial = 1.0_f64;
        for n in 1..30 {
            factorial *= f64::from(n);
            assert!((ln_gamma(f64::from(n) + 1.0) - factorial.ln()).abs() < 1e-9, "{n}");
        }
        assert!((ln_gamma(1.5).exp() - std::f64::consts::PI.sqrt() / 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_shape_is_found_for_every_spread() {
        for family in [Family::Gamma, Family::Weibull] {
            for cv in [0.05, 0.5, 1.0, 3.0, 8.6, 40.0] {
                let found = Gaps::of_cv(family, cv);
                assert!((found.cv() / cv - 1.0).abs() < 1e-6, "{family:?} {cv} {found:?}");
            }
            // Chance itself is in both families.
            assert!((Gaps::of_cv(family, 1.0).shape() - 1.0).abs() < 1e-6);
            assert!((Gaps::of_shape(family, 1.0).mean() - 1.0).abs() < 1e-9);
        }
    }

    /// Seed 3. Of heavy laws a sample shows less spread than the law has, so they are given more room.
    #[test]
    fn gaps_fill_their_time_and_are_spread_as_asked() {
        let mut rng = StdRng::seed_from_u64(3);
        for family in [Family::Gamma, Family::Weibull] {
            for (cv, room) in [(0.3, 0.02), (1.0, 0.03), (2.0, 0.06), (5.0, 0.15)] {
                let gaps = Gaps::of_cv(family, cv).draw(100_000, 600.0, &mut rng);
                assert!((gaps.iter().sum::<f64>() - 600.0).abs() < 1e-6);
                assert!((spread(&gaps) / cv - 1.0).abs() < room, "{family:?} {cv}: {}", spread(&gaps));
            }
        }
        // So bursty that most gaps are nothing: still as many, in order and within.
        let gaps = Gaps::of_shape(Family::Gamma, 1e-4).draw(50, 600.0, &mut rng);
        let moments = around(&gaps, 600.0, &mut rng);
        assert_eq!(moments.len(), 50);
        assert!(moments.is_sorted() && moments.iter().all(|at| (0.0..=600.0).contains(at)));
        assert!(Gaps::of_cv(Family::Weibull, 1.0).draw(0, 600.0, &mut rng).is_empty());
    }
}
