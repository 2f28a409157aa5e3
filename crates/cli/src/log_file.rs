//! The log in the data folder: of a detached program, and of one whose screen belongs to the tree.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;

use domain::Problem;

use crate::paths::DataDir;
use crate::secret_file::file_problem;

/// Longest log that is kept from the runs before.
const LOG_BYTES_MAX: u64 = 8 << 20;

/// Opens the log, readable by its owner alone, behind what is there; a long one begins anew.
pub fn open(data_dir: &DataDir) -> Result<File, Problem> {
    std::fs::create_dir_all(data_dir.root()).map_err(|e| file_problem(data_dir.root(), &e))?;
    let path = data_dir.log();
    let keep = std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() < LOG_BYTES_MAX);
    let open = OpenOptions::new().create(true).append(keep).write(true).truncate(!keep).mode(0o600).open(&path);
    open.map_err(|e| file_problem(&path, &e))
}
