//! Clients at the edge: what they encode, whom they call, what pages may read, and what nobody may learn.

use bytes::Bytes;
use domain::{ModelRoute, Timestamp};
use http::{Method, Request};
use http_body_util::Full;

use crate::bench::{Answer, Bench, CHAT, KEY, config, grant, post, snapshot};
use crate::upstream::{Act, Upstream};

/// The gzip of [`CHAT`].
const CHAT_GZIP: [u8; 76] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0xca, 0xcd, 0x4f, 0x49, 0xcd, 0x51, 0xb2,
    0x52, 0x4a, 0x49, 0xcd, 0xcd, 0x57, 0xd2, 0x51, 0xca, 0x4d, 0x2d, 0x2e, 0x4e, 0x4c, 0x4f, 0x2d, 0x56, 0xb2, 0x8a,
    0xae, 0x56, 0x2a, 0xca, 0xcf, 0x49, 0x05, 0x4a, 0x95, 0x16, 0xa7, 0x16, 0x01, 0xa5, 0x92, 0xf3, 0xf3, 0x4a, 0x52,
    0xf3, 0x4a, 0x80, 0x02, 0x19, 0x99, 0x4a, 0xb5, 0xb1, 0xb5, 0x00, 0xbf, 0x2a, 0x83, 0x87, 0x3c, 0x00, 0x00, 0x00,
];
const PATH: &str = "/v1/chat/completions";

fn with(mut request: Request<Full<Bytes>>, headers: &[(&'static str, &'static str)]) -> Request<Full<Bytes>> {
    for (name, _) in headers {
        request.headers_mut().remove(*name);
    }
    for (name, value) in headers {
        request.headers_mut().append(*name, http::HeaderValue::from_static(value));
    }
    request
}

fn request(method: Method, path: &str) -> Request<Full<Bytes>> {
    let mut request = post(path, KEY, "");
    *request.method_mut() = method;
    request
}

#[tokio::test]
async fn an_encoded_body_is_decoded_for_the_replica() {
    let upstream = Upstream::start().await;
    let bench = Bench::over(&[&upstream], config()).await;
    let encoded = |coding| {
        let mut request = with(post(PATH, KEY, ""), &[("content-encoding", coding)]);
        *request.body_mut() = Full::new(Bytes::from_static(&CHAT_GZIP));
        request
    };
    assert_eq!(bench.send(encoded("gzip")).await.status, 200);
    let seen = upstream.seen().requests[0].clone();
    assert!(seen.contains(r#""content":"hi""#) && !seen.contains("content-encoding"), "{seen}");
    let answer = bench.send(encoded("compress")).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (415, "unsupported_encoding"));
    assert!(answer.header("accept-encoding").contains("gzip"));
    let answer = bench.send(encoded("zstd")).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "invalid_encoding"));
}

#[tokio::test]
async fn a_decoded_body_is_held_to_the_limit_of_bodies() {
    let upstream = Upstream::start().await;
    let mut config = config();
    config.body_bytes_max = 40;
    let bench = Bench::over(&[&upstream], config).await;
    let mut request = with(post(PATH, KEY, ""), &[("content-encoding", "gzip")]);
    *request.body_mut() = Full::new(Bytes::from_static(&CHAT_GZIP));
    assert_eq!(bench.send(request).await.status, 413);
}

#[tokio::test]
async fn the_content_type_does_not_matter_and_bad_json_is_400() {
    let upstream = Upstream::start().await;
    let bench = Bench::over(&[&upstream], config()).await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-8"] {
        let typed = |body: &str| with(post(PATH, KEY, body), &[("content-type", content_type)]);
        assert_eq!(bench.send(typed(CHAT)).await.status, 200, "{content_type}");
        let answer = bench.send(typed("{")).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "invalid_json"), "{content_type}");
    }
    assert!(upstream.seen().requests.iter().all(|seen| seen.contains("content-type: application/json\r\n")));
}

#[tokio::test]
async fn head_is_answered_where_get_is() {
    let bench = Bench::over(&[], config()).await;
    for path in ["/v1/models", "/v1/models/demo", "/health"] {
        let (got, head) = (bench.get(path).await, bench.send(request(Method::HEAD, path)).await);
        assert_eq!((got.status, head.status), (http::StatusCode::OK, http::StatusCode::OK), "{path}");
        assert_eq!(head.body, "");
        assert_eq!(head.header("content-length"), got.body.len().to_string(), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_told_how_to_authenticate() {
    let bench = Bench::over(&[], config()).await;
    for request in [post(PATH, "sk-wrong", CHAT), with(request(Method::GET, "/v1/models"), &[("authorization", "x")])] {
        let answer = bench.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, "Bearer realm=\"mcp\""));
    }
}

#[tokio::test]
async fn a_key_may_come_in_the_headers_of_other_apis() {
    let upstream = Upstream::start().await;
    let bench = Bench::over(&[&upstream], config()).await;
    for name in ["x-api-key", "api-key"] {
        let keyed = |key: &'static str| {
            let mut request = with(post(PATH, KEY, CHAT), &[(name, key)]);
            request.headers_mut().remove("authorization");
            request
        };
        assert_eq!(bench.send(keyed(KEY)).await.status, 200, "{name}");
        assert_eq!(bench.send(keyed("sk-wrong")).await.status, 401, "{name}");
    }
    assert!(!upstream.seen().requests.iter().any(|seen| seen.contains("api-key")), "no replica gets the key");
}

#[tokio::test]
async fn a_slash_too_many_or_a_wrong_base_is_answered() {
    let upstream = Upstream::start().await;
    let bench = Bench::over(&[&upstream], config()).await;
    for path in ["//v1/chat/completions", "/v1/chat/completions/"] {
        assert_eq!(bench.send(post(path, KEY, CHAT)).await.status, 200, "{path}");
    }
    let answer = bench.send(post("/v1/v1/chat/completions", KEY, CHAT)).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "unknown_url"));
    assert!(answer.body.contains("must end in /v1, once"), "{}", answer.body);
}

#[tokio::test]
async fn only_its_own_names_are_answered_on_loopback() {
    let mut config = config();
    config.hosts = vec!["mcp.example".to_owned()];
    let bench = Bench::with_page(&snapshot(1, vec![]), config, std::sync::Arc::new(|| "a 1\n".to_owned())).await;
    for (path, host, status) in [
        ("/v1/models", "localhost:8000", 200),
        ("/v1/models", "mcp.example", 200),
        ("/v1/models", "evil.example", 403),
        ("/metrics", "localhost", 200),
        ("/metrics", "evil.example", 403),
        // Behind a proxy on this machine everybody would be local.
        ("/metrics", "mcp.example", 404),
    ] {
        let answer = bench.send(with(request(Method::GET, path), &[("host", host)])).await;
        assert_eq!(answer.status, status, "{path} {host}");
    }
    let forwarded = with(request(Method::GET, "/metrics"), &[("x-forwarded-for", "10.0.0.1")]);
    assert_eq!(bench.send(forwarded).await.status, 404);
}

#[tokio::test]
async fn pages_of_named_origins_may_read_answers() {
    let upstream = Upstream::start().await;
    let mut config = config();
    config.cors_origins = vec!["https://console.example".to_owned()];
    let (open, closed) =
        (Bench::over(&[&upstream], config).await, Bench::over(&[&upstream], crate::bench::config()).await);
    let page = ("origin", "https://console.example");
    let preflight = || {
        let asked = [
            page,
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization,content-type"),
        ];
        let mut request = with(request(Method::OPTIONS, PATH), &asked);
        request.headers_mut().remove("authorization");
        request
    };
    let answer = open.send(preflight()).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""));
    assert_eq!(answer.header("access-control-allow-origin"), "https://console.example");
    assert_eq!(answer.header("access-control-allow-headers"), "authorization,content-type");
    assert!(answer.header("access-control-allow-methods").contains("POST"));
    assert!(answer.header("vary").contains("origin"));

    let answer = open.send(with(post(PATH, KEY, CHAT), &[page])).await;
    assert_eq!(answer.header("access-control-allow-origin"), "https://console.example");
    assert!(answer.header("access-control-expose-headers").contains("x-request-id"));
    assert_eq!(answer.header("vary"), "origin");
    // A page must be able to read why it was refused.
    let refused = open.send(with(post(PATH, "sk-wrong", CHAT), &[page])).await;
    assert_eq!(refused.header("access-control-allow-origin"), "https://console.example");

    for answer in [
        closed.send(preflight()).await,
        closed.send(with(post(PATH, KEY, CHAT), &[page])).await,
        open.send(with(post(PATH, KEY, CHAT), &[("origin", "https://evil.example")])).await,
    ] {
        assert_eq!(answer.header("access-control-allow-origin"), "", "{answer:?}");
    }
}

#[tokio::test]
async fn a_replica_sets_no_cookies_and_opens_no_doors() {
    let upstream = Upstream::start().await;
    upstream.always(Act::Status(
        200,
        "set-cookie: a=b\r\naccess-control-allow-origin: *\r\nx-mcp-anything: 1\r\nconnection: x-hop\r\nx-hop: 1\r\nx-detail: 1\r\n",
    ));
    let bench = Bench::over(&[&upstream], config()).await;
    let answer = bench.chat(CHAT).await;
    for name in ["set-cookie", "access-control-allow-origin", "x-mcp-anything", "x-hop"] {
        assert_eq!(answer.header(name), "", "{name}");
    }
    assert_eq!((answer.header("x-detail"), answer.header("x-mcp-replica")), ("1", "r0"));
}

#[tokio::test]
async fn what_is_not_implemented_is_passed_on_and_asked_of_nobody_else() {
    let (one, other) = (Upstream::start().await, Upstream::start().await);
    one.always(Act::Status(501, ""));
    other.always(Act::Status(501, ""));
    let bench = Bench::over(&[&one, &other], config()).await;
    assert_eq!(bench.chat(CHAT).await.status, 501);
    assert_eq!(one.seen().requests.len() + other.seen().requests.len(), 1);
}

#[tokio::test]
async fn a_model_that_one_may_not_call_looks_like_one_that_does_not_exist() {
    let mut snapshot = snapshot(1, vec![]);
    let demo = snapshot.models["demo"].clone();
    snapshot.models.insert("hidden".to_owned(), ModelRoute { model: "hidden:1".parse().expect("a model"), ..demo });
    let mut narrow = grant("key-narrow");
    narrow.models = vec!["demo".to_owned()];
    snapshot.keys.insert(access::api_key::hash("sk-narrow"), narrow);
    let mut expired = grant("key-expired");
    expired.expires_at = Some(Timestamp(1));
    snapshot.keys.insert(access::api_key::hash("sk-expired"), expired);
    let bench = Bench::with_snapshot(&snapshot, config()).await;

    let told = |answer: Answer, name: &str| {
        let headers = answer.headers.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
        (answer.status, headers, answer.body.replace(name, "NAME"))
    };
    for name in ["hidden", "absent"] {
        let asked = bench.send(post(PATH, "sk-narrow", &CHAT.replace("demo", name))).await;
        assert_eq!((asked.status.as_u16(), asked.code().as_str()), (404, "model_not_found"));
    }
    let asked = async |name: &str| {
        let chat = bench.send(post(PATH, "sk-narrow", &CHAT.replace("demo", name))).await;
        let mut get = request(Method::GET, &format!("/v1/models/{name}"));
        get.headers_mut().insert("authorization", http::HeaderValue::from_static("Bearer sk-narrow"));
        (told(chat, name), told(bench.send(get).await, name))
    };
    assert_eq!(asked("hidden").await, asked("absent").await);

    // Without a valid key, nothing is told of models at all.
    for key in ["sk-wrong", "sk-expired"] {
        for name in ["hidden", "demo", "absent"] {
            assert_eq!(bench.send(post(PATH, key, &CHAT.replace("demo", name))).await.status, 401, "{key} {name}");
        }
        let mut health = request(Method::GET, "/health");
        health.headers_mut().insert("authorization", format!("Bearer {key}").parse().expect("a value"));
        let answer = bench.send(health).await;
        let json = answer.json();
        let fields = json.as_object().expect("an object");
        assert_eq!((fields.len(), &fields["status"]), (2, &serde_json::json!("ok")), "{key}");
        assert!(fields["snapshot_age_seconds"].is_number(), "{key}");
    }
    assert_eq!(bench.get("/health").await.json()["models"], 3);
}
