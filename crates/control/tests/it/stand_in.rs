//! A stand-in for the model service: this test program itself, run with the one ignored test below. It listens, writes the
//! ready file and answers `/health` and `/logs`, so that what the cloud starts, kills and finds again are real processes.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;

/// Whatever becomes of its test, it does not stay for ever.
const LIFE_SECONDS: u32 = 300;

/// The command that starts a stand-in.
pub fn command() -> Vec<String> {
    let program = std::env::current_exe().expect("this program");
    let words = ["--ignored", "--exact", "stand_in::serve", "--nocapture", "--"];
    let program = program.to_str().expect("a path").to_owned();
    std::iter::once(program).chain(words.map(str::to_owned)).collect()
}

fn argument(name: &str) -> String {
    let words: Vec<String> = std::env::args().collect();
    words.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1].clone()).unwrap_or_default()
}

#[test]
#[ignore = "not a test: the stand-in for a model service"]
fn serve() {
    nix::unistd::alarm::set(LIFE_SECONDS);
    let (instance, ready) = (argument("--instance-id"), PathBuf::from(argument("--ready-file")));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let half = ready.with_extension("half");
    let pid = std::process::id();
    let text = format!(r#"{{"pid":{pid},"port":{port},"instance_id":"{instance}","model":"demo:1.0"}}"#);
    std::fs::write(&half, text).expect("written");
    std::fs::rename(&half, &ready).expect("put in place");
    for connection in listener.incoming() {
        let Ok(mut connection) = connection else { continue };
        let mut request = [0_u8; 1_024];
        let read = connection.read(&mut request).unwrap_or(0);
        let body = if request[..read].starts_with(b"GET /logs?tail=2 ") {
            format!("{instance} is up\n{instance} is asked for its logs\n")
        } else {
            format!(
                r#"{{"status":"ok","model":"demo:1.0","instance_id":"{instance}","running":1,"waiting":0,"parallel":4,
                "queue":64,"kv_usage":0.5,"prompt_tokens_per_second":7.0,"generation_tokens_per_second":20.0,
                "context_tokens":512}}"#
            )
        };
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        let _ = write!(connection, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    }
}
