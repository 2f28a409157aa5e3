//! The server that the official conformance tool of the Model Context Protocol expects: fixed tools, prompts and resources on
//! the entrance that the clouds' servers use. It lets everybody in, on this machine alone, and is part of no product.
//!
//! `cargo run --example conformance_server` prints its URL and serves until it is stopped.

#![allow(clippy::print_stdout, reason = "the URL is what its caller reads")]

mod content;
mod dialogue;
mod handler;

use std::sync::Arc;

use cloud::server::entrance::Entrance;
use listener::{Hosts, Settings, Tower};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let origins = ["http://localhost:*".to_owned(), "http://127.0.0.1:*".to_owned()];
    let entrance = Arc::new(Entrance::open(hosts, &origins, handler::capabilities()).map_err(|e| e.to_string())?);
    let router = entrance.serve("/mcp", || handler::Fixture, |routes| routes);
    println!("http://{}/mcp", listener.local_addr()?);
    // The entrance knows its names.
    let settings = Settings { hosts: Hosts::Any, ..Settings::new("fixture") };
    listener::serve(listener, settings, Tower(router), CancellationToken::new()).await;
    Ok(())
}
