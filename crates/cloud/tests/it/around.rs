//! What is around an instance: what it is started with, whom it serves, and which file it loads.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use cloud::contract::tools::DeployModel;
use domain::Digest;
use sha2::Digest as _;
use state::memory::MemoryStore;

use crate::stand_in;
use crate::world::{Folder, PATIENCE, World, deploy_args, instances_of, kill};

fn instance_folder(world: &World, id: &str) -> PathBuf {
    world.folder.path().join("cloud/instances").join(id)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_gets_the_checked_file_a_clean_environment_and_a_group() {
    let folder = Arc::new(Folder::new());
    let named = |config: &mut cloud::local::LocalCloudConfig| {
        config.environment.insert("CUDA_VISIBLE_DEVICES".to_owned(), "0".to_owned());
    };
    let world = World::start_with(folder, Arc::new(MemoryStore::new()), named).await;
    world.deploy("us-east", 1, "deploy").await.expect("it deploys");
    world.until_ready("us-east", 1).await;
    let (id, pid) = instances_of(world.folder.path())[0].clone();
    let environment = fs::read_to_string(format!("/proc/{pid}/environ")).expect("its environment");
    let mut names: Vec<&str> = environment.split('\0').filter_map(|pair| Some(pair.split_once('=')?.0)).collect();
    names.sort_unstable();
    assert_eq!(names, ["CUDA_VISIBLE_DEVICES", "LANG", "PATH"]);
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("its state");
    let group = stat.rsplit_once(')').expect("a name").1.split_ascii_whitespace().nth(2).expect("a group");
    assert_eq!(group, pid.to_string(), "a group of its own");
    let (given, model) = (format!("/proc/{pid}/fd/0"), world.folder.path().join("model.gguf"));
    assert_eq!(fs::metadata(given).expect("open").ino(), fs::metadata(model).expect("there").ino());
    let folder = instance_folder(&world, &id);
    assert_eq!(mode(&world.folder.path().join("cloud")), 0o700);
    assert_eq!(mode(&folder), 0o700);
    for (file, wanted) in [("log", 0o600), ("callers", 0o600), ("../../lock", 0o600), ("../../credential", 0o600)] {
        assert_eq!(mode(&folder.join(file)), wanted, "{file}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_knows_its_callers_by_digests_and_nothing_secret_is_on_its_command_line() {
    let world = World::start().await;
    let caller = Digest::from_sha256(&sha2::Sha256::digest("the gateway's credential").into());
    let mut args = world.deploy_args("us-east", 1, "deploy");
    args.caller_digests = vec![caller.clone()];
    world.client.call::<DeployModel>(&args).await.expect("it deploys");
    // The stand-in answers nobody whose credential it does not know: the cloud itself is known.
    world.until_ready("us-east", 1).await;
    let (id, pid) = instances_of(world.folder.path())[0].clone();
    let credential = fs::read_to_string(world.folder.path().join("cloud/credential")).expect("it");
    let own = Digest::from_sha256(&sha2::Sha256::digest(&credential).into());
    let callers = fs::read_to_string(instance_folder(&world, &id).join("callers")).expect("them");
    assert_eq!(callers.lines().collect::<Vec<_>>(), [caller.as_str(), own.as_str()]);
    let line = fs::read(format!("/proc/{pid}/cmdline")).expect("its command line");
    assert!(!String::from_utf8_lossy(&line).contains(&credential));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swapped_file_is_never_served() {
    let world = World::start().await;
    world.deploy("us-east", 1, "deploy").await.expect("it deploys");
    let served = world.until_ready("us-east", 1).await.instances[0].id.clone();
    let model = world.folder.path().join("model.gguf");
    let times = fs::metadata(&model).expect("there").modified().expect("a time");
    fs::write(&model, "b model").expect("the same size");
    let file = fs::File::options().write(true).open(&model).expect("open");
    file.set_times(fs::FileTimes::new().set_modified(times)).expect("and the same time");
    kill(instances_of(world.folder.path())[0].1);
    let refused = |pool: &cloud::contract::tools::Nodepool| {
        let one = &pool.instances[0];
        one.id != served && one.reason.as_ref().is_some_and(|reason| reason.contains("has the digest"))
    };
    let pool = world.until("us-east", "refused", refused).await;
    assert_eq!(instances_of(world.folder.path()), [], "{pool:?}");
    fs::write(&model, "a model").expect("put right");
    world.until_ready("us-east", 1).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_whose_engine_stands_still_is_replaced_and_one_that_steps_is_not() {
    let folder = Arc::new(Folder::new());
    let world = World::start_with(folder, Arc::new(MemoryStore::new()), |config| config.silence_seconds = 6).await;
    let steps = deploy_args(world.folder.path(), stand_in::STEPS, "eu-west", 1, "steps");
    world.client.call::<DeployModel>(&steps).await.expect("it deploys");
    let deadline = Instant::now() + PATIENCE;
    while instances_of(world.folder.path()).is_empty() {
        assert!(Instant::now() < deadline, "it never starts");
    }
    let steps = instances_of(world.folder.path());
    let stands = deploy_args(world.folder.path(), stand_in::STANDS_STILL, "us-east", 1, "stands still");
    world.client.call::<DeployModel>(&stands).await.expect("it deploys");
    let replaced = |pool: &cloud::contract::tools::Nodepool| {
        pool.instances[0].reason.as_ref().is_some_and(|reason| reason.contains("it made no progress"))
    };
    world.until("us-east", "replaced", replaced).await;
    assert!(instances_of(world.folder.path()).contains(&steps[0]), "the one that steps was left alone");
    world.stop().await;
}
