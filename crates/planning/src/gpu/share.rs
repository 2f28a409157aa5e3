//! How several tenants may use one accelerator.
//!
//! Partitions in hardware (MIG) have memory and faults of their own, so they may part tenants; a process service (MPS) shares
//! memory bandwidth and, on a fatal fault, the fate of all its clients, so it stays within one tenant; time slicing isolates
//! neither memory nor time, and is for development only. Sources: NVIDIA, "Multi-Instance GPU user guide" and "Multi-Process
//! Service", section on limits and error containment; NVIDIA, "Time-slicing GPUs in Kubernetes" ("no memory or fault isolation").

/// One who wants a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Whose it is.
    pub owner: String,
    /// Bytes of memory needed.
    pub memory_bytes: u64,
    /// Percent of the accelerator's compute needed.
    pub compute_percent: u32,
    /// Whether it is only for development.
    pub is_development: bool,
}

/// How an accelerator is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partition {
    /// One alone.
    Whole,
    /// Hardware partitions: slices of compute for each tenant.
    Mig(Vec<u32>),
    /// One owner's processes side by side.
    Mps,
    /// In turns.
    TimeSlices,
}

/// Why they may not share one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// There is nobody.
    #[error("nobody wants a share")]
    Nobody,
    /// Together they need more memory than there is.
    #[error("together they need more memory than the accelerator has")]
    Memory,
    /// Together they need more compute than there is.
    #[error("together they need more than all of the accelerator's compute")]
    Compute,
    /// They belong to several owners, and the accelerator has no partitions that hold them.
    #[error("several owners may share an accelerator only in hardware partitions, and they do not fit into those")]
    Owners,
}

/// Profiles of a partitioned accelerator with seven slices of compute and eight of memory (A100, H100, H200): compute
/// slices and memory slices of each, smallest first. The user guide's table of profiles: 1g, 1g with double memory, 2g, 3g, 4g, 7g.
const PROFILES: [(u32, u32); 6] = [(1, 1), (1, 2), (2, 2), (3, 4), (4, 4), (7, 8)];
const COMPUTE_SLICES: u32 = 7;
const MEMORY_SLICES: u32 = 8;

/// The strongest isolation under which `tenants` fit on one accelerator of `memory_bytes`; `has_partitions` when it can be
/// partitioned in hardware.
///
/// # Errors
/// When they do not fit, or may not share.
pub fn share(memory_bytes: u64, has_partitions: bool, tenants: &[Tenant]) -> Result<Partition, ShareError> {
    let Some(first) = tenants.first() else { return Err(ShareError::Nobody) };
    let memory = tenants.iter().fold(0_u64, |sum, tenant| sum.saturating_add(tenant.memory_bytes));
    if memory > memory_bytes {
        return Err(ShareError::Memory);
    }
    let compute = tenants.iter().fold(0_u32, |sum, tenant| sum.saturating_add(tenant.compute_percent));
    let all_development = tenants.iter().all(|tenant| tenant.is_development);
    if let [only] = tenants {
        return if only.compute_percent > 100 { Err(ShareError::Compute) } else { Ok(Partition::Whole) };
    }
    if has_partitions && let Some(slices) = partitions(memory_bytes, tenants) {
        return Ok(Partition::Mig(slices));
    }
    if compute <= 100 && tenants.iter().all(|tenant| tenant.owner == first.owner) {
        return Ok(Partition::Mps);
    }
    // In turns everyone is slowed down, which development bears; memory must still hold all of them.
    if all_development {
        return Ok(Partition::TimeSlices);
    }
    Err(if compute > 100 { ShareError::Compute } else { ShareError::Owners })
}

/// The slices of compute of each tenant's partition, when the hardware has room for all.
fn partitions(memory_bytes: u64, tenants: &[Tenant]) -> Option<Vec<u32>> {
    let slice_bytes = (memory_bytes / u64::from(MEMORY_SLICES)).max(1);
    let holds = |tenant: &Tenant, (compute, memory): (u32, u32)| {
        compute * 100 >= tenant.compute_percent.saturating_mul(COMPUTE_SLICES)
            && u64::from(memory) * slice_bytes >= tenant.memory_bytes
    };
    let smallest = |tenant: &Tenant| PROFILES.into_iter().find(|profile| holds(tenant, *profile));
    let chosen: Vec<(u32, u32)> = tenants.iter().map(smallest).collect::<Option<_>>()?;
    can_lie_beside(&chosen).then(|| chosen.into_iter().map(|(compute, _)| compute).collect())
}

/// Whether profiles can lie on one accelerator: each takes a run of memory slices from a place its size allows (the guide's
/// "placement" table: a profile with n memory slices starts at a multiple of n, and 4g only at the first).
fn can_lie_beside(profiles: &[(u32, u32)]) -> bool {
    let compute: u32 = profiles.iter().map(|(compute, _)| compute).sum();
    let doubles = profiles.iter().filter(|profile| **profile == (1, 2)).count();
    if compute > COMPUTE_SLICES || doubles > 4 {
        return false;
    }
    let mut sorted = profiles.to_vec();
    // The four-slice profile has one place only and so goes first; then the widest.
    sorted.sort_by_key(|(compute, memory)| std::cmp::Reverse((*compute == 4, *memory, *compute)));
    let mut taken = 0_u32;
    for (compute, memory) in sorted {
        let starts = (0..MEMORY_SLICES).step_by(memory as usize).filter(|start| match (compute, memory) {
            (4, _) => *start == 0,
            (1, 1) => *start < COMPUTE_SLICES,
            (2, 2) => *start < 6,
            _ => true,
        });
        let run = |start: u32| ((1_u32 << memory) - 1) << start;
        let Some(start) = starts.into_iter().find(|start| taken & run(*start) == 0) else { return false };
        taken |= run(start);
    }
    true
}
