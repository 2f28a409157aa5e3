//! The wall clock is set back and forward by an hour, and nothing waits, hurries or goes blind for it.

use cloud::contract::tools::InstanceStatus;

use crate::house::House;

const HOUR_S: i64 = 3_600;

async fn settled(replicas: u32) -> House {
    let mut house = House::new();
    house.furnish().await;
    house.deploy(replicas).await;
    let count = replicas as usize;
    house.until(20, "ready", |house| house.cloud.instances(InstanceStatus::Ready).len() == count).await;
    house.step().await;
    house.step().await;
    house
}

#[tokio::test]
async fn the_survey_sees_a_lost_site_and_its_return_whatever_the_clock_says() {
    for step_s in [-HOUR_S, HOUR_S] {
        let mut house = settled(3).await;
        house.step_wall_seconds(step_s);
        house.cloud.site_out("us-east");
        house.until(20, "elsewhere", |house| house.cloud.instances(InstanceStatus::Ready).len() == 3).await;
        house.step_wall_seconds(-step_s);
        house.cloud.with(|state| state.sites.get_mut("us-east").expect("a site").available = true);
        house.until(40, "back", |house| house.cloud.sizes().get("us-east") == Some(&1)).await;
    }
}

#[tokio::test]
async fn a_short_failure_of_a_site_is_no_outage_because_the_clock_went_forward() {
    let mut house = settled(3).await;
    let writes = house.cloud.with(|state| state.writes);
    house.cloud.with(|state| state.sites.get_mut("us-east").expect("a site").available = false);
    house.step().await;
    house.step_wall_seconds(HOUR_S);
    house.step().await;
    house.cloud.with(|state| state.sites.get_mut("us-east").expect("a site").available = true);
    house.step().await;
    assert_eq!(house.cloud.with(|state| state.writes), writes, "nothing was placed elsewhere");
}

#[tokio::test]
async fn a_removal_drains_for_as_long_as_it_may_and_no_longer() {
    for step_s in [-HOUR_S, HOUR_S] {
        let mut house = settled(2).await;
        let busy = house.routed().await;
        house.gateway = Some(busy.iter().map(|id| (id.clone(), 1)).collect());
        house.scale(1).await;
        house.step().await;
        house.step_wall_seconds(step_s);
        for _ in 0..10 {
            house.step().await;
        }
        assert_eq!(house.cloud.sizes().len(), 2, "{step_s}: requests still run there");
        house.until(75, "smaller", |house| house.cloud.sizes().len() == 1).await;
    }
}

#[tokio::test]
async fn a_gateway_that_serves_is_waited_for_and_one_that_is_gone_is_not() {
    for step_s in [-HOUR_S, HOUR_S] {
        let mut house = settled(2).await;
        // The gateway is gone, and the last that it said is of another time.
        house.gateway = None;
        house.step_wall_seconds(step_s);
        house.scale(1).await;
        house.until(20, "smaller", |house| house.cloud.sizes().len() == 1).await;
    }
}

#[tokio::test]
async fn a_lease_is_renewed_and_a_dead_leaders_is_taken() {
    for step_s in [-HOUR_S, HOUR_S] {
        let mut house = House::new();
        house.running = Some(house.control.reconcilers());
        house.furnish().await;
        house.step().await;
        let neighbour = house.neighbour();
        let mut waiting = neighbour.reconcilers();
        house.step_wall_seconds(step_s);
        house.deploy(2).await;
        // Renewed while it leads: the neighbour sees it renewed and waits.
        for _ in 0..30 {
            house.step().await;
            waiting.run_once().await;
        }
        assert_eq!(house.cloud.sizes().len(), 2, "{step_s}: somebody leads");
        house.scale(3).await;
        // The first process is gone: within two leases the other goes on.
        for _ in 0..45 {
            waiting.run_once().await;
            house.clock.advance_micros(500_000);
        }
        assert_eq!(house.cloud.sizes().len(), 3, "{step_s}: the neighbour took over");
    }
}

#[tokio::test]
async fn replicas_follow_the_load_through_a_step_of_the_clock() {
    for step_s in [-HOUR_S, HOUR_S] {
        let mut house = House::new();
        house.running = Some(house.control.reconcilers());
        house.furnish().await;
        let carries = serde_json::json!({ "requests_per_second": 2.0 });
        let autoscaling = serde_json::json!({ "replicas_min": 1, "replicas_max": 8, "replica_carries": carries });
        let body = serde_json::json!({ "model": "demo:1.0", "environment": "production", "autoscaling": autoscaling });
        house.done("POST", "/v1/deployments", Some(body)).await;
        for _ in 0..60 {
            house.step().await;
        }
        house.step_wall_seconds(step_s);
        house.requests_per_step = 7;
        let ready = |house: &House| house.cloud.instances(InstanceStatus::Ready).len();
        house.until(60, "enough for 14 requests a second", |house| ready(house) >= 7).await;
        for _ in 0..60 {
            house.step().await;
        }
        assert!(ready(&house) >= 7, "{step_s}: the step is no time without load");
    }
}
