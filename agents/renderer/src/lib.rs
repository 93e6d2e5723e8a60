//! Stage *render*: records into pages, and the edge that puts files into the site.

pub mod edge;
pub mod engine;
pub mod look;
pub mod page;
mod text;
pub mod twin;
