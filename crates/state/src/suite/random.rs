//! Random batches: whatever the model says, the store says, and reads show the same after every commit and after
//! every reopening. A failure prints the seed and the smallest failing history; `PROPTEST_RNG_SEED` runs it again.

use domain::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use super::Place;
use super::model::Model;
use crate::{Account, Batch, Expect, Fence, Posting, SharedStore, StoreError, Transaction, Write};

// Few names, so that batches meet each other.
const KINDS: [&str; 2] = ["deployment", "replica"];
const NAMES: [&str; 4] = ["a", "a/b", "ab", "é"];
const JOURNALS: [&str; 2] = ["outbox", "run/1"];
const LEASES: [&str; 2] = ["leader", "run/1"];
const ACCOUNTS: [&str; 3] = ["usd/a", "usd/b", "usd/c"];

/// One step of a history.
#[derive(Debug, Clone)]
enum Step {
    Commit(Batch),
    Reopen,
}

/// Runs random histories; panics with the smallest that fails.
pub fn random_batches_match_the_model<P: Place>() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut config = Config { cases: 48, failure_persistence: None, ..Config::default() };
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(rand_seed());
    }
    let seed = config.rng_seed;
    let outcome = TestRunner::new(config)
        .run(&vec(step(P::DURABLE), 1..40), |history| runtime.block_on(follow(&P::empty(), history)));
    if let Err(failure) = outcome {
        panic!("{failure}\nseed: {seed:?}");
    }
}

/// A seed that differs from run to run.
fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one("suite")
}

async fn follow(place: &impl Place, history: Vec<Step>) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    let mut store = place.open();
    for step in history {
        match step {
            Step::Commit(batch) => {
                let batch = with_real_versions(batch, &model);
                let wanted = model.commit(&batch);
                prop_assert_eq!(store.commit(batch).await, wanted);
            }
            Step::Reopen => {
                drop(store);
                store = place.open();
            }
        }
        prop_assert_eq!(*store.watch().borrow(), model.revision);
        let shown = read_all(&store).await.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(shown, Shown::of(&model));
    }
    Ok(())
}

/// Everything that reads can show, as text.
#[derive(Debug, PartialEq, Eq)]
struct Shown(Vec<String>);

impl Shown {
    fn of(model: &Model) -> Self {
        let mut rows: Vec<_> = model.objects.values().map(|object| format!("{object:?}")).collect();
        rows.extend(model.journals.values().flatten().map(|entry| format!("{entry:?}")));
        rows.extend(LEASES.map(|name| format!("{:?}", model.leases.get(name))));
        rows.extend(ACCOUNTS.map(|account| format!("{}", model.balances.get(account).copied().unwrap_or_default())));
        Self(rows)
    }
}

async fn read_all(store: &SharedStore) -> Result<Shown, StoreError> {
    let mut rows = Vec::new();
    for kind in KINDS {
        let mut after: Option<String> = None;
        loop {
            let page = store.list(kind, after.as_deref(), 3).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            rows.extend(page.iter().map(|object| format!("{object:?}")));
        }
    }
    for journal in JOURNALS {
        let mut offset = 0;
        loop {
            let page = store.read_journal(journal, offset, 3).await?;
            let Some(last) = page.last() else { break };
            offset = last.offset + 1;
            rows.extend(page.iter().map(|entry| format!("{entry:?}")));
        }
    }
    for lease in LEASES {
        rows.push(format!("{:?}", store.lease(lease).await?));
    }
    for account in ACCOUNTS {
        rows.push(format!("{}", store.balance(&Account(account.into())).await?));
    }
    Ok(Shown(rows))
}

/// `Version(0)` stands for the current version, which a strategy cannot know.
fn with_real_versions(mut batch: Batch, model: &Model) -> Batch {
    for write in &mut batch.writes {
        let (Write::Put { kind, name, expect, .. } | Write::Delete { kind, name, expect }) = write else { continue };
        let current = model.objects.get(&(kind.clone(), name.clone()));
        if let (Expect::Version(0), Some(object)) = (*expect, current) {
            *expect = Expect::Version(object.version);
        }
    }
    batch
}

fn step(durable: bool) -> impl Strategy<Value = Step> {
    let fences = prop_oneof![4 => Just(Vec::new()), 1 => vec(fence(), 1..3)];
    let commit = (fences, vec(write(), 0..6)).prop_map(|(fences, writes)| Step::Commit(Batch { fences, writes }));
    // A reopening costs as much as several commits.
    prop_oneof![12 => commit, u32::from(durable) => Just(Step::Reopen)]
}

fn write() -> impl Strategy<Value = Write> {
    let text = |names: &'static [&'static str]| select(names).prop_map(str::to_owned);
    let now = (0..20_i64).prop_map(|millis| Timestamp(millis * 1_000));
    let ttl = 1..10_u32;
    prop_oneof![
        4 => (text(&KINDS), text(&NAMES), "[a-z]{0,5}", expect())
            .prop_map(|(kind, name, body, expect)| Write::Put { kind, name, body, expect }),
        2 => (text(&KINDS), text(&NAMES), expect()).prop_map(|(kind, name, expect)| Write::Delete { kind, name, expect }),
        3 => (text(&JOURNALS), "[a-z]{0,5}").prop_map(|(journal, body)| Write::Append { journal, body }),
        2 => (text(&LEASES), text(&["me", "you"]), now.clone(), ttl.clone())
            .prop_map(|(name, holder, now, ttl_millis)| Write::TakeLease { name, holder, now, ttl_millis }),
        1 => (fence(), now, ttl).prop_map(|(fence, now, ttl_millis)| Write::RenewLease { fence, now, ttl_millis }),
        1 => fence().prop_map(|fence| Write::ReleaseLease { fence }),
        2 => ("[a-f]{1,2}", select(&ACCOUNTS[..]), select(&ACCOUNTS[..]), 1..100_i64)
            .prop_map(|(id, from, to, amount)| Write::Post(transfer(id, from, to, amount))),
    ]
}

fn expect() -> impl Strategy<Value = Expect> {
    prop_oneof![
        4 => Just(Expect::Any),
        2 => Just(Expect::Absent),
        4 => Just(Expect::Version(0)),
        1 => (1..20_u64).prop_map(Expect::Version),
    ]
}

fn fence() -> impl Strategy<Value = Fence> {
    (select(&LEASES[..]), 1..4_u64).prop_map(|(name, token)| Fence { name: name.to_owned(), token })
}

fn transfer(id: String, from: &str, to: &str, amount: i64) -> Transaction {
    let leg = |account: &str, amount| Posting { account: Account(account.to_owned()), amount };
    Transaction { id, postings: vec![leg(from, -amount), leg(to, amount)] }
}
