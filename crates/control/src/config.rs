//! How the control plane behaves. Libraries never read the environment: the caller fills this in.

use std::fmt;
use std::sync::Arc;

use domain::Problem;

/// Keeps a new admin token where the next start finds it.
pub type KeepToken = Arc<dyn Fn(&str) -> Result<(), Problem> + Send + Sync>;

/// Settings of the control plane.
#[derive(Clone)]
pub struct ControlConfig {
    /// The token that callers of the REST API show.
    pub admin_token: String,
    /// Keeps another one when it is rotated; without it, it cannot be.
    pub keep_admin_token: Option<KeepToken>,
    /// Who this process is, for leases: unique among processes that run at once, and the same after a restart, so that
    /// a restarted process goes on without waiting for its own lease to expire.
    pub holder: String,
    /// How long a removal waits for the gateways to drain, in milliseconds.
    pub drain_ms: i64,
    /// How long a site must be out before its replicas are placed elsewhere, in milliseconds.
    pub site_out_ms: i64,
    /// How long a site must be back before replicas return, in milliseconds.
    pub site_back_ms: i64,
    /// How long a cloud may be silent before its sites count as out, in milliseconds.
    pub cloud_silent_ms: i64,
    /// Requests that a replica serves at once, as the clouds start them: each has a cache of keys and values of its own.
    pub slots: u32,
    /// How often each reconciler looks when nothing wakes it, in milliseconds.
    pub tick_ms: u64,
    /// Most connections to the REST API at once; beyond, those that have been idle longest make room for new ones.
    pub connections_max: usize,
    /// Further names by which clients call the REST API, beside loopback's own when it listens there.
    pub hosts: Vec<String>,
}

impl ControlConfig {
    /// The defaults, with the caller's token and name.
    #[must_use]
    pub fn new(admin_token: impl Into<String>, holder: impl Into<String>) -> Self {
        Self {
            admin_token: admin_token.into(),
            keep_admin_token: None,
            holder: holder.into(),
            drain_ms: 30_000,
            site_out_ms: 2_000,
            site_back_ms: 3_000,
            cloud_silent_ms: 10_000,
            slots: 4,
            tick_ms: 1_000,
            connections_max: 1_024,
            hosts: Vec::new(),
        }
    }
}

impl fmt::Debug for ControlConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The token stays out of logs.
        f.debug_struct("ControlConfig").field("holder", &self.holder).finish_non_exhaustive()
    }
}
