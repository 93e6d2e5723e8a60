//! MessagePack in and out: versioned, bounded in size and depth.
//!
//! A message is one version byte and one MessagePack value with named fields, so that a newer agent may
//! add fields and an older one skips them.

use serde::{Serialize, de::DeserializeOwned};

/// Version of the wire format; the first byte of every message.
pub const VERSION: u8 = 1;
/// Largest message, in bytes. Larger bodies travel by reference.
pub const MAX_MESSAGE_BYTES: usize = 8 * 1024 * 1024;
/// Deepest nesting of a message.
pub const MAX_DEPTH: usize = 64;

/// Why bytes are not a message, or a value cannot become one.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// More bytes than allowed.
    #[error("message of {bytes} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// An unknown wire version.
    #[error("message has wire version {found}, expected {VERSION}")]
    Version {
        /// The first byte.
        found: u8,
    },
    /// No bytes at all.
    #[error("message is empty")]
    Empty,
    /// Not MessagePack, or not of this shape.
    #[error("message cannot be decoded")]
    Decode(#[from] rmp_serde::decode::Error),
    /// The value has no MessagePack form.
    #[error("message cannot be encoded")]
    Encode(#[from] rmp_serde::encode::Error),
}

/// Encodes `value` as a message.
///
/// # Errors
/// [`CodecError::TooLarge`] past [`MAX_MESSAGE_BYTES`].
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::with_capacity(256);
    bytes.push(VERSION);
    value.serialize(&mut rmp_serde::Serializer::new(&mut bytes).with_struct_map())?;
    check_size(bytes.len())?;
    Ok(bytes)
}

/// Decodes a message.
///
/// # Errors
/// Any [`CodecError`]; never panics, never allocates more than the input justifies.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    check_size(bytes.len())?;
    let (&version, body) = bytes.split_first().ok_or(CodecError::Empty)?;
    if version != VERSION {
        return Err(CodecError::Version { found: version });
    }
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(body);
    deserializer.set_max_depth(MAX_DEPTH);
    Ok(T::deserialize(&mut deserializer)?)
}

const fn check_size(bytes: usize) -> Result<(), CodecError> {
    if bytes > MAX_MESSAGE_BYTES {
        return Err(CodecError::TooLarge { bytes, limit: MAX_MESSAGE_BYTES });
    }
    Ok(())
}
