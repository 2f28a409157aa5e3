//! Which of a model's replicas gets a request: what is known of each, laid before [`planning::balance`].

use std::sync::Arc;

use planning::balance::{Choice, Exclusion, Exclusions, Offer, choose_replica};
use tokio::time::Instant;

use crate::prompt::PromptOutline;
use crate::replica::Replica;
use crate::shared::Shared;
use crate::table::{Model, Seat};

/// A choice, and what was known of the chosen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chosen {
    pub(crate) choice: Choice,
    pub(crate) offer: Offer,
}

impl Chosen {
    /// The chosen replica's place in the model's list.
    pub(crate) fn seat<'m>(&self, model: &'m Model) -> &'m Seat {
        &model.seats[self.choice.index]
    }

    /// Why nobody should take the request, this one neither.
    pub(crate) fn despite(&self) -> Option<Exclusion> {
        self.choice.despite
    }
}

/// Chooses. Every replica is locked for a moment, one after the other; none while another is.
pub(crate) fn choose(
    shared: &Shared,
    model: &Model,
    outline: &PromptOutline,
    tried: &[Arc<Replica>],
) -> Result<Chosen, Exclusions> {
    let fleet = *model.fleet.lock();
    let (prompt, now) = (outline.prompt(&fleet), Instant::now());
    let offers: Vec<Offer> = model
        .seats
        .iter()
        .map(|seat| {
            let was_tried = tried.iter().any(|replica| Arc::ptr_eq(replica, &seat.replica));
            seat.replica.offer(seat, was_tried, outline, (&prompt, &fleet), now)
        })
        .collect();
    let choice = choose_replica(&offers, &outline.ask(&prompt, &fleet), &shared.weights, &mut shared.chance.draw())?;
    let forecast = &choice.forecast;
    tracing::debug!(
        replica = %model.seats[choice.index].replica.id,
        replicas = offers.len(),
        prompt_tokens = prompt.tokens,
        held_tokens = offers[choice.index].outlook.cached_tokens,
        wait_s = forecast.wait_seconds,
        prefill_s = forecast.prefill_seconds,
        sharing_s = forecast.sharing_seconds,
        network_s = forecast.network_seconds,
        dollars = forecast.dollars,
        credit_s = forecast.credit_seconds,
        despite = ?choice.despite,
        "replica chosen"
    );
    Ok(Chosen { choice, offer: offers[choice.index] })
}

/// Why nobody may take it, in words.
pub(crate) fn describe(reasons: &Exclusions) -> String {
    let Exclusions { draining, residency, window, .. } = *reasons;
    let named =
        [(draining, "draining"), (residency, "where the request may not go"), (window, "too small for the prompt")];
    let said: Vec<String> =
        named.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}")).collect();
    if said.is_empty() { "the model has none".to_owned() } else { said.join(", ") }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use planning::balance::Report;

    use super::*;
    use crate::GatewayConfig;
    use crate::admit::Admission;
    use crate::endpoint::Endpoint;
    use crate::in_flight::InFlight;
    use crate::meter::GatewayMeter;
    use crate::relay::Usage;
    use crate::request::outline;
    use crate::salt::Salt;
    use crate::shared::Chance;
    use crate::table::Table;
    use crate::window::Fitted;

    fn model(replicas: usize) -> Arc<Model> {
        let replicas = (0..replicas).map(|place| domain::ReplicaRoute {
            id: format!("r{place}"),
            deployment: "demo-production".parse().expect("a name"),
            site: "local/us-east".parse().expect("a site"),
            location: None,
            url: format!("http://127.0.0.1:{}", 10_000 + place),
            credential: None,
            draining: false,
            price_per_hour: domain::Money::ZERO,
        });
        let route = domain::ModelRoute {
            model: "demo:1.0".parse().expect("a model"),
            artifact: "/nonexistent".into(),
            context_tokens: 4_096,
            created_at: domain::Timestamp(0),
            starts_in_seconds: None,
            shared_prefix_cache: false,
            replicas: replicas.collect(),
        };
        let snapshot = domain::RoutingSnapshot {
            models: [("demo".to_owned(), route)].into(),
            ..domain::RoutingSnapshot::default()
        };
        let table = Table::build(&snapshot, &Table::default(), &GatewayConfig::default());
        Arc::clone(&table.models["demo"])
    }

    fn shared() -> Shared {
        let (config, meter) = (GatewayConfig::default(), Arc::new(GatewayMeter::new()));
        Shared {
            weights: config.weights(),
            clock: Arc::new(domain::SystemClock),
            started_at: domain::Timestamp(0),
            chance: Chance::new(1),
            table: arc_swap::ArcSwap::default(),
            admission: Arc::new(Admission::new(&config, meter.in_flight.clone())),
            meter,
            watch: crate::watch::Watch::default(),
            pulse: crate::pulse::Pulse::default(),
            page: None,
            stop: tokio_util::sync::CancellationToken::new(),
            config,
        }
    }

    fn prompt(model: &Model, body: &str) -> PromptOutline {
        let body = Bytes::copy_from_slice(body.as_bytes());
        let outline = outline(&body).expect("a request");
        PromptOutline::of(model, Endpoint::Chat, &outline, &body, &Fitted::default(), &Salt::default())
    }

    fn chat(name: &str, bytes: usize) -> String {
        let text = name.repeat(bytes / name.len());
        format!(r#"{{"model":"demo","messages":[{{"role":"user","content":"{text}"}}]}}"#)
    }

    #[test]
    fn what_was_sent_counts_until_it_ends_and_is_remembered() {
        let (model, shared) = (model(2), shared());
        let asked = prompt(&model, &chat("a long beginning, ", 4_000));
        let first = choose(&shared, &model, &asked, &[]).expect("a replica");
        let on = InFlight::begin(&model, &first, &asked);
        let held = |chosen: &Chosen| chosen.offer.outlook.cached_tokens;
        assert_eq!(held(&first), 0);
        let again = choose(&shared, &model, &asked, &[]).expect("a replica");
        assert_eq!((again.choice.index, again.offer.candidate.in_flight), (first.choice.index, 1));
        assert!(held(&again) > 900, "{again:?}");
        drop(on);
        let again = choose(&shared, &model, &asked, &[]).expect("a replica");
        assert_eq!((again.offer.candidate.in_flight, again.offer.outlook.backlog_tokens), (0, 0.0));
    }

    #[test]
    fn the_one_tried_is_passed_over_though_it_holds_the_beginning() {
        let (model, shared) = (model(2), shared());
        let asked = prompt(&model, &chat("again and again, ", 4_000));
        let first = choose(&shared, &model, &asked, &[]).expect("a replica");
        drop(InFlight::begin(&model, &first, &asked));
        let tried = [Arc::clone(&first.seat(&model).replica)];
        let second = choose(&shared, &model, &asked, &tried).expect("the other");
        assert_eq!((second.choice.index, second.despite()), (1 - first.choice.index, None));
    }

    #[test]
    fn reasons_are_said() {
        assert_eq!(describe(&Exclusions::default()), "the model has none");
        let reasons = Exclusions { draining: 2, window: 1, ..Exclusions::default() };
        assert_eq!(describe(&reasons), "2 draining, 1 too small for the prompt");
    }

    /// What a choice costs where every replica holds the beginning of the prompt: the dearest case. The least of many
    /// short samples, so that a busy machine does not count.
    #[test]
    #[ignore = "prints figures: cargo test --release -p gateway --lib -- --ignored choice_figures --nocapture"]
    #[allow(clippy::print_stdout, reason = "figures are what it is for")]
    fn choice_figures() {
        for replicas in [3_usize, 10, 100, 1_000] {
            let (model, shared) = (model(replicas), shared());
            let system = prompt(&model, &chat("a system prompt that all share, ", 16_000));
            for index in 0..replicas {
                let replica = &model.seats[index].replica;
                replica.probe_answered(Some(Report { parallel: 4, ..Report::default() }), 0, 0.001);
                let mut chosen = choose(&shared, &model, &system, &[]).expect("a replica");
                chosen.choice.index = index;
                let usage = Usage { prompt_tokens: 4_000, completion_tokens: 9, ..Usage::default() };
                InFlight::begin(&model, &chosen, &system).answered(Some(usage));
            }
            for (what, body) in [("short", chat("hi", 2)), ("held", chat("a system prompt that all share, ", 16_064))] {
                let asked = prompt(&model, &body);
                let rounds = 1 + 1_000 / replicas;
                let nanos = least_nanos(rounds, || {
                    let _ = std::hint::black_box(choose(&shared, &model, &asked, &[]));
                });
                println!("choice replicas={replicas} prompt={what} ns={nanos}");
            }
            let body = chat("a system prompt that all share, ", 16_064);
            let nanos = least_nanos(10, || drop(std::hint::black_box(prompt(&model, &body))));
            println!("outline bytes={} ns={nanos}", body.len());
        }
    }

    fn least_nanos(rounds: usize, mut work: impl FnMut()) -> u128 {
        let samples = (0..2_000).map(|_| {
            let began = Instant::now();
            (0..rounds).for_each(|_| work());
            began.elapsed().as_nanos() / rounds as u128
        });
        samples.min().unwrap_or_default()
    }
}
