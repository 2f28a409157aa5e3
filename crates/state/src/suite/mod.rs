//! The suite that every backend passes: what [`Store`](crate::Store) promises, one test a promise, and random batches
//! against a model. A backend's tests implement [`Place`] and call `state::store_suite!(ThatPlace)`.

// A failed check is a failed test: this module is compiled for tests alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::missing_panics_doc)]

pub mod commits;
pub mod leases;
pub mod ledger;
pub mod model;
pub mod random;
pub mod reads;

use domain::Timestamp;

use crate::{Batch, Expect, SharedStore, Write};

/// A place where a backend keeps its data.
pub trait Place: Sized {
    /// Whether a store finds its data again when it is opened a second time.
    const DURABLE: bool;
    /// A new place with nothing in it.
    fn empty() -> Self;
    /// Opens the store here. The one opened before has been dropped.
    fn open(&self) -> SharedStore;
}

/// Makes one test of each check, for the [`Place`](crate::suite::Place) of a backend. Needs tokio's `macros` and
/// `rt-multi-thread` where it is called.
#[macro_export]
macro_rules! store_suite {
    ($place:ty) => {
        $crate::store_suite! { @tests $place;
            reads::an_object_is_read_as_it_was_written
            reads::lists_go_on_after_the_last_name
            reads::journals_have_no_gaps
            reads::a_journal_keeps_its_latest_entries
            reads::limits_are_held
            reads::typed_lists_hold_all_of_a_kind
            reads::what_was_committed_is_found_again
            commits::versions_guard_writes
            commits::a_refused_batch_writes_nothing
            commits::a_batch_sees_its_own_writes
            commits::what_no_store_may_accept_is_refused
            commits::watch_wakes_after_the_commit_and_never_before
            commits::concurrent_increments_lose_nothing
            leases::a_live_lease_is_refused_to_others
            leases::each_holding_gives_a_larger_token
            leases::who_lost_a_lease_is_fenced_off
            leases::expiry_ends_renewal
            leases::one_of_many_takers_wins
            ledger::postings_move_and_never_make
            ledger::a_transaction_is_posted_once
            ledger::unbalanced_and_overflowing_transactions_are_refused
        }

        #[test]
        fn random_batches_match_the_model() {
            $crate::suite::random::random_batches_match_the_model::<$place>();
        }
    };
    (@tests $place:ty; $($module:ident::$check:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $check() {
                $crate::suite::$module::$check(&<$place as $crate::suite::Place>::empty()).await;
            }
        )*
    };
}

fn put(name: &str, body: &str, expect: Expect) -> Write {
    Write::Put { kind: "thing".into(), name: name.into(), body: body.into(), expect }
}

fn append(journal: &str, body: &str) -> Write {
    Write::Append { journal: journal.into(), body: body.into() }
}

fn one(write: Write) -> Batch {
    Batch::new().with(write)
}

const fn at_millis(millis: i64) -> Timestamp {
    Timestamp(millis * 1_000)
}
