//! Reads a request's body whole, within bounds of size and time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use listener::{Body, BodyError};
use tokio::time::{Instant, timeout_at};

use crate::admit::Admitted;
use crate::config::GatewayConfig;
use crate::refusal::Refusal;

/// Room made for more of a body than has come, at most: what a client declares is not yet sent.
const AHEAD_MAX_BYTES: usize = 1 << 20;

/// The whole body. Refuses what is larger than the limit, as early as its declared length allows; what a client then still
/// sends is thrown away by the listener.
pub(crate) async fn read_body(
    mut body: Body,
    config: &GatewayConfig,
    admitted: &mut Admitted,
) -> Result<Bytes, Refusal> {
    let too_large = || Refusal::body_too_large(config.body_bytes_max);
    if body.size_hint().lower() > config.body_bytes_max {
        return Err(too_large());
    }
    let wait = Duration::from_millis(config.client_idle_ms);
    let until = Instant::now() + Duration::from_millis(config.body_ms);
    let mut pieces = Pieces::default();
    loop {
        let by = until.min(Instant::now() + wait);
        let frame = timeout_at(by, body.frame()).await.map_err(|_| Refusal::slow_client())?;
        let frame = match frame {
            None => return Ok(pieces.join()),
            Some(Ok(frame)) => frame,
            Some(Err(BodyError::TooLarge)) => return Err(too_large()),
            Some(Err(BodyError::Undecodable)) => return Err(Refusal::undecodable_body()),
            Some(Err(BodyError::Broken)) => return Err(Refusal::broken_body()),
        };
        let Ok(data) = frame.into_data() else { continue };
        admitted.hold_bytes(data.len() as u64)?;
        if (pieces.len() + data.len()) as u64 > config.body_bytes_max {
            return Err(too_large());
        }
        let more = usize::try_from(body.size_hint().lower()).unwrap_or(0);
        let ahead = AHEAD_MAX_BYTES.max(pieces.len());
        pieces.add(data, more.min(ahead));
    }
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
