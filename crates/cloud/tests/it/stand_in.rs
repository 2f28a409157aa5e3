//! A stand-in for the model service: this test program itself, run with the one ignored test below. It listens, writes the
//! ready file and answers `/health`, so that starting, killing, adopting and counting processes are real and quick.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};

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
/// It never comes to serve.
pub const HANGS: &str = "hangs at its start";

const LIFE_SECONDS: u32 = 300;

#[test]
#[ignore = "not a test: the stand-in for a model service"]
fn serve() {
    // Whatever becomes of its test, it does not stay for ever.
    nix::unistd::alarm::set(LIFE_SECONDS);
    let (instance, ready) = (argument("--instance-id"), PathBuf::from(argument("--ready-file")));
    match std::fs::read_to_string(argument("--model")).expect("the model").as_str() {
        CRASHES => {
            eprintln!("the model is broken");
            std::process::exit(3);
        }
        HANGS => nix::unistd::pause(),
        _ => {}
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    write_ready(&ready, port, &instance);
    for connection in listener.incoming() {
        let Ok(mut connection) = connection else { continue };
        let mut request = [0_u8; 1_024];
        let _ = connection.read(&mut request);
        let body = format!(r#"{{"status":"ok","model":"demo:1.0","instance_id":"{instance}"}}"#);
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        let _ = write!(connection, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    }
}

fn write_ready(ready: &Path, port: u16, instance: &str) {
    // Of its own name: another stand-in may write to the same place.
    let half = ready.with_extension(std::process::id().to_string());
    let text =
        format!(r#"{{"pid":{},"port":{port},"instance_id":"{instance}","model":"demo:1.0"}}"#, std::process::id());
    std::fs::write(&half, text).expect("written");
    std::fs::rename(&half, ready).expect("put in place");
}
