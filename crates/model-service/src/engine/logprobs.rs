//! Log probabilities of the model's own distribution, before temperature and filters.

use super::prefix::Token;

/// A token that was chosen, and the likeliest ones in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprobs {
    /// The token.
    pub token: Token,
    /// The natural logarithm of its probability.
    pub logprob: f32,
    /// The likeliest tokens, the likeliest first.
    pub top: Vec<(Token, f32)>,
    /// Characters of the answer before it, once it is part of one.
    pub offset: usize,
}

/// The log probability of `chosen` and of the `top` likeliest tokens.
pub fn of(logits: &[f32], chosen: Token, top: usize) -> TokenLogprobs {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
    let log_sum = sum.ln() as f32 + largest;
    let at = usize::try_from(chosen).unwrap_or(usize::MAX);
    let logprob = logits.get(at).map_or(f32::NEG_INFINITY, |logit| logit - log_sum);
    let top = likeliest(logits, top).into_iter().map(|(token, logit)| (token, logit - log_sum)).collect();
    TokenLogprobs { token: chosen, logprob, top, offset: 0 }
}

/// The `count` largest logits with their tokens, largest first; ties by the smaller token.
fn likeliest(logits: &[f32], count: usize) -> Vec<(Token, f32)> {
    let mut best: Vec<(Token, f32)> = Vec::with_capacity(count + 1);
    for (token, &logit) in (0..).zip(logits) {
        if best.len() == count && best.last().is_none_or(|&(_, least)| logit <= least) {
            continue;
        }
        let at = best.partition_point(|&(_, other)| other >= logit);
        best.insert(at, (token, logit));
        best.truncate(count);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_are_a_distribution(logits in prop::collection::vec(-30f32..30.0, 1..50)) {
            let all = of(&logits, 0, logits.len());
            let sum: f64 = all.top.iter().map(|(_, logprob)| f64::from(*logprob).exp()).sum();
            prop_assert!((sum - 1.0).abs() < 1e-3, "{}", sum);
            prop_assert!(all.top.windows(2).all(|pair| pair[0].1 >= pair[1].1));
            prop_assert!(all.top.iter().any(|&(token, logprob)| token == 0 && logprob == all.logprob));
            prop_assert_eq!(&of(&logits, 0, 3).top[..], &all.top[..logits.len().min(3)]);
        }
    }
}
