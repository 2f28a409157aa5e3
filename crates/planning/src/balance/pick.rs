//! Takes the replica whose forecast is best, of all that may serve the request.
//!
//! All are compared, not two drawn: a prefix is held by few, and two drawn of many would miss them. Those that are as good
//! as equal are drawn, which keeps gateways with the same news from all running to the same replica.

use rand::Rng;

use super::filter::{Exclusions, exclusion};
use super::forecast::{Ask, Forecast, ForecastWeights, Outlook, Peers};
use super::{Candidate, Exclusion};

/// Service time assumed of a fleet of which nothing was measured.
const PRIOR_SERVICE_SECONDS: f64 = 1.0;
/// Scores closer than this are equal, and equals are drawn: what is measured of a network or of a rate is no closer.
const TIE_SECONDS: f64 = 1e-3;

/// A replica, and what is known of it for this request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Offer {
    /// The replica in plain numbers.
    pub candidate: Candidate,
    /// What is known beyond them.
    pub outlook: Outlook,
}

impl Offer {
    /// Why the replica may not serve `ask`; what is never lifted comes first.
    #[must_use]
    pub fn exclusion(&self, ask: &Ask) -> Option<Exclusion> {
        self.bar(ask).or_else(|| exclusion(&self.candidate))
    }

    fn bar(&self, ask: &Ask) -> Option<Exclusion> {
        if !self.outlook.is_resident {
            Some(Exclusion::Residency)
        } else if self.outlook.window_tokens.is_some_and(|window| ask.input_tokens > window) {
            Some(Exclusion::Window)
        } else {
            None
        }
    }
}

/// Who takes the request, and why he.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// Its place among the offers.
    pub index: usize,
    /// What it is expected to take.
    pub forecast: Forecast,
    /// Nobody may take it, and this one is the least bad: why it should not.
    pub despite: Option<Exclusion>,
}

/// Chooses a replica.
///
/// # Errors
/// When every one drains, stands where the request may not go, or is too small for it; with how many for which reason.
pub fn choose_replica<R: Rng>(
    offers: &[Offer],
    ask: &Ask,
    weights: &ForecastWeights,
    rng: &mut R,
) -> Result<Choice, Exclusions> {
    let peers = peers(offers, ask);
    let forecast = |offer: &Offer| Forecast::of(ask, &offer.candidate, &offer.outlook, &peers, weights);
    let mut best: Option<Choice> = None;
    let (mut least, mut tied) = (f64::INFINITY, 1_u32);
    for (index, offer) in offers.iter().enumerate() {
        if offer.exclusion(ask).is_some() {
            continue;
        }
        let forecast = forecast(offer);
        let seconds = forecast.seconds(weights);
        if (seconds - least).abs() < TIE_SECONDS {
            // Each of n equals is kept with chance 1/n, so that equals share alike.
            tied = tied.saturating_add(1);
            if rng.random_range(0..tied) == 0 {
                best = Some(Choice { index, forecast, despite: None });
            }
        } else if seconds < least {
            tied = 1;
            best = Some(Choice { index, forecast, despite: None });
        }
        least = least.min(seconds);
    }
    best.map_or_else(|| the_least_bad(offers, ask, forecast), Ok)
}

fn peers(offers: &[Offer], ask: &Ask) -> Peers {
    let (mut service, mut least) = (None, f64::INFINITY);
    for offer in offers.iter().filter(|offer| offer.exclusion(ask).is_none()) {
        service = service.into_iter().chain(offer.candidate.service_seconds).reduce(f64::max);
        least = offer.outlook.backlog_seconds().min(least);
    }
    Peers {
        service_seconds: service.unwrap_or(PRIOR_SERVICE_SECONDS),
        least_backlog_seconds: if least.is_finite() { least } else { 0.0 },
    }
}

/// When nobody may take it: the least bad of those whom no lasting reason bars.
fn the_least_bad(offers: &[Offer], ask: &Ask, forecast: impl Fn(&Offer) -> Forecast) -> Result<Choice, Exclusions> {
    let unbarred: Vec<(usize, Candidate)> = offers
        .iter()
        .enumerate()
        .filter(|(_, offer)| offer.bar(ask).is_none())
        .map(|(index, offer)| (index, offer.candidate))
        .collect();
    let candidates: Vec<Candidate> = unbarred.iter().map(|(_, candidate)| *candidate).collect();
    match least_bad(&candidates) {
        Some((place, despite)) => {
            let index = unbarred[place].0;
            Ok(Choice { index, forecast: forecast(&offers[index]), despite: Some(despite) })
        }
        None => {
            let mut reasons = Exclusions::default();
            offers.iter().filter_map(|offer| offer.exclusion(ask)).for_each(|reason| reasons.add(reason));
            Err(reasons)
        }
    }
}

/// The one to use when all are excluded: one put aside before one that failed this request, before one that does not
/// answer; among equals the one whose time is nearest, then the one with least in flight. Never one that drains.
fn least_bad(candidates: &[Candidate]) -> Option<(usize, Exclusion)> {
    let badness = |(index, candidate): (usize, &Candidate)| {
        let reason = exclusion(candidate)?;
        let rank = match reason {
            Exclusion::Ejected => 0_u8,
            Exclusion::Tried => 1,
            Exclusion::Down => 2,
            Exclusion::Draining | Exclusion::Residency | Exclusion::Window => return None,
        };
        let load = candidate.in_flight;
        Some(((rank, candidate.tried, candidate.ejected_ms.unwrap_or(0), load, index), reason))
    };
    candidates.iter().enumerate().filter_map(badness).min_by_key(|(key, _)| *key).map(|(key, reason)| (key.4, reason))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::SmallRng;

    use super::super::Health;
    use super::*;

    const ASK: Ask = Ask { input_tokens: 2_000, output_tokens: 200.0 };

    fn offer(backlog_tokens: f64, cached_tokens: u32) -> Offer {
        Offer {
            candidate: Candidate::default(),
            outlook: Outlook {
                is_resident: true,
                window_tokens: Some(8_000),
                prefill_tokens_per_second: 1_000.0,
                decode_seconds_per_token: 0.02,
                backlog_tokens,
                cached_tokens,
            },
        }
    }

    fn abroad(offer: Offer) -> Offer {
        Offer { outlook: Outlook { is_resident: false, ..offer.outlook }, ..offer }
    }

    fn chosen(offers: &[Offer], seed: u64) -> Result<Choice, Exclusions> {
        choose_replica(offers, &ASK, &ForecastWeights::default(), &mut SmallRng::seed_from_u64(seed))
    }

    #[test]
    fn a_held_prefix_wins_until_the_prompts_before_it_outweigh_it() {
        assert_eq!(chosen(&[offer(0.0, 0), offer(500.0, 1_500)], 1).expect("a replica").index, 1);
        assert_eq!(chosen(&[offer(0.0, 0), offer(9_000.0, 1_500)], 1).expect("a replica").index, 0);
    }

    #[test]
    fn equals_share_alike_though_others_stand_between_them() {
        let mut rng = SmallRng::seed_from_u64(3);
        let mut counts = [0_u32; 5];
        let offers = [offer(0.0, 0), offer(0.5, 0), offer(9_000.0, 0), offer(0.0, 0), offer(0.0, 0)];
        for _ in 0..4_000 {
            let choice = choose_replica(&offers, &ASK, &ForecastWeights::default(), &mut rng);
            counts[choice.expect("a replica").index] += 1;
        }
        assert_eq!(counts[2], 0);
        assert!([0, 1, 3, 4].iter().all(|index| (850..1_150).contains(&counts[*index])), "{counts:?}");
    }

    #[test]
    fn the_least_bad_is_the_one_back_soonest() {
        let of = |candidate| Offer { candidate, ..offer(0.0, 0) };
        let aside = |ms| of(Candidate { ejected_ms: Some(ms), ..Candidate::default() });
        let down = of(Candidate { health: Health::Down, ..Candidate::default() });
        let choice = chosen(&[down, aside(900), aside(50)], 1).expect("one is left");
        assert_eq!((choice.index, choice.despite), (2, Some(Exclusion::Ejected)));
    }

    #[test]
    fn residency_and_window_hold_even_when_nobody_else_is_up() {
        let mut small = offer(0.0, 0);
        small.outlook.window_tokens = Some(1_000);
        let mut down = offer(0.0, 0);
        down.candidate.health = Health::Down;
        let choice = chosen(&[abroad(offer(0.0, 2_000)), small, down], 1).expect("one is down but permitted");
        assert_eq!((choice.index, choice.despite), (2, Some(Exclusion::Down)));
        let reasons = chosen(&[abroad(offer(0.0, 0)), small], 1).expect_err("nobody is permitted");
        assert_eq!((reasons.residency, reasons.window), (1, 1));
    }

    proptest! {
        #[test]
        fn nobody_is_chosen_where_the_request_may_not_go(
            flags in proptest::collection::vec(
                (any::<bool>(), any::<bool>(), any::<bool>(), proptest::option::of(0_u64..9_000), any::<bool>(), 0.0_f64..1e5),
                0..12,
            ),
            seed: u64,
        ) {
            let offers: Vec<Offer> = flags
                .iter()
                .map(|(resident, up, draining, ejected_ms, tried, backlog)| {
                    let mut made = offer(*backlog, 0);
                    made.outlook.is_resident = *resident;
                    made.candidate.draining = *draining;
                    (made.candidate.ejected_ms, made.candidate.tried) = (*ejected_ms, *tried);
                    made.candidate.health = if *up { Health::Up } else { Health::Down };
                    made
                })
                .collect();
            match chosen(&offers, seed) {
                Ok(choice) => {
                    let taken = &offers[choice.index];
                    prop_assert!(taken.outlook.is_resident && !taken.candidate.draining);
                    prop_assert_eq!(taken.exclusion(&ASK), choice.despite);
                    let someone_may = offers.iter().any(|offer| offer.exclusion(&ASK).is_none());
                    prop_assert_eq!(choice.despite.is_none(), someone_may);
                }
                Err(reasons) => {
                    prop_assert!(offers.iter().all(|offer| !offer.outlook.is_resident || offer.candidate.draining));
                    prop_assert_eq!((reasons.residency + reasons.draining) as usize, offers.len());
                }
            }
        }
    }
}
