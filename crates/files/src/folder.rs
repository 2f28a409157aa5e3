//! Folders that only their owner can enter.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use nix::unistd::geteuid;

use crate::FileError;

/// Others may write.
const WRITABLE: u32 = 0o022;
/// Everybody may write.
const WORLD_WRITABLE: u32 = 0o002;
/// In such a folder only owners remove and rename their files, as in `/tmp`.
const STICKY: u32 = 0o1000;

/// Makes the folder at `path` if it is missing, and everything missing above it, for its owner alone. One that is there
/// must be ours. When others may enter it, it is closed to them if it is empty or holds one of the files `ours`; a
/// folder of other things stays as it is, and is refused if others may write there.
///
/// # Errors
/// When the folder belongs to somebody else, when others may put files there or move it away, or when it cannot be made.
pub fn private_folder(path: &Path, ours: &[&str]) -> Result<(), FileError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(FileError::io(path))?;
    // Through links: a folder that was moved to another disk is as good.
    let real = path.canonicalize().map_err(FileError::io(path))?;
    let found = fs::metadata(&real).map_err(FileError::io(&real))?;
    if found.uid() != geteuid().as_raw() {
        return Err(FileError::ForeignOwner { path: real, owner: found.uid() });
    }
    check_parents(&real)?;
    if found.mode() & 0o077 != 0 {
        close(&real, &found, ours)?;
    }
    Ok(())
}

/// Whoever can write to a folder without the sticky bit can put another folder in the place of ours.
fn check_parents(path: &Path) -> Result<(), FileError> {
    for parent in path.ancestors().skip(1) {
        let mode = fs::metadata(parent).map_err(FileError::io(parent))?.mode();
        if mode & WORLD_WRITABLE != 0 && mode & STICKY == 0 {
            return Err(FileError::Shared { path: parent.to_owned() });
        }
    }
    Ok(())
}

fn close(path: &Path, found: &Metadata, ours: &[&str]) -> Result<(), FileError> {
    let is_shared = found.mode() & STICKY != 0;
    let mut entries = fs::read_dir(path).map_err(FileError::io(path))?;
    let is_ours = ours.iter().any(|name| path.join(name).exists()) || entries.next().is_none();
    if is_ours && !is_shared {
        return fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(FileError::io(path));
    }
    if is_shared || found.mode() & WRITABLE != 0 {
        return Err(FileError::Shared { path: path.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").mode() & 0o7777
    }

    fn made(folder: &Path, name: &str, mode: u32) -> std::path::PathBuf {
        let path = folder.join(name);
        fs::create_dir(&path).expect("a folder");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("ours");
        path
    }

    #[test]
    fn a_folder_is_made_private_and_one_of_ours_is_closed() {
        let root = tempfile::tempdir().expect("a folder");
        let fresh = root.path().join("deep/data");
        private_folder(&fresh, &[]).expect("made");
        assert_eq!((mode(&fresh), mode(&root.path().join("deep"))), (0o700, 0o700));
        let empty = made(root.path(), "empty", 0o777);
        private_folder(&empty, &[]).expect("closed");
        let known = made(root.path(), "known", 0o755);
        fs::write(known.join("mcp.lock"), "").expect("written");
        private_folder(&known, &["mcp.lock"]).expect("closed");
        assert_eq!((mode(&empty), mode(&known)), (0o700, 0o700));
    }

    #[test]
    fn a_folder_of_others_is_refused_or_left_as_it_is() {
        let root = tempfile::tempdir().expect("a folder");
        let home = made(root.path(), "home", 0o755);
        fs::write(home.join("letter"), "").expect("written");
        private_folder(&home, &["mcp.lock"]).expect("others cannot write there");
        assert_eq!(mode(&home), 0o755);
        let shared = made(root.path(), "shared", 0o1777);
        assert!(matches!(private_folder(&shared, &[]), Err(FileError::Shared { .. })), "as /tmp");
        let open = made(root.path(), "open", 0o777);
        assert!(matches!(private_folder(&open.join("data"), &[]), Err(FileError::Shared { .. })), "it can be replaced");
        private_folder(&shared.join("data"), &[]).expect("nobody else can move it away");
        if geteuid().is_root() {
            let foreign = made(root.path(), "foreign", 0o700);
            nix::unistd::chown(&foreign, Some(12_345.into()), None).expect("root may");
            assert!(matches!(private_folder(&foreign, &[]), Err(FileError::ForeignOwner { owner: 12_345, .. })));
        }
    }
}
