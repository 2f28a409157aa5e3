//! What a call says is what becomes of it: accepted until the pool is as asked, then succeeded, or failed with the cause.

use std::sync::Arc;
use std::time::Instant;

use cloud::contract::operations::{GetOperation, GetOperationArgs, OperationReport};
use cloud::contract::tools::{DeployModel, DeployModelArgs};
use cloud::contract::{OperationState, Status};
use domain::Kind;
use state::memory::MemoryStore;

use crate::stand_in;
use crate::world::{Folder, PATIENCE, World, deploy_args};

async fn report(world: &World, id: &str) -> OperationReport {
    let ask = GetOperationArgs { operation_id: id.to_owned() };
    world.client.call::<GetOperation>(&ask).await.expect("a report").resource.expect("it")
}

async fn ended(world: &World, id: &str) -> OperationReport {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let report = report(world, id).await;
        if report.operation.state != OperationState::Running {
            return report;
        }
        assert!(report.operation.poll_after_ms.is_some(), "{report:?}");
        assert!(Instant::now() < deadline, "it never ends: {report:?}");
        tokio::task::yield_now().await;
    }
}

async fn accepted(world: &World, args: &DeployModelArgs) -> String {
    let envelope = world.client.call::<DeployModel>(args).await.expect("it is accepted");
    let operation = envelope.operation.expect("an operation");
    assert_eq!((envelope.status, operation.state), (Status::Accepted, OperationState::Running));
    operation.id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deployment_is_accepted_and_succeeds_when_all_replicas_serve() {
    let folder = Arc::new(Folder::new());
    let store = Arc::new(MemoryStore::new());
    let world = World::start_with(folder, store.clone(), |_| {}).await;
    let args = world.deploy_args("us-east", 2, "deploy");
    let id = accepted(&world, &args).await;
    let first = ended(&world, &id).await;
    assert_eq!((first.operation.state, &first.problem), (OperationState::Succeeded, &None));
    let instances = first.result.expect("the pool")["instances"].as_array().expect("a list").clone();
    assert_eq!(instances.iter().map(|one| one["status"].clone()).collect::<Vec<_>>(), ["ready", "ready"]);
    // The same call again tells how it ended.
    let again = world.client.call::<DeployModel>(&args).await.expect("the same");
    assert_eq!(again.status, Status::Succeeded);
    assert!(again.operation.expect("an operation").replayed);
    // Scaling is an operation like it; removing the pool changes nothing of what was.
    let scaled = world.scale("us-east", 0, &[], "zero").await.expect("accepted");
    let scaled = ended(&world, &scaled.operation.expect("an operation").id).await;
    assert_eq!(scaled.operation.state, OperationState::Succeeded);
    let folder = world.abandon().await;
    let world = World::start_with(folder, store, |_| {}).await;
    assert_eq!(report(&world, &id).await.operation.state, OperationState::Succeeded, "also after a restart");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_no_engine_can_load_ends_in_failed_with_the_cause() {
    let world = World::start().await;
    let args = deploy_args(world.folder.path(), stand_in::CRASHES, "us-east", 1, "deploy");
    let id = accepted(&world, &args).await;
    let failed = ended(&world, &id).await;
    assert_eq!(failed.operation.state, OperationState::Failed);
    let problem = failed.problem.expect("a problem");
    assert!(problem.cause.contains(&format!("the model is broken: {}", args.artifact)), "{problem:?}");
    assert!(problem.next_step.is_some() && !problem.kind.is_retryable(), "{problem:?}");
    assert_eq!(report(&world, &id).await.operation.state, OperationState::Failed, "and stays so");
    // The same token tries again, and the file may be another's by then.
    assert_eq!(accepted(&world, &args).await, id);
    assert_eq!(ended(&world, &id).await.operation.state, OperationState::Failed);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_never_succeed_is_not_called_retryable() {
    let world = World::start().await;
    let none = world.deploy_args("us-east", 0, "none");
    let dear = {
        let mut args = world.deploy_args("us-east", 2, "dear");
        args.write.max_cost_usd = Some(0.2);
        args
    };
    let many = world.deploy_args("us-east", 9, "many");
    for (args, kind, field) in
        [(none, Kind::Invalid, "replicas"), (dear, Kind::OverBudget, "max_cost_usd"), (many, Kind::Invalid, "replicas")]
    {
        match world.client.call::<DeployModel>(&args).await {
            Err(cloud::client::CallError::Refused { problem, .. }) => {
                assert!(!problem.kind.is_retryable(), "{problem:?}");
                assert_eq!((problem.kind, problem.field.as_deref()), (kind, Some(field)), "{problem:?}");
            }
            other => panic!("it was to be refused: {other:?}"),
        }
    }
    // What another takes away is retryable, and the same call succeeds once it is there.
    world.deploy("us-east", 8, "all of it").await.expect("accepted");
    let mut more = world.deploy_args("us-east", 1, "more");
    "another".clone_into(&mut more.nodepool);
    match world.client.call::<DeployModel>(&more).await {
        Err(cloud::client::CallError::Refused { problem, .. }) => assert_eq!(problem.kind, Kind::NoCapacity),
        other => panic!("it was to be refused: {other:?}"),
    }
    world.scale("us-east", 0, &[], "zero").await.expect("accepted");
    let deadline = Instant::now() + PATIENCE;
    while world.client.call::<DeployModel>(&more).await.is_err() {
        assert!(Instant::now() < deadline, "there is never room");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_pool_is_taken_away_is_cancelled() {
    let world = World::start().await;
    let args = deploy_args(world.folder.path(), stand_in::HANGS, "us-east", 1, "deploy");
    let id = accepted(&world, &args).await;
    world.scale("us-east", 0, &[], "zero").await.expect("accepted");
    let cancelled = ended(&world, &id).await;
    assert_eq!(cancelled.operation.state, OperationState::Cancelled);
    assert_eq!(cancelled.problem.map(|problem| problem.kind), Some(Kind::Conflict));
    world.stop().await;
}
