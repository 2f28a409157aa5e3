//! Groups of batches. The queue is filled before the writer runs, so that the groups are the same every time.

// A failed check is a failed test.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use state::{Account, Expect, Fence, Posting, Transaction, Write};
use tempfile::TempDir;

use super::*;
use crate::sqlite::{connection, schema};

fn put(name: &str, bytes: usize) -> Batch {
    put_if(name, bytes, Expect::Any)
}

fn put_if(name: &str, bytes: usize, expect: Expect) -> Batch {
    // A kind of one byte, so that sizes are easy to reckon.
    Batch::new().with(Write::Put { kind: "k".into(), name: name.into(), body: "x".repeat(bytes), expect })
}

fn post(id: &str, amount: i64) -> Batch {
    let leg = |account: &str, amount| Posting { account: Account(account.into()), amount };
    let transaction = Transaction { id: id.into(), postings: vec![leg("in", amount), leg("out", -amount)] };
    Batch::new().with(Write::Post(transaction))
}

fn file() -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    (folder, path)
}

/// What becomes of batches that all wait when the writer begins.
fn commit_queued(path: &Path, options: SqliteOptions, batches: Vec<Batch>) -> (Vec<Outcome>, Stats) {
    let path = connection::resolve(path).unwrap();
    let lock = Lock::take(&path).unwrap();
    let mut connection = connection::open_for_writing(&path, options.size_max_bytes).unwrap();
    schema::migrate(&mut connection, &path).unwrap();
    connection::make_durable(&connection, &path).unwrap();
    let revision = watch::Sender::new(schema::last_revision(&connection).unwrap());
    let (sender, waiting) = mpsc::channel(batches.len());
    let queue = |batch| {
        let (reply, answer) = oneshot::channel();
        sender.try_send(Request { batch, reply }).unwrap();
        answer
    };
    let answers: Vec<_> = batches.into_iter().map(queue).collect();
    // With no sender left, the writer ends when the queue is empty.
    drop(sender);
    let counters = Arc::new(Counters::default());
    Writer::new(path, connection, lock, waiting, revision, Arc::clone(&counters), options).run();
    (answers.into_iter().map(|mut answer| answer.try_recv().unwrap()).collect(), counters.read())
}

fn names(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare("SELECT name FROM objects ORDER BY name").unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn waiting_batches_share_a_transaction_and_a_refused_one_is_undone_alone() {
    let (_folder, path) = file();
    let batches = (0..100).map(|number| {
        let expect = if number % 4 == 0 { Expect::Version(1) } else { Expect::Absent };
        let tried = Write::Append { journal: "tried".into(), body: number.to_string() };
        let batch = put_if(&format!("{number:03}"), 2, expect);
        Batch { writes: [vec![tried], batch.writes].concat(), ..batch }
    });
    let (outcomes, stats) = commit_queued(&path, SqliteOptions::default(), batches.collect());
    let revisions: Vec<u64> = outcomes.iter().flatten().map(|committed| committed.revision).collect();
    assert_eq!(revisions, (1..=75).collect::<Vec<_>>());
    let offsets: Vec<u64> = outcomes.iter().flatten().flat_map(|committed| committed.offsets.clone()).collect();
    assert_eq!(offsets, (0..75).collect::<Vec<_>>(), "a refused batch leaves no gap in a journal");
    assert!(outcomes.iter().step_by(4).all(|outcome| matches!(outcome, Err(StoreError::Conflict { .. }))));
    assert_eq!(stats, Stats { transactions: 1, batches: 75 });
    assert_eq!(names(&path).len(), 75);
}

#[test]
fn no_kind_of_refusal_fails_its_group() {
    let (_folder, path) = file();
    let lease = |holder: &str| Write::TakeLease {
        name: "l".into(),
        holder: holder.into(),
        now: domain::Timestamp(0),
        ttl_millis: 60_000,
    };
    let refused = [
        put_if("a", 2, Expect::Version(99)),
        Batch::new().with(lease("another")),
        put("a", 2).fenced(Fence { name: "l".into(), token: 99 }),
        post("once", 1),
        post("overflow", 1),
    ];
    let mut batches = vec![put("a", 2).with(lease("me")), post("once", i64::MAX)];
    for (number, batch) in refused.into_iter().enumerate() {
        batches.extend([batch, put(&format!("good {number}"), 2)]);
    }
    let (outcomes, stats) = commit_queued(&path, SqliteOptions::default(), batches);
    let errors: Vec<String> = outcomes.iter().filter_map(|outcome| Some(outcome.as_ref().err()?.to_string())).collect();
    let wanted = ["has changed", "is held by", "was lost", "was posted before", "overflows account"];
    assert_eq!(errors.len(), wanted.len(), "{errors:?}");
    assert!(errors.iter().zip(wanted).all(|(error, wanted)| error.contains(wanted)), "{errors:?}");
    assert_eq!(stats, Stats { transactions: 1, batches: 7 });
    assert_eq!(names(&path), ["a", "good 0", "good 1", "good 2", "good 3", "good 4"]);
}

#[test]
fn a_batch_that_meets_a_damaged_row_fails_alone() {
    let (_folder, path) = file();
    commit_queued(&path, SqliteOptions::default(), vec![put("damaged", 2)]);
    let damage = "UPDATE objects SET version = -1 WHERE name = 'damaged'";
    assert_eq!(Connection::open(&path).unwrap().execute(damage, []).unwrap(), 1);
    let batches = vec![put("before", 2), put_if("damaged", 2, Expect::Version(1)), put("after", 2)];
    let (outcomes, _) = commit_queued(&path, SqliteOptions::default(), batches);
    assert!(matches!(outcomes[1], Err(StoreError::Unavailable(_))), "{outcomes:?}");
    assert_eq!((outcomes[0].as_ref().unwrap().revision, outcomes[2].as_ref().unwrap().revision), (2, 3));
    assert_eq!(names(&path), ["after", "before", "damaged"]);
}

#[test]
fn a_batch_that_does_not_fit_on_the_disk_fails_alone() {
    let (_folder, path) = file();
    let options = SqliteOptions { size_max_bytes: Some(400_000), ..SqliteOptions::default() };
    let batches = vec![put("before", 1_000), put("large", 1_000_000), put("after", 1_000)];
    let (outcomes, stats) = commit_queued(&path, options, batches);
    assert_eq!(outcomes[1], Err(StoreError::DiskFull));
    assert_eq!((outcomes[0].as_ref().unwrap().revision, outcomes[2].as_ref().unwrap().revision), (1, 2));
    assert_eq!(stats.batches, 2);
    assert_eq!(names(&path), ["after", "before"]);
}

#[test]
fn a_group_ends_at_its_bounds() {
    let transactions = |group_batches, group_bytes, sizes: &[usize]| {
        let (_folder, path) = file();
        let options = SqliteOptions { group_batches, group_bytes, ..SqliteOptions::default() };
        // Two bytes are kind and name.
        let batches: Vec<_> = sizes.iter().map(|bytes| put("n", bytes - 2)).collect();
        assert!(batches.iter().zip(sizes).all(|(batch, bytes)| batch.bytes() == *bytes));
        let (outcomes, stats) = commit_queued(&path, options, batches);
        assert!(outcomes.iter().all(Result::is_ok));
        stats.transactions
    };
    assert_eq!(transactions(100, 1_000_000, &[100; 10]), 1);
    assert_eq!(transactions(3, 1_000_000, &[100; 10]), 4, "three batches each");
    assert_eq!(transactions(10, 1_000_000, &[100; 10]), 1);
    assert_eq!(transactions(100, 300, &[100; 10]), 4, "a group takes no more when it has 300 bytes");
    assert_eq!(transactions(100, 301, &[100; 10]), 3);
    assert_eq!(transactions(100, 300, &[1_000, 100, 100, 100, 100]), 3, "a large batch is a group of its own");
}
