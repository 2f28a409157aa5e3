//! A stand-in for the model service: this test program itself, run with the one ignored test below. It listens, writes the
//! ready file and answers `/health`, so that starting, killing, adopting and counting processes are real and quick.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

use domain::Digest;
use sha2::Digest as _;

/// The command that starts a stand-in.
pub fn command() -> Vec<String> {
    let program = std::env::current_exe().expect("this program");
    let words = ["--ignored", "--exact", "stand_in::serve", "--nocapture", "--"];
    let program = program.to_str().expect("a path").to_owned();
    std::iter::once(program).chain(words.map(str::to_owned)).collect()
}

/// The word after `name` on the command line of this process.
pub fn argument(name: &str) -> String {
    let words: Vec<String> = std::env::args().collect();
    words.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1].clone()).unwrap_or_default()
}

/// What the model file may say to change how the stand-in behaves.
pub const CRASHES: &str = "crashes at its start";
/// It serves, and then its engine stands still though requests wait.
pub const STANDS_STILL: &str = "stands still";
/// It says that it stalls, and makes steps all the same.
pub const STEPS: &str = "steps";
/// It never comes to serve.
pub const HANGS: &str = "hangs at its start";

const LIFE_SECONDS: u32 = 300;

#[test]
#[ignore = "not a test: the stand-in for a model service"]
fn serve() {
    // Whatever becomes of its test, it does not stay for ever.
    nix::unistd::alarm::set(LIFE_SECONDS);
    let (instance, ready) = (argument("--instance-id"), PathBuf::from(argument("--ready-file")));
    let model = std::fs::read_to_string(argument("--model")).expect("the model");
    match model.as_str() {
        CRASHES => {
            eprintln!("the model is broken: {}", argument("--model"));
            std::process::exit(3);
        }
        HANGS => nix::unistd::pause(),
        _ => {}
    }
    let callers = std::fs::read_to_string(argument("--callers")).unwrap_or_default();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    write_ready(&ready, port, &instance);
    for (count, connection) in listener.incoming().enumerate() {
        let Ok(mut connection) = connection else { continue };
        let mut request = [0_u8; 1_024];
        let read = connection.read(&mut request).unwrap_or(0);
        if !is_caller(&String::from_utf8_lossy(&request[..read]), &callers) {
            let _ = write!(connection, "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            continue;
        }
        let (status, steps) = match model.as_str() {
            STANDS_STILL if count > 3 => ("stalled", 7),
            STEPS if count > 3 => ("stalled", count),
            _ => ("ok", count),
        };
        let body = format!(r#"{{"status":"{status}","steps":{steps},"instance_id":"{instance}"}}"#);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        let _ = write!(connection, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    }
}

/// Whether the request shows a credential whose digest is among the callers'; without callers anybody may ask.
fn is_caller(request: &str, callers: &str) -> bool {
    let shown = request.lines().find_map(|line| line.strip_prefix("authorization: Bearer "));
    let digest = shown.map(|shown| Digest::from_sha256(&sha2::Sha256::digest(shown.trim()).into()));
    callers.is_empty() || digest.is_some_and(|digest| callers.lines().any(|line| line == digest.as_str()))
}

fn write_ready(ready: &Path, port: u16, instance: &str) {
    // Of its own name: another stand-in may write to the same place.
    let half = ready.with_extension(std::process::id().to_string());
    let text =
        format!(r#"{{"pid":{},"port":{port},"instance_id":"{instance}","model":"demo:1.0"}}"#, std::process::id());
    std::fs::write(&half, text).expect("written");
    std::fs::rename(&half, ready).expect("put in place");
}
