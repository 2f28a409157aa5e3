//! Pools and instances as the tools show them.

use super::plan::backoff_ms;
use super::pool::{Pool, Slot};
use super::watch::{Said, View};
use super::{LocalCloud, State};
use crate::contract::tools::{Instance, InstanceStatus, Nodepool};

/// After so many failures in a row an instance is called lost while it waits to be started again.
const FAILURES_MAX: u32 = 2;

impl LocalCloud {
    /// The pool with its instances as they are now.
    pub(super) fn describe(&self, state: &State, pool: &Pool) -> Nodepool {
        let site_out = state.outages.contains_key(&pool.region);
        let instance = |slot: &Slot| {
            let view = self.world.view(&slot.instance).filter(|view| !view.ended);
            let (status, reason) = status(slot, view.as_ref(), site_out);
            Instance {
                id: slot.instance.clone(),
                status,
                url: view.and_then(|view| view.url),
                market: pool.market,
                price_per_hour: pool.price_per_hour,
                started_at: slot.since,
                restarts: slot.restarts,
                reason,
            }
        };
        Nodepool {
            region: pool.region.clone(),
            nodepool: pool.nodepool.clone(),
            size: pool.size,
            model: pool.model.clone(),
            market: pool.market,
            labels: pool.labels.clone().into(),
            instances: pool.slots.iter().map(instance).collect(),
        }
    }
}

fn status(slot: &Slot, view: Option<&View>, site_out: bool) -> (InstanceStatus, Option<String>) {
    let because = |text: &str| Some(text.to_owned());
    match (&slot.leaving, view) {
        (_, _) if site_out => (InstanceStatus::Lost, because("its site is out of order")),
        (Some(leaving), _) => (InstanceStatus::Draining, Some(leaving.reason.clone())),
        (None, Some(View { answers: false, was_ready: true, .. })) => {
            (InstanceStatus::Lost, because("it does not answer"))
        }
        (None, Some(View { said: Some(Said::Stalled), was_ready: true, .. })) => {
            (InstanceStatus::Lost, because("it makes no progress"))
        }
        (None, Some(View { said: Some(Said::Ok), .. })) => (InstanceStatus::Ready, None),
        // It was told to end by somebody else, and takes no more requests.
        (None, Some(View { was_ready: true, .. })) => (InstanceStatus::Draining, because("it is draining")),
        (None, None) if slot.failures >= FAILURES_MAX => (InstanceStatus::Lost, after_failures(slot)),
        (None, _) => (InstanceStatus::Starting, slot.last_end.clone()),
    }
}

fn after_failures(slot: &Slot) -> Option<String> {
    let last = slot.last_end.as_deref().unwrap_or("it ended");
    let wait_ms = backoff_ms(slot.failures);
    Some(format!("{} instances failed in a row; the next one is started after {wait_ms} ms: {last}", slot.failures))
}

#[cfg(test)]
mod tests {
    use domain::Timestamp;

    use super::*;
    use crate::local::pool::Leaving;

    #[test]
    fn every_state_has_a_name_and_bad_ones_a_reason() {
        let slot = Slot::new("i-1".to_owned(), Timestamp(0));
        let leaving = Leaving { reason: "smaller".to_owned(), grace_ms: 1, replace: false };
        let leaves = Slot { leaving: Some(leaving), ..slot.clone() };
        let failing = Slot { failures: 2, last_end: Some("exit status: 1".to_owned()), ..slot.clone() };
        let ready = View { url: None, said: Some(Said::Ok), was_ready: true, answers: true, ended: false };
        let loading = View { said: Some(Said::Busy), was_ready: false, ..ready.clone() };
        let drains = View { said: Some(Said::Busy), ..ready.clone() };
        let stalled = View { said: Some(Said::Stalled), ..ready.clone() };
        let mute = View { answers: false, ..ready.clone() };
        for (slot, view, site_out, wanted, has_reason) in [
            (&slot, None, false, InstanceStatus::Starting, false),
            (&slot, Some(&loading), false, InstanceStatus::Starting, false),
            (&slot, Some(&ready), false, InstanceStatus::Ready, false),
            (&slot, Some(&drains), false, InstanceStatus::Draining, true),
            (&slot, Some(&stalled), false, InstanceStatus::Lost, true),
            (&slot, Some(&mute), false, InstanceStatus::Lost, true),
            (&slot, Some(&ready), true, InstanceStatus::Lost, true),
            (&leaves, Some(&ready), false, InstanceStatus::Draining, true),
            (&failing, None, false, InstanceStatus::Lost, true),
        ] {
            let (status, reason) = status(slot, view, site_out);
            assert_eq!((status, reason.is_some()), (wanted, has_reason), "{slot:?} {view:?} {site_out}");
        }
    }
}
