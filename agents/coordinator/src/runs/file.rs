//! One spilled run: rows one after the other, each with its length before it.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    marker::PhantomData,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use quire_proto::codec;
use serde::{Serialize, de::DeserializeOwned};

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// Writes a run.
pub(super) struct RunWriter {
    file: BufWriter<File>,
    bytes: u64,
}

impl RunWriter {
    pub(super) fn create(tmp: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(tmp)?;
        Ok(Self { file: BufWriter::with_capacity(READ_BYTES, tempfile::tempfile_in(tmp)?), bytes: 0 })
    }

    pub(super) fn write<T: Serialize>(&mut self, row: &T) -> io::Result<()> {
        let encoded = codec::encode(row).map_err(io::Error::other)?;
        let len = u32::try_from(encoded.len()).map_err(io::Error::other)?;
        self.file.write_all(&len.to_le_bytes())?;
        self.file.write_all(&encoded)?;
        self.bytes += 4 + u64::from(len);
        Ok(())
    }

    pub(super) fn finish(self) -> io::Result<RunFile> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(RunFile { file: Arc::new(file), bytes: self.bytes })
    }
}

/// A finished run; may be read several times, also at once.
#[derive(Debug, Clone)]
pub(super) struct RunFile {
    file: Arc<File>,
    bytes: u64,
}

impl RunFile {
    pub(super) fn read<T>(&self) -> RunReader<T> {
        RunReader { run: self.clone(), next: 0, buffer: Vec::new(), at: 0, rows: PhantomData }
    }
}

/// Reads a run from its beginning.
#[derive(Debug)]
pub(super) struct RunReader<T> {
    run: RunFile,
    /// Where in the file the buffer ends.
    next: u64,
    buffer: Vec<u8>,
    at: usize,
    rows: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> RunReader<T> {
    /// The next row; `None` at the end.
    pub(super) fn read(&mut self) -> io::Result<Option<T>> {
        if !self.fill(4)? {
            return Ok(None);
        }
        let len = self.buffer.get(self.at..self.at + 4).and_then(|bytes| bytes.try_into().ok());
        let len = len.map(u32::from_le_bytes).ok_or(io::ErrorKind::UnexpectedEof)? as usize;
        self.at += 4;
        if !self.fill(len)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let row = self.buffer.get(self.at..self.at + len).ok_or(io::ErrorKind::UnexpectedEof)?;
        let row = codec::decode(row).map_err(io::Error::other)?;
        self.at += len;
        Ok(Some(row))
    }

    /// Has at least `len` bytes in the buffer; `false` at the end of the file.
    fn fill(&mut self, len: usize) -> io::Result<bool> {
        if self.buffer.len() - self.at >= len {
            return Ok(true);
        }
        self.buffer.drain(..self.at);
        self.at = 0;
        let left = self.run.bytes - self.next;
        let have = self.buffer.len();
        let missing = (len - have) as u64;
        if left < missing {
            return if left == 0 && have == 0 { Ok(false) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        let read = missing.max(READ_BYTES as u64).min(left);
        self.buffer.resize(have + usize::try_from(read).map_err(io::Error::other)?, 0);
        let into = self.buffer.get_mut(have..).unwrap_or_default();
        self.run.file.read_exact_at(into, self.next)?;
        self.next += read;
        Ok(true)
    }
}

impl<T: DeserializeOwned> Iterator for RunReader<T> {
    type Item = io::Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}
