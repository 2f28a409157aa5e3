//! A bounded store of compiled constraints: at most so many entries and bytes, the least recently used goes first.

use std::collections::HashMap;

/// What a constraint is known by.
pub type Digest = [u8; 32];

struct Entry<T> {
    value: T,
    bytes: usize,
    used: u64,
}

/// The store.
pub struct Cache<T> {
    entries: HashMap<Digest, Entry<T>>,
    most_entries: usize,
    most_bytes: usize,
    bytes: usize,
    clock: u64,
}

impl<T: Clone> Cache<T> {
    /// An empty store.
    pub fn new(most_entries: usize, most_bytes: usize) -> Self {
        Self { entries: HashMap::new(), most_entries, most_bytes, bytes: 0, clock: 0 }
    }

    /// The value of `digest`.
    pub fn get(&mut self, digest: &Digest) -> Option<T> {
        self.clock += 1;
        let entry = self.entries.get_mut(digest)?;
        entry.used = self.clock;
        Some(entry.value.clone())
    }

    /// Keeps `value`, which takes about `bytes`; what is larger than the whole store is not kept.
    pub fn insert(&mut self, digest: Digest, value: T, bytes: usize) {
        self.remove(&digest);
        if bytes > self.most_bytes {
            return;
        }
        self.clock += 1;
        self.entries.insert(digest, Entry { value, bytes, used: self.clock });
        self.bytes += bytes;
        while self.entries.len() > self.most_entries || self.bytes > self.most_bytes {
            let Some(oldest) = self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(digest, _)| *digest)
            else {
                return;
            };
            self.remove(&oldest);
        }
    }

    fn remove(&mut self, digest: &Digest) {
        if let Some(entry) = self.entries.remove(digest) {
            self.bytes -= entry.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_bytes_are_bounded_and_the_least_used_goes() {
        let mut cache = Cache::new(2, 100);
        cache.insert([1; 32], "one", 10);
        cache.insert([2; 32], "two", 10);
        assert_eq!(cache.get(&[1; 32]), Some("one"));
        cache.insert([3; 32], "three", 10);
        assert_eq!((cache.get(&[2; 32]), cache.get(&[1; 32])), (None, Some("one")));
        cache.insert([4; 32], "four", 95);
        assert_eq!((cache.get(&[1; 32]), cache.get(&[3; 32]), cache.get(&[4; 32])), (None, None, Some("four")));
        cache.insert([5; 32], "too large", 101);
        assert_eq!((cache.get(&[5; 32]), cache.get(&[4; 32])), (None, Some("four")));
        cache.insert([4; 32], "again", 1);
        assert_eq!((cache.get(&[4; 32]), cache.bytes), (Some("again"), 1));
    }
}
