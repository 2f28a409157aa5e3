//! File descriptors: how many the process may have, and how its listeners divide them.
//!
//! A connection takes one. When none is left, the process can neither accept, nor connect, nor open its own files; so the
//! listeners' limits together stay below the process's, with room for files and for connections that the process makes.

use std::io;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors beyond this many are of no use here, and programs started from this one may close them one by one.
const RAISE_MAX: u64 = 65_536;

/// How many descriptors the process may have, after its own limit was raised as far as it is allowed to.
/// Call it once, at start.
#[must_use]
pub fn raise_limit() -> usize {
    // A system that does not tell is taken to give what systems have given for decades.
    const USUAL: u64 = 1_024;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return USUAL as usize };
    let wanted = hard.min(RAISE_MAX).max(soft);
    let raised = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_ok();
    usize::try_from(if raised { wanted } else { soft }).unwrap_or(usize::MAX)
}

/// Whether an attempt to connect or accept failed for want of something that this process or machine has run out of:
/// descriptors, local ports, memory. The other side is not to blame.
#[must_use]
pub fn is_exhausted(error: &io::Error) -> bool {
    let Some(code) = error.raw_os_error() else { return error.kind() == io::ErrorKind::OutOfMemory };
    matches!(
        Errno::from_raw(code),
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS | Errno::EADDRNOTAVAIL | Errno::EAGAIN
    )
}

/// How the descriptors of one process are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// Connections of the gateway's clients.
    pub gateway: usize,
    /// Connections of the gateway to replicas.
    pub upstream: usize,
    /// Connections to the control plane.
    pub control: usize,
    /// Connections to each cloud server.
    pub cloud: usize,
    /// Everything else: files, the store, pipes to children, the control plane's own calls.
    pub others: usize,
}

impl Shares {
    /// Divides `descriptors` for a process with `clouds` cloud servers: a fifth for files, at least 64; of the rest three
    /// eighths each for clients of the gateway and for its replicas, and an eighth each for control and all clouds.
    #[must_use]
    pub fn of(descriptors: usize, clouds: usize) -> Self {
        let others = (descriptors / 5).max(64).min(descriptors / 2);
        let rest = descriptors - others;
        let large = (rest * 3 / 8).max(2);
        let small = (rest / 8).max(2);
        Self { gateway: large, upstream: large, control: small, cloud: (small / clouds.max(1)).max(1), others }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn want_of_ones_own_is_no_refusal() {
        for code in [Errno::EMFILE, Errno::ENFILE, Errno::EADDRNOTAVAIL] {
            assert!(is_exhausted(&io::Error::from_raw_os_error(code as i32)), "{code}");
        }
        for code in [Errno::ECONNREFUSED, Errno::ECONNRESET, Errno::EHOSTUNREACH, Errno::ETIMEDOUT] {
            assert!(!is_exhausted(&io::Error::from_raw_os_error(code as i32)), "{code}");
        }
    }

    #[test]
    fn the_shares_together_are_no_more_than_there_is() {
        for descriptors in [64, 128, 256, 1_024, 4_096, 65_536, 1 << 20] {
            for clouds in [0, 1, 3] {
                let shares = Shares::of(descriptors, clouds);
                let sum = shares.gateway + shares.upstream + shares.control + shares.cloud * clouds + shares.others;
                assert!(sum <= descriptors, "{descriptors}: {shares:?}");
                assert!(shares.gateway >= 2 && shares.cloud >= 1, "{descriptors}: {shares:?}");
            }
        }
        assert_eq!(Shares::of(256, 1), Shares { gateway: 72, upstream: 72, control: 24, cloud: 24, others: 64 });
    }
}
