//! Between projects: replicas are told by whom a prompt may be reused, and a caller cannot say so itself.

use std::collections::BTreeSet;

use crate::bench::{Bench, CHAT, KEY, config, grant, post, routes, snapshot};
use crate::upstream::Upstream;

const OTHER_KEY: &str = "sk-test-key-of-another-project";
const MATE_KEY: &str = "sk-test-key-of-the-same-project";

fn salt_of(request: &str) -> Option<&str> {
    let mut salts = request.lines().filter_map(|line| line.strip_prefix("x-mcp-cache-salt: "));
    let salt = salts.next();
    assert_eq!(salts.next(), None, "one at most");
    salt
}

#[tokio::test]
async fn each_project_has_a_salt_and_where_an_environment_shares_none_has() {
    for is_shared in [false, true] {
        let upstream = Upstream::start().await;
        let mut snapshot = snapshot(1, routes(&[&upstream]));
        snapshot.models.values_mut().for_each(|route| route.shared_prefix_cache = is_shared);
        let keys =
            [(OTHER_KEY, "key-other", None), (MATE_KEY, "key-mate", Some("search")), (KEY, "key-all", Some("search"))];
        for (secret, id, project) in keys {
            let project = project.map(|name| name.parse().expect("a name"));
            snapshot.keys.insert(access::api_key::hash(secret), domain::KeyGrant { project, ..grant(id) });
        }
        let bench = Bench::with_snapshot(&snapshot, config()).await;
        for (secret, ..) in keys {
            let mut request = post("/v1/chat/completions", secret, CHAT);
            request.headers_mut().insert("x-mcp-cache-salt", "guessed".parse().expect("a value"));
            assert_eq!(bench.send(request).await.status, 200);
        }
        let requests = upstream.seen().requests;
        let salts: Vec<Option<&str>> = requests.iter().map(|request| salt_of(request)).collect();
        if is_shared {
            assert_eq!(salts, [None, None, None]);
            continue;
        }
        assert_eq!(salts[1], salts[2], "one project");
        assert_eq!(salts.iter().collect::<BTreeSet<_>>().len(), 2);
        let said = |text: &str| requests.iter().any(|request| request.contains(text));
        assert!(salts[0].is_some_and(|salt| salt.len() == 32) && !said("guessed") && !said("key-other"));
    }
}
