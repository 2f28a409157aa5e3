//! What every part of the control plane works with: the store, the clouds, the clock, and chance.

use std::sync::{Arc, Mutex, PoisonError};

use domain::Clock;
use rand::rngs::StdRng;
use state::SharedStore;

use crate::clouds::survey::Survey;
use crate::config::ControlConfig;
use crate::model_services::ModelServices;

/// Shared by the API and the reconcilers.
pub(crate) struct World {
    pub store: SharedStore,
    pub survey: Survey,
    pub clock: Arc<dyn Clock>,
    pub config: ControlConfig,
    pub model_services: ModelServices,
    rng: Mutex<StdRng>,
}

impl World {
    pub(crate) fn new(
        config: ControlConfig,
        store: SharedStore,
        survey: Survey,
        clock: Arc<dyn Clock>,
        rng: StdRng,
        model_services: ModelServices,
    ) -> Self {
        Self { store, survey, clock, config, model_services, rng: Mutex::new(rng) }
    }

    /// Lends the generator to `draw`.
    pub(crate) fn chance<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        // A panic while drawing leaves a generator that is as good as before.
        draw(&mut self.rng.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A new unique id: 128 random bits in hexadecimal digits.
    pub(crate) fn unique_id(&self) -> String {
        format!("{:032x}", self.chance(rand::Rng::random::<u128>))
    }
}
