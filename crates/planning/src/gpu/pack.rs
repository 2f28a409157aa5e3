//! Best fit decreasing of jobs onto machines, all of a gang or none of it, close together where it asks.

/// Something that needs accelerators of one machine; a gang is several such at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Whole accelerators of each member.
    pub accelerators: u32,
    /// Bytes of memory on each accelerator.
    pub memory_bytes: u64,
    /// How many members, on one machine or several.
    pub members: u32,
    /// Whether all members must share one topology domain (a rack or a fast network).
    pub one_domain: bool,
}

/// What is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Free accelerators.
    pub accelerators: u32,
    /// Bytes of memory of each.
    pub memory_bytes: u64,
    /// The topology domain it is in.
    pub domain: u32,
}

/// Where everything goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packing {
    /// By item: the machine of each member; nothing when it did not fit.
    pub machines: Vec<Option<Vec<usize>>>,
}

/// What is wrong with an item.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// It asks for nothing.
    #[error("item {0} has no members or needs no accelerators")]
    Nothing(usize),
    /// It asks for more than is packed here.
    #[error("item {0} has more than 100,000 members")]
    TooMany(usize),
}

/// Most members of a gang.
const MOST_MEMBERS: u32 = 100_000;

/// Packs the largest first (accelerators, then memory), each into the machine that it leaves least of. A good order, not a proof:
/// best fit decreasing needs at most 11/9 of the fewest bins plus a constant (Johnson and others, "Worst-case performance
/// bounds for simple one-dimensional packing algorithms", 1974).
///
/// # Errors
/// When an item makes no sense.
pub fn pack(machines: &[Machine], items: &[Item]) -> Result<Packing, PackError> {
    for (at, item) in items.iter().enumerate() {
        if item.members == 0 || item.accelerators == 0 {
            return Err(PackError::Nothing(at));
        }
        if item.members > MOST_MEMBERS {
            return Err(PackError::TooMany(at));
        }
    }
    let mut order: Vec<usize> = (0..items.len()).collect();
    let size = |at: &usize| {
        let item = &items[*at];
        (u64::from(item.accelerators) * u64::from(item.members), item.accelerators, item.memory_bytes)
    };
    order.sort_by_key(|at| std::cmp::Reverse(size(at)));
    let mut free: Vec<u32> = machines.iter().map(|machine| machine.accelerators).collect();
    let mut packing = Packing { machines: vec![None; items.len()] };
    for at in order {
        packing.machines[at] = place(machines, &mut free, &items[at]);
    }
    Ok(packing)
}

/// All members, or none and nothing taken.
fn place(machines: &[Machine], free: &mut Vec<u32>, item: &Item) -> Option<Vec<usize>> {
    let mut domains: Vec<u32> = machines.iter().map(|machine| machine.domain).collect();
    domains.sort_unstable();
    domains.dedup();
    // The domain with the least room that still holds the whole gang, so that large gangs find room later.
    let room = |domain: u32| -> u32 {
        let within = machines.iter().zip(free.iter()).filter(|(machine, _)| machine.domain == domain);
        within.map(|(_, free)| *free).fold(0, u32::saturating_add)
    };
    domains.sort_by_key(|domain| room(*domain));
    let within_one = domains.iter().find_map(|domain| members(machines, free, item, Some(*domain)));
    let found = if item.one_domain { within_one } else { within_one.or_else(|| members(machines, free, item, None)) };
    let (left, placed) = found?;
    *free = left;
    Some(placed)
}

fn members(machines: &[Machine], free: &[u32], item: &Item, domain: Option<u32>) -> Option<(Vec<u32>, Vec<usize>)> {
    let mut free = free.to_vec();
    let mut placed = Vec::with_capacity(item.members as usize);
    for _ in 0..item.members {
        let fits = |at: &usize| {
            let machine = &machines[*at];
            domain.is_none_or(|domain| machine.domain == domain)
                && free[*at] >= item.accelerators
                && machine.memory_bytes >= item.memory_bytes
        };
        // The tightest: fewest accelerators left, then least memory wasted.
        let left = |at: &usize| (free[*at], machines[*at].memory_bytes);
        let at = (0..machines.len()).filter(fits).min_by_key(left)?;
        free[at] -= item.accelerators;
        placed.push(at);
    }
    Some((free, placed))
}
