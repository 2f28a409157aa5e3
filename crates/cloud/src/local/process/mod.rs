//! Processes of this machine: starting them, telling them apart, and ending them. Whose they are, [`owner`] proves.

pub(super) mod owner;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use domain::{Digest, Resources};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use super::config::LocalCloudConfig;

/// The tag that names an instance on its command line.
const INSTANCE_TAG: &str = "--instance-id";
/// The tag that names the cloud it belongs to.
const ROOT_TAG: &str = "--cloud-root";

/// A process, told apart from a later one with the same number by when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Process {
    /// When it started, in clock ticks since the machine did.
    started_ticks: u64,
    /// Its number.
    pub pid: i32,
    /// The number of its group: its own, unless it was started by the program that was started as the instance.
    pub group: i32,
}

impl Process {
    /// The process that has this number now.
    fn observe(pid: i32) -> Option<Self> {
        let (state, group, started_ticks) = read_stat(pid)?;
        (!matches!(state, 'Z' | 'X')).then_some(Self { started_ticks, pid, group })
    }

    /// Whether it still runs; one that has ended and waits for its parent does not.
    pub fn is_alive(self) -> bool {
        Self::observe(self.pid) == Some(self)
    }

    /// Sends a signal to it, unless it has ended; and to its group when that was made for it, since then it holds only
    /// what the process itself has started.
    pub fn signal(self, signal: Signal) {
        if !self.is_alive() {
            return;
        }
        let pid = Pid::from_raw(self.pid);
        let sent = if self.group == self.pid { killpg(pid, signal) } else { kill(pid, signal) };
        if let Err(error) = sent {
            tracing::debug!(pid = self.pid, cause = %error, "signal not delivered");
        }
    }
}

/// State, group and start time of a process: fields 3, 5 and 22 of `/proc/PID/stat` (proc_pid_stat(5)).
fn read_stat(pid: i32) -> Option<(char, i32, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in field 2 may hold anything, also brackets: what follows begins after the last one.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let group = fields.nth(1)?.parse().ok()?;
    Some((state, group, fields.nth(16)?.parse().ok()?))
}

/// What an instance is started with.
pub(super) struct Launch<'a> {
    pub config: &'a LocalCloudConfig,
    pub instance: &'a str,
    /// The model file: what was checked is what is loaded.
    pub model: File,
    /// Digests of what it is shown by those whom it serves.
    pub callers: Vec<&'a Digest>,
    pub alias: String,
    pub resources: Resources,
}

impl Launch<'_> {
    /// Starts the process in a group of its own, so that a Ctrl-C meant for its parent does not reach it, with nothing of
    /// its parent's environment. Its standard input is the model file; its standard error is the instance's log, by which
    /// it is known as ours.
    pub fn start(self) -> io::Result<(Child, Option<Process>)> {
        let folder = folder(&self.config.root, self.instance);
        let [program, leading @ ..] = &self.config.command[..] else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no program serves models"));
        };
        let log = owner::claim(&folder)?;
        let callers: String = self.callers.iter().map(|digest| format!("{digest}\n")).collect();
        files::write_private(&folder.join("callers"), callers.as_bytes()).map_err(io::Error::other)?;
        let mut command = Command::new(program);
        command.args(leading).args(self.arguments()).arg("--ready-file").arg(folder.join("ready.json"));
        command.arg("--callers").arg(folder.join("callers"));
        command.env_clear().envs(ENVIRONMENT).envs(&self.config.environment);
        let child = command.stdin(self.model).stdout(Stdio::null()).stderr(log).process_group(0).spawn()?;
        let process = i32::try_from(child.id()).ok().and_then(Process::observe);
        Ok((child, process))
    }

    fn arguments(&self) -> Vec<OsString> {
        let threads = self.resources.cpu_milli.div_ceil(1_000).max(1);
        let said = [
            ("--model", MODEL.to_owned()),
            ("--alias", self.alias.clone()),
            ("--host", "127.0.0.1".to_owned()),
            ("--port", "0".to_owned()),
            ("--parallel", self.config.parallel.to_string()),
            ("--queue", self.config.queue.to_string()),
            ("--threads", threads.to_string()),
            ("--drain-seconds", self.config.drain_seconds.to_string()),
            ("--confine-memory-bytes", self.resources.memory_bytes.to_string()),
            (INSTANCE_TAG, self.instance.to_owned()),
        ];
        let said = said.into_iter().flat_map(|(name, value)| [OsString::from(name), value.into()]);
        said.chain([ROOT_TAG.into(), self.config.root.clone().into()]).collect()
    }
}

/// The model file as the process sees it.
pub(super) const MODEL: &str = "/proc/self/fd/0";
/// All that every instance finds in its environment. What else it needs, the configuration names.
const ENVIRONMENT: [(&str, &str); 2] = [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LANG", "C.UTF-8")];

/// The folder of an instance. It exists from just before the instance's start.
pub(super) fn folder(root: &Path, instance: &str) -> PathBuf {
    root.join("instances").join(instance)
}

/// Where a log is cut, in bytes.
const LOG_BYTES_MAX: u64 = 8 << 20;

/// Moves a log that has grown too large aside, over the one moved before, and empties it. The process goes on appending.
pub(super) fn rotate_log(root: &Path, instance: &str) -> io::Result<()> {
    let log = folder(root, instance).join("log");
    if fs::metadata(&log).map_or(0, |meta| meta.len()) <= LOG_BYTES_MAX {
        return Ok(());
    }
    fs::copy(&log, folder(root, instance).join("log.1"))?;
    File::options().write(true).open(&log)?.set_len(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_another_of_its_number_is_not_it() {
        let pid = i32::try_from(std::process::id()).expect("a pid");
        let me = Process::observe(pid).expect("it runs");
        assert!(me.is_alive());
        assert!(!Process { started_ticks: me.started_ticks + 1, ..me }.is_alive());
    }

    #[test]
    fn a_child_that_ended_does_not_live_while_its_parent_has_not_looked() {
        let mut child = Command::new("true").spawn().expect("true runs");
        let pid = i32::try_from(child.id()).expect("a pid");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while Process::observe(pid).is_some() {
            assert!(std::time::Instant::now() < deadline, "it did not end");
            std::thread::yield_now();
        }
        child.wait().expect("reaped");
    }

    #[test]
    fn a_log_is_cut_and_its_writer_goes_on() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = folder(root.path(), "i-1");
        fs::create_dir_all(&folder).expect("made");
        let mut log = File::options().create(true).append(true).open(folder.join("log")).expect("open");
        let block = vec![b'x'; 1 << 20];
        for _ in 0..9 {
            io::Write::write_all(&mut log, &block).expect("written");
        }
        rotate_log(root.path(), "i-1").expect("cut");
        io::Write::write_all(&mut log, b"after").expect("written");
        assert_eq!(fs::read(folder.join("log")).expect("read"), b"after");
        assert_eq!(fs::metadata(folder.join("log.1")).expect("there").len(), 9 << 20);
    }
}
