//! Who watches must have been there: a pause of the watcher is no silence of the instances.

use std::time::{Duration, Instant};

use cloud::contract::tools::{DeployModel, InstanceStatus};
use nix::sys::signal::Signal;

use crate::host::Host;
use crate::world::{Folder, PATIENCE, deploy_args, instances_of};

const SILENCE_SECONDS: u32 = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_that_was_stopped_kills_nothing_when_it_goes_on() {
    let folder = Folder::new();
    let host = Host::start(folder.path(), SILENCE_SECONDS).await;
    let deploy = deploy_args(folder.path(), "a model", "us-east", 3, "deploy");
    host.client.call::<DeployModel>(&deploy).await.expect("it deploys");
    host.settles(folder.path(), 3).await;
    let before = instances_of(folder.path());
    for _ in 0..2 {
        host.signal(Signal::SIGSTOP);
        // Longer than instances may be silent.
        tokio::time::sleep(Duration::from_secs(u64::from(SILENCE_SECONDS) * 2)).await;
        host.signal(Signal::SIGCONT);
        // It goes on for long enough to kill what it takes to be silent.
        let until = Instant::now() + Duration::from_secs(u64::from(SILENCE_SECONDS) + 1);
        while Instant::now() < until {
            host.pools().await;
            assert_eq!(instances_of(folder.path()), before, "nothing was killed");
        }
        host.settles(folder.path(), 3).await;
        assert_eq!(instances_of(folder.path()), before);
    }
    let pools = host.pools().await;
    assert!(pools[0].instances.iter().all(|instance| instance.restarts == 0), "{pools:?}");
    host.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_pause_one_that_hangs_is_still_replaced() {
    let folder = Folder::new();
    let host = Host::start(folder.path(), SILENCE_SECONDS).await;
    let deploy = deploy_args(folder.path(), "a model", "us-east", 2, "deploy");
    host.client.call::<DeployModel>(&deploy).await.expect("it deploys");
    host.settles(folder.path(), 2).await;
    let before = instances_of(folder.path());
    host.signal(Signal::SIGSTOP);
    let (hung, pid) = before[0].clone();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGSTOP).expect("sent");
    tokio::time::sleep(Duration::from_secs(u64::from(SILENCE_SECONDS) * 2)).await;
    host.signal(Signal::SIGCONT);
    let deadline = Instant::now() + PATIENCE;
    while instances_of(folder.path()).iter().any(|(id, _)| *id == hung) {
        assert!(Instant::now() < deadline, "it is never replaced");
    }
    host.settles(folder.path(), 2).await;
    assert!(instances_of(folder.path()).contains(&before[1]), "the other one was left alone");
    let pools = host.pools().await;
    assert!(pools[0].instances.iter().all(|instance| instance.status == InstanceStatus::Ready), "{pools:?}");
    host.kill();
}
