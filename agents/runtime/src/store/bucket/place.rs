//! Where a store is, by its address.

use std::path::PathBuf;

use super::super::name;

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePlace {
    /// `file:///…`: a folder.
    Folder(PathBuf),
    /// `s3://bucket/prefix`.
    Bucket {
        /// Its name.
        name: String,
        /// Under which all keys are; may be empty.
        prefix: String,
    },
}

impl StorePlace {
    /// Reads an address; `None` if it is of no known kind.
    #[must_use]
    pub fn read(url: &str) -> Option<Self> {
        if let Some(path) = url.strip_prefix("file://") {
            return path.starts_with('/').then(|| Self::Folder(path.into()));
        }
        let rest = url.strip_prefix("s3://")?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let is_good = is_bucket(bucket) && (prefix.is_empty() || prefix.split('/').all(name::is_part));
        is_good.then(|| Self::Bucket { name: bucket.to_owned(), prefix: prefix.to_owned() })
    }
}

/// Letters, digits, `.`, `-` and (in old buckets) `_`.
fn is_bucket(name: &str) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    (3..=255).contains(&name.len())
        && is_end(name.as_bytes().first())
        && is_end(name.as_bytes().last())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_folder_or_a_bucket_with_a_prefix() {
        let bucket = |name: &str, prefix: &str| {
            Some(StorePlace::Bucket { name: name.to_owned(), prefix: prefix.to_owned() })
        };
        assert_eq!(StorePlace::read("file:///a/b"), Some(StorePlace::Folder("/a/b".into())));
        assert_eq!(StorePlace::read("s3://bucket"), bucket("bucket", ""));
        assert_eq!(StorePlace::read("s3://bucket/"), bucket("bucket", ""));
        assert_eq!(StorePlace::read("s3://my.bucket-1/a/b/"), bucket("my.bucket-1", "a/b"));
        for wrong in [
            "",
            "file://a",
            "/a",
            "s3://",
            "s3:///a",
            "s3://ab",
            "s3://-bucket",
            "s3://key:secret@bucket/a",
            "s3://bucket/a//b",
            "s3://bucket/../b",
            "s3://bucket/a?x=1",
            "https://s3.example.org/bucket",
        ] {
            assert_eq!(StorePlace::read(wrong), None, "{wrong}");
        }
    }
}
