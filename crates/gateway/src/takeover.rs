//! Puts a new snapshot into use: the table that requests see, a probe for each new replica, vocabularies read.

use std::sync::Arc;

use domain::RoutingSnapshot;
use telemetry::tasks;

use crate::probe;
use crate::shared::Shared;
use crate::table::Table;

/// Makes the table of `snapshot` the one in use.
pub(crate) fn take_over(shared: &Arc<Shared>, snapshot: &RoutingSnapshot) {
    let previous = shared.table.load_full();
    let before = previous.replicas();
    let table = Table::build(snapshot, &previous, &shared.config);
    for (id, replica) in table.replicas() {
        let is_known = before.get(&id).is_some_and(|known| Arc::ptr_eq(known, &replica));
        if !is_known {
            tasks::essential_until_done("gateway probe", probe::run(Arc::clone(shared), &replica));
        }
    }
    for model in table.models.values() {
        model.text.load_in_background();
    }
    tracing::info!(version = table.version, models = table.models.len(), "routing snapshot taken over");
    // A gauge is a floating-point number; versions are exact in it up to 2⁵³.
    #[allow(clippy::cast_precision_loss)]
    shared.meter.snapshot_version.set(table.version as f64);
    shared.table.store(Arc::new(table));
}
