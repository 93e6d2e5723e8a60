//! Lists of keys, page by page.

use std::{
    collections::{BTreeSet, VecDeque},
    io,
    sync::Arc,
    time::SystemTime,
};

use futures_util::{StreamExt as _, stream::BoxStream};
use object_store::{Error, ObjectMeta, path::Path};

use super::{Bucket, Server, refusal::Refusal};

/// Objects taken over from the bucket's thread at a time.
const PAGE: usize = 1000;

/// An object of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key in the bucket, or under its prefix.
    pub key: String,
    /// Its size.
    pub bytes: u64,
    /// What the server calls this version of it.
    pub etag: Option<String>,
    /// When it was written.
    pub written: SystemTime,
}

/// All objects under a prefix, in no particular order; asked for as they are taken.
pub struct Listing {
    server: Arc<Server>,
    prefix: String,
    /// Not there while a page is being fetched, and once all is told.
    pages: Option<Pages>,
    page: VecDeque<Listed>,
}

/// Pages still to come.
type Pages = BoxStream<'static, Vec<Result<ObjectMeta, Error>>>;

impl Bucket {
    /// All objects under `folder`; all of the bucket, or of its prefix, if that is empty.
    ///
    /// # Errors
    /// If `folder` is no key.
    pub fn list(&self, folder: &str) -> io::Result<Listing> {
        let path = self.path(folder)?;
        let pages = self.server.objects.list(Some(&path)).ready_chunks(PAGE).boxed();
        Ok(Listing {
            server: Arc::clone(&self.server),
            prefix: self.prefix.clone(),
            pages: Some(pages),
            page: VecDeque::new(),
        })
    }

    /// What lies directly under `folder`: the next parts of keys, sorted as text.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn children(&self, folder: &str) -> io::Result<Vec<String>> {
        let (objects, path) = (Arc::clone(&self.server.objects), self.path(folder)?);
        self.server.bridge.call(async move {
            let found = objects.list_with_delimiter(Some(&path)).await;
            let found = found.map_err(|error| io::Error::from(Refusal::of(&error)))?;
            let prefix = if path.is_root() { String::new() } else { format!("{path}/") };
            let objects = found.objects.into_iter().map(|object| object.location);
            let child = |path: Path| Some(path.as_ref().strip_prefix(&prefix)?.to_owned());
            let children: BTreeSet<String> = objects.chain(found.common_prefixes).filter_map(child).collect();
            Ok(children.into_iter().collect())
        })
    }
}

impl Listing {
    /// Fetches the next objects; whether there were any.
    fn fetch(&mut self) -> io::Result<bool> {
        let Some(mut pages) = self.pages.take() else { return Ok(false) };
        let (pages, page) = self.server.bridge.call(async move {
            let page = pages.next().await;
            Ok((pages, page))
        })?;
        let Some(page) = page else { return Ok(false) };
        for object in page {
            let object = object.map_err(|error| io::Error::from(Refusal::of(&error)))?;
            // A web console's stand-in for a folder has the prefix itself as its key.
            if let Some(key) = object.location.as_ref().strip_prefix(&self.prefix) {
                self.page.push_back(Listed {
                    key: key.to_owned(),
                    bytes: object.size,
                    etag: object.e_tag,
                    written: object.last_modified.into(),
                });
            }
        }
        self.pages = Some(pages);
        Ok(true)
    }
}

impl Iterator for Listing {
    type Item = io::Result<Listed>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(object) = self.page.pop_front() {
                return Some(Ok(object));
            }
            match self.fetch() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.pages = None;
                    return Some(Err(error));
                }
            }
        }
    }
}
