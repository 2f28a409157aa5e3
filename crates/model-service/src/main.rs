//! model-service

fn main() {}
