//! Whose a process is, proved and not guessed.
//!
//! Before an instance is started, its log is created and locked (flock(2)), and the process gets that open file as its
//! standard error. The lock belongs to the open file, so the process and whatever it starts hold it from their first
//! instant to their last, also when the cloud is killed between the start and anything it could write down; and nobody
//! else can hold it, since the file is new, 0600 in a folder of 0700, and was locked before it was handed on. A process is
//! ours when it has that open file with that lock, and carries the tags as well. Words on a command line alone prove
//! nothing, a process number alone neither.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::fcntl::OFlag;

use super::{INSTANCE_TAG, Process, ROOT_TAG};

/// Most open files of a process that are looked at.
const FILES_MAX: usize = 4_096;

/// An instance that lives: its lock is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Held {
    pub instance: String,
    /// Device and inode of its log.
    file: (u64, u64),
}

/// A process that is an instance, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Owned {
    pub instance: String,
    pub process: Process,
}

/// Makes the folder of an instance, which must be new, with a log that is locked for as long as anyone has it open.
pub(super) fn claim(folder: &Path) -> io::Result<File> {
    fs::DirBuilder::new().mode(0o700).create(folder)?;
    let mut options = OpenOptions::new();
    let options = options.create_new(true).append(true).mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
    let log = options.open(folder.join("log"))?;
    log.try_lock()?;
    Ok(log)
}

/// Whether the instance with this folder lives.
pub(in super::super) fn is_held(folder: &Path) -> bool {
    held_log(folder).is_some()
}

/// The open log of an instance that lives.
fn held_log(folder: &Path) -> Option<File> {
    let log = OpenOptions::new().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(folder.join("log")).ok()?;
    matches!(log.try_lock(), Err(TryLockError::WouldBlock)).then_some(log)
}

/// Every instance of the cloud at `root` that lives.
pub(in super::super) fn find_held(root: &Path) -> io::Result<Vec<Held>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join("instances"))? {
        let entry = entry?;
        let Ok(instance) = entry.file_name().into_string() else { continue };
        let Some(meta) = held_log(&entry.path()).and_then(|log| log.metadata().ok()) else { continue };
        found.push(Held { instance, file: (meta.dev(), meta.ino()) });
    }
    Ok(found)
}

/// The processes that are these instances of the cloud at `root`.
pub(in super::super) fn find_processes(root: &Path, held: &[Held]) -> io::Result<Vec<Owned>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Ok(entry) = entry else { continue };
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Some(tagged) = instance_on_command_line(&entry.path(), root) else { continue };
        let Some(held) = held.iter().find(|held| held.instance == tagged) else { continue };
        // Observed before its files are looked at: should the number change hands in between, the signal finds another
        // start time.
        let Some(process) = Process::observe(pid) else { continue };
        if has_locked(&entry.path(), held.file) {
            found.push(Owned { instance: tagged, process });
        }
    }
    Ok(found)
}

/// The instance of the cloud at `root` that a process's command line names.
fn instance_on_command_line(process: &Path, root: &Path) -> Option<String> {
    let line = fs::read(process.join("cmdline")).ok()?;
    let words: Vec<&[u8]> = line.split(|&byte| byte == 0).collect();
    let after = |tag: &str| words.windows(2).find(|pair| pair[0] == tag.as_bytes()).map(|pair| pair[1]);
    let is_here = after(ROOT_TAG).map(OsStr::from_bytes) == Some(root.as_os_str());
    String::from_utf8(after(INSTANCE_TAG).filter(|_| is_here)?.to_vec()).ok()
}

/// Whether a process has this file open with the lock on it: proc_pid_fdinfo(5) shows a lock only with the open file that
/// holds it.
fn has_locked(process: &Path, file: (u64, u64)) -> bool {
    let Ok(entries) = fs::read_dir(process.join("fd")) else { return false };
    entries.flatten().take(FILES_MAX).any(|entry| {
        let is_it = fs::metadata(entry.path()).is_ok_and(|meta| (meta.dev(), meta.ino()) == file);
        let info = || fs::read_to_string(process.join("fdinfo").join(entry.file_name())).unwrap_or_default();
        is_it && info().lines().any(|line| line.starts_with("lock:") && line.contains("FLOCK"))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command, Stdio};

    use nix::sys::signal::{Signal, killpg};
    use nix::unistd::Pid;

    use super::*;

    /// Sleeps with our words on its command line.
    fn sleeper(root: &Path, instance: &str, errors: Stdio) -> Child {
        let mut sleeper = Command::new("sh");
        sleeper.args(["-c", "sleep 300; true", "sh", INSTANCE_TAG, instance, ROOT_TAG]).arg(root);
        sleeper.process_group(0);
        sleeper.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn().expect("it starts")
    }

    /// Ends it with its group.
    fn end(mut child: Child) {
        killpg(Pid::from_raw(i32::try_from(child.id()).expect("a number")), Signal::SIGKILL).expect("killed");
        child.wait().expect("reaped");
    }

    #[test]
    fn a_process_is_ours_by_the_lock_that_it_inherited() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir(root.path().join("instances")).expect("made");
        let folder = super::super::folder(root.path(), "i-1");
        let ours = sleeper(root.path(), "i-1", claim(&folder).expect("claimed").into());
        // The same words, and even the same log, but not the open file that we locked.
        let log = OpenOptions::new().append(true).open(folder.join("log")).expect("open");
        let stranger = sleeper(root.path(), "i-1", log.into());
        let held = find_held(root.path()).expect("read");
        assert_eq!(held.iter().map(|held| held.instance.as_str()).collect::<Vec<_>>(), ["i-1"]);
        let found = find_processes(root.path(), &held).expect("read");
        let pids: Vec<u32> = found.iter().map(|owned| owned.process.pid.unsigned_abs()).collect();
        assert_eq!(pids, [ours.id()]);
        assert!(claim(&folder).is_err(), "an instance is started once");
        let child_of_ours = found[0].process;
        end(ours);
        assert!(!child_of_ours.is_alive());
        end(stranger);
    }

    #[test]
    fn a_lock_goes_with_its_last_holder() {
        let root = tempfile::tempdir().expect("a folder");
        let folder = root.path().join("i-1");
        let log = claim(&folder).expect("claimed");
        assert!(is_held(&folder));
        drop(log);
        assert!(!is_held(&folder));
        assert!(!is_held(&root.path().join("none")));
    }
}
