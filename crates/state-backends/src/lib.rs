//! state-backends
