//! Lanes (priorities) and stages.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Priority of a parcel. The order of the variants is the order of urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lane {
    /// Someone waits for this page now.
    Critical,
    /// Soon.
    High,
    /// A person's run.
    Normal,
    /// Whenever there is room: nightly runs, warming.
    Low,
}

impl Lane {
    /// All lanes, most urgent first.
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Normal, Self::Low];

    /// Position in [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The word on the wire, in metrics and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A stage of the flow; one agent binary each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StageName {
    /// Lists and reads sources.
    Fetch,
    /// Judges each record by itself.
    Validate,
    /// Turns records into index documents.
    Index,
    /// Turns records into pages, and publishes files.
    Render,
}

impl StageName {
    /// All stages in the order of the flow.
    pub const ALL: [Self; 4] = [Self::Fetch, Self::Validate, Self::Index, Self::Render];

    /// Position in [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The word on the wire, in metrics and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Validate => "validate",
            Self::Index => "index",
            Self::Render => "render",
        }
    }
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
