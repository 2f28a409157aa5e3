//! SIGKILL at random moments, over and over on the same file: every acknowledged batch is there whole, and every other
//! one is there whole or not at all.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use state_backends::SqliteStore;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::workload::{batch, batches_of, check_file};

const ROUNDS: usize = 60;
const WRITERS: usize = 6;
/// A round on a new file also meets the making of the tables.
const ROUNDS_A_FILE: usize = 6;
/// Longer than any round takes; reached only by a child that hangs.
const DEADLINE: Duration = Duration::from_secs(120);

#[test]
fn acknowledged_batches_survive_sigkill() {
    let seed = rand::random::<u64>();
    writeln!(std::io::stderr(), "seed of the kill moments: {seed}").unwrap();
    let mut rng = StdRng::seed_from_u64(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut folder = TempDir::new().unwrap();
    let mut acknowledged = [0; WRITERS];
    let mut total = 0;
    for round in 0..ROUNDS {
        if round % ROUNDS_A_FILE == 0 {
            folder = TempDir::new().unwrap();
            acknowledged = [0; WRITERS];
        }
        let path = folder.path().join("state.db");
        total += run_and_kill(&path, &mut rng, &mut acknowledged);
        let store = SqliteStore::open(&path).unwrap();
        for (writer, acked) in acknowledged.iter_mut().enumerate() {
            let found = runtime.block_on(batches_of(&store, writer));
            assert!(
                found >= *acked,
                "writer {writer}: {acked} acknowledged, {found} found (seed {seed}, round {round})"
            );
            assert!(found <= *acked + 1, "a writer has one batch on its way (seed {seed}, round {round})");
            // One that was not acknowledged may be there; now it is known to be.
            *acked = found;
        }
        drop(store);
        check_file(&path);
    }
    assert!(total > ROUNDS as u64, "the children did next to nothing: {total} batches");
}

/// Lets a child commit until a random moment. Gives the number of batches that it acknowledged.
fn run_and_kill(path: &Path, rng: &mut StdRng, acknowledged: &mut [u64; WRITERS]) -> u64 {
    let mut child = start_child(path);
    let (lines, reading) = read_lines(&mut child);
    let mut count = 0;
    let acks_wanted = rng.random_range(0..120);
    let started = Instant::now();
    while count < acks_wanted {
        let line = lines.recv_timeout(DEADLINE).expect("the child goes on");
        count += note(&line, acknowledged);
        assert!(started.elapsed() < DEADLINE);
    }
    let moment = Instant::now() + Duration::from_micros(rng.random_range(0..8_000));
    while let Ok(line) = lines.recv_timeout(moment.saturating_duration_since(Instant::now())) {
        count += note(&line, acknowledged);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    reading.join().unwrap();
    count + lines.iter().map(|line| note(&line, acknowledged)).sum::<u64>()
}

/// Takes an acknowledgement in; other lines are the test harness talking.
fn note(line: &str, acknowledged: &mut [u64; WRITERS]) -> u64 {
    let Some((writer, number)) = line.strip_prefix("ack ").and_then(|rest| rest.split_once(' ')) else {
        assert!(!line.contains("panicked"), "{line}");
        return 0;
    };
    let number: u64 = number.parse().unwrap();
    let last = &mut acknowledged[writer.parse::<usize>().unwrap()];
    assert_eq!(number, *last + 1, "batches of a writer are acknowledged in order");
    *last = number;
    1
}

/// Whole lines of the child's output, until it ends.
fn read_lines(child: &mut Child) -> (Receiver<String>, std::thread::JoinHandle<()>) {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let (sender, lines) = channel();
    let reading = std::thread::spawn(move || {
        let mut line = String::new();
        while output.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            sender.send(line.trim_end().to_owned()).unwrap();
            line.clear();
        }
    });
    (lines, reading)
}

fn start_child(path: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{}", path.display()).unwrap();
    child
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process that is killed: reads the path of its file from its input"]
async fn child() {
    let mut path = String::new();
    std::io::stdin().read_line(&mut path).unwrap();
    if path.is_empty() {
        return;
    }
    let store = Arc::new(SqliteStore::open(path.trim_end()).unwrap());
    // The harness may have begun a line of its own.
    std::io::stdout().write_all(b"\n").unwrap();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(commit_for_ever(Arc::clone(&store), writer));
    }
    writers.join_all().await;
}

async fn commit_for_ever(store: Arc<SqliteStore>, writer: usize) {
    use state::Store;
    let mut number = batches_of(&store, writer).await;
    loop {
        number += 1;
        let padding = usize::try_from(number % 7).unwrap() * 500;
        store.commit(batch(writer, number, padding)).await.unwrap();
        // One write, so that a kill leaves a whole line or an unfinished last one.
        std::io::stdout().write_all(format!("ack {writer} {number}\n").as_bytes()).unwrap();
    }
}
