//! The control plane: what is registered and wanted, the reconcilers that make it so, and the REST API in front.
//!
//! It reaches clouds only through [`clouds::CloudPort`] and gateways only through the state: it writes the routing
//! snapshot, and they write what they have taken over.

pub mod api;
pub mod clouds;
pub mod config;
pub mod events;
mod model_services;
mod need;
mod plan;
pub mod reconcilers;
pub mod registry;
mod world;

use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, Problem};
use rand::rngs::StdRng;
use state::SharedStore;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::clouds::outage::Patience;
use self::clouds::survey::Survey;
pub use self::clouds::{CloudPort, WriteError};
pub use self::config::ControlConfig;
use self::model_services::ModelServices;
use self::reconcilers::leadership::Leadership;
use self::reconcilers::{Reconciler, deployments::Deployments, keep, replicas::Replicas, run_once, snapshot::Snapshot};
use self::world::World;

/// How long requests may still run after shutdown was asked for.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

/// The control plane over one store and some clouds.
#[derive(Clone)]
pub struct Control {
    world: Arc<World>,
}

impl Control {
    /// A control plane. Nothing runs until [`Self::serve`] and [`Self::run_reconcilers`]. Fails when the configuration
    /// cannot work.
    pub fn new(
        config: ControlConfig,
        store: SharedStore,
        clouds: Vec<Arc<dyn CloudPort>>,
        clock: Arc<dyn Clock>,
        rng: StdRng,
    ) -> Result<Self, Problem> {
        if config.admin_token.len() < 16 {
            return Err(Problem::invalid("the admin token has fewer than 16 characters").at("admin_token"));
        }
        if config.holder.is_empty() {
            return Err(Problem::invalid("the holder's name is empty").at("holder"));
        }
        let patience = Patience { out_ms: config.site_out_ms, back_ms: config.site_back_ms };
        let survey = Survey::new(clouds, clock.clone(), patience, config.cloud_silent_ms);
        let world = World::new(config, store, survey, clock, rng, ModelServices::default());
        Ok(Self { world: Arc::new(world) })
    }

    /// The router of the REST API, for tests and for whoever serves it otherwise.
    pub fn router(&self) -> axum::Router {
        api::router(self.world.clone())
    }

    /// Serves the REST API until `shutdown`, and then until what runs has ended, for a few seconds at most.
    pub async fn serve(&self, listener: TcpListener, shutdown: CancellationToken) -> std::io::Result<()> {
        let asked = shutdown.clone().cancelled_owned();
        let serving = axum::serve(listener, self.router()).with_graceful_shutdown(asked);
        let overdue = async {
            shutdown.cancelled().await;
            tokio::time::sleep(SHUTDOWN_GRACE).await;
        };
        tokio::select! {
            served = serving => served,
            () = overdue => Ok(()),
        }
    }

    /// Runs every reconciler once, one after the other, as far as this process leads them. What they remember between
    /// runs is in the store, so this is also what a process does that was killed and started again.
    pub async fn reconcile_once(&self) {
        async fn once<R: Reconciler>(mut reconciler: R, world: &World) {
            let mut leadership = Leadership::new(R::NAME, &world.config.holder);
            run_once(&mut reconciler, &mut leadership, world).await;
        }
        once(Deployments::default(), &self.world).await;
        once(Replicas, &self.world).await;
        once(Snapshot, &self.world).await;
    }

    /// Runs the reconcilers until `shutdown`.
    pub async fn run_reconcilers(&self, shutdown: CancellationToken) {
        let world = &*self.world;
        futures_util::join!(
            keep(Deployments::default(), world, &shutdown),
            keep(Replicas, world, &shutdown),
            keep(Snapshot, world, &shutdown),
        );
    }
}
