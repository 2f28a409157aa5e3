//! Leases and the tokens that fence off whoever lost one.

use std::sync::Arc;

use tokio::task::JoinSet;

use super::{Place, append, at_millis, one};
use crate::{Batch, Fence, Lease, SharedStore, StoreError, Write};

pub async fn a_live_lease_is_refused_to_others(place: &impl Place) {
    let store = place.open();
    assert_eq!(store.lease("l").await.unwrap(), None);
    let lease = take(&store, "me", 0).await.unwrap();
    let wanted = Lease { name: "l".into(), holder: "me".into(), token: 1, expires_at: at_millis(100) };
    assert_eq!(lease, wanted);
    let held = Err(StoreError::LeaseHeld { name: "l".into(), holder: "me".into() });
    assert_eq!(take(&store, "you", 99).await, held);
    let again = take(&store, "me", 99).await.unwrap();
    assert_eq!((again.token, again.expires_at), (1, at_millis(199)), "the holder keeps its token");
    assert_eq!(take(&store, "you", 198).await, held);
    assert_eq!(store.lease("l").await.unwrap(), Some(again));
}

pub async fn each_holding_gives_a_larger_token(place: &impl Place) {
    let store = place.open();
    let mut last = 0;
    for round in 0..4 {
        let start = round * 1_000;
        let mine = take(&store, "me", start).await.unwrap();
        assert!(mine.token > last);
        let after_expiry = take(&store, "me", start + 100).await.unwrap();
        assert!(after_expiry.token > mine.token, "after expiry it is a new holding, even of the same holder");
        let yours = take(&store, "you", start + 200).await.unwrap();
        assert!(yours.token > after_expiry.token);
        store.commit(one(Write::ReleaseLease { fence: yours.fence() })).await.unwrap();
        assert_eq!(store.lease("l").await.unwrap().unwrap().holder, "");
        last = yours.token;
    }
}

pub async fn who_lost_a_lease_is_fenced_off(place: &impl Place) {
    let store = place.open();
    let mine = take(&store, "me", 0).await.unwrap();
    let write = |fence: &Fence| one(append("log", "{}")).fenced(fence.clone());
    store.commit(write(&mine.fence())).await.unwrap();
    let yours = take(&store, "you", 100).await.unwrap();
    let lost = Err(StoreError::Fenced { name: "l".into(), shown: mine.token });
    assert_eq!(store.commit(write(&mine.fence())).await, lost);
    let renewal = Write::RenewLease { fence: mine.fence(), now: at_millis(101), ttl_millis: 100 };
    assert_eq!(store.commit(one(renewal)).await, lost);
    assert_eq!(store.commit(one(Write::ReleaseLease { fence: mine.fence() })).await, lost);
    store.commit(write(&yours.fence())).await.unwrap();
    store.commit(one(Write::ReleaseLease { fence: yours.fence() })).await.unwrap();
    assert!(matches!(store.commit(write(&yours.fence())).await, Err(StoreError::Fenced { .. })));
    let never = Fence { name: "never".into(), token: 1 };
    assert!(matches!(store.commit(write(&never)).await, Err(StoreError::Fenced { .. })));
    let of_two = write(&mine.fence()).fenced(never);
    assert!(matches!(store.commit(of_two).await, Err(StoreError::Fenced { .. })));
    assert_eq!(store.read_journal("log", 0, 10).await.unwrap().len(), 2);
}

pub async fn expiry_ends_renewal(place: &impl Place) {
    let store = place.open();
    let lease = take(&store, "me", 0).await.unwrap();
    let renew = |now| one(Write::RenewLease { fence: lease.fence(), now: at_millis(now), ttl_millis: 100 });
    let renewed = store.commit(renew(99)).await.unwrap().leases.remove(0);
    assert_eq!((renewed.token, renewed.expires_at), (lease.token, at_millis(199)));
    assert!(matches!(store.commit(renew(199)).await, Err(StoreError::Fenced { .. })));
    // Nobody took it, so what was begun under the token may still be finished.
    store.commit(Batch::new().fenced(lease.fence()).with(append("log", "{}"))).await.unwrap();
}

pub async fn one_of_many_takers_wins(place: &impl Place) {
    let store = place.open();
    let mut takers = JoinSet::new();
    for number in 0..16 {
        let store = Arc::clone(&store);
        takers.spawn(async move { take(&store, &format!("taker-{number}"), 0).await });
    }
    let mut tokens = Vec::new();
    while let Some(taken) = takers.join_next().await {
        match taken.unwrap() {
            Ok(lease) => tokens.push(lease.token),
            Err(error) => assert!(matches!(error, StoreError::LeaseHeld { .. }), "{error}"),
        }
    }
    assert_eq!(tokens, [1]);
}

async fn take(store: &SharedStore, holder: &str, now_ms: i64) -> Result<Lease, StoreError> {
    let write = Write::TakeLease { name: "l".into(), holder: holder.into(), now: at_millis(now_ms), ttl_millis: 100 };
    store.commit(one(write)).await.map(|mut committed| committed.leases.remove(0))
}
