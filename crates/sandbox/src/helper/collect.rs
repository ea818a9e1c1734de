//! Reads the files that a command left as its outputs, trusting neither their number, their size nor their kind.

use rustix::fs::{Mode, OFlags, openat};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

const MAX_FILES: usize = 64;
const MAX_BYTES: u64 = 48 << 20;

/// The regular files directly in the folder, and why others were left.
pub(super) fn outputs(folder: &Path) -> (BTreeMap<String, Vec<u8>>, Vec<String>) {
    let (mut outputs, mut omitted) = (BTreeMap::new(), Vec::new());
    let mut room = MAX_BYTES;
    let Ok(entries) = std::fs::read_dir(folder) else {
        omitted.push("the folder of the outputs is gone".to_string());
        return (outputs, omitted);
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if outputs.len() + omitted.len() >= MAX_FILES {
            omitted.push(format!("there are more than {MAX_FILES} files"));
            break;
        }
        match read(&entry.path(), room) {
            Ok(bytes) => {
                room -= bytes.len() as u64;
                outputs.insert(name, bytes);
            }
            Err(reason) => omitted.push(format!("{name}: {reason}")),
        }
    }
    (outputs, omitted)
}

fn read(path: &Path, room: u64) -> Result<Vec<u8>, String> {
    // A link could point anywhere, and a pipe would wait for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(rustix::fs::CWD, path, flags, Mode::empty())
        .map(File::from)
        .map_err(|error| error.to_string())?;
    let meta = file.metadata().map_err(|error| error.to_string())?;
    if !meta.is_file() {
        return Err("not a regular file".to_string());
    }
    if meta.len() > room {
        return Err(format!("{} bytes are too many", meta.len()));
    }
    let mut bytes = Vec::with_capacity(meta.len() as usize);
    file.take(room)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}
