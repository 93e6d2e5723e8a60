//! Compiled catalogues by bundle: compiling templates takes milliseconds, a run asks for one catalogue often.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use quire_catalogue::{Bundle, BundleError, Catalogue, Diagnostics};
use quire_proto::Digest;

use crate::{
    engine::{Engine, TemplateProblem, TemplateProblems},
    look::Look,
    page::Pages,
};

/// Most catalogues kept compiled.
const MAX_ENGINES: usize = 16;

/// What is compiled once a catalogue.
#[derive(Debug)]
pub struct Compiled {
    /// The templates.
    pub engine: Arc<Engine>,
    /// The maker of pages.
    pub pages: Pages,
}

/// Why a bundle could not be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The bytes are not a bundle.
    #[error("cannot read the catalogue's bundle")]
    Bundle(#[from] BundleError),
    /// `catalogue.yaml` is wrong.
    #[error("cannot load the catalogue")]
    Catalogue(#[from] Diagnostics),
    /// Templates are wrong.
    #[error("cannot compile the catalogue's templates")]
    Templates(#[from] TemplateProblems),
}

/// Compiled catalogues, least recently used ones given up. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Engines(Arc<Mutex<Recent>>);

/// Compiled catalogues by the digest of their bundle, the one used last at the end.
type Recent = Vec<(Digest, Arc<Compiled>)>;

impl Engines {
    /// The catalogue whose bundle has the digest `bundle`, compiled now or before. `load` gets the encoded bundle.
    ///
    /// # Errors
    /// What `load` says, or a [`CompileError`].
    pub fn get<E: From<CompileError>>(
        &self,
        bundle: &Digest,
        load: impl FnOnce() -> Result<Bytes, E>,
    ) -> Result<Arc<Compiled>, E> {
        if let Some(known) = self.known(bundle) {
            return Ok(known);
        }
        // Not under the lock: two threads may compile the same templates once, and one of them wins.
        let compiled = compile(&load()?)?;
        let mut engines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if engines.len() >= MAX_ENGINES {
            engines.remove(0);
        }
        engines.push((*bundle, Arc::clone(&compiled)));
        Ok(compiled)
    }

    /// The catalogue of an encoded bundle.
    ///
    /// # Errors
    /// A [`CompileError`].
    pub fn of(&self, bundle: &[u8]) -> Result<Arc<Compiled>, CompileError> {
        self.get(&Digest::of(bundle), || Ok(Bytes::copy_from_slice(bundle)))
    }

    fn known(&self, bundle: &Digest) -> Option<Arc<Compiled>> {
        let mut engines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let position = engines.iter().position(|(digest, _)| digest == bundle)?;
        let found = engines.remove(position);
        let compiled = Arc::clone(&found.1);
        engines.push(found);
        Some(compiled)
    }
}

fn compile(bundle: &[u8]) -> Result<Arc<Compiled>, CompileError> {
    let catalogue = Catalogue::load(Bundle::decode(bundle)?)?;
    let engine = Arc::new(Engine::new(Look::of(&catalogue))?);
    Ok(Arc::new(Compiled { pages: Pages::new(Arc::clone(&engine)), engine }))
}

/// Everything that is wrong with the templates of `catalogue`, by file and line. Needs no record.
#[must_use]
pub fn check(catalogue: &Catalogue) -> Vec<TemplateProblem> {
    let mut problems = match Engine::new(Look::of(catalogue)) {
        Ok(_) => Vec::new(),
        Err(TemplateProblems(problems)) => problems,
    };
    for (path, bytes) in catalogue.bundle().files().filter(|(path, _)| path.starts_with("templates/")) {
        if std::str::from_utf8(bytes).is_err() {
            let message = "the template is not UTF-8 text".to_owned();
            problems.push(TemplateProblem { file: path.to_owned(), line: 0, message });
        }
    }
    problems
}
