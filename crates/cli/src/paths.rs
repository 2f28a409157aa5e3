//! Where things lie in the data folder.

use std::path::{Path, PathBuf};

use domain::Problem;

/// Files by which a folder is known as a data folder, to be closed to others when it is open to them.
pub const OURS: &[&str] = &["mcp.lock", "state.db", "admin.token"];

/// The data folder.
#[derive(Debug, Clone)]
pub struct DataDir(pub PathBuf);

impl DataDir {
    /// Makes the folder, for its owner alone, or refuses one that others can change.
    pub fn prepare(&self) -> Result<(), Problem> {
        Ok(files::private_folder(&self.0, OURS)?)
    }

    /// State of the control plane.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.0.join("state.db")
    }

    /// State of the local cloud.
    #[must_use]
    pub fn local_cloud(&self) -> PathBuf {
        self.0.join("clouds/local")
    }

    /// The gateway's copy of the routing snapshot.
    #[must_use]
    pub fn snapshot(&self) -> PathBuf {
        self.0.join("gateway/snapshot.json")
    }

    /// Models that were pulled.
    #[must_use]
    pub fn models(&self) -> PathBuf {
        self.0.join("models")
    }

    /// The token of the control plane's REST API.
    #[must_use]
    pub fn admin_token(&self) -> PathBuf {
        self.0.join("admin.token")
    }

    /// The key with which tokens for the clouds are signed.
    #[must_use]
    pub fn signing_key(&self) -> PathBuf {
        self.0.join("signing.pem")
    }

    /// The gateway key that `mcp up` made for this machine's user.
    #[must_use]
    pub fn user_key(&self) -> PathBuf {
        self.0.join("user.key")
    }

    /// Process id and addresses of the running program.
    #[must_use]
    pub fn running(&self) -> PathBuf {
        self.0.join("running.json")
    }

    /// Held by the running program; the kernel lets go of it when the program dies.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.0.join("mcp.lock")
    }

    /// Log of a detached program.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.0.join("mcp.log")
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.0
    }
}
