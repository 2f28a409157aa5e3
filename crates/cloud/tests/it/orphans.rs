//! What is killed in a sweep is what the cloud started and lost, and nothing else.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use state::memory::MemoryStore;

use crate::stand_in;
use crate::world::{PATIENCE, World, instances_of};

/// Starts what the cloud did not start, with the words on its command line that the cloud's instances have.
fn start_stranger(root: &Path, instance: &str, ready: &Path, model: &Path) -> Child {
    let [program, leading @ ..] = &stand_in::command()[..] else { panic!("a command") };
    let mut stranger = Command::new(program);
    stranger.args(leading).args(["--instance-id", instance, "--cloud-root"]).arg(root);
    stranger.arg("--ready-file").arg(ready).arg("--model").arg(model);
    stranger.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    stranger.spawn().expect("it starts")
}

/// Ends it with its group.
fn end(mut child: Child) {
    let group = Pid::from_raw(i32::try_from(child.id()).expect("a number"));
    killpg(group, Signal::SIGKILL).expect("killed");
    let status = child.wait().expect("reaped");
    assert_eq!(status.signal(), Some(9), "it lived until now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_with_our_words_on_their_command_lines_are_left_alone() {
    let world = World::start().await;
    world.deploy("us-east", 1, "deploy").await.expect("it deploys");
    let pool = world.until_ready("us-east", 1).await;
    let (folder, root) = (world.folder.path(), world.folder.path().join("cloud").canonicalize().expect("there"));
    let ready = |name: &str| folder.join(name);
    let model = folder.join("model.gguf");
    let mut strangers = Vec::new();
    for (index, id) in ["i-of-nobody", pool.instances[0].id.as_str()].into_iter().enumerate() {
        strangers.push(start_stranger(&root, id, &ready(&format!("stranger-{index}.json")), &model));
    }
    // One whose words say just enough, in a group with another program.
    let mut reader = Command::new("sh");
    reader.args(["-c", "sleep 300 & sleep 300; true", "sh", "--instance-id", "i-1", "--cloud-root"]).arg(&root);
    strangers.push(reader.process_group(0).stdin(Stdio::null()).spawn().expect("it starts"));
    // Several sweeps go by, one a second.
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        assert_eq!(world.until_ready("us-east", 1).await, pool, "its own was left alone");
        for stranger in &mut strangers {
            assert_eq!(stranger.try_wait().expect("looked"), None, "it was left alone");
        }
    }
    strangers.into_iter().for_each(end);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_that_nothing_remembers_are_killed() {
    let world = World::start().await;
    world.deploy("us-east", 2, "deploy").await.expect("it deploys");
    world.until_ready("us-east", 2).await;
    let lost = instances_of(world.folder.path());
    let folder = world.abandon().await;
    assert_eq!(instances_of(folder.path()), lost, "they live on");
    // Another store: what was known of them is gone.
    let world = World::start_with(folder, Arc::new(MemoryStore::new()), |_| {}).await;
    let deadline = Instant::now() + PATIENCE;
    while !instances_of(world.folder.path()).is_empty() {
        assert!(Instant::now() < deadline, "they are never killed");
        tokio::task::yield_now().await;
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_cloud_on_this_machine_is_left_alone() {
    let (one, other) = (World::start().await, World::start().await);
    one.deploy("us-east", 1, "deploy").await.expect("it deploys");
    other.deploy("us-east", 1, "deploy").await.expect("it deploys");
    let (pool, others) = (one.until_ready("us-east", 1).await, other.until_ready("us-east", 1).await);
    other.cloud.stop_all(Duration::from_secs(5)).await;
    assert_eq!(one.until_ready("us-east", 1).await, pool);
    assert_ne!(pool.instances[0].id, others.instances[0].id);
    other.abandon().await;
    one.stop().await;
}
