//! Deploying, healing, scaling: with real processes.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloud::client::CallError;
use cloud::contract::tools::{DeployModel, InstanceStatus};
use domain::{Kind, Market};
use state::memory::MemoryStore;

use crate::stand_in;
use crate::world::{Folder, PATIENCE, World, deploy_args, instances_of, kill};

fn refusal<T: std::fmt::Debug>(result: Result<T, CallError>) -> domain::Problem {
    match result {
        Err(CallError::Refused { problem, .. }) => *problem,
        other => panic!("it was to be refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_instance_is_replaced_at_once() {
    let world = World::start().await;
    world.deploy("us-east", 3, "deploy").await.expect("it deploys");
    let before = world.until_ready("us-east", 3).await;
    let running = instances_of(world.folder.path());
    assert_eq!(running.len(), 3);
    let (victim, pid) = running[0].clone();
    let killed = Instant::now();
    kill(pid);
    let gone = |pool: &cloud::contract::tools::Nodepool| pool.instances.iter().all(|instance| instance.id != victim);
    let after = world.until("us-east", "without the victim", gone).await;
    // A tenth of a second where there is time; machines that run tests are busy.
    assert!(killed.elapsed() < Duration::from_secs(20), "noticed after {:?}", killed.elapsed());
    assert_eq!(after.instances.iter().map(|instance| instance.restarts).max(), Some(1));
    let healed = world.until_ready("us-east", 3).await;
    let ids = |pool: &cloud::contract::tools::Nodepool| -> HashSet<String> {
        pool.instances.iter().map(|instance| instance.id.clone()).collect()
    };
    assert_eq!(ids(&before).intersection(&ids(&healed)).count(), 2, "the others were left alone");
    assert_eq!(instances_of(world.folder.path()).len(), 3);
    assert_eq!(world.stop().await.killed, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scaling_down_removes_the_named_and_zero_removes_the_pool() {
    let world = World::start().await;
    world.deploy("us-east", 3, "deploy").await.expect("it deploys");
    let pool = world.until_ready("us-east", 3).await;
    let victim = pool.instances[1].id.clone();
    let scaled = world.scale("us-east", 2, &[&victim], "two").await.expect("it shrinks").resource.expect("a pool");
    let drained: Vec<_> = scaled.instances.iter().filter(|i| i.status == InstanceStatus::Draining).collect();
    assert_eq!(drained.iter().map(|i| i.id.as_str()).collect::<Vec<_>>(), [victim.as_str()]);
    let left = world.until_ready("us-east", 2).await;
    assert!(left.instances.iter().all(|instance| instance.id != victim && instance.restarts == 0));
    world.scale("us-east", 5, &[], "five").await.expect("it grows");
    world.until_ready("us-east", 5).await;
    world.scale("us-east", 0, &[], "zero").await.expect("it goes");
    let deadline = Instant::now() + PATIENCE;
    while !world.health().await.nodepools.is_empty() {
        assert!(Instant::now() < deadline, "the pool never goes");
    }
    assert_eq!(instances_of(world.folder.path()), []);
    let again = world.scale("us-east", 0, &[], "zero again").await.expect("gone is gone");
    assert_eq!(again.resource, None);
    assert_eq!(refusal(world.scale("us-east", 1, &[], "one").await).kind, Kind::NotFound);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_and_nothing_is_made() {
    let world = World::start().await;
    let good = world.deploy_args("us-east", 2, "deploy");
    let wrong = |change: &dyn Fn(&mut cloud::contract::tools::DeployModelArgs)| {
        let mut args = good.clone();
        change(&mut args);
        args
    };
    let cases = [
        (wrong(&|args| args.region = "mars".to_owned()), Kind::NotFound, "region"),
        (wrong(&|args| args.replicas = 9), Kind::Invalid, "replicas"),
        (wrong(&|args| args.replicas = 0), Kind::Invalid, "replicas"),
        (wrong(&|args| args.resources.gpu = 1), Kind::Invalid, "resources"),
        (wrong(&|args| args.artifact = "/no/such".to_owned()), Kind::NotFound, "artifact"),
        (wrong(&|args| args.digest = "0".repeat(64).parse().expect("one")), Kind::Invalid, "digest"),
        (wrong(&|args| args.nodepool = "../x".to_owned()), Kind::Invalid, "nodepool"),
        (wrong(&|args| args.write.max_cost_usd = Some(0.2)), Kind::OverBudget, "max_cost_usd"),
    ];
    for (index, (mut args, kind, field)) in cases.into_iter().enumerate() {
        args.write.idempotency_token = format!("refused-call-{index:06}");
        let problem = refusal(world.client.call::<DeployModel>(&args).await);
        assert_eq!((problem.kind, problem.field.as_deref()), (kind, Some(field)), "{problem:?}");
        assert!(problem.next_step.is_some(), "{problem:?}");
    }
    let planned = wrong(&|args| args.write.dry_run = true);
    let envelope = world.client.call::<DeployModel>(&planned).await.expect("a plan");
    assert_eq!(envelope.status, cloud::contract::Status::DryRun);
    assert_eq!(envelope.cost.expect("a cost").per_hour, domain::Money::from_dollars(0.216));
    assert_eq!(world.health().await.nodepools, []);
    world.deploy("us-east", 2, "deploy").await.expect("it deploys");
    assert_eq!(refusal(world.deploy("us-east", 1, "other").await).kind, Kind::Conflict);
    assert_eq!(refusal(world.scale("us-east", 9, &[], "nine").await).kind, Kind::Invalid);
    assert_eq!(world.until_ready("us-east", 2).await.size, 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_fails_at_its_start_is_tried_again_more_and_more_slowly() {
    let world = World::start().await;
    let args = deploy_args(world.folder.path(), stand_in::CRASHES, "eu-west", 1, "deploy");
    world.client.call::<DeployModel>(&args).await.expect("it deploys");
    let failing = |pool: &cloud::contract::tools::Nodepool| {
        pool.instances.iter().any(|i| i.status == InstanceStatus::Lost && i.restarts >= 3)
    };
    let started = Instant::now();
    let pool = world.until("eu-west", "failing", failing).await;
    assert!(started.elapsed() > Duration::from_millis(500), "it waited between its tries");
    let reason = pool.instances[0].reason.clone().expect("a reason");
    assert!(reason.contains("the model is broken") && reason.contains("exit status: 3"), "{reason}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_spot_market_takes_instances_back_and_the_pool_replaces_them() {
    let folder = Arc::new(Folder::new());
    let store = Arc::new(MemoryStore::new());
    // On average every three seconds.
    let world = World::start_with(folder, store, |config| config.spot.reclaims_per_hour = 1_200.0).await;
    let mut args = world.deploy_args("ap-southeast", 2, "deploy");
    args.market = Market::Spot;
    world.client.call::<DeployModel>(&args).await.expect("it deploys");
    let taken = |pool: &cloud::contract::tools::Nodepool| {
        pool.instances.iter().any(|i| i.reason.as_deref() == Some("the spot market took it back"))
    };
    world.until("ap-southeast", "taken from", taken).await;
    let replaced = |pool: &cloud::contract::tools::Nodepool| pool.instances.iter().any(|i| i.restarts > 0);
    let pool = world.until("ap-southeast", "whole again", replaced).await;
    assert_eq!(pool.instances.len(), 2);
    assert_eq!(pool.instances[0].price_per_hour, domain::Money::from_dollars(0.0668));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_hangs_is_called_lost_and_replaced() {
    let folder = Arc::new(Folder::new());
    let world = World::start_with(folder, Arc::new(MemoryStore::new()), |config| config.silence_seconds = 4).await;
    world.deploy("us-east", 1, "deploy").await.expect("it deploys");
    let hung = world.until_ready("us-east", 1).await.instances[0].id.clone();
    let (_, pid) = instances_of(world.folder.path())[0].clone();
    let stop = nix::sys::signal::Signal::SIGSTOP;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), stop).expect("stopped");
    let lost = |pool: &cloud::contract::tools::Nodepool| pool.instances[0].status == InstanceStatus::Lost;
    world.until("us-east", "lost", lost).await;
    let replaced = |pool: &cloud::contract::tools::Nodepool| pool.instances[0].id != hung;
    let pool = world.until("us-east", "replaced", replaced).await;
    assert_eq!(pool.instances[0].reason.as_deref(), Some("it did not answer"));
    world.until_ready("us-east", 1).await;
    assert_eq!(instances_of(world.folder.path()).len(), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_starts_another_is_one_instance() {
    let folder = Arc::new(Folder::new());
    let store = Arc::new(MemoryStore::new());
    let wrapped = |config: &mut cloud::local::LocalCloudConfig| {
        config.command.splice(0..0, ["timeout".to_owned(), "300".to_owned()]);
    };
    let world = World::start_with(folder, store.clone(), wrapped).await;
    world.deploy("us-east", 2, "deploy").await.expect("it deploys");
    world.until_ready("us-east", 2).await;
    let both = instances_of(world.folder.path());
    assert_eq!(both.len(), 4, "each instance is two processes");
    let folder = world.abandon().await;
    let world = World::start_with(folder, store, wrapped).await;
    let pool = world.until_ready("us-east", 2).await;
    assert_eq!(pool.instances.iter().map(|instance| instance.restarts).sum::<u32>(), 0);
    assert_eq!(instances_of(world.folder.path()), both, "adopted as they were");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_is_not_there_is_the_reason_shown() {
    let folder = Arc::new(Folder::new());
    let missing = |config: &mut cloud::local::LocalCloudConfig| config.command = vec!["/no/such/program".to_owned()];
    let world = World::start_with(folder, Arc::new(MemoryStore::new()), missing).await;
    world.deploy("us-east", 1, "deploy").await.expect("it is wanted");
    let lost = |pool: &cloud::contract::tools::Nodepool| pool.instances[0].status == InstanceStatus::Lost;
    let pool = world.until("us-east", "lost", lost).await;
    let reason = pool.instances[0].reason.clone().expect("a reason");
    assert!(reason.contains("/no/such/program cannot be started"), "{reason}");
    world.stop().await;
}
