//! The bounded queue of requests that wait for a slot.

use std::collections::VecDeque;

/// Requests in order of arrival, at most `limit` beyond the slots that stand free.
#[derive(Debug)]
pub struct Queue<T> {
    limit: usize,
    waiting: VecDeque<T>,
}

impl<T> Queue<T> {
    /// An empty queue.
    pub const fn new(limit: usize) -> Self {
        Self { limit, waiting: VecDeque::new() }
    }

    /// Lets `request` in when fewer than the limit wait, counting `free_slots` as room too. When it is full, requests
    /// that `abandoned` says nobody waits for any more make room. Gives the request back when there is none.
    pub fn admit(&mut self, request: T, free_slots: usize, abandoned: impl Fn(&T) -> bool) -> Result<(), T> {
        let room = self.limit + free_slots;
        if self.waiting.len() >= room {
            self.waiting.retain(|request| !abandoned(request));
        }
        if self.waiting.len() >= room {
            return Err(request);
        }
        self.waiting.push_back(request);
        Ok(())
    }

    /// Takes the first request that `fits`; those that cannot start yet keep their places.
    pub fn next(&mut self, fits: impl Fn(&T) -> bool) -> Option<T> {
        let at = self.waiting.iter().position(fits)?;
        self.waiting.remove(at)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_counts_free_slots_as_room() {
        let mut queue = Queue::new(1);
        assert_eq!(queue.admit(1, 1, |_| false), Ok(()));
        assert_eq!(queue.admit(2, 1, |_| false), Ok(()));
        assert_eq!(queue.admit(3, 1, |_| false), Err(3));
        assert_eq!(queue.next(|_| true), Some(1));
        assert_eq!(queue.admit(3, 0, |_| false), Err(3));
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn the_abandoned_make_room() {
        let mut queue = Queue::new(2);
        assert_eq!(queue.admit(10, 0, |_| false), Ok(()));
        assert_eq!(queue.admit(11, 0, |_| false), Ok(()));
        assert_eq!(queue.admit(12, 0, |r| *r == 10), Ok(()));
        assert_eq!(queue.next(|_| true), Some(11));
    }

    #[test]
    fn what_does_not_fit_keeps_its_place() {
        let mut queue = Queue::new(3);
        for request in [1, 2, 3] {
            assert_eq!(queue.admit(request, 0, |_| false), Ok(()));
        }
        assert_eq!(queue.next(|r| *r == 2), Some(2));
        assert_eq!(queue.next(|_| true), Some(1));
        assert_eq!(queue.next(|_| true), Some(3));
        assert_eq!(queue.next(|_| true), None);
    }
}
