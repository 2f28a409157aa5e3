//! `model-service` as a process, asked over HTTP, on a tiny random model that the tests write themselves.

mod errors;
mod generation;
mod gguf;
mod life;
mod service;
mod wire;
