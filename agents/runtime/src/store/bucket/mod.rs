//! A bucket of an object store: whole objects under keys, over S3's protocol.
//!
//! Calls block, may be made from any thread, and end: requests have deadlines and a bounded number of repeats, with
//! growing, random pauses between them.

mod bridge;
mod listing;
mod open;
mod place;
mod probe;
mod refusal;

use std::{
    fmt, io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use object_store::{
    Attribute, Attributes, Error, GetOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions,
    PutPayload, path::Path,
};

use bridge::Bridge;
use refusal::{Refusal, RefusalKind};

pub use listing::{Listed, Listing};
pub use open::S3Settings;
pub use place::StorePlace;
pub use probe::BucketTrouble;

/// Where our own word on an object stands among its metadata.
const MARK: Attribute = Attribute::Metadata(std::borrow::Cow::Borrowed("quire"));
/// Tries of a creation whose outcome is open.
const CREATIONS: u32 = 4;

/// A bucket, or what lies under a prefix in it. Cheap to clone.
#[derive(Clone)]
pub struct Bucket {
    server: Arc<Server>,
    /// Empty, or ends in `/`.
    prefix: String,
    url: String,
}

struct Server {
    objects: Arc<dyn ObjectStore>,
    /// The same without patience: for a look at whether it is there at all.
    impatient: Arc<dyn ObjectStore>,
    bridge: Bridge,
    /// For messages.
    endpoint: String,
    /// Whether any credentials were given.
    credentials: bool,
}

/// What is said of an object beside its bytes.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    /// What it is, for those who read it over HTTP.
    pub content_type: Option<&'static str>,
    /// A word of ours that nobody else reads; ASCII.
    pub mark: Option<String>,
}

/// What an object looks like from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Its size.
    pub bytes: u64,
    /// What the server calls this version of it.
    pub etag: Option<String>,
    /// What it is, for those who read it over HTTP.
    pub content_type: Option<String>,
    /// Our own word on it.
    pub mark: Option<String>,
}

impl Bucket {
    /// What lies under `folder` here.
    #[must_use]
    pub fn under(&self, folder: &str) -> Self {
        Self {
            server: Arc::clone(&self.server),
            prefix: format!("{}{folder}/", self.prefix),
            url: format!("{}/{folder}", self.url),
        }
    }

    /// Its address, without secrets.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The bytes of an object of at most `limit` bytes; `None` if there is none.
    ///
    /// # Errors
    /// If the server refuses, or the object is larger.
    pub fn get(&self, key: &str, limit: u64) -> io::Result<Option<Bytes>> {
        let (objects, path) = (Arc::clone(&self.server.objects), self.path(key)?);
        self.server.bridge.call(async move {
            let found = match objects.get(&path).await {
                Ok(found) => found,
                Err(error) => return absent_or(&error),
            };
            if found.meta.size > limit {
                let text = format!("it has {} bytes, more than the {limit} expected", found.meta.size);
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
            }
            found.bytes().await.map(Some).map_err(|error| Refusal::of(&error).into())
        })
    }

    /// What an object looks like; `None` if there is none.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn look(&self, key: &str) -> io::Result<Option<Look>> {
        let (objects, path) = (Arc::clone(&self.server.objects), self.path(key)?);
        self.server.bridge.call(async move { look(objects.as_ref(), &path).await })
    }

    /// What several objects look like, in the order of `keys`. Asked for at the same time, as far as there is room.
    ///
    /// # Errors
    /// If the server refuses one of them.
    pub fn look_all(&self, keys: &[&str]) -> io::Result<Vec<Option<Look>>> {
        let looks = keys.iter().map(|key| {
            let (objects, path) = (Arc::clone(&self.server.objects), self.path(key));
            async move { look(objects.as_ref(), &path?).await }
        });
        self.server.bridge.call_all(looks.collect()).into_iter().collect()
    }

    /// Writes an object, whole, over whatever has its key.
    ///
    /// # Errors
    /// If the server refuses; the former object then stays.
    pub fn put(&self, key: &str, bytes: &Bytes, labels: &Labels) -> io::Result<()> {
        let mut put = self.put_all(&[(key, bytes.clone(), labels.clone())]);
        put.pop().unwrap_or_else(|| Err(io::Error::other("nothing was written"))).map(drop)
    }

    /// Writes several objects at the same time, as far as there is room. Each that is written answers with what the server
    /// calls this version of it.
    pub fn put_all(&self, files: &[(&str, Bytes, Labels)]) -> Vec<io::Result<Option<String>>> {
        let puts = files.iter().map(|(key, bytes, labels)| {
            let (objects, path) = (Arc::clone(&self.server.objects), self.path(key));
            let (payload, options) = (PutPayload::from(bytes.clone()), options(PutMode::Overwrite, labels));
            async move {
                let put = objects.put_opts(&path?, payload, options).await;
                put.map(|put| put.e_tag).map_err(|error| Refusal::of(&error).into())
            }
        });
        self.server.bridge.call_all(puts.collect())
    }

    /// Creates an object if there is none: of several callers, wherever they are, one gets `true`.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn create(&self, key: &str, bytes: &Bytes) -> io::Result<bool> {
        self.create_at(&self.server.objects, key, bytes)
    }

    fn create_at(&self, objects: &Arc<dyn ObjectStore>, key: &str, bytes: &Bytes) -> io::Result<bool> {
        let (objects, path, bytes) = (Arc::clone(objects), self.path(key)?, bytes.clone());
        self.server.bridge.call(async move { create(objects.as_ref(), &path, bytes).await })
    }

    /// Removes an object; says whether it was there.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn remove(&self, key: &str) -> io::Result<bool> {
        let (objects, path) = (Arc::clone(&self.server.objects), self.path(key)?);
        self.server.bridge.call(async move {
            // The server does not say whether there was anything.
            if look(objects.as_ref(), &path).await?.is_none() {
                return Ok(false);
            }
            match objects.delete(&path).await {
                Ok(()) => Ok(true),
                Err(error) => absent_or::<()>(&error).map(|_| false),
            }
        })
    }

    /// Removes objects, those that are there, at the same time as far as there is room.
    ///
    /// # Errors
    /// If the server refuses one of them; others may be removed.
    pub fn remove_all(&self, keys: &[&str]) -> io::Result<()> {
        let removals = keys.iter().map(|key| {
            let (objects, path) = (Arc::clone(&self.server.objects), self.path(key));
            async move {
                match objects.delete(&path?).await {
                    Ok(()) => Ok(()),
                    Err(error) => absent_or::<()>(&error).map(drop),
                }
            }
        });
        self.server.bridge.call_all(removals.collect()).into_iter().collect()
    }

    fn path(&self, key: &str) -> io::Result<Path> {
        Path::parse(format!("{}{key}", self.prefix))
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bucket").field(&self.url).finish()
    }
}

fn options(mode: PutMode, labels: &Labels) -> PutOptions {
    let mut attributes = Attributes::new();
    if let Some(content_type) = labels.content_type {
        attributes.insert(Attribute::ContentType, content_type.into());
    }
    if let Some(mark) = &labels.mark {
        attributes.insert(MARK, mark.clone().into());
    }
    PutOptions { mode, attributes, ..PutOptions::default() }
}

/// `None` for an error that says that there is no such object; where there is no bucket, nothing can be said of it.
fn absent_or<T>(error: &Error) -> io::Result<Option<T>> {
    let refusal = Refusal::of(error);
    if refusal.kind == RefusalKind::Absent { Ok(None) } else { Err(refusal.into()) }
}

async fn look(objects: &dyn ObjectStore, path: &Path) -> io::Result<Option<Look>> {
    match objects.get_opts(path, GetOptions { head: true, ..GetOptions::default() }).await {
        Ok(found) => {
            let text = |attribute| found.attributes.get(attribute).map(|text| text.as_ref().to_owned());
            let (content_type, mark) = (text(&Attribute::ContentType), text(&MARK));
            Ok(Some(Look { bytes: found.meta.size, etag: found.meta.e_tag, content_type, mark }))
        }
        Err(error) => absent_or(&error),
    }
}

/// An answer may be lost, and its request be repeated, here or on the way: then "there is one" may be said of what we have
/// created. So what we create has a mark that nobody else has, and in doubt it is looked at.
async fn create(objects: &dyn ObjectStore, path: &Path, bytes: Bytes) -> io::Result<bool> {
    let mark = unique_mark();
    let labels = Labels { mark: Some(mark.clone()), ..Labels::default() };
    let mut last = None;
    for _ in 0..CREATIONS {
        let payload = PutPayload::from(bytes.clone());
        let refusal = match objects.put_opts(path, payload, options(PutMode::Create, &labels)).await {
            Ok(_) => return Ok(true),
            Err(error) => Refusal::of(&error),
        };
        if !matches!(refusal.kind, RefusalKind::Exists | RefusalKind::Away) {
            return Err(refusal.into());
        }
        if let Some(found) = look(objects, path).await? {
            return Ok(found.mark.as_ref() == Some(&mark));
        }
        // Another one was being made and was not, or the request did not get there.
        last = Some(refusal);
    }
    Err(last.map_or_else(|| io::Error::other("not created"), io::Error::from))
}

/// A text that no other creation has, in whatever process.
fn unique_mark() -> String {
    static PROCESS: OnceLock<String> = OnceLock::new();
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let process = PROCESS.get_or_init(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{}-{:x}", crate::process::instance_name(), since.as_nanos())
    });
    format!("{process}-{:x}", NEXT.fetch_add(1, Ordering::Relaxed))
}
