//! The index's folder: opened with its checksums verified, or created.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use tantivy::{Index, IndexSettings, TantivyError, directory::MmapDirectory, store::Compressor};

use crate::{IndexError, schema::Fields, writer::Writer};

/// Largest index whose checksums are verified whenever it is opened.
const VERIFIED_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of stored rows that are read at once.
const ROW_BLOCK_BYTES: usize = 4 * 1024;

/// Opens the index in `dir`; anything but an index of ours that is whole is an error.
pub(crate) fn open(dir: &Path, fields: &Fields) -> Result<Index, IndexError> {
    if !dir.join("meta.json").is_file() {
        return Err(IndexError::Missing(dir.to_owned()));
    }
    let opened = catch_unwind(AssertUnwindSafe(|| open_whole(dir)));
    match opened {
        Ok(Ok(Some(mut index))) if index.schema() == fields.schema => {
            index.set_tokenizers(Fields::tokenizers());
            Ok(index)
        }
        Ok(Ok(Some(_))) => Err(IndexError::Missing(dir.to_owned())),
        Ok(Err(source)) => Err(IndexError::Index { doing: "open", source }),
        Ok(Ok(None)) | Err(_) => Err(IndexError::Damaged(dir.to_owned())),
    }
}

/// `None`: a checksum is wrong.
fn open_whole(dir: &Path) -> tantivy::Result<Option<Index>> {
    let index = Index::open_in_dir(dir)?;
    let segments: Vec<String> =
        index.searchable_segment_metas()?.iter().map(|segment| segment.id().uuid_string()).collect();
    let (mut paths, mut bytes) = (Vec::new(), 0);
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if segments.iter().any(|segment| name.to_string_lossy().starts_with(segment.as_str())) {
            bytes += entry.metadata()?.len();
            paths.push(PathBuf::from(name));
        }
    }
    if bytes <= VERIFIED_BYTES {
        for path in &paths {
            if !index.directory().validate_checksum(path)? {
                return Ok(None);
            }
        }
    }
    Ok(Some(index))
}

/// Creates an index for about `count` records in `dir`, which has none.
pub(crate) fn create(dir: &Path, fields: &Fields, count: u64) -> Result<Writer, IndexError> {
    let failed = |source| IndexError::Index { doing: "create", source };
    // What is stored of a document is a few hundred bytes, read ten at a time: packing it costs more than it saves.
    let settings = IndexSettings {
        docstore_compression: Compressor::None,
        docstore_compress_dedicated_thread: false,
        docstore_blocksize: ROW_BLOCK_BYTES,
        ..IndexSettings::default()
    };
    let builder =
        Index::builder().schema(fields.schema.clone()).settings(settings).tokenizers(Fields::tokenizers());
    let directory = MmapDirectory::open(dir).map_err(TantivyError::from).map_err(failed)?;
    Writer::create(builder, directory, count).map_err(failed)
}
