//! A world filled up from a table of the network.

use std::collections::HashSet;

use super::world::{Link, World};
use crate::network::{Filled, Network};

impl World {
    /// Takes from a table what the world leaves open: the way between regions without a link, and the price of bytes of
    /// regions without one.
    pub fn fill(&mut self, network: &Network) -> Filled {
        let own = self.links.len();
        let stated: HashSet<[String; 2]> = self.links.iter().map(Link::ends).collect();
        for (at, one) in self.regions.iter().enumerate() {
            for other in &self.regions[at + 1..] {
                let link = |rtt_ms| Link { between: [one.name.clone(), other.name.clone()], rtt_ms };
                let known = network.rtt_ms(&one.name, &other.name).map(link);
                self.links.extend(known.filter(|link| !stated.contains(&link.ends())));
            }
        }
        let mut egress_pairs = 0;
        self.egress_pairs = Vec::with_capacity(self.regions.len().pow(2));
        for from in &self.regions {
            for to in &self.regions {
                let known = network.pair(&from.name, &to.name).egress_usd_per_gb;
                let counts = known.filter(|_| from.egress_usd_per_gb.is_none());
                egress_pairs += usize::from(counts.is_some());
                self.egress_pairs.push(counts.unwrap_or_default());
            }
        }
        Filled { rtt_pairs: self.links.len() - own, egress_pairs }
    }
}

impl Link {
    /// Both ends, in order of name.
    fn ends(&self) -> [String; 2] {
        let mut ends = self.between.clone();
        ends.sort();
        ends
    }
}
