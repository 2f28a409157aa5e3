//! The local cloud is killed at random moments and comes back: nothing doubled, nothing left over, nothing forgotten.

use std::path::Path;
use std::time::Duration;

use cloud::client::{CallError, CloudClient};
use cloud::contract::tools::{DeployModel, ScaleNodepool, ScaleNodepoolArgs};
use domain::Kind;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::host::Host;
use crate::world::{Folder, deploy_args, instances_of, kill, write};

const ROUNDS: u32 = 20;
const SILENCE_SECONDS: u32 = 30;

/// Makes the pool have that size, whatever it is now. The token makes it one write however often it is sent.
async fn resize(client: &CloudClient, folder: &Path, size: u32, token: &str) -> Result<(), CallError> {
    let (region, nodepool) = ("us-east".to_owned(), "pool".to_owned());
    let scale = ScaleNodepoolArgs { region, nodepool, size, remove: Vec::new(), write: write(token) };
    match client.call::<ScaleNodepool>(&scale).await {
        Err(CallError::Refused { problem, .. }) if problem.kind == Kind::NotFound => {
            let deploy = deploy_args(folder, "a model", "us-east", size, &format!("{token}-deploy"));
            client.call::<DeployModel>(&deploy).await.map(|_| ())
        }
        other => other.map(|_| ()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_moment_it_comes_back_with_the_same_instances() {
    let seed: u64 = rand::rng().random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let folder = Folder::new();
    let mut host = Host::start(folder.path(), SILENCE_SECONDS).await;
    for round in 0..ROUNDS {
        let (size, token) = (rng.random_range(0..=4), format!("round-{round}"));
        // Killed while it carries the call out, or soon after; at times together with an instance.
        let moment = Duration::from_micros(rng.random_range(0..120_000));
        let _ = tokio::time::timeout(moment, async {
            let _ = resize(&host.client, folder.path(), size, &token).await;
            std::future::pending::<()>().await;
        })
        .await;
        host.kill();
        if rng.random_bool(0.3)
            && let Some((_, pid)) = instances_of(folder.path()).first()
        {
            kill(*pid);
        }
        host = Host::start(folder.path(), SILENCE_SECONDS).await;
        resize(&host.client, folder.path(), size, &token).await.expect("the same call again");
        host.settles(folder.path(), size).await;
        // Killed while nothing is to be done, it finds exactly the processes that it left.
        let before = instances_of(folder.path());
        host.kill();
        host = Host::start(folder.path(), SILENCE_SECONDS).await;
        host.settles(folder.path(), size).await;
        assert_eq!(instances_of(folder.path()), before, "round {round}");
    }
    resize(&host.client, folder.path(), 0, "the-end").await.expect("it goes");
    host.settles(folder.path(), 0).await;
    host.kill();
}
