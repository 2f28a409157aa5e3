//! What a store should do, in the plainest way: maps that are copied before each batch. Written apart from
//! [`apply`](crate::apply), which it judges.

use std::collections::BTreeMap;

use crate::batch::{JOURNAL_ENTRIES_MAX, JOURNAL_PRUNE_EVERY};
use crate::{Batch, Committed, Entry, Expect, Lease, Object, StoreError, Write};

/// The whole state of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// The revision of the last commit.
    pub revision: u64,
    /// By kind and name.
    pub objects: BTreeMap<(String, String), Object>,
    /// By name.
    pub journals: BTreeMap<String, Vec<Entry>>,
    /// By name.
    pub leases: BTreeMap<String, Lease>,
    /// By account.
    pub balances: BTreeMap<String, i64>,
    posted: Vec<String>,
}

impl Model {
    /// Does what [`Store::commit`](crate::Store::commit) should.
    pub fn commit(&mut self, batch: &Batch) -> Result<Committed, StoreError> {
        batch.validate()?;
        let mut next = self.clone();
        next.revision += 1;
        let mut committed = Committed { revision: next.revision, ..Committed::default() };
        for fence in &batch.fences {
            next.holding(&fence.name, fence.token)?;
        }
        for write in &batch.writes {
            next.write(write, &mut committed)?;
        }
        *self = next;
        Ok(committed)
    }

    fn write(&mut self, write: &Write, committed: &mut Committed) -> Result<(), StoreError> {
        match write.clone() {
            Write::Put { kind, name, body, expect } => {
                self.expect(&kind, &name, expect)?;
                let object = Object { kind: kind.clone(), name: name.clone(), version: self.revision, body };
                self.objects.insert((kind, name), object);
            }
            Write::Delete { kind, name, expect } => {
                self.expect(&kind, &name, expect)?;
                self.objects.remove(&(kind, name));
            }
            Write::Append { journal, body } => {
                let entries = self.journals.entry(journal).or_default();
                let offset = entries.last().map_or(0, |last| last.offset + 1);
                entries.push(Entry { offset, revision: self.revision, body });
                committed.offsets.push(offset);
                if offset > JOURNAL_ENTRIES_MAX && offset.is_multiple_of(JOURNAL_PRUNE_EVERY) {
                    let all = entries.len();
                    entries.retain(|entry| entry.offset + JOURNAL_ENTRIES_MAX >= offset);
                    committed.pruned += (all - entries.len()) as u64;
                }
            }
            Write::TakeLease { name, holder, now, ttl_millis } => {
                let last = self.leases.get(&name);
                let live = last.filter(|lease| !lease.holder.is_empty() && lease.expires_at > now);
                let token = match live {
                    Some(lease) if lease.holder != holder => {
                        return Err(StoreError::LeaseHeld { name, holder: lease.holder.clone() });
                    }
                    Some(lease) => lease.token,
                    None => last.map_or(0, |lease| lease.token) + 1,
                };
                let expires_at = now.plus_millis(ttl_millis.into());
                let lease = Lease { name: name.clone(), holder, token, expires_at };
                committed.leases.push(lease.clone());
                self.leases.insert(name, lease);
            }
            Write::RenewLease { fence, now, ttl_millis } => {
                let lease = self.holding(&fence.name, fence.token)?;
                if lease.expires_at <= now {
                    return Err(StoreError::Fenced { name: fence.name, shown: fence.token });
                }
                lease.expires_at = now.plus_millis(ttl_millis.into());
                committed.leases.push(lease.clone());
            }
            Write::ReleaseLease { fence } => self.holding(&fence.name, fence.token)?.holder.clear(),
            Write::Post(transaction) => {
                if self.posted.contains(&transaction.id) {
                    return Err(StoreError::AlreadyPosted(transaction.id));
                }
                for posting in transaction.postings {
                    *self.balances.entry(posting.account.0).or_default() += posting.amount;
                }
                self.posted.push(transaction.id);
            }
        }
        Ok(())
    }

    fn expect(&self, kind: &str, name: &str, expect: Expect) -> Result<(), StoreError> {
        let found = self.objects.get(&(kind.to_owned(), name.to_owned())).map(|object| object.version);
        let holds = match expect {
            Expect::Any => true,
            Expect::Absent => found.is_none(),
            Expect::Version(version) => found == Some(version),
        };
        if holds { Ok(()) } else { Err(StoreError::Conflict { kind: kind.into(), name: name.into(), found }) }
    }

    fn holding(&mut self, name: &str, token: u64) -> Result<&mut Lease, StoreError> {
        match self.leases.get_mut(name) {
            Some(lease) if lease.token == token && !lease.holder.is_empty() => Ok(lease),
            _ => Err(StoreError::Fenced { name: name.into(), shown: token }),
        }
    }
}
