//! Numbered batches that touch every shape of memory, and the check that each is there whole or not at all.

use std::path::Path;

use rusqlite::Connection;
use state::{Account, Batch, Expect, Posting, Store, Transaction, Write};
use state_backends::SqliteStore;

/// Objects that each batch of a writer overwrites.
const OBJECTS: u64 = 3;

/// Batch `number` (from 1) of a writer; `padding_bytes` spreads it over more pages.
pub fn batch(writer: usize, number: u64, padding_bytes: usize) -> Batch {
    let body = format!("{number} {}", "x".repeat(padding_bytes));
    let put = |object| Write::Put {
        kind: "numbered".to_owned(),
        name: format!("{writer}/{object}"),
        body: body.clone(),
        expect: Expect::Any,
    };
    let leg = |side, amount| Posting { account: Account(format!("batches/{writer}/{side}")), amount };
    let transaction =
        Transaction { id: format!("{writer}-{number}"), postings: vec![leg("done", 1), leg("source", -1)] };
    let batch = (0..OBJECTS).fold(Batch::new(), |batch, object| batch.with(put(object)));
    batch
        .with(Write::Append { journal: format!("log/{writer}"), body: number.to_string() })
        .with(Write::Post(transaction))
}

/// How many batches of the writer are there. Panics when one is there in part.
pub async fn batches_of(store: &SqliteStore, writer: usize) -> u64 {
    let journal = format!("log/{writer}");
    let mut count = 0;
    loop {
        let page = store.read_journal(&journal, count, 1_000).await.unwrap();
        if page.is_empty() {
            break;
        }
        for entry in page {
            assert_eq!((entry.offset, entry.body), (count, (count + 1).to_string()), "a gap in {journal}");
            count += 1;
        }
    }
    for object in 0..OBJECTS {
        let found = store.get("numbered", &format!("{writer}/{object}")).await.unwrap();
        let number = found.map_or(0, |found| found.body.split(' ').next().unwrap().parse().unwrap());
        assert_eq!(number, count, "object {object} of writer {writer} is of another batch than its journal");
    }
    let done = store.balance(&Account(format!("batches/{writer}/done"))).await.unwrap();
    assert_eq!(done, i64::try_from(count).unwrap(), "the ledger of writer {writer} is of another batch");
    count
}

/// What the store's interface does not show: SQLite's own check, and balances that are the sums of their postings.
pub fn check_file(path: &Path) {
    let connection = Connection::open(path).unwrap();
    let text = |sql| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(text("PRAGMA integrity_check"), "ok");
    let wrong = "SELECT count(*) FROM balances b
                 WHERE amount <> (SELECT sum(amount) FROM postings p WHERE p.account = b.account)";
    assert_eq!(text(&format!("SELECT cast(({wrong}) AS TEXT)")), "0", "balances that are not the sum of postings");
}
