//! A replica's memory in blocks: what running requests hold, and prefixes kept until the room is needed, least recently
//! used first. The rules are those of vLLM's prefix caching.

use rustc_hash::FxHashMap;

const NONE: u32 = u32::MAX;

/// Blocks of one replica.
#[derive(Debug, Clone)]
pub struct BlockCache {
    capacity: u32,
    /// Blocks of running requests that nobody can share.
    private: u32,
    /// Named blocks that a running request holds.
    pinned: u32,
    places: FxHashMap<u64, u32>,
    nodes: Vec<Node>,
    free: Vec<u32>,
    /// Ends of the list of named blocks that nobody holds: the oldest, the newest.
    oldest: u32,
    newest: u32,
}

#[derive(Debug, Clone, Copy)]
struct Node {
    block: u64,
    holders: u32,
    older: u32,
    newer: u32,
}

impl BlockCache {
    /// Empty, of `capacity` blocks.
    #[must_use]
    pub fn new(capacity: u32) -> Self {
        Self {
            capacity,
            private: 0,
            pinned: 0,
            places: FxHashMap::default(),
            nodes: Vec::new(),
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
        }
    }

    /// Takes room for a prompt of `blocks` and for `private` blocks more. How many leading blocks were there already;
    /// nothing, and nothing changed but the order of eviction, when there is no room.
    pub fn acquire(&mut self, blocks: &[u64], private: u32) -> Option<u32> {
        let present = |cache: &Self, block: &u64| cache.places.contains_key(block);
        let matched = blocks.iter().take_while(|block| present(self, block)).count();
        let (held, rest) = blocks.split_at(matched);
        held.iter().for_each(|block| self.pin(*block));
        let added = rest.len() as u64 + u64::from(private);
        if u64::from(self.pinned) + u64::from(self.private) + added > u64::from(self.capacity) {
            held.iter().rev().for_each(|block| self.unpin(*block));
            return None;
        }
        self.private += private;
        rest.iter().for_each(|block| self.pin(*block));
        self.shrink();
        Some(matched as u32)
    }

    /// Gives back what [`Self::acquire`] took; the named blocks stay until their room is needed.
    pub fn release(&mut self, blocks: &[u64], private: u32) {
        self.private -= private.min(self.private);
        // The end of a prompt becomes the oldest, so that prefixes are lost from their ends.
        blocks.iter().rev().for_each(|block| self.unpin(*block));
    }

    /// Blocks in use or kept.
    #[must_use]
    pub fn used(&self) -> u32 {
        self.private + self.places.len() as u32
    }

    /// Everything is lost.
    pub fn clear(&mut self) {
        *self = Self::new(self.capacity);
    }

    fn pin(&mut self, block: u64) {
        if let Some(&place) = self.places.get(&block) {
            if self.nodes[place as usize].holders == 0 {
                self.unlink(place);
                self.pinned += 1;
            }
            self.nodes[place as usize].holders += 1;
            return;
        }
        let node = Node { block, holders: 1, older: NONE, newer: NONE };
        let place = self.free.pop().unwrap_or(self.nodes.len() as u32);
        match self.nodes.get_mut(place as usize) {
            Some(old) => *old = node,
            None => self.nodes.push(node),
        }
        self.places.insert(block, place);
        self.pinned += 1;
    }

    fn unpin(&mut self, block: u64) {
        let Some(&place) = self.places.get(&block) else { return };
        let node = &mut self.nodes[place as usize];
        node.holders -= node.holders.min(1);
        if node.holders == 0 {
            self.pinned -= 1;
            self.append(place);
        }
    }

    fn shrink(&mut self) {
        while self.used() > self.capacity && self.oldest != NONE {
            let place = self.oldest;
            self.unlink(place);
            self.places.remove(&self.nodes[place as usize].block);
            self.free.push(place);
        }
    }

    fn append(&mut self, place: u32) {
        let node = &mut self.nodes[place as usize];
        (node.older, node.newer) = (self.newest, NONE);
        match self.nodes.get_mut(self.newest as usize) {
            Some(newest) => newest.newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
    }

    fn unlink(&mut self, place: u32) {
        let Node { older, newer, .. } = self.nodes[place as usize];
        match self.nodes.get_mut(older as usize) {
            Some(node) => node.newer = newer,
            None => self.oldest = newer,
        }
        match self.nodes.get_mut(newer as usize) {
            Some(node) => node.older = older,
            None => self.newest = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_least_recent_unheld_goes_first_from_its_end() {
        let mut cache = BlockCache::new(6);
        assert_eq!(cache.acquire(&[1, 2, 3], 1), Some(0));
        assert_eq!(cache.acquire(&[7, 8, 9], 0), None);
        cache.release(&[1, 2, 3], 1);
        // Room for one is missing: 3, the end of the prefix that is kept, makes it.
        assert_eq!(cache.acquire(&[7, 8, 9], 1), Some(0));
        assert_eq!(cache.used(), 6);
        cache.release(&[7, 8, 9], 1);
        assert_eq!(cache.acquire(&[1, 2, 3], 0), Some(2));
    }

    proptest! {
        #[test]
        fn it_never_holds_more_than_it_can_and_ends_empty_handed(
            prompts in proptest::collection::vec((0_u64..6, 1_u64..8, 0_u32..4, any::<bool>()), 1..80), capacity in 1_u32..24,
        ) {
            let mut cache = BlockCache::new(capacity);
            let mut running: Vec<(Vec<u64>, u32)> = Vec::new();
            for (family, length, private, ends) in prompts {
                let blocks: Vec<u64> = (0..length).map(|at| family * 100 + at).collect();
                if cache.acquire(&blocks, private).is_some() {
                    running.push((blocks, private));
                } else {
                    prop_assert!(!running.is_empty() || length + u64::from(private) > u64::from(capacity));
                }
                prop_assert!(cache.used() <= capacity);
                if ends && !running.is_empty() {
                    let (blocks, private) = running.swap_remove(0);
                    cache.release(&blocks, private);
                }
            }
            running.iter().for_each(|(blocks, private)| cache.release(blocks, *private));
            prop_assert_eq!((cache.private, cache.pinned), (0, 0));
        }
    }
}
