//! Requests of which replicas die: which are suspected, which are to blame. Pure: time is an argument, in milliseconds of
//! a clock that never steps.
//!
//! A replica may die of a request, or of something else while requests run on it. Who was there is a suspect, and is
//! asked again elsewhere. Who was there when a second one died, later, is to blame, unless that can be chance:
//! - another suspect ran there too (suspects are kept apart, so that this is rare),
//! - the same request was answered elsewhere in the meantime,
//! - more replicas died at that time, without it: a site is lost, or somebody kills them.
//!
//! Then it gets one more try. So a request that kills ends at two replicas, or at three in such company, and a replica
//! lost by chance costs no request.

use std::collections::{HashMap, VecDeque};

/// The hash of a request: its path, model and body.
pub(crate) type Fingerprint = [u8; 16];

/// For how long a request that is to blame is refused.
pub(crate) const REFUSED_MS: u64 = 600_000;
/// For how long a suspicion is kept that has not come true.
const SUSPECTED_MS: u64 = 600_000;
/// Within this time other deaths, and answers to the same request, speak for chance.
const CHANCE_MS: u64 = 30_000;
/// Two reports of a replica's death within this time are of the same one.
const SAME_DEATH_MS: u64 = 5_000;
/// Most requests that are remembered; the one noted longest ago makes room.
const ENTRIES_MAX: usize = 1_024;
/// Most deaths that are remembered.
const DEATHS_MAX: usize = 64;
/// Most requests that are remembered of one death.
const PRESENT_MAX: usize = 256;

/// What is known when a replica has died under a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// Replicas that died while it ran there, one after the other, this one included.
    pub(crate) deaths: u32,
    /// Other suspects that ran on this one.
    pub(crate) companions: u32,
    /// The same request was answered lately.
    pub(crate) was_answered: bool,
    /// Replicas that died lately without it, and of no request that is known.
    pub(crate) deaths_elsewhere: u32,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may be chance: another replica is asked.
    Suspect,
    /// Replicas die of it.
    Culprit,
}

/// The rule.
pub(crate) fn judge(evidence: &Evidence) -> Verdict {
    let Evidence { deaths, companions, was_answered, deaths_elsewhere } = *evidence;
    match deaths {
        0 | 1 => Verdict::Suspect,
        _ if was_answered => Verdict::Suspect,
        2 if companions > 0 || deaths_elsewhere > 0 => Verdict::Suspect,
        _ => Verdict::Culprit,
    }
}

/// How a request stands that arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Unknown,
    Suspect,
    /// Refused for so many milliseconds more.
    Refused(u64),
}

/// A replica died while a request ran on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Death<'a> {
    pub(crate) replica: &'a str,
    pub(crate) request: Fingerprint,
    /// When the request was sent there.
    pub(crate) sent_ms: u64,
    pub(crate) died_ms: u64,
    /// Other suspects that ran there.
    pub(crate) companions: u32,
}

/// All that is remembered, within bounds.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    entries: HashMap<Fingerprint, Entry>,
    deaths: VecDeque<ReplicaDeath>,
}

#[derive(Debug, Default)]
struct Entry {
    deaths: u32,
    died_ms: u64,
    answered_ms: Option<u64>,
    refused_until_ms: Option<u64>,
    noted_ms: u64,
}

#[derive(Debug)]
struct ReplicaDeath {
    replica: String,
    died_ms: u64,
    present: Vec<Fingerprint>,
    companions: u32,
    is_explained: bool,
}

impl Suspects {
    /// Whether nothing is remembered, so that no request needs to be looked up.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How a request stands.
    pub(crate) fn standing(&self, request: &Fingerprint, now_ms: u64) -> Standing {
        let Some(entry) = self.entries.get(request).filter(|entry| !entry.is_over(now_ms)) else {
            return Standing::Unknown;
        };
        match entry.refused_until_ms {
            Some(until_ms) => Standing::Refused(until_ms.saturating_sub(now_ms)),
            None if entry.deaths > 0 => Standing::Suspect,
            None => Standing::Unknown,
        }
    }

    /// Notes that a replica died, whatever ran there.
    pub(crate) fn lost(&mut self, replica: &str, died_ms: u64) {
        self.death_of(replica, died_ms);
    }

    /// Notes a death under a request, and judges the request.
    pub(crate) fn died(&mut self, death: &Death<'_>, now_ms: u64) -> Verdict {
        let there = self.death_of(death.replica, death.died_ms);
        // The first to report it saw all that ran there; for the others some have left already.
        there.companions = there.companions.max(death.companions);
        let companions = there.companions;
        if there.present.len() < PRESENT_MAX && !there.present.contains(&death.request) {
            there.present.push(death.request);
        }
        let entry = self.entry(death.request, now_ms);
        // One sent out before the last death was noted is of the same round: the same request, sent by many at once.
        if entry.deaths == 0 || death.sent_ms >= entry.died_ms {
            entry.deaths = entry.deaths.saturating_add(1);
            entry.died_ms = death.died_ms;
        }
        let is_recent = |at_ms: u64| now_ms.saturating_sub(at_ms) <= CHANCE_MS;
        let (deaths, was_answered) = (entry.deaths, entry.answered_ms.is_some_and(is_recent));
        let elsewhere = self
            .deaths
            .iter()
            .filter(|other| !other.is_explained && is_recent(other.died_ms) && !other.present.contains(&death.request));
        let deaths_elsewhere = u32::try_from(elsewhere.count()).unwrap_or(u32::MAX);
        let verdict = judge(&Evidence { deaths, companions, was_answered, deaths_elsewhere });
        if verdict == Verdict::Culprit {
            self.entry(death.request, now_ms).refused_until_ms = Some(now_ms.saturating_add(REFUSED_MS));
            let mine = self.deaths.iter_mut().filter(|other| other.present.contains(&death.request));
            mine.for_each(|other| other.is_explained = true);
        }
        verdict
    }

    /// The request was answered: whatever died before did not die of it.
    pub(crate) fn answered(&mut self, request: &Fingerprint, now_ms: u64) {
        if let Some(entry) = self.entries.get_mut(request).filter(|entry| entry.refused_until_ms.is_none()) {
            entry.deaths = 0;
            entry.answered_ms = Some(now_ms);
        }
    }

    /// The replicas that died under a request, as far as they are remembered.
    pub(crate) fn replicas(&self, request: &Fingerprint) -> Vec<String> {
        let under = self.deaths.iter().filter(|death| death.present.contains(request));
        under.map(|death| death.replica.clone()).collect()
    }

    /// Forgets what is over.
    pub(crate) fn forget_old(&mut self, now_ms: u64) {
        self.entries.retain(|_, entry| !entry.is_over(now_ms));
        self.deaths.retain(|death| now_ms.saturating_sub(death.died_ms) <= CHANCE_MS);
    }

    fn entry(&mut self, request: Fingerprint, now_ms: u64) -> &mut Entry {
        if self.entries.len() >= ENTRIES_MAX && !self.entries.contains_key(&request) {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.noted_ms).map(|(found, _)| *found);
            oldest.map(|oldest| self.entries.remove(&oldest));
        }
        let entry = self.entries.entry(request).or_default();
        if entry.is_over(now_ms) {
            *entry = Entry::default();
        }
        entry.noted_ms = now_ms;
        entry
    }

    fn death_of(&mut self, replica: &str, died_ms: u64) -> &mut ReplicaDeath {
        let same = |death: &ReplicaDeath| death.replica == replica && death.died_ms.abs_diff(died_ms) <= SAME_DEATH_MS;
        let at = self.deaths.iter().position(same).unwrap_or_else(|| {
            if self.deaths.len() >= DEATHS_MAX {
                self.deaths.pop_front();
            }
            let (replica, present) = (replica.to_owned(), Vec::new());
            self.deaths.push_back(ReplicaDeath { replica, died_ms, present, companions: 0, is_explained: false });
            self.deaths.len() - 1
        });
        &mut self.deaths[at]
    }
}

impl Entry {
    fn is_over(&self, now_ms: u64) -> bool {
        match self.refused_until_ms {
            Some(until_ms) => now_ms >= until_ms,
            None => now_ms.saturating_sub(self.noted_ms) > SUSPECTED_MS,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BAD: Fingerprint = [1; 16];
    const GOOD: Fingerprint = [2; 16];

    fn death(replica: &str, request: Fingerprint, sent_ms: u64, died_ms: u64) -> Death<'_> {
        Death { replica, request, sent_ms, died_ms, companions: 0 }
    }

    #[test]
    fn the_second_replica_convicts_and_the_time_of_refusal_ends() {
        let mut suspects = Suspects::default();
        assert_eq!(suspects.died(&death("a", BAD, 0, 100), 100), Verdict::Suspect);
        assert_eq!(suspects.standing(&BAD, 150), Standing::Suspect);
        assert_eq!(suspects.died(&death("b", BAD, 150, 300), 300), Verdict::Culprit);
        assert_eq!(suspects.standing(&BAD, 1_300), Standing::Refused(REFUSED_MS - 1_000));
        assert_eq!(suspects.standing(&GOOD, 1_300), Standing::Unknown);
        // An answer that was under way does not lift it.
        suspects.answered(&BAD, 1_400);
        assert!(matches!(suspects.standing(&BAD, 1_400), Standing::Refused(_)));
        assert_eq!(suspects.standing(&BAD, 300 + REFUSED_MS), Standing::Unknown);
        suspects.forget_old(300 + REFUSED_MS);
        assert!(suspects.is_empty());
    }

    #[test]
    fn who_was_there_by_chance_is_asked_again() {
        // Another suspect was there at the second death.
        let mut suspects = Suspects::default();
        suspects.died(&death("a", GOOD, 0, 100), 100);
        let second = Death { companions: 1, ..death("b", GOOD, 110, 200) };
        assert_eq!(suspects.died(&second, 200), Verdict::Suspect);
        // A third replica died meanwhile, without it.
        let mut suspects = Suspects::default();
        suspects.died(&death("a", GOOD, 0, 100), 100);
        suspects.lost("c", 120);
        assert_eq!(suspects.died(&death("b", GOOD, 110, 200), 200), Verdict::Suspect);
        // But one that another request was found to kill says nothing.
        let mut suspects = Suspects::default();
        suspects.died(&death("c", BAD, 0, 10), 10);
        suspects.died(&death("d", BAD, 10, 20), 20);
        suspects.died(&death("a", GOOD, 30, 100), 100);
        assert_eq!(suspects.died(&death("b", GOOD, 110, 200), 200), Verdict::Culprit);
        // The same request was answered between the deaths.
        let mut suspects = Suspects::default();
        suspects.died(&death("a", GOOD, 0, 100), 100);
        suspects.answered(&GOOD, 150);
        assert_eq!(suspects.standing(&GOOD, 150), Standing::Unknown);
        suspects.died(&death("b", GOOD, 160, 200), 200);
        assert_eq!(suspects.died(&death("c", GOOD, 210, 300), 300), Verdict::Suspect);
    }

    #[test]
    fn one_request_sent_by_many_at_once_is_judged_by_the_round() {
        let mut suspects = Suspects::default();
        for replica in ["a", "b", "c"] {
            assert_eq!(suspects.died(&death(replica, GOOD, 50, 100), 110), Verdict::Suspect, "{replica}");
        }
        assert_eq!(suspects.died(&death("d", GOOD, 120, 200), 200), Verdict::Culprit);
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut suspects = Suspects::default();
        for number in 0..10_000_u64 {
            let mut request = [0; 16];
            request[..8].copy_from_slice(&number.to_le_bytes());
            suspects.died(&death(&number.to_string(), request, number, number), number);
            suspects.died(&death("one", request, number, number), number);
        }
        assert_eq!((suspects.entries.len(), suspects.deaths.len()), (ENTRIES_MAX, DEATHS_MAX));
        assert!(suspects.deaths.iter().all(|death| death.present.len() <= PRESENT_MAX));
        suspects.forget_old(10_000 + SUSPECTED_MS + 1);
        assert!(suspects.is_empty() && suspects.deaths.is_empty());
    }

    proptest! {
        #[test]
        fn nobody_is_to_blame_for_one_death_or_once_answered_and_everybody_else_at_the_third(
            deaths in 0_u32..6, companions in 0_u32..4, was_answered: bool, deaths_elsewhere in 0_u32..4,
        ) {
            let verdict = judge(&Evidence { deaths, companions, was_answered, deaths_elsewhere });
            prop_assert!(deaths > 1 || verdict == Verdict::Suspect);
            prop_assert!(!was_answered || verdict == Verdict::Suspect);
            prop_assert!(deaths < 3 || was_answered || verdict == Verdict::Culprit);
            let is_clear = companions == 0 && deaths_elsewhere == 0 && !was_answered;
            prop_assert!(deaths != 2 || (verdict == Verdict::Culprit) == is_clear);
        }

        /// One request kills whatever it runs on, beside ordinary ones that go elsewhere when their replica dies.
        #[test]
        fn the_killer_is_found_and_nobody_else(
            company in proptest::collection::vec(0_usize..6, 0..20),
            moves in proptest::collection::vec(0_usize..5, 20),
        ) {
            let mut suspects = Suspects::default();
            let innocent = |number: usize| [10 + number as u8; 16];
            // On the first replica the killer dies with those of its company that run there.
            let there: Vec<usize> = (0..company.len()).filter(|number| company[*number] == 0).collect();
            suspects.died(&death("r0", BAD, 50, 100), 100);
            for number in &there {
                let was = suspects.died(&death("r0", innocent(*number), *number as u64, 100), 101);
                prop_assert_eq!(was, Verdict::Suspect);
            }
            // They go on elsewhere, apart from the killer if there is room; one may not be.
            let with_killer: Vec<usize> = there.iter().copied().filter(|number| moves[*number] == 0).take(1).collect();
            let companions = with_killer.len() as u32;
            for number in there.iter().filter(|number| !with_killer.contains(number)) {
                suspects.answered(&innocent(*number), 150);
            }
            let second = suspects.died(&Death { companions, ..death("r1", BAD, 110, 200) }, 200);
            for number in &with_killer {
                let death = Death { companions: 1, ..death("r1", innocent(*number), 111, 200) };
                prop_assert_eq!(suspects.died(&death, 201), Verdict::Suspect);
                suspects.answered(&innocent(*number), 250);
            }
            if second == Verdict::Suspect {
                prop_assert_eq!(companions, 1);
                prop_assert_eq!(suspects.died(&death("r2", BAD, 210, 300), 300), Verdict::Culprit);
            }
            for number in 0..company.len() {
                let standing = suspects.standing(&innocent(number), 400);
                prop_assert!(!matches!(standing, Standing::Refused(_)));
            }
        }
    }
}
