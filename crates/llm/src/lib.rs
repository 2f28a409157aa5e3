//! What is said to models and how it is counted: pure, without IO.

pub mod context;
pub mod openai;
pub mod sse;
