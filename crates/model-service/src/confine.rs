//! What this process gives up before it reads a model file, which somebody else made.
//!
//! It may read the model file, its own folder and the system's libraries, write its own folder, and connect nowhere
//! (Landlock); it calls nothing of the kernel that a server has no use for (seccomp); it gains no privileges, leaves no
//! core file, and takes no more memory than it was given. Each part is done as far as the system has it, and what was
//! done is told. It applies to threads that are made later, so it comes before all of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetStatus, Scope, path_beneath_rules,
};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// The newest version of Landlock whose rights are asked for; older kernels give what they have.
const NEWEST: ABI = ABI::V6;
/// What every process of this kind reads: libraries, time zones, and what the machine is.
const READ: [&str; 14] = [
    "/usr",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm",
    "/sys/devices/system",
    "/dev/null",
    "/dev/urandom",
    "/dev/zero",
];
/// What the drivers of GPUs need beside it.
const READ_AND_WRITE_WITH_GPU: [&str; 6] = ["/dev", "/proc", "/sys", "/etc", "/opt", "/run"];
/// Memory beyond what was given, for threads and allocators, in bytes: a quarter more, and this much.
const ROOM_BYTES: u64 = 1 << 30;
/// Calls of the kernel that are refused: other processes, other programs, modules, mounts, keys and tracing.
const REFUSED: [libc::c_long; 30] = [
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_by_handle_at,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_settimeofday,
];

/// What a process is to keep.
#[derive(Debug)]
pub struct Confinement<'a> {
    /// Memory that it was given, in bytes.
    pub memory_bytes: u64,
    /// The folder that it writes to.
    pub folder: Option<&'a Path>,
    /// The files that it reads: the model, and what it was told in a file.
    pub reads: Vec<&'a Path>,
    /// Whether it computes on a GPU, whose driver maps more memory than it takes and talks to devices.
    pub gpu: bool,
}

/// What was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confined {
    /// The parts that hold.
    pub holds: Vec<String>,
    /// The parts that this system does not have, with the reasons.
    pub lacks: Vec<String>,
}

impl Confined {
    fn note(&mut self, part: &str, done: anyhow::Result<Option<&str>>) {
        match done {
            Ok(None) => self.holds.push(part.to_owned()),
            Ok(Some(how)) => self.holds.push(format!("{part} ({how})")),
            Err(error) => self.lacks.push(format!("{part}: {error:#}")),
        }
    }

    /// Says what was done, to whoever reads the log.
    pub fn log(&self) {
        tracing::info!(holds = self.holds.join(", "), "process confined");
        if !self.lacks.is_empty() {
            tracing::warn!(lacks = self.lacks.join("; "), "process confined in part");
        }
    }
}

/// Confines this thread and all that it starts.
pub fn confine(confinement: &Confinement<'_>) -> Confined {
    let mut confined = Confined::default();
    confined.note("no inherited files", close_inherited().map(|()| None));
    confined.note("no core files", limit(Resource::RLIMIT_CORE, 0).map(|()| None));
    if !confinement.gpu {
        let most = confinement.memory_bytes.saturating_add(confinement.memory_bytes / 4).saturating_add(ROOM_BYTES);
        confined.note("memory limit", limit(Resource::RLIMIT_DATA, most).map(|()| None));
    }
    let no_new_privileges = nix::sys::prctl::set_no_new_privs().map_err(anyhow::Error::from);
    confined.note("no new privileges", no_new_privileges.map(|()| None));
    confined.note("landlock", landlock(confinement));
    confined.note("seccomp", seccomp().map(|()| None));
    confined
}

/// Closes what a parent left open by mistake: all but standard input, output and error.
fn close_inherited() -> anyhow::Result<()> {
    let open: Vec<i32> = fs::read_dir("/proc/self/fd")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|descriptor| *descriptor > 2)
        .collect();
    for descriptor in open {
        // The folder that was just read is among them, and closed already.
        let _ = nix::unistd::close(descriptor);
    }
    Ok(())
}

/// Lowers a limit, soft and hard.
fn limit(resource: Resource, most: u64) -> anyhow::Result<()> {
    let (_, hard) = getrlimit(resource)?;
    let most = most.min(hard);
    setrlimit(resource, most, most).map_err(anyhow::Error::from)
}

fn landlock(confinement: &Confinement<'_>) -> anyhow::Result<Option<&'static str>> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let ruleset = landlock::Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::ConnectTcp)?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .add_rules(path_beneath_rules(READ, read))?
        .add_rules(path_beneath_rules(&confinement.reads, AccessFs::ReadFile))?
        .add_rules(path_beneath_rules(confinement.folder, AccessFs::from_all(NEWEST)))?;
    let devices = if confinement.gpu { &READ_AND_WRITE_WITH_GPU[..] } else { &[] };
    let gpu = read | AccessFs::WriteFile | AccessFs::IoctlDev | AccessFs::Execute;
    let status = ruleset.add_rules(path_beneath_rules(devices, gpu))?.restrict_self()?;
    match status.ruleset {
        RulesetStatus::FullyEnforced => Ok(None),
        RulesetStatus::PartiallyEnforced => Ok(Some("in part: an older kernel")),
        RulesetStatus::NotEnforced => Err(anyhow::anyhow!("the kernel does not have it")),
    }
}

fn seccomp() -> anyhow::Result<()> {
    let rules: BTreeMap<i64, Vec<_>> = REFUSED.into_iter().map(|call| (call, Vec::new())).collect();
    let architecture = TargetArch::try_from(std::env::consts::ARCH).context("this processor is not known to it")?;
    let refusal = SeccompAction::Errno(u32::try_from(libc::EPERM)?);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, architecture)?;
    let program: BpfProgram = filter.try_into()?;
    seccompiler::apply_filter(&program)?;
    Ok(())
}

/// The folder that a process with this ready file writes to.
pub fn own_folder(ready_file: Option<&PathBuf>) -> Option<&Path> {
    ready_file.and_then(|path| path.parent())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    const MEMORY_BYTES: u64 = 64 << 20;

    /// Runs in a process of its own, which stays confined: argument 1 is its folder, 2 the model, 3 a secret.
    #[test]
    #[ignore = "not a test: the process that is confined"]
    fn confined() {
        let words: Vec<String> = std::env::args().skip_while(|word| word != "--folder").collect();
        let [_, folder, model, secret] = &words[..] else { panic!("three paths") };
        let (folder, model, secret) = (Path::new(folder), Path::new(model), Path::new(secret));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let confined =
            confine(&Confinement { memory_bytes: MEMORY_BYTES, folder: Some(folder), reads: vec![model], gpu: false });
        writeln!(std::io::stderr(), "{confined:?}").expect("told");
        // The parts that every kernel has.
        assert_eq!(getrlimit(Resource::RLIMIT_CORE).expect("a limit").0, 0);
        assert!(Vec::<u8>::new().try_reserve_exact(4 << 30).is_err(), "memory is limited");
        assert!(nix::sys::prctl::get_no_new_privs().expect("it"));
        assert!(listener.local_addr().is_err(), "what was inherited is closed");
        std::mem::forget(listener);
        if confined.holds.iter().any(|part| part.starts_with("seccomp")) {
            assert!(Command::new("true").status().is_err(), "no other programs");
        }
        if confined.holds.iter().any(|part| part == "landlock") {
            assert_eq!(fs::read(model).expect("its model"), b"weights");
            assert!(fs::write(model, "other").is_err(), "not to be written");
            fs::write(folder.join("ready.json"), "{}").expect("its folder");
            assert!(fs::read(secret).is_err() && fs::read_dir(secret.parent().expect("a folder")).is_err());
            assert!(fs::write(secret, "other").is_err());
            let refused = std::net::TcpStream::connect(address).expect_err("connects nowhere");
            assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
        }
    }

    #[test]
    fn a_confined_process_reaches_its_model_and_its_folder_and_no_secret() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("own")).expect("made");
        fs::create_dir(at("keys")).expect("made");
        fs::write(at("model.gguf"), "weights").expect("written");
        fs::write(at("keys/signing.pem"), "secret").expect("written");
        let output = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "--ignored",
                "--exact",
                "confine::tests::confined",
                "--nocapture",
                "--test-threads=1",
                "--",
                "--folder",
            ])
            .args([at("own"), at("model.gguf"), at("keys/signing.pem")])
            .stdin(Stdio::null())
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stdout));
        assert!(said.contains("no new privileges") && said.contains("memory limit"), "{said}");
    }
}
