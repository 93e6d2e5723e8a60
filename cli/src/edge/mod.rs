//! What the renderer does for the coordinator: lists and root files, and the site's folder.
//!
//! No agent depends on another: whoever composes them, brings them together here.

mod projector;
mod site;

pub use projector::RendererProjector;
pub use site::Site;
