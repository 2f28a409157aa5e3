//! The context rooms over a whole model file's head, written here byte by byte.

// A test that cannot go on ends by a panic, also in the functions that tests share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod golden;
mod head;
mod templates;
mod tensors;
