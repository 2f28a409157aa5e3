//! Which dimension and value explain a rise: Adtributor (Bhagwan et al., "Adtributor: Revenue Debugging in Advertising
//! Systems", NSDI 2014), for a plain sum.
//!
//! A value's *explanatory power* is its part of the rise; its *surprise* is the Jensen–Shannon divergence between its share of
//! what was expected and its share of what came. In each dimension the most surprising values with a power of at least
//! [`POWER_EACH`] are taken until they explain [`POWER_ALL`]; the dimension whose set surprises most is named. Added here:
//! where the other values rose nearly alike ([`ALIKE`]), nothing is named, since everything rose.

/// Least part of the rise that one value must explain (the paper's T_EEP of 10 %).
pub const POWER_EACH: f64 = 0.1;
/// Part of the rise that the values of a dimension must explain together (the paper's T_EP of 67 %).
pub const POWER_ALL: f64 = 0.67;
/// A dimension explains nothing when its other values rose by at least this share of what the named ones rose, relative
/// to what was expected of each.
pub const ALIKE: f64 = 0.5;

/// One value of a dimension.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Part {
    /// What was expected, in dollars.
    pub expected: f64,
    /// What came, in dollars.
    pub actual: f64,
}

/// What explains a rise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attribution {
    /// Index of the dimension.
    pub dimension: usize,
    /// Index of its value that explains most.
    pub value: usize,
    /// That value's part of the rise; above 1 where others fell.
    pub share: f64,
}

/// Explains the rise of a sum from its parts by dimension. `None` when it did not rise, or no dimension explains it.
#[must_use]
pub fn attribute(dimensions: &[Vec<Part>]) -> Option<Attribution> {
    let explained = dimensions.iter().enumerate().filter_map(|(at, parts)| explain_by(at, parts));
    explained.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.dimension.cmp(&a.0.dimension))).map(|(found, _)| found)
}

/// The explanation within one dimension, with its surprise.
fn explain_by(dimension: usize, parts: &[Part]) -> Option<(Attribution, f64)> {
    let sum = |of: fn(&Part) -> f64| parts.iter().map(of).sum::<f64>();
    let (expected, actual) = (sum(|part| part.expected), sum(|part| part.actual));
    let rise = actual - expected;
    if rise <= 0.0 || actual <= 0.0 {
        return None;
    }
    let power = |part: &Part| (part.actual - part.expected) / rise;
    let surprise = |part: &Part| divergence(part.expected / expected.max(f64::MIN_POSITIVE), part.actual / actual);
    let mut order: Vec<usize> = (0..parts.len()).filter(|at| power(&parts[*at]) > POWER_EACH).collect();
    order.sort_by(|a, b| surprise(&parts[*b]).total_cmp(&surprise(&parts[*a])).then(a.cmp(b)));
    let (mut set, mut explained) = (Vec::new(), 0.0);
    for at in order {
        if explained >= POWER_ALL {
            break;
        }
        explained += power(&parts[at]);
        set.push(at);
    }
    if explained < POWER_ALL || others_alike(parts, &set) {
        return None;
    }
    let value = set.iter().copied().max_by(|a, b| power(&parts[*a]).total_cmp(&power(&parts[*b])).then(b.cmp(a)))?;
    let all = set.iter().map(|at| surprise(&parts[*at])).sum();
    Some((Attribution { dimension, value, share: power(&parts[value]) }, all))
}

/// Whether the values outside `set` rose nearly as much as those in it, each relative to what was expected; or `set` is
/// all there are.
fn others_alike(parts: &[Part], set: &[usize]) -> bool {
    if set.len() > 1 && set.len() == parts.len() {
        return true;
    }
    let rise = |inside: bool| {
        let chosen = parts.iter().enumerate().filter(|(at, _)| set.contains(at) == inside);
        let (e, a) = chosen.fold((0.0, 0.0), |(e, a), (_, part)| (e + part.expected, a + part.actual));
        if e > 0.0 {
            (a - e) / e
        } else if a > 0.0 {
            f64::INFINITY
        } else {
            0.0
        }
    };
    let within = rise(true);
    within.is_finite() && rise(false) >= ALIKE * within
}

/// A value's part of the Jensen–Shannon divergence.
fn divergence(p: f64, q: f64) -> f64 {
    let half = |x: f64| if x > 0.0 { x * (2.0 * x / (p + q)).ln() } else { 0.0 };
    0.5 * (half(p) + half(q))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(pairs: &[(f64, f64)]) -> Vec<Part> {
        pairs.iter().map(|(expected, actual)| Part { expected: *expected, actual: *actual }).collect()
    }

    #[test]
    fn the_value_that_rose_is_named() {
        let by_tenant = parts(&[(50.0, 50.0), (30.0, 31.0), (20.0, 80.0)]);
        let by_region = parts(&[(60.0, 96.0), (40.0, 65.0)]);
        let found = attribute(&[by_region, by_tenant]).unwrap();
        assert_eq!((found.dimension, found.value), (1, 2));
        assert!((found.share - 60.0 / 61.0).abs() < 1e-12);
    }

    #[test]
    fn what_rises_alike_names_nobody_and_what_is_new_is_named() {
        assert_eq!(attribute(&[parts(&[(60.0, 90.0), (40.0, 60.0)])]), None);
        assert_eq!(attribute(&[parts(&[(60.0, 50.0), (40.0, 40.0)])]), None);
        assert_eq!(attribute(&[]), None);
        let found = attribute(&[parts(&[(60.0, 60.0), (40.0, 40.0), (0.0, 30.0)])]).unwrap();
        assert_eq!((found.value, found.share), (2, 1.0));
        let alone = attribute(&[parts(&[(60.0, 90.0)])]).unwrap();
        assert_eq!(alone.share, 1.0);
    }

    #[test]
    fn shares_above_one_where_others_fell() {
        let found = attribute(&[parts(&[(50.0, 90.0), (50.0, 30.0)])]).unwrap();
        assert_eq!((found.value, found.share), (0, 2.0));
    }
}
