//! Of two processes on one state, one acts.

use cloud::contract::tools::InstanceStatus;

use crate::house::House;

#[tokio::test]
async fn a_second_process_waits_until_the_first_is_gone() {
    let mut house = House::new();
    house.furnish().await;
    house.step().await;
    let neighbour = house.neighbour();
    house.deploy(2).await;
    for _ in 0..4 {
        neighbour.reconcile_once().await;
    }
    assert!(house.cloud.sizes().is_empty(), "the first leads, and has not looked yet");
    house.step().await;
    assert_eq!(house.cloud.sizes().len(), 2);
    house.scale(3).await;
    house.clock.advance_micros(11_000_000);
    neighbour.reconcile_once().await;
    assert_eq!(house.cloud.sizes().len(), 3, "its lease has expired: the other goes on where it stopped");
    let writes = house.cloud.with(|state| state.writes);
    house.scale(0).await;
    for _ in 0..4 {
        house.step().await;
    }
    assert_eq!(house.cloud.with(|state| state.writes), writes, "the first has lost the lead, and does nothing");
    neighbour.reconcile_once().await;
    assert_eq!(house.cloud.instances(InstanceStatus::Ready).len(), 3, "the removal has begun, and drains first");
}
