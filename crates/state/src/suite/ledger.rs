//! The ledger moves and never makes.

use super::{Place, one};
use crate::{Account, Batch, Posting, SharedStore, StoreError, Transaction, Write};

pub async fn postings_move_and_never_make(place: &impl Place) {
    let store = place.open();
    let legs = [
        ("usd/tenant/held", -70),
        ("usd/tenant/spent", 60),
        ("usd/tenant/free", 10),
        ("tokens/a", 5),
        ("tokens/b", -5),
    ];
    store.commit(post("settle", &legs)).await.unwrap();
    store.commit(post("more", &[("usd/tenant/spent", 1), ("usd/tenant/held", -1)])).await.unwrap();
    // Two legs of one account add up.
    store.commit(post("twice", &[("usd/x", 1), ("usd/x", 2), ("usd/tenant/held", -3)])).await.unwrap();
    assert_eq!(balance(&store, "usd/tenant/held").await, -74);
    assert_eq!(balance(&store, "usd/tenant/spent").await, 61);
    assert_eq!(balance(&store, "usd/tenant/free").await, 10);
    assert_eq!(balance(&store, "usd/x").await, 3);
    assert_eq!(balance(&store, "tokens/a").await, 5);
    assert_eq!(balance(&store, "usd/never").await, 0);
}

pub async fn a_transaction_is_posted_once(place: &impl Place) {
    let store = place.open();
    let batch = post("t", &[("usd/a", 1), ("usd/b", -1)]);
    store.commit(batch.clone()).await.unwrap();
    assert_eq!(store.commit(batch).await, Err(StoreError::AlreadyPosted("t".into())));
    let other = post("t", &[("usd/a", 9), ("usd/b", -9)]);
    assert_eq!(store.commit(other).await, Err(StoreError::AlreadyPosted("t".into())));
    let mut twice = post("u", &[("usd/a", 1), ("usd/b", -1)]);
    twice.writes.extend(twice.writes.clone());
    assert_eq!(store.commit(twice).await, Err(StoreError::AlreadyPosted("u".into())));
    assert_eq!(balance(&store, "usd/a").await, 1);
}

pub async fn unbalanced_and_overflowing_transactions_are_refused(place: &impl Place) {
    let store = place.open();
    let unbalanced = [("usd/a", 1), ("usd/b", -2)];
    let across_units = [("usd/a", 1), ("tokens/b", -1)];
    for legs in [&unbalanced[..], &across_units[..], &[]] {
        assert!(matches!(store.commit(post("t", legs)).await, Err(StoreError::Invalid(_))));
    }
    store.commit(post("rich", &[("usd/a", i64::MAX), ("usd/b", -i64::MAX)])).await.unwrap();
    let over = store.commit(post("t", &[("usd/c", -1), ("usd/a", 1)])).await;
    assert!(matches!(over, Err(StoreError::Invalid(_))), "{over:?}");
    assert_eq!(balance(&store, "usd/a").await, i64::MAX);
    assert_eq!(balance(&store, "usd/c").await, 0);
    store.commit(post("t", &[("usd/c", 1), ("usd/a", -1)])).await.unwrap();
}

fn post(id: &str, legs: &[(&str, i64)]) -> Batch {
    let postings = legs.iter().map(|&(account, amount)| Posting { account: Account(account.into()), amount }).collect();
    one(Write::Post(Transaction { id: id.into(), postings }))
}

async fn balance(store: &SharedStore, account: &str) -> i64 {
    store.balance(&Account(account.into())).await.unwrap()
}
