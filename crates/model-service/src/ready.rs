//! The ready file: how whoever started this process learns where it listens.

use std::path::Path;

use serde::Serialize;

/// What the file says.
#[derive(Debug, Serialize)]
pub struct Ready<'a> {
    /// This process.
    pub pid: u32,
    /// Where it listens.
    pub port: u16,
    /// The cloud's name for it.
    pub instance_id: Option<&'a str>,
    /// The model that it serves.
    pub model: &'a str,
}

/// Writes the file whole or not at all, for its owner alone: a reader never sees a part of it.
pub fn write(path: &Path, ready: &Ready<'_>) -> anyhow::Result<()> {
    let mut text = serde_json::to_vec(ready)?;
    text.push(b'\n');
    files::write_private(path, &text)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_appears_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ready.json");
        let ready = Ready { pid: 7, port: 8100, instance_id: Some("i-1"), model: "demo:1.0" };
        write(&path, &ready).expect("writes");
        let read: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).expect("reads")).expect("parses");
        assert_eq!(read, serde_json::json!({"pid": 7, "port": 8100, "instance_id": "i-1", "model": "demo:1.0"}));
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 1);
    }
}
