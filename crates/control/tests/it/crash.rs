//! A kill at any effect, followed by a start, leads to the same world.

use cloud::contract::tools::InstanceStatus;
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::fake_cloud::Fault;
use crate::house::House;

const ENDLESS: i64 = i64::MAX / 2;

/// A life: deployed, grown, shrunk. Returns how many instances were ever started, and how many effects it took.
async fn life(crash_at: Option<(i64, bool)>) -> (u32, i64) {
    let mut house = House::new();
    house.furnish().await;
    let (mut left, happens) = crash_at.unwrap_or((ENDLESS, false));
    let mut passed = 0;
    for replicas in [3, 5, 2] {
        if house.call("GET", "/v1/deployments/demo-production", None).await.0 == 404 {
            house.deploy(replicas).await;
        } else {
            house.scale(replicas).await;
        }
        house.fuse.arm(left, happens);
        for _ in 0..16 {
            if !house.step().await {
                passed += left;
                house.restart();
                left = ENDLESS;
                house.fuse.arm(left, happens);
            }
        }
        let now = house.fuse.passed(left);
        passed += now;
        left -= now;
        house.fuse.arm(i64::MAX, false);
        let (sizes, ready) = (house.cloud.sizes(), house.cloud.instances(InstanceStatus::Ready).len());
        assert_eq!(sizes.values().sum::<u32>(), replicas, "{crash_at:?}: {sizes:?}");
        assert_eq!(ready, replicas as usize, "{crash_at:?}");
        assert_eq!(house.routed().await.len(), replicas as usize, "{crash_at:?}");
    }
    (house.cloud.with(|state| state.started), passed)
}

#[tokio::test]
async fn a_kill_at_every_single_effect_changes_nothing() {
    let (started, effects) = life(None).await;
    assert_eq!(started, 5);
    assert!(effects > 15, "{effects}");
    for at in 0..effects {
        for happens in [false, true] {
            let (after_crash, _) = life(Some((at, happens))).await;
            assert_eq!(after_crash, started, "killed at effect {at} (it happened: {happens})");
        }
    }
}

#[derive(Debug, Clone)]
enum Happening {
    Scale(u32),
    SiteOut(usize),
    SiteBack(usize),
    Die(usize),
    Silence,
    Speech,
    GoesWrong(Fault),
    Kill(i64, bool),
    Pass(u32),
}

fn happening() -> impl Strategy<Value = Happening> {
    let fault =
        prop_oneof![Just(Fault::Refuses), Just(Fault::NothingHeardNothingDone), Just(Fault::NothingHeardButDone)];
    prop_oneof![
        (0_u32..9).prop_map(Happening::Scale),
        (0_usize..3).prop_map(Happening::SiteOut),
        (0_usize..3).prop_map(Happening::SiteBack),
        (0_usize..9).prop_map(Happening::Die),
        Just(Happening::Silence),
        Just(Happening::Speech),
        fault.prop_map(Happening::GoesWrong),
        (0_i64..12, any::<bool>()).prop_map(|(at, happens)| Happening::Kill(at, happens)),
        (1_u32..12).prop_map(Happening::Pass),
    ]
}

async fn happen(house: &mut House, wanted: &mut u32, happening: &Happening) {
    let site = |index: usize| ["us-east", "eu-west", "ap-south"][index];
    match happening {
        Happening::Scale(replicas) => {
            let body = serde_json::json!({ "replicas": replicas });
            let (status, answer) = house.call("PATCH", "/v1/deployments/demo-production", Some(body)).await;
            match status.as_u16() {
                200 => *wanted = *replicas,
                // With every site out there is no place for more.
                503 => {}
                _ => panic!("{status} {answer}"),
            }
        }
        Happening::SiteOut(index) => {
            house.cloud.with(|state| state.sites.get_mut(site(*index)).expect("a site").available = false);
        }
        Happening::SiteBack(index) => {
            house.cloud.with(|state| state.sites.get_mut(site(*index)).expect("a site").available = true);
        }
        Happening::Die(index) => house.cloud.with(|state| {
            let mut all = state.pools.values_mut().flat_map(|pool| &mut pool.instances);
            if let Some(instance) = all.nth(*index) {
                instance.status = InstanceStatus::Lost;
            }
        }),
        Happening::Silence => house.cloud.with(|state| state.silent = true),
        Happening::Speech => house.cloud.with(|state| state.silent = false),
        Happening::GoesWrong(fault) => house.cloud.with(|state| state.faults.push_back(*fault)),
        Happening::Kill(at, happens) => {
            house.fuse.arm(*at, *happens);
            for _ in 0..3 {
                if !house.step().await {
                    break;
                }
            }
            house.restart();
        }
        Happening::Pass(steps) => {
            for _ in 0..*steps {
                house.step().await;
            }
        }
    }
}

async fn survives(first: u32, happenings: &[Happening]) {
    let mut house = House::new();
    house.furnish().await;
    house.deploy(first).await;
    let mut wanted = first;
    for happening in happenings {
        happen(&mut house, &mut wanted, happening).await;
        let over = house.cloud.sizes().into_iter().find(|(_, size)| *size > 10);
        assert_eq!(over, None, "above capacity");
    }
    house.cloud.with(|state| {
        state.silent = false;
        state.faults.clear();
        state.sites.values_mut().for_each(|site| site.available = true);
    });
    for _ in 0..60 {
        house.step().await;
    }
    let sizes = house.cloud.sizes();
    assert_eq!(sizes.values().sum::<u32>(), wanted, "{sizes:?}");
    let share = wanted.div_ceil(3);
    assert!(sizes.values().all(|size| *size <= share), "{wanted} badly spread: {sizes:?}");
    assert_eq!(house.cloud.instances(InstanceStatus::Ready).len(), wanted as usize);
    let mut routed = house.routed().await;
    routed.sort();
    let mut ready = house.cloud.instances(InstanceStatus::Ready);
    ready.sort();
    assert_eq!(routed, ready, "what is routed is what is ready");
    let writes = house.cloud.with(|state| state.writes);
    for _ in 0..4 {
        house.step().await;
    }
    assert_eq!(house.cloud.with(|state| state.writes), writes, "a settled world is left alone");
}

proptest! {
    #![proptest_config(Config { cases: 64, ..Config::default() })]
    #[test]
    fn whatever_happens_it_ends_as_wanted(first in 0_u32..7, happenings in proptest::collection::vec(happening(), 0..14)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(survives(first, &happenings));
    }
}
