//! One resumable download (RFC 9110 sections 13.1.5 and 14: `Range` with `If-Range`).

use std::fs::File;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::{Digest, Kind, Problem};
use futures_util::StreamExt as _;
use nix::sys::statvfs::statvfs;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE};
use reqwest::{Response, StatusCode, Url};

use super::bar;
use crate::secret_file::file_problem;

/// Attempts for one download; each resumes where the last one ended.
const ATTEMPTS: u32 = 5;
/// Milliseconds before the second attempt; twice as long before each further one.
const PAUSE_MS: u64 = 100;

/// Longest validator that is used, in bytes.
const TAG_MAX_BYTES: u64 = 4_096;

/// Where the validator of a partial download is kept.
pub fn tag_path(part: &Path) -> PathBuf {
    part.with_extension("part-tag")
}

/// Fetches `url` to `part`, resuming what is there if the source is still the same. Gives the digest that the source told.
pub async fn fetch(url: &Url, part: &Path, idle_timeout: Duration) -> Result<Option<Digest>, Problem> {
    let http = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(15))
        .read_timeout(idle_timeout)
        // A redirect must not lead where anybody on the way could change the file.
        .https_only(url.scheme() == "https")
        .build()
        .map_err(|e| Problem::internal(e.to_string()))?;
    let told = told_digest(&http, url).await;
    let mut last = Problem::internal("no attempt was made");
    for attempt_number in 0..ATTEMPTS {
        if attempt_number > 0 {
            tokio::time::sleep(Duration::from_millis(PAUSE_MS << attempt_number)).await;
        }
        match attempt(&http, url, part).await {
            Ok(()) => return Ok(told),
            Err(problem) if problem.kind.is_retryable() => last = problem,
            Err(problem) => return Err(problem),
        }
    }
    Err(last.next("run the same command again: it resumes where it ended"))
}

/// Model hubs tell the SHA-256 of a large file in `X-Linked-Etag` on the redirect to its storage.
async fn told_digest(http: &reqwest::Client, url: &Url) -> Option<Digest> {
    let plain = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().ok()?;
    let response = plain.head(url.clone()).timeout(Duration::from_secs(15)).send().await.ok()?;
    let told = digest_in(response.headers());
    if told.is_some() {
        return told;
    }
    let followed = http.head(url.clone()).timeout(Duration::from_secs(15)).send().await.ok()?;
    digest_in(followed.headers())
}

fn digest_in(headers: &HeaderMap) -> Option<Digest> {
    headers.get("x-linked-etag")?.to_str().ok()?.trim_matches('"').parse().ok()
}

async fn attempt(http: &reqwest::Client, url: &Url, part: &Path) -> Result<(), Problem> {
    let have = std::fs::metadata(part).map_or(0, |metadata| metadata.len());
    let tag = files::read_private(&tag_path(part), TAG_MAX_BYTES).ok().flatten().filter(|_| have > 0);
    let mut request = http.get(url.clone());
    if let Some(tag) = &tag {
        request = request.header(RANGE, format!("bytes={have}-")).header(IF_RANGE, tag);
    }
    let response = request.send().await.map_err(|e| network(&e))?;
    let start = match response.status() {
        StatusCode::PARTIAL_CONTENT if range_start(response.headers()) == Some(have) => have,
        StatusCode::RANGE_NOT_SATISFIABLE if tag.is_some() => return Ok(()),
        status if status.is_success() => 0,
        status => return Err(refused(url, status)),
    };
    check_space(part, response.content_length().unwrap_or(0))?;
    remember_tag(part, response.headers())?;
    receive(response, part, start).await
}

async fn receive(response: Response, part: &Path, start: u64) -> Result<(), Problem> {
    let total = response.content_length().map_or(0, |rest| start + rest);
    let mut file = open_at(part, start)?;
    let bar = bar("downloading", total, start);
    let mut body = response.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|e| network(&e))?;
        file.write_all(&chunk).map_err(|e| file_problem(part, &e))?;
        bar.inc(chunk.len() as u64);
    }
    bar.finish_and_clear();
    file.sync_all().map_err(|e| file_problem(part, &e))?;
    let have = file.metadata().map_err(|e| file_problem(part, &e))?.len();
    if total > 0 && have < total {
        return Err(Problem::new(Kind::Unavailable, format!("the source ended after {have} of {total} bytes")));
    }
    Ok(())
}

fn open_at(part: &Path, start: u64) -> Result<File, Problem> {
    let mut file = files::open_private(part)?;
    // What is behind the part that is resumed came of another attempt.
    file.set_len(start).and_then(|()| file.seek(SeekFrom::Start(start))).map_err(|e| file_problem(part, &e))?;
    Ok(file)
}

/// A strong validator lets the download be resumed; without one it would begin anew.
fn remember_tag(part: &Path, headers: &HeaderMap) -> Result<(), Problem> {
    let strong = headers.get(ETAG).filter(|tag| !tag.as_bytes().starts_with(b"W/"));
    let path = tag_path(part);
    match strong.or_else(|| headers.get(LAST_MODIFIED)).and_then(|value| value.to_str().ok()) {
        Some(tag) => Ok(files::write_private(&path, tag.as_bytes())?),
        None => {
            // There may be none to remove.
            let _ = std::fs::remove_file(&path);
            Ok(())
        }
    }
}

fn range_start(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_RANGE)?.to_str().ok()?.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

fn check_space(part: &Path, needed: u64) -> Result<(), Problem> {
    let Some(Ok(space)) = part.parent().map(statvfs) else { return Ok(()) };
    let free = space.blocks_available().saturating_mul(space.fragment_size());
    if needed <= free {
        return Ok(());
    }
    Err(Problem::invalid(format!("the file needs {needed} bytes, and the disk has {free} left"))
        .next("free some space, or choose another folder with --data-dir"))
}

fn refused(url: &Url, status: StatusCode) -> Problem {
    let what = format!("{} answered {status}", url.host_str().unwrap_or("the source"));
    match status {
        StatusCode::NOT_FOUND => Problem::not_found(what).next("check owner, repository and file name"),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Problem::new(Kind::Forbidden, what).next("fetch the file by hand and give its path: it is not public")
        }
        status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            Problem::new(Kind::Unavailable, what)
        }
        _ => Problem::invalid(what).next("check the source"),
    }
}

fn network(error: &reqwest::Error) -> Problem {
    if error.is_builder() {
        return Problem::invalid("the source leads on to an address that is not https")
            .next("fetch the file by hand, check it, and give its path");
    }
    let cause = if error.is_timeout() { "the source stopped sending" } else { "the source cannot be reached" };
    // The error's own text may hold the URL, which can hold a token.
    Problem::new(Kind::Unavailable, cause)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::body::Body;
    use axum::extract::State;
    use axum::http::HeaderMap as Headers;
    use axum::response::Response as Answer;
    use axum::routing::get;
    use futures_util::stream;

    use super::*;

    /// A source that breaks off its first answer half-way, and honours ranges.
    #[derive(Clone)]
    struct Flaky {
        bytes: Arc<Vec<u8>>,
        served: Arc<AtomicUsize>,
        ranged: Arc<AtomicUsize>,
        tag: &'static str,
    }

    async fn serve(State(source): State<Flaky>, headers: Headers) -> Answer {
        let range = headers
            .get(RANGE)
            .and_then(|value| value.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
        let same = headers.get(IF_RANGE).is_some_and(|tag| tag == source.tag);
        let start: usize = range.filter(|_| same).unwrap_or(0);
        let total = source.bytes.len();
        let builder = Answer::builder().header(ETAG, source.tag).header("content-length", total - start);
        let builder = if start > 0 {
            source.ranged.fetch_add(1, Ordering::SeqCst);
            builder.status(206).header(CONTENT_RANGE, format!("bytes {start}-{}/{total}", total - 1))
        } else {
            builder
        };
        let first = source.served.fetch_add(1, Ordering::SeqCst) == 0;
        let end = if first { total / 2 } else { total };
        let part: Result<Vec<u8>, std::io::Error> = Ok(source.bytes[start..end].to_vec());
        let cut = first.then(|| Err(std::io::Error::other("cut")));
        let parts = std::iter::once(part).chain(cut);
        builder.body(Body::from_stream(stream::iter(parts))).expect("a valid answer")
    }

    async fn start(source: Flaky) -> Url {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/m.gguf", listener.local_addr().expect("bound"));
        let router = Router::new().route("/m.gguf", get(serve).head(|| async { "" })).with_state(source);
        let (settings, stop) = (listener::Settings::new("test"), tokio_util::sync::CancellationToken::new());
        telemetry::tasks::spawn("test source", listener::serve(listener, settings, listener::Tower(router), stop));
        url.parse().expect("a URL")
    }

    fn source(tag: &'static str) -> Flaky {
        let bytes = (0..200_000_u32).map(|i| u8::try_from(i % 251).expect("small")).collect();
        Flaky { bytes: Arc::new(bytes), served: Arc::default(), ranged: Arc::default(), tag }
    }

    #[tokio::test]
    async fn a_cut_download_goes_on_by_itself() {
        let source = source("\"one\"");
        let url = start(source.clone()).await;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let part = dir.path().join("m.gguf.part");
        fetch(&url, &part, Duration::from_secs(5)).await.expect("the second attempt gets the rest");
        assert_eq!(std::fs::read(&part).expect("written"), *source.bytes);
    }

    #[tokio::test]
    async fn what_is_there_is_not_fetched_again() {
        let source = source("\"one\"");
        source.served.store(1, Ordering::SeqCst);
        let url = start(source.clone()).await;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let part = dir.path().join("m.gguf.part");
        std::fs::write(&part, &source.bytes[..70_000]).expect("written");
        files::write_private(&tag_path(&part), b"\"one\"").expect("written");
        fetch(&url, &part, Duration::from_secs(5)).await.expect("resumed");
        assert_eq!(std::fs::read(&part).expect("written"), *source.bytes);
        assert_eq!(source.ranged.load(Ordering::SeqCst), 1, "only the rest was asked for");
    }

    #[tokio::test]
    async fn a_changed_source_is_fetched_from_its_beginning() {
        let source = source("\"two\"");
        source.served.store(1, Ordering::SeqCst);
        let url = start(source.clone()).await;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let part = dir.path().join("m.gguf.part");
        std::fs::write(&part, b"bytes of the earlier file").expect("written");
        files::write_private(&tag_path(&part), b"\"one\"").expect("written");
        fetch(&url, &part, Duration::from_secs(5)).await.expect("fetched");
        assert_eq!(std::fs::read(&part).expect("written"), *source.bytes);
    }

    #[tokio::test]
    async fn a_source_that_is_not_there_is_said_so() {
        let url = start(source("\"three\"")).await.join("/other").expect("a URL");
        let dir = tempfile::tempdir().expect("a temporary folder");
        let problem = fetch(&url, &dir.path().join("m.part"), Duration::from_secs(5)).await.expect_err("404");
        assert_eq!(problem.kind, Kind::NotFound);
    }
}
