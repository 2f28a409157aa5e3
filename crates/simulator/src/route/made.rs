//! Clients and lengths of the project's own, written in the forms that `simulate route --clients` reads.

use std::fmt::Write as _;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::gaps::{Family, Gaps, normal};

/// Seconds of a window.
const WINDOW_S: f64 = 600.0;
/// Windows of a day.
const WINDOWS_A_DAY: u32 = 144;

/// A file for each client, as its name and text: a few ask for most, each by a daily wave of its own and with a burstiness of its
/// own, and is silent for stretches of time. Together they ask about `mean_rate` times a second.
#[must_use]
pub fn clients(clients: usize, days: u32, mean_rate: f64, seed: u64) -> Vec<(String, String)> {
    let mut rng = StdRng::seed_from_u64(seed);
    let weights: Vec<f64> = (0..clients).map(|_| (1.5 * normal(&mut rng)).exp()).collect();
    let all: f64 = weights.iter().sum();
    let file = |(number, weight): (usize, &f64)| {
        (format!("client-{number:04}-trace.csv"), client(days, mean_rate * weight / all, &mut rng))
    };
    weights.iter().enumerate().map(file).collect()
}

fn client(days: u32, mean_rate: f64, rng: &mut StdRng) -> String {
    let family = if rng.random_bool(0.5) { Family::Gamma } else { Family::Weibull };
    let usual_cv = rng.random_range(0.8_f64.ln()..5.0_f64.ln()).exp();
    let (phase, mut silent) = (rng.random_range(0.0..1.0), false);
    let mut text = String::new();
    for window in 0..days * WINDOWS_A_DAY {
        // One window in five is silent; a silence lasts ten of them on average.
        silent = if silent { !rng.random_bool(0.1) } else { rng.random_bool(0.025) };
        let at_s = f64::from(window) * WINDOW_S;
        let wave = 1.0 + 0.5 * ((at_s / 86_400.0 + phase) * std::f64::consts::TAU).sin();
        let count = (mean_rate * 1.25 * wave * WINDOW_S * rng.random_range(0.8..1.2)).round();
        let cv = usual_cv * rng.random_range(0.9..1.1);
        if silent || count < 1.0 {
            let _ = writeln!(text, "{at_s},0,0,,0,0");
        } else {
            let (rate, gaps) = (count / WINDOW_S, Gaps::of_cv(family, cv));
            let scale = 1.0 / (rate * gaps.mean());
            let _ = writeln!(text, "{at_s},{rate},{cv},{family:?},{},{scale}", gaps.shape());
        }
    }
    text
}

/// A log of so many requests: prompts are spread log-normally around a median of 1,000 tokens, answers exponentially around a
/// mean of 250. Round figures, fitted to nothing.
#[must_use]
pub fn lengths(requests: usize, seed: u64) -> String {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut text = "TIMESTAMP,ContextTokens,GeneratedTokens\n".to_owned();
    for number in 0..requests {
        let prompt = (1_000.0 * normal(&mut rng).exp()).clamp(1.0, 100_000.0) as u32;
        let answer = (-250.0 * rng.random_range(f64::MIN_POSITIVE..1.0_f64).ln()).clamp(1.0, 10_000.0) as u32;
        let (minute, second) = (number / 60 % 60, number % 60);
        let (day, hour) = (number / 86_400 % 28 + 1, number / 3_600 % 24);
        let _ = writeln!(text, "2000-01-{day:02} {hour:02}:{minute:02}:{second:02}.0000000,{prompt},{answer}");
    }
    text
}
