//! The same token never makes a second thing, and a lost connection never loses a write.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use cloud::client::{CallError, CloudClient};
use cloud::contract::OperationState;
use cloud::contract::operations::{GetOperation, GetOperationArgs};
use cloud::contract::tools::{DeployModel, DeployModelArgs, Nodepool};
use cloud::server::audit::{Entry, JOURNAL};
use cloud::server::{Answer, CallContext, Cloud, CloudServer, Reply, ServerAccess};
use domain::{Kind, Problem, SystemClock};
use state::SharedStore;
use state::memory::MemoryStore;
use tokio::sync::Semaphore;

use crate::world::{Folder, client, deploy_args, signer};

/// A cloud whose writes wait until they are let go, and are counted.
struct Slow {
    begun: Semaphore,
    go: Semaphore,
    made: AtomicUsize,
}

#[async_trait]
impl Cloud for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    async fn deploy_model(&self, _: &CallContext, args: DeployModelArgs) -> Answer<Nodepool> {
        self.begun.add_permits(1);
        self.go.acquire().await.expect("open").forget();
        if args.region == "full" {
            return Err(Problem::new(Kind::NoCapacity, "no room"));
        }
        self.made.fetch_add(1, Ordering::SeqCst);
        Ok(Reply::done(Nodepool {
            region: args.region,
            nodepool: args.nodepool,
            size: args.replicas,
            model: args.model,
            market: args.market,
            labels: args.write.labels,
            instances: Vec::new(),
        }))
    }
}

struct Bench {
    cloud: Arc<Slow>,
    store: SharedStore,
    client: Arc<CloudClient>,
    url: String,
    folder: Folder,
}

impl Bench {
    async fn start() -> Self {
        Self::over(Arc::new(MemoryStore::new())).await
    }

    async fn over(store: SharedStore) -> Self {
        let (begun, go) = (Semaphore::new(0), Semaphore::new(0));
        let cloud = Arc::new(Slow { begun, go, made: AtomicUsize::new(0) });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/slow/mcp", listener.local_addr().expect("bound"));
        let access = ServerAccess::new(signer().verifier(), &url);
        let server = CloudServer::new(cloud.clone(), store.clone(), Arc::new(SystemClock), access).expect("a server");
        let (settings, router) = (listener::Settings::new("test"), listener::Tower(server.router()));
        telemetry::tasks::spawn(
            "test_server",
            listener::serve(listener, settings, router, tokio_util::sync::CancellationToken::new()),
        );
        let client = Arc::new(client(&url, &signer(), "control", "operator"));
        Self { cloud, store, client, url, folder: Folder::new() }
    }

    fn args(&self, region: &str, replicas: u32) -> DeployModelArgs {
        deploy_args(self.folder.path(), "a model", region, replicas, "token")
    }

    fn made(&self) -> usize {
        self.cloud.made.load(Ordering::SeqCst)
    }

    async fn audit(&self) -> Vec<Entry> {
        let entries = self.store.read_journal(JOURNAL, 0, 100).await.expect("a journal");
        entries.iter().map(|entry| serde_json::from_str(&entry.body).expect("an entry")).collect()
    }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, CallError>) -> Problem {
    match result {
        Err(CallError::Refused { problem, .. }) => *problem,
        other => panic!("it was to be refused: {other:?}"),
    }
}

#[tokio::test]
async fn calls_with_one_token_are_one_write() {
    let bench = Bench::start().await;
    let args = bench.args("here", 2);
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let (client, args) = (bench.client.clone(), args.clone());
            telemetry::tasks::spawn("test_call", async move { client.call::<DeployModel>(&args).await })
        })
        .collect();
    bench.cloud.begun.acquire().await.expect("begun").forget();
    // While it runs, the same token for something else is a mistake.
    assert_eq!(refusal(bench.client.call::<DeployModel>(&bench.args("here", 3)).await).kind, Kind::Conflict);
    bench.cloud.go.add_permits(10);
    let mut replayed = 0;
    let mut ids = std::collections::BTreeSet::new();
    for call in calls {
        let envelope = call.await.expect("ran").expect("no panic").expect("it succeeds");
        let operation = envelope.operation.expect("an operation");
        ids.insert(operation.id);
        replayed += usize::from(operation.replayed);
    }
    assert_eq!((bench.made(), ids.len(), replayed), (1, 1, 9));
    // Afterwards too, with the arguments written in another order and for another reason.
    let mut again = args.clone();
    again.write.reason = Some("again".to_owned());
    let envelope = bench.client.call::<DeployModel>(&again).await.expect("the same");
    assert!(envelope.operation.expect("an operation").replayed);
    assert_eq!(refusal(bench.client.call::<DeployModel>(&bench.args("here", 3)).await).kind, Kind::Conflict);
    assert_eq!(bench.made(), 1);
    // Another caller's token of the same text is another operation.
    let other = client(&bench.url, &signer(), "somebody", "operator");
    let envelope = other.call::<DeployModel>(&args).await.expect("their own");
    assert!(!envelope.operation.expect("an operation").replayed);
    assert_eq!(bench.made(), 2);
    let entries = bench.audit().await;
    assert_eq!(entries.len(), 14, "every write that was asked for is in the journal");
    assert_eq!(entries.iter().filter(|entry| entry.code.is_some()).count(), 2);
    assert!(entries.iter().any(|entry| entry.reason.as_deref() == Some("again") && entry.replayed));
}

#[tokio::test]
async fn a_closed_connection_does_not_cancel_a_write() {
    let bench = Bench::start().await;
    let args = bench.args("here", 2);
    let (client, ask) = (bench.client.clone(), args.clone());
    let call = telemetry::tasks::spawn("test_call", async move { client.call::<DeployModel>(&ask).await });
    bench.cloud.begun.acquire().await.expect("begun").forget();
    call.abort();
    assert!(call.await.is_err(), "its connection is gone");
    assert_eq!(bench.made(), 0);
    bench.cloud.go.add_permits(1);
    let envelope = bench.client.call::<DeployModel>(&args).await.expect("the outcome of the first");
    let operation = envelope.operation.expect("an operation");
    assert!(operation.replayed);
    assert_eq!(bench.made(), 1);
    let ask = GetOperationArgs { operation_id: operation.id };
    let report = bench.client.call::<GetOperation>(&ask).await.expect("a report").resource.expect("it");
    assert_eq!(report.operation.state, OperationState::Succeeded);
    assert_eq!(report.result.expect("a result")["size"], 2);
    let other = client_of(&bench, "somebody");
    assert_eq!(refusal(other.call::<GetOperation>(&ask).await).kind, Kind::NotFound, "it is not theirs");
}

fn client_of(bench: &Bench, subject: &str) -> CloudClient {
    client(&bench.url, &signer(), subject, "operator")
}

#[tokio::test]
async fn a_failed_write_may_be_tried_again_and_says_so_meanwhile() {
    let bench = Bench::start().await;
    bench.cloud.go.add_permits(2);
    let args = bench.args("full", 1);
    for _ in 0..2 {
        let Err(CallError::Refused { problem, operation }) = bench.client.call::<DeployModel>(&args).await else {
            panic!("there is no room")
        };
        assert_eq!(problem.kind, Kind::NoCapacity);
        let ask = GetOperationArgs { operation_id: operation.expect("an operation").id };
        let report = bench.client.call::<GetOperation>(&ask).await.expect("a report").resource.expect("it");
        assert_eq!(report.operation.state, OperationState::Failed);
        assert_eq!(report.problem.map(|problem| problem.kind), Some(Kind::NoCapacity));
    }
    // Nothing was made, so the hint "use another region" can be followed with the same token.
    bench.cloud.go.add_permits(2);
    assert_eq!(refusal(bench.client.call::<DeployModel>(&bench.args("full", 2)).await).kind, Kind::NoCapacity);
    assert!(bench.client.call::<DeployModel>(&bench.args("here", 2)).await.is_ok());
    assert_eq!(refusal(bench.client.call::<DeployModel>(&bench.args("there", 2)).await).kind, Kind::Conflict, "made");
    assert_eq!(bench.made(), 1);
    let audit = bench.audit().await;
    let reads = audit.iter().filter(|entry| entry.tool == "get_operation").count();
    assert_eq!((audit.len(), reads), (6, 1), "each write has an entry, and of like reads the first: {audit:?}");
    assert!(audit.iter().any(|entry| entry.tool == "get_operation" && entry.principal == "control"));
}

#[tokio::test]
async fn a_write_cut_short_by_a_crash_is_carried_out_again_under_the_same_operation() {
    let store: SharedStore = Arc::new(MemoryStore::new());
    let before = Bench::over(store.clone()).await;
    let args = before.args("here", 2);
    let (client, ask) = (before.client.clone(), args.clone());
    // The first server never answers, as one that was killed.
    let lost = telemetry::tasks::spawn("test_call", async move { client.call::<DeployModel>(&ask).await });
    before.cloud.begun.acquire().await.expect("begun").forget();
    let after = Bench::over(store.clone()).await;
    let running = state::Store::list(&*store, "cloud_operation", None, 10).await.expect("operations");
    let ask = GetOperationArgs { operation_id: running[0].name.clone() };
    let report = after.client.call::<GetOperation>(&ask).await.expect("a report").resource.expect("it");
    assert_eq!(report.operation.state, OperationState::Running);
    assert_eq!(report.problem.map(|problem| problem.kind), Some(Kind::Timeout), "its outcome is unknown");
    after.cloud.go.add_permits(1);
    let envelope = after.client.call::<DeployModel>(&args).await.expect("carried out");
    assert_eq!(envelope.operation.expect("an operation").id, ask.operation_id);
    lost.abort();
}
