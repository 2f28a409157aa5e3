//! Whether the program runs over a data folder, where it listens, and how it is told to stop.
//!
//! The lock says whether it runs: the kernel lets go of it when its holder dies, however it dies. `running.json` says
//! where it listens; it may be left over from a program that was killed, and counts only while the lock is held.

use std::fs::File;
use std::time::Duration;

use domain::{Kind, Problem};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::config::ListenConfig;
use crate::paths::DataDir;
use crate::secret_file;

/// A running program.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Running {
    /// Its process.
    pub pid: i32,
    /// Where it listens.
    pub listen: ListenConfig,
    /// Set once it serves.
    pub serving: bool,
}

/// Held while the program runs.
#[derive(Debug)]
pub struct RunLock {
    _lock: Flock<File>,
    data_dir: DataDir,
}

impl RunLock {
    /// Takes the lock, waiting a moment for one whose holder has died; or says who has it.
    pub async fn take_when_free(data_dir: &DataDir) -> Result<Self, Problem> {
        when_free(|| Self::take(data_dir)).await
    }

    /// Takes the lock, or says who has it.
    pub fn take(data_dir: &DataDir) -> Result<Self, Problem> {
        match try_lock(data_dir)? {
            Some(lock) => Ok(Self { _lock: lock, data_dir: data_dir.clone() }),
            None => {
                let pid = read(data_dir).map_or_else(String::new, |running| format!(" (process {})", running.pid));
                Err(Problem::new(Kind::Conflict, format!("mcp already runs over {}{pid}", data_dir.root().display()))
                    .next("use it, stop it with 'mcp down', or choose another folder with --data-dir"))
            }
        }
    }

    /// Tells where this program listens.
    pub fn announce(&self, listen: ListenConfig, serving: bool) -> Result<(), Problem> {
        let pid = i32::try_from(std::process::id()).map_err(|_| Problem::internal("the process id does not fit"))?;
        let text =
            serde_json::to_string(&Running { pid, listen, serving }).map_err(|e| Problem::internal(e.to_string()))?;
        secret_file::write(&self.data_dir.running(), &text)
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // A stale file is harmless: it counts only while the lock is held.
        let _ = std::fs::remove_file(self.data_dir.running());
    }
}

fn try_lock(data_dir: &DataDir) -> Result<Option<Flock<File>>, Problem> {
    let path = data_dir.lock();
    data_dir.prepare()?;
    // For us alone: whoever can open it can hold it.
    let file = files::open_private(&path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, errno)) => Err(Problem::internal(format!("{}: {errno}", path.display()))),
    }
}

/// The program that runs over this data folder, if one does.
pub fn find(data_dir: &DataDir) -> Result<Option<Running>, Problem> {
    if !data_dir.lock().exists() || try_lock(data_dir)?.is_some() {
        return Ok(None);
    }
    // A program that was killed keeps its files open until its last thread is gone.
    Ok(read(data_dir).filter(|running| is_alive(running.pid)))
}

/// Longest wait for a dead program's locks.
const FREE_WITHIN: Duration = Duration::from_secs(5);
/// How often they are tried meanwhile.
const FREE_PROBE: Duration = Duration::from_millis(20);

/// Does what needs a lock, waiting a moment for one that is held: the kernel lets go of a dead program's locks, and a
/// program that ends of its own closes its files, a moment after nobody finds it any more.
pub async fn when_free<T>(attempt: impl FnMut() -> Result<T, Problem>) -> Result<T, Problem> {
    when_free_within(FREE_WITHIN, attempt).await
}

async fn when_free_within<T>(limit: Duration, mut attempt: impl FnMut() -> Result<T, Problem>) -> Result<T, Problem> {
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        match attempt() {
            Err(problem) if problem.kind == Kind::Conflict && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(FREE_PROBE).await;
            }
            other => return other,
        }
    }
}

/// Whether the process runs: it exists, and is more than the entry that its parent has not collected yet.
fn is_alive(pid: i32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        // The state follows the name, which stands in parentheses and may hold any character.
        Ok(stat) => !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with(['Z', 'X'])),
        Err(_) => false,
    }
}

fn read(data_dir: &DataDir) -> Option<Running> {
    let text = secret_file::read(&data_dir.running()).ok()??;
    serde_json::from_str(&text).ok()
}

/// Asks the program to stop and waits until it has. It drains first; past the deadline it is killed.
pub async fn stop(data_dir: &DataDir, deadline: Duration) -> Result<bool, Problem> {
    let Some(running) = find(data_dir)? else { return Ok(false) };
    let pid = Pid::from_raw(running.pid);
    signal(pid, Signal::SIGTERM)?;
    if tokio::time::timeout(deadline, until_ended(pid)).await.is_err() {
        signal(pid, Signal::SIGKILL)?;
        until_ended(pid).await;
    }
    Ok(true)
}

/// Only the end of the process frees all that it holds: its lock is let go of a moment earlier.
async fn until_ended(pid: Pid) {
    while is_alive(pid.as_raw()) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn signal(pid: Pid, signal: Signal) -> Result<(), Problem> {
    match kill(pid, signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(errno) => Err(Problem::new(Kind::Forbidden, format!("process {pid} cannot be stopped: {errno}"))
            .next("stop it as the user who started it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_holder_does_not_run() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data_dir = DataDir(dir.path().join("data"));
        let lock = RunLock::take(&data_dir).expect("free");
        lock.announce(ListenConfig::default(), true).expect("written");
        assert!(find(&data_dir).expect("readable").is_some());
        let mut dead = std::process::Command::new("true").spawn().expect("a process");
        let pid = i32::try_from(dead.id()).expect("small");
        let record = Running { pid, listen: ListenConfig::default(), serving: true };
        let text = serde_json::to_string(&record).expect("plain data");
        dead.wait().expect("it ends");
        secret_file::write(&data_dir.running(), &text).expect("written");
        assert!(find(&data_dir).expect("readable").is_none(), "the lock is held, and its holder is gone");
    }

    #[tokio::test]
    async fn a_lock_is_waited_for_and_not_for_ever() {
        let mut left = 3;
        let opened = when_free(|| {
            left -= 1;
            if left > 0 { Err(Problem::new(Kind::Conflict, "held")) } else { Ok("free") }
        });
        assert_eq!(opened.await, Ok("free"));
        let held: Result<(), Problem> =
            when_free_within(Duration::ZERO, || Err(Problem::new(Kind::Conflict, "held"))).await;
        assert_eq!(held.expect_err("held for ever").kind, Kind::Conflict);
        let broken: Result<(), Problem> = when_free(|| Err(Problem::internal("broken"))).await;
        assert_eq!(broken.expect_err("no lock").kind, Kind::Internal);
    }

    #[test]
    fn the_lock_and_the_folder_are_private_and_another_users_are_refused() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data_dir = DataDir(dir.path().join("data"));
        let lock = RunLock::take(&data_dir).expect("free");
        lock.announce(ListenConfig::default(), true).expect("written");
        let mode = |path: &std::path::Path| std::fs::metadata(path).expect("there").mode() & 0o777;
        assert_eq!(mode(data_dir.root()), 0o700);
        assert_eq!((mode(&data_dir.lock()), mode(&data_dir.running())), (0o600, 0o600));
        drop(lock);
        // As an earlier version left them: open to everybody.
        std::fs::set_permissions(data_dir.root(), std::fs::Permissions::from_mode(0o755)).expect("ours");
        std::fs::set_permissions(data_dir.lock(), std::fs::Permissions::from_mode(0o666)).expect("ours");
        drop(RunLock::take(&data_dir).expect("free"));
        assert_eq!((mode(data_dir.root()), mode(&data_dir.lock())), (0o700, 0o600));
        if nix::unistd::geteuid().is_root() {
            nix::unistd::chown(&data_dir.lock(), Some(12_345.into()), None).expect("root may");
            assert_eq!(RunLock::take(&data_dir).expect_err("another's").kind, Kind::Forbidden);
        }
        // A folder in which everybody makes files is no data folder.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o1777)).expect("ours");
        let shared = DataDir(dir.path().to_owned());
        assert_eq!(RunLock::take(&shared).expect_err("as /tmp").kind, Kind::Forbidden);
    }

    #[test]
    fn one_program_a_folder() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data_dir = DataDir(dir.path().join("data"));
        assert!(find(&data_dir).expect("readable").is_none());
        let lock = RunLock::take(&data_dir).expect("free");
        lock.announce(ListenConfig::default(), true).expect("written");
        assert_eq!(RunLock::take(&data_dir).expect_err("held").kind, Kind::Conflict);
        assert!(find(&data_dir).expect("readable").expect("it runs").serving);
        drop(lock);
        assert!(find(&data_dir).expect("readable").is_none());
    }
}
