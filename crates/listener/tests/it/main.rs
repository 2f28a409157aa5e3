//! The listener over real sockets: what slow, hostile and foreign clients do to it.

// A test that cannot go on ends by a panic, also in the functions that tests share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod closing;
mod crowd;
mod deadlines;
mod descriptors;
mod encodings;
mod heads;
mod stand;
