//! What one replica of a deployment asks for: the larger of what its environment gives and what its model takes.

use domain::{Environment, Model, Resources};
use planning::gpu::ServingMemory;

use crate::config::ControlConfig;

/// What a replica of `model` takes to serve in `environment`. Nothing where it is served by accelerators: no cloud says
/// how much memory those have, so that nothing can be said of it.
pub(crate) fn memory(config: &ControlConfig, model: &Model, environment: &Environment) -> Option<ServingMemory> {
    let on_processors = environment.resources.gpu == 0;
    let taken =
        || ServingMemory::new(model.size_bytes, model.cache_bytes_per_token, model.context_tokens, config.slots);
    on_processors.then(taken)
}

/// What clouds are asked for: an instance that holds both the environment's wish and the model.
pub(crate) fn resources(environment: &Environment, memory: Option<&ServingMemory>) -> Resources {
    let least = memory.map_or(0, ServingMemory::total_bytes);
    let given = environment.resources;
    Resources { memory_bytes: given.memory_bytes.max(least), ..given }
}
