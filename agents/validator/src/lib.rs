//! The stage *validate*: one verdict an item.
//!
//! Every item is judged by itself, by its catalogue alone: whoever judges it, in whichever parcel, finds the same. What
//! depends on other records (claims, references) is only stated here; the coordinator decides.
//!
//! Takes `Work::Validate`, gives `Outcome::Validated`. Canonical bodies lie in one pack, the
//! verdicts, which name slices of it, in another.

mod stage;
mod verdicts;

pub use stage::Validator;
