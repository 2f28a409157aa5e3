//! The control plane: what is registered and wanted, the reconcilers that make it so, and the REST API in front.
//!
//! It reaches clouds only through [`clouds::CloudPort`] and gateways only through the state: it writes the routing
//! snapshot, and they write what they have taken over.

pub mod api;
pub mod clouds;
pub mod config;
pub mod events;
mod first_seen;
mod model_services;
mod need;
mod plan;
pub mod reconcilers;
pub mod registry;
mod vitals;
mod world;

use std::sync::Arc;
use std::time::Duration;

use domain::{Clock, Problem};
use listener::{Settings, Tower};
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
use self::reconcilers::{
    Reconciler, autoscale::Autoscale, deployments::Deployments, keep, replicas::Replicas, run_once, snapshot::Snapshot,
};
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
        let config = &self.world.config;
        let settings =
            Settings { connections_max: config.connections_max, drain: SHUTDOWN_GRACE, ..Settings::new("control") };
        let settings = settings.called(&listener, &config.hosts)?;
        listener::serve(listener, settings, Tower(self.router()), shutdown).await;
        Ok(())
    }

    /// Runs every reconciler once, one after the other, as far as this process leads them. What they must remember between
    /// runs is in the store, so this is also what a process does that was killed and started again.
    pub async fn reconcile_once(&self) {
        self.reconcilers().run_once().await;
    }

    /// The reconcilers, to be run by hand: they remember between two runs what a running process does.
    pub fn reconcilers(&self) -> Reconcilers {
        let world = self.world.clone();
        Reconcilers { world, autoscale: Autoscale::default(), deployments: Deployments::default() }
    }

    /// Runs the reconcilers until `shutdown`.
    pub async fn run_reconcilers(&self, shutdown: CancellationToken) {
        let world = &*self.world;
        futures_util::join!(
            keep(Autoscale::default(), world, &shutdown),
            keep(Deployments::default(), world, &shutdown),
            keep(Replicas, world, &shutdown),
            keep(Snapshot, world, &shutdown),
        );
    }
}

/// Every reconciler, in the hands of whoever says when each runs.
pub struct Reconcilers {
    world: Arc<World>,
    autoscale: Autoscale,
    deployments: Deployments,
}

impl Reconcilers {
    /// Runs each once, one after the other, as far as this process leads them.
    pub async fn run_once(&mut self) {
        async fn once<R: Reconciler>(reconciler: &mut R, world: &World) {
            let mut leadership = Leadership::new(R::NAME, &world.config.holder);
            run_once(reconciler, &mut leadership, world).await;
        }
        once(&mut self.autoscale, &self.world).await;
        once(&mut self.deployments, &self.world).await;
        once(&mut Replicas, &self.world).await;
        once(&mut Snapshot, &self.world).await;
    }
}
