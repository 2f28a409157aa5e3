//! What this cloud shows to its own instances when it asks them how they are.
//!
//! It is random, made once for the cloud's folder, and lies there for nobody else to read. Instances know only its digest.

use std::path::Path;

use domain::{Digest, Problem, Secret};
use rand::RngCore as _;
use sha2::{Digest as _, Sha256};

/// Most bytes of the file.
const FILE_BYTES_MAX: u64 = 1 << 10;
/// Bytes of chance.
const SECRET_BYTES: usize = 32;

/// The credential of the cloud at `root`, which is made the first time.
pub(super) fn read_or_make(root: &Path) -> Result<Secret, Problem> {
    let path = root.join("credential");
    if let Some(text) = files::read_private(&path, FILE_BYTES_MAX)?.filter(|text| !text.trim().is_empty()) {
        return Ok(Secret::new(text.trim().to_owned()));
    }
    let mut bytes = [0_u8; SECRET_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    files::write_private(&path, text.as_bytes())?;
    Ok(Secret::new(text))
}

/// All that instances learn of a credential.
pub(super) fn digest(credential: &Secret) -> Digest {
    Digest::from_sha256(&Sha256::digest(credential.reveal()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cloud_keeps_its_credential_to_itself() {
        let (one, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let made = read_or_make(one.path()).expect("made");
        assert_eq!(made.reveal().len(), 2 * SECRET_BYTES);
        assert_eq!(read_or_make(one.path()).expect("read"), made);
        assert_ne!(read_or_make(other.path()).expect("made"), made);
        let mode = std::fs::metadata(one.path().join("credential")).expect("there").permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    }
}
