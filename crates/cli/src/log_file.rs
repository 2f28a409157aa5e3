//! The log in the data folder: of a detached program, and of one whose screen belongs to the tree.

use domain::Problem;
use telemetry::log::RotatingFile;

use crate::paths::DataDir;
use crate::secret_file::file_problem;

/// Size at which the log moves aside, in bytes.
const LOG_BYTES_MAX: u64 = 8 << 20;
/// Full logs that are kept beside it.
const LOGS_KEPT: u32 = 3;

/// Opens the log, readable by its owner alone, behind what is there. It rotates while it is written.
pub fn open(data_dir: &DataDir) -> Result<RotatingFile, Problem> {
    data_dir.prepare()?;
    let path = data_dir.log();
    RotatingFile::open(&path, LOG_BYTES_MAX, LOGS_KEPT).map_err(|e| file_problem(&path, &e))
}
