//! Who may take a request, and why the others may not.

use super::{Candidate, Health};

/// Why a replica is not considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exclusion {
    /// It takes nothing new. The one veto that is never lifted.
    Draining,
    /// It does not answer.
    Down,
    /// It failed too often, and is put aside for a while.
    Ejected,
    /// This request failed on it already.
    Tried,
    /// The request may not be served where it stands. Never lifted.
    Residency,
    /// The request does not fit its context window. Never lifted.
    Window,
}

/// How many replicas each reason excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exclusions {
    /// Draining.
    pub draining: u32,
    /// Down.
    pub down: u32,
    /// Ejected.
    pub ejected: u32,
    /// Tried.
    pub tried: u32,
    /// Where the request may not be served.
    pub residency: u32,
    /// Too small for the request.
    pub window: u32,
}

impl Exclusions {
    /// Counts one more.
    pub fn add(&mut self, reason: Exclusion) {
        match reason {
            Exclusion::Draining => self.draining += 1,
            Exclusion::Down => self.down += 1,
            Exclusion::Ejected => self.ejected += 1,
            Exclusion::Tried => self.tried += 1,
            Exclusion::Residency => self.residency += 1,
            Exclusion::Window => self.window += 1,
        }
    }
}

/// Why this replica is out, if it is; the gravest reason first.
#[must_use]
pub fn exclusion(candidate: &Candidate) -> Option<Exclusion> {
    if candidate.draining {
        Some(Exclusion::Draining)
    } else if candidate.health == Health::Down {
        Some(Exclusion::Down)
    } else if candidate.tried {
        Some(Exclusion::Tried)
    } else if candidate.ejected_ms.is_some() {
        Some(Exclusion::Ejected)
    } else {
        None
    }
}
