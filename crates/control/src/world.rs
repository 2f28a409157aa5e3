//! What every part of the control plane works with: the store, the clouds, the clock, and chance.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use domain::{Clock, Monotonic, Timestamp};
use rand::rngs::StdRng;
use state::SharedStore;

use crate::clouds::survey::Survey;
use crate::config::ControlConfig;
use crate::first_seen::FirstSeen;
use crate::model_services::ModelServices;
use crate::vitals::{CheckedStore, Vitals};

/// Model files that are read at one time.
const INSPECTIONS_MAX: usize = 2;

/// Shared by the API and the reconcilers.
pub(crate) struct World {
    pub store: SharedStore,
    pub survey: Survey,
    pub clock: Arc<dyn Clock>,
    pub config: ControlConfig,
    pub model_services: ModelServices,
    /// When what others wrote was first seen here.
    pub seen: FirstSeen,
    /// When each part last did its work.
    pub vitals: Arc<Vitals>,
    /// Held while something is made that makes the routing snapshot grow, so that what was checked still holds when it
    /// is written.
    pub growing: tokio::sync::Mutex<()>,
    /// Turns to read a model file from end to end.
    pub inspections: Arc<tokio::sync::Semaphore>,
    admin_token: RwLock<String>,
    began: (Timestamp, Monotonic),
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
        let vitals = Arc::new(Vitals::new(clock.monotonic()));
        Self {
            store: Arc::new(CheckedStore::new(store, clock.clone(), vitals.clone())),
            survey,
            began: (clock.now(), clock.monotonic()),
            clock,
            admin_token: RwLock::new(config.admin_token.clone()),
            config,
            model_services,
            seen: FirstSeen::default(),
            vitals,
            growing: tokio::sync::Mutex::default(),
            inspections: Arc::new(tokio::sync::Semaphore::new(INSPECTIONS_MAX)),
            rng: Mutex::new(rng),
        }
    }

    /// The time on a clock that began with the wall clock and goes on by itself: for what counts seconds and knows the
    /// hours of the day, and must not be moved by a wall clock that is set.
    pub(crate) fn steady_now(&self) -> Timestamp {
        let (wall, began) = self.began;
        wall.plus_micros(self.clock.monotonic().micros_since(began))
    }

    /// The token that callers of the REST API show.
    pub(crate) fn admin_token(&self) -> String {
        self.admin_token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on this token is the right one.
    pub(crate) fn replace_admin_token(&self, token: String) {
        *self.admin_token.write().unwrap_or_else(PoisonError::into_inner) = token;
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
