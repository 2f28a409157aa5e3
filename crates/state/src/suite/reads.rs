//! What reads show.

use serde::{Deserialize, Serialize};

use super::{Place, append, one, put};
use crate::batch::{JOURNAL_ENTRIES_MAX, JOURNAL_PRUNE_EVERY};
use crate::objects::{self, Stored};
use crate::{Batch, Expect, PAGE_LIMIT, StoreError};

pub async fn an_object_is_read_as_it_was_written(place: &impl Place) {
    let store = place.open();
    assert_eq!(store.get("thing", "a").await.unwrap(), None);
    let body = "{\"text\":\"Zürich ✈ \\u0000 \u{0} end\"}";
    let committed = store.commit(one(put("a", body, Expect::Absent))).await.unwrap();
    let object = store.get("thing", "a").await.unwrap().unwrap();
    assert_eq!((object.kind.as_str(), object.name.as_str(), object.body.as_str()), ("thing", "a", body));
    assert_eq!(object.version, committed.revision);
    assert_eq!(store.get("other", "a").await.unwrap(), None, "kinds do not mix");
}

pub async fn lists_go_on_after_the_last_name(place: &impl Place) {
    let store = place.open();
    // Byte order is not the order of a dictionary: capitals first, then what is outside ASCII.
    let names = ["A", "B", "a", "a/b", "a0", "b", "é", "中", "🚀"];
    let batch = names.iter().rev().fold(Batch::new(), |batch, name| batch.with(put(name, "{}", Expect::Absent)));
    store.commit(batch).await.unwrap();
    let mut seen = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = store.list("thing", after.as_deref(), 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.name.clone());
        seen.extend(page.into_iter().map(|object| object.name));
    }
    assert_eq!(seen, names);
    let rest = store.list("thing", Some("a00 is no name"), 10).await.unwrap();
    assert_eq!(rest.first().map(|object| object.name.as_str()), Some("b"), "`after` need not exist");
}

pub async fn journals_have_no_gaps(place: &impl Place) {
    let store = place.open();
    for round in 0..5_u64 {
        let batch = Batch::new().with(append("one", "1")).with(append("two", "2")).with(append("one", "3"));
        let committed = store.commit(batch).await.unwrap();
        assert_eq!(committed.offsets, [round * 2, round, round * 2 + 1]);
        // A refused batch must not use up an offset.
        let refused = Batch::new().with(append("one", "lost")).with(put("missing", "{}", Expect::Version(1)));
        store.commit(refused).await.unwrap_err();
    }
    let entries = store.read_journal("one", 3, 100).await.unwrap();
    let found: Vec<_> = entries.iter().map(|entry| (entry.offset, entry.body.as_str())).collect();
    assert_eq!(found, [(3, "3"), (4, "1"), (5, "3"), (6, "1"), (7, "3"), (8, "1"), (9, "3")]);
    assert!(entries.is_sorted_by_key(|entry| entry.revision));
    assert_eq!(store.read_journal("one", u64::MAX, 10).await.unwrap(), []);
    assert_eq!(store.read_journal("none", 0, 10).await.unwrap(), []);
}

pub async fn a_journal_keeps_its_latest_entries(place: &impl Place) {
    let store = place.open();
    let rounds = JOURNAL_ENTRIES_MAX / JOURNAL_PRUNE_EVERY + 3;
    let mut pruned = 0;
    for _ in 0..rounds {
        let batch = (0..JOURNAL_PRUNE_EVERY).fold(Batch::new(), |batch, _| batch.with(append("log", "{}")));
        pruned += store.commit(batch).await.unwrap().pruned;
    }
    let appended = rounds * JOURNAL_PRUNE_EVERY;
    let oldest = store.read_journal("log", 0, 1).await.unwrap()[0].offset;
    let kept = appended - oldest;
    assert!((JOURNAL_ENTRIES_MAX..=JOURNAL_ENTRIES_MAX + JOURNAL_PRUNE_EVERY).contains(&kept), "{kept} are kept");
    assert_eq!(pruned, oldest);
    let latest = store.read_journal("log", appended - 1, 10).await.unwrap();
    assert_eq!(latest.iter().map(|entry| entry.offset).collect::<Vec<_>>(), [appended - 1]);
    let refused = Batch::new().with(append("log", "lost")).with(put("missing", "{}", Expect::Version(1)));
    store.commit(refused).await.unwrap_err();
    assert_eq!(store.commit(one(append("log", "{}"))).await.unwrap().offsets, [appended], "numbers go on");
}

pub async fn limits_are_held(place: &impl Place) {
    let store = place.open();
    let many = PAGE_LIMIT + 5;
    let batch = (0..many).fold(Batch::new(), |batch, number| {
        batch.with(put(&format!("{number:06}"), "{}", Expect::Absent)).with(append("log", "{}"))
    });
    store.commit(batch).await.unwrap();
    assert_eq!(store.list("thing", None, usize::MAX).await.unwrap().len(), PAGE_LIMIT);
    assert_eq!(store.list("thing", None, 0).await.unwrap(), []);
    assert_eq!(store.list("thing", Some("000999"), usize::MAX).await.unwrap().len(), many - 1_000);
    assert_eq!(store.read_journal("log", 0, usize::MAX).await.unwrap().len(), PAGE_LIMIT);
    assert_eq!(store.read_journal("log", 0, 0).await.unwrap(), []);
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Numbered {
    number: usize,
}

impl Stored for Numbered {
    const KIND: &'static str = "thing";
    fn object_name(&self) -> String {
        format!("{:06}", self.number)
    }
}

/// A typed list has no limit, although each of its reads has: around the edges of a page nothing is lost or doubled.
pub async fn typed_lists_hold_all_of_a_kind(place: &impl Place) {
    let store = place.open();
    assert_eq!(objects::list::<Numbered>(&*store).await.unwrap(), []);
    store
        .commit(one(crate::Write::Put {
            kind: "things".into(),
            name: "of another kind".into(),
            body: "{}".into(),
            expect: Expect::Absent,
        }))
        .await
        .unwrap();
    let mut there = 0;
    for many in [1, PAGE_LIMIT - 1, PAGE_LIMIT, PAGE_LIMIT + 1, 2 * PAGE_LIMIT, 2 * PAGE_LIMIT + 1] {
        let batch = (there..many).fold(Batch::new(), |batch, number| {
            batch.with(objects::put(&Numbered { number }, Expect::Absent).unwrap())
        });
        let revision = store.commit(batch).await.unwrap().revision;
        let found = objects::list::<Numbered>(&*store).await.unwrap();
        let numbers: Vec<_> = found.iter().map(|read| read.value.number).collect();
        assert_eq!(numbers, (0..many).collect::<Vec<_>>());
        assert!(found[there..].iter().all(|read| read.version == revision), "each with the version that it has");
        there = many;
    }
    store.commit(one(put("000000x", "{\"number\":\"one\"}", Expect::Absent))).await.unwrap();
    let unread = objects::list::<Numbered>(&*store).await;
    assert!(
        matches!(unread, Err(StoreError::Corrupt { name, .. }) if name == "000000x"),
        "what cannot be read is named"
    );
}

pub async fn what_was_committed_is_found_again(place: &impl Place) {
    let store = place.open();
    let batch = Batch::new().with(put("a", "{}", Expect::Absent)).with(append("log", "{}"));
    let before = store.commit(batch).await.unwrap();
    drop(store);
    let store = place.open();
    if !is_durable(place) {
        assert_eq!(*store.watch().borrow(), 0);
        return;
    }
    assert_eq!(*store.watch().borrow(), before.revision);
    assert_eq!(store.get("thing", "a").await.unwrap().unwrap().version, before.revision);
    let after = store.commit(one(append("log", "{}"))).await.unwrap();
    assert!(after.revision > before.revision);
    assert_eq!(after.offsets, [1]);
}

const fn is_durable<P: Place>(_place: &P) -> bool {
    P::DURABLE
}
