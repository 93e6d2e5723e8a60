//! What each command does, a file each.

pub mod admin;
pub mod agents;
pub mod build;
pub mod cache;
pub mod check;
pub mod dead;
pub mod doctor;
pub mod explain;
pub mod figure;
pub mod lanes;
pub mod new;
mod place;
pub mod queue;
pub mod run;
pub mod search;
pub mod serve;
pub mod top;
