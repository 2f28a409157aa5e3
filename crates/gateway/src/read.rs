//! Reads a request's body whole, within bounds of size and time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::admit::Admitted;
use crate::config::GatewayConfig;
use crate::refusal::Refusal;

/// How much of a body that is too large is read and thrown away: a client that still sends would not read the answer.
const DISCARD_MAX_BYTES: u64 = 64 << 20;
/// For how long that goes on.
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// The whole body. Refuses what is larger than the limit, as early as its declared length allows.
pub(crate) async fn read_body(
    headers: &HeaderMap,
    mut body: Incoming,
    config: &GatewayConfig,
    admitted: &mut Admitted,
) -> Result<Bytes, Refusal> {
    let too_large = || Refusal::body_too_large(config.body_bytes_max);
    if body.size_hint().lower() > config.body_bytes_max {
        // A client that waits for leave to send (`expect`) has sent nothing, and reads the answer at once.
        if !headers.contains_key(header::EXPECT) {
            discard(&mut body).await;
        }
        return Err(too_large());
    }
    let wait = Duration::from_millis(config.client_idle_ms);
    let mut pieces = Pieces::default();
    while let Some(frame) = timeout(wait, body.frame()).await.map_err(|_| Refusal::slow_client())? {
        let Ok(data) = frame.map_err(|_| Refusal::broken_body())?.into_data() else { continue };
        admitted.hold_bytes(data.len() as u64)?;
        if (pieces.len() + data.len()) as u64 > config.body_bytes_max {
            discard(&mut body).await;
            return Err(too_large());
        }
        let more = usize::try_from(body.size_hint().lower()).unwrap_or(0);
        pieces.add(data, more);
    }
    Ok(pieces.join())
}

/// Pieces of a body. One alone is passed on without a copy.
#[derive(Default)]
pub(crate) struct Pieces {
    first: Bytes,
    joined: BytesMut,
}

impl Pieces {
    pub(crate) fn len(&self) -> usize {
        if self.joined.is_empty() { self.first.len() } else { self.joined.len() }
    }

    /// Adds a piece, when `more` bytes are known to follow.
    pub(crate) fn add(&mut self, piece: Bytes, more: usize) {
        if self.len() == 0 {
            self.first = piece;
            return;
        }
        if self.joined.is_empty() {
            let first = std::mem::take(&mut self.first);
            self.joined.reserve(first.len() + piece.len() + more);
            self.joined.extend_from_slice(&first);
        }
        self.joined.extend_from_slice(&piece);
    }

    pub(crate) fn join(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.freeze() }
    }
}

async fn discard(body: &mut Incoming) {
    let all = async {
        let mut seen = 0;
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, Bytes::len) as u64;
            if seen > DISCARD_MAX_BYTES {
                return;
            }
        }
    };
    // Whether it ended or the time was up, the answer is the same.
    let _ = timeout(DISCARD_TIME, all).await;
}
