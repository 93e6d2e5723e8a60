//! Stage *render*: records into pages, and the edge that puts files into the site.
//!
//! [`Renderer`] is the stage, [`RendererRole`] the process with pages on demand. [`project`] makes what belongs to a catalogue or a site as a whole. [`edge`]
//! writes files. [`check`] says what is wrong with a catalogue's templates. How templates look and what they
//! see is in the guide; the built-in ones are in `site/templates`.

mod agent;
mod draw;
pub mod edge;
pub mod engine;
mod engines;
pub mod look;
pub mod page;
pub mod project;
mod shards;
pub mod sight;
mod stage;
mod text;
pub mod twin;

pub use agent::RendererRole;
pub use draw::DrawError;
pub use engine::{RENDERER_VERSION, TemplateProblem, TemplateProblems, engine_digest};
pub use engines::{CompileError, Compiled, Engines, check};
pub use stage::Renderer;
