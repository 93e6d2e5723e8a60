//! Stage *render*: records into pages, and the edge that puts files into the site.

pub mod edge;
