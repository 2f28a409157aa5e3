//! `model-service` as a process, asked over HTTP, on a tiny random model that the tests write themselves.

// A test that meets the unexpected fails; that is what these are for.
#![allow(clippy::expect_used, clippy::panic)]

mod errors;
mod forms;
mod generation;
mod gguf;
mod guard;
mod hostile;
mod life;
mod service;
mod wire;
