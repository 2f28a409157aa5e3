//! Replicas that follow the load: up, down, to nothing and back, and what a change of leader may not do.

use cloud::contract::tools::InstanceStatus;
use serde_json::{Value, json};

use crate::house::House;

/// One replica carries two requests a second, and half a second is a step: one request a step is half a replica.
fn wanted(replicas_min: u32, replicas_max: u32) -> Value {
    json!({
        "replicas_min": replicas_min,
        "replicas_max": replicas_max,
        "replica_carries": { "requests_per_second": 2.0 },
    })
}

async fn scaled(replicas_min: u32, replicas_max: u32) -> House {
    let mut house = House::new();
    house.running = Some(house.control.reconcilers());
    house.furnish().await;
    let autoscaling = wanted(replicas_min, replicas_max);
    let body = json!({ "model": "demo:1.0", "environment": "production", "autoscaling": autoscaling });
    let view = house.done("POST", "/v1/deployments", Some(body)).await;
    assert_eq!(view["replicas_wanted"], json!(replicas_min.max(1)));
    house
}

fn ready(house: &House) -> u32 {
    u32::try_from(house.cloud.instances(InstanceStatus::Ready).len()).expect("few")
}

/// Seconds of two steps each.
async fn pass(house: &mut House, seconds: u32) {
    for _ in 0..2 * seconds {
        assert!(house.step().await, "the fuse blew");
    }
}

async fn view(house: &House) -> Value {
    house.done("GET", "/v1/deployments/demo-production", None).await
}

/// Moves of the replica count, with their reasons, oldest first.
async fn moves(house: &House) -> Vec<(String, String)> {
    let events = house.done("GET", "/v1/deployments/demo-production/events?limit=1000", None).await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all =
        events["items"].as_array().expect("a list").iter().map(|event| (text(&event["what"]), text(&event["why"])));
    all.filter(|(what, _)| what.starts_with("scaled from")).collect()
}

#[tokio::test]
async fn replicas_follow_the_load_up_and_down_and_every_move_says_why() {
    let mut house = scaled(1, 8).await;
    pass(&mut house, 90).await;
    assert_eq!(ready(&house), 1);
    house.requests_per_step = 7;
    house.until(60, "enough for 14 requests a second", |house| ready(house) >= 7).await;
    pass(&mut house, 120).await;
    assert!((7..=8).contains(&ready(&house)), "{}", ready(&house));
    let at_peak = view(&house).await;
    assert_eq!(at_peak["autoscaling"]["load"], json!(7.0), "{at_peak}");
    house.requests_per_step = 1;
    pass(&mut house, 200).await;
    // A load of one replica, and a margin.
    assert_eq!(ready(&house), 2);
    let moves = moves(&house).await;
    assert!(moves.iter().all(|(_, why)| why.contains("is expected in 0.5 s")), "{moves:?}");
    assert!(moves.last().is_some_and(|(what, _)| what.ends_with("to 2 replicas")), "{moves:?}");
    assert!(moves.len() < 20, "it flutters: {moves:?}");
}

#[tokio::test]
async fn the_most_and_the_fewest_are_kept() {
    let mut house = scaled(2, 4).await;
    house.requests_per_step = 100;
    for _ in 0..120 {
        house.step().await;
        assert!(house.cloud.sizes().values().sum::<u32>() <= 4);
    }
    assert_eq!(ready(&house), 4);
    assert_eq!(view(&house).await["autoscaling"]["reason"], json!("limit"));
    house.requests_per_step = 0;
    pass(&mut house, 300).await;
    assert_eq!(ready(&house), 2);
}

#[tokio::test]
async fn an_idle_deployment_goes_to_nothing_and_a_request_wakes_it() {
    let mut house = scaled(0, 3).await;
    house.demand.in_flight = 1;
    pass(&mut house, 200).await;
    assert_eq!(ready(&house), 1, "a long answer still runs");
    house.demand.in_flight = 0;
    house.until(400, "gone", |house| house.cloud.sizes().is_empty()).await;
    let moves = moves(&house).await;
    assert!(moves.last().is_some_and(|(_, why)| why.contains("lesser cost")), "{moves:?}");
    house.step().await;
    assert_eq!(view(&house).await["phase"], json!("ready"), "nothing is what is wanted");
    let snapshot = house.snapshot().await.expect("there is one");
    assert_eq!(snapshot.models["demo"].starts_in_seconds, Some(1), "as seen: half a second");
    pass(&mut house, 30).await;
    // One request comes, waits, and leaves.
    (house.demand.arrived, house.demand.in_flight, house.demand.waiting) = (1, 1, 1);
    house.step().await;
    (house.demand.in_flight, house.demand.waiting, house.demand.refused) = (0, 0, 1);
    house.until(4, "woken", |house| ready(house) == 1).await;
    house.until(400, "gone again", |house| house.cloud.sizes().is_empty()).await;
}

#[tokio::test]
async fn a_new_leader_gives_nothing_back_before_it_has_seen_enough() {
    let mut house = scaled(0, 8).await;
    house.requests_per_step = 4;
    pass(&mut house, 120).await;
    let held = ready(&house);
    assert!(held >= 4, "{held}");
    // The leader is gone. Its successor hears of no gateway at first, and then of little.
    house.requests_per_step = 0;
    let neighbour = house.neighbour();
    house.running = Some(neighbour.reconcilers());
    house.gateway = None;
    pass(&mut house, 100).await;
    assert_eq!(ready(&house), held, "it knows nothing");
    house.gateway = Some(Default::default());
    pass(&mut house, 50).await;
    assert_eq!(ready(&house), held, "it knows too little");
    house.until(200, "fewer", |house| ready(house) < held).await;
}

#[tokio::test]
async fn a_process_killed_at_every_step_scales_up_by_what_it_can_and_never_down() {
    let mut house = scaled(1, 8).await;
    house.requests_per_step = 4;
    pass(&mut house, 60).await;
    let held = ready(&house);
    assert!(held >= 4, "{held}");
    house.running = None;
    house.requests_per_step = 0;
    pass(&mut house, 60).await;
    assert_eq!(ready(&house), held);
}

#[tokio::test]
async fn what_was_learned_is_saved_and_goes_with_the_deployment() {
    use state::Store as _;
    let mut house = scaled(1, 4).await;
    house.requests_per_step = 1;
    pass(&mut house, 620).await;
    let saved = house.store.list("scaling_learned", None, 10).await.expect("it reads");
    assert_eq!(saved.len(), 1);
    house.done("DELETE", "/v1/deployments/demo-production", None).await;
    house.until(40, "gone", |house| house.cloud.sizes().is_empty()).await;
    pass(&mut house, 5).await;
    for kind in ["scaling", "scaling_learned", "deployment"] {
        assert!(house.store.list(kind, None, 10).await.expect("it reads").is_empty(), "{kind} is left");
    }
}

#[tokio::test]
async fn two_deployments_of_a_model_share_its_load() {
    let mut house = scaled(1, 8).await;
    let body = json!({ "model": "demo:1.0", "environment": "production", "name": "fixed", "replicas": 2 });
    house.done("POST", "/v1/deployments", Some(body)).await;
    house.requests_per_step = 5;
    pass(&mut house, 240).await;
    let replicas = view(&house).await["replicas_wanted"].as_u64().expect("a number");
    assert!((3..=4).contains(&replicas), "two of five carry the fixed ones: {replicas}");
}

#[tokio::test]
async fn what_cannot_be_wanted_is_refused_with_its_field() {
    let house = scaled(1, 8).await;
    let deployment = |autoscaling: Value| json!({ "model": "demo:1.0", "environment": "production", "name": "other", "autoscaling": autoscaling });
    let with = |field: &str, value: Value| {
        let mut wish = wanted(1, 4);
        wish[field] = value;
        deployment(wish)
    };
    let mut both = deployment(wanted(1, 4));
    both["replicas"] = json!(2);
    for (body, field) in [
        (both, "replicas"),
        (json!({ "model": "demo:1.0", "environment": "production" }), "replicas"),
        (deployment(wanted(5, 4)), "autoscaling.replicas_max"),
        (deployment(wanted(0, 0)), "autoscaling.replicas_max"),
        (with("replicas_min", json!(-1)), "autoscaling.replicas_min"),
        (with("replicas_max", json!(1_001)), "autoscaling.replicas_max"),
        (with("replica_carries", json!({})), "autoscaling.replica_carries"),
        (
            with("replica_carries", json!({ "requests_per_second": 0.0 })),
            "autoscaling.replica_carries.requests_per_second",
        ),
        (with("replica_carries", json!({ "request_per_second": 1.0 })), "request_per_second"),
        (
            with("replica_carries", json!({ "generated_tokens_per_second": -3.0 })),
            "autoscaling.replica_carries.generated_tokens_per_second",
        ),
        (with("over_capacity_share", json!(0.0)), "autoscaling.over_capacity_share"),
        (with("over_capacity_share", json!(0.9)), "autoscaling.over_capacity_share"),
        (with("cooldown", json!(3)), "cooldown"),
    ] {
        let (status, answer) = house.call("POST", "/v1/deployments", Some(body.clone())).await;
        assert_eq!((status.as_u16(), &answer["error"]["field"]), (400, &json!(field)), "{body}: {answer}");
        assert!(answer["error"]["next_step"].is_string(), "{answer}");
    }
}

#[tokio::test]
async fn a_fixed_count_and_following_the_load_take_turns() {
    let mut house = scaled(1, 8).await;
    house.requests_per_step = 5;
    pass(&mut house, 60).await;
    let path = "/v1/deployments/demo-production";
    let before = view(&house).await["replicas_wanted"].clone();
    let again = json!({ "model": "demo:1.0", "environment": "production", "autoscaling": wanted(1, 8) });
    let plan = house.done("POST", "/v1/plans", Some(again.clone())).await;
    assert_eq!((&plan["action"], &plan["replicas"]), (&json!("none"), &before), "{plan}");
    assert_eq!(house.done("POST", "/v1/deployments", Some(again)).await["replicas_wanted"], before);
    let fixed = house.done("PATCH", path, Some(json!({ "replicas": 2 }))).await;
    assert_eq!((&fixed["replicas_wanted"], &fixed["autoscaling"]), (&json!(2), &Value::Null));
    pass(&mut house, 60).await;
    assert_eq!(ready(&house), 2, "whatever is asked of it");
    let followed = house.done("PATCH", path, Some(json!({ "autoscaling": wanted(3, 9) }))).await;
    assert_eq!((&followed["replicas_wanted"], &followed["autoscaling"]["replicas_max"]), (&json!(3), &json!(9)));
    house.until(60, "following", |house| ready(house) >= 5).await;
    let events = house.done("GET", "/v1/deployments/demo-production/events?limit=1000", None).await.to_string();
    for said in ["which no longer follow the load", "follows the load with 3 to 9 replicas, 3 now"] {
        assert!(events.contains(said), "{said}");
    }
}
