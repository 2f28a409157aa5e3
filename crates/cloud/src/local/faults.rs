//! Faults on order, for drills: a whole site out and back.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use domain::{Kind, Problem};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use state::{Batch, Expect, objects};

use super::LocalCloud;
use super::pool::Outage;
use crate::server::{Principal, roles};

/// What is ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    /// The site.
    region: String,
    /// True kills all its instances, and lets none start until false.
    outage: bool,
}

pub(super) fn routes(cloud: Arc<LocalCloud>) -> Router {
    Router::new().route("/local/faults", post(order)).with_state(cloud)
}

async fn order(State(cloud): State<Arc<LocalCloud>>, Extension(caller): Extension<Principal>, body: Bytes) -> Response {
    match cloud.order(&caller, &body).await {
        Ok(fault) => Json(fault).into_response(),
        Err(problem) => {
            let status = StatusCode::from_u16(problem.kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, Json(json!({ "error": problem }))).into_response()
        }
    }
}

impl LocalCloud {
    async fn order(&self, caller: &Principal, body: &[u8]) -> Result<Fault, Problem> {
        if !caller.roles.iter().any(|role| role == roles::OPERATOR) {
            return Err(Problem::new(Kind::Forbidden, "faults are ordered by operators")
                .next(format!("use a token with the role {:?}", roles::OPERATOR)));
        }
        let fault: Fault = serde_json::from_slice(body).map_err(|e| {
            Problem::invalid(format!("the fault does not parse: {e}"))
                .next(r#"write it like {"region":"us-east","outage":true}"#)
        })?;
        self.set_outage(&fault.region, fault.outage, &caller.name).await?;
        Ok(fault)
    }

    /// Puts a site out of order, or back into it. When this returns, its instances have been sent SIGKILL.
    pub async fn set_outage(&self, region: &str, outage: bool, by: &str) -> Result<(), Problem> {
        self.site(region)?;
        {
            let mut state = self.state.lock().await;
            let ordered = Outage { region: region.to_owned(), since: self.clock.now(), by: by.to_owned() };
            let write = if outage {
                objects::put(&ordered, Expect::Any)?
            } else {
                objects::delete::<Outage>(region, Expect::Any)
            };
            self.store.commit(Batch::new().with(write)).await?;
            if outage {
                state.outages.insert(region.to_owned(), ordered);
            } else {
                state.outages.remove(region);
            }
        }
        tracing::warn!(region, outage, by, "site outage ordered");
        self.pass().await;
        Ok(())
    }
}
