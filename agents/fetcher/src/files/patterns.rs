//! Which locations a source takes: globs relative to its root.
//!
//! `*` and `?` stop at `/`, `**` crosses it. Names that start with a dot are skipped unless a pattern spells
//! the dot. Folders that no pattern can reach are not walked.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

/// Globs of a source, compiled.
#[derive(Debug, Clone)]
pub(crate) struct Patterns {
    /// The patterns of `include`, one by one.
    each: Vec<Glob>,
    include: GlobSet,
    /// Those of `include` that spell a leading dot: only they reach hidden names.
    dotted: GlobSet,
    exclude: GlobSet,
    reaches: Vec<Reach>,
}

/// Why a pattern cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PatternError {
    /// Not a glob.
    #[error("`{pattern}` is not a usable pattern")]
    Glob { pattern: String, source: globset::Error },
    /// It is absolute or goes up.
    #[error(
        "pattern `{pattern}` leads out of the source's root: write it relative to the root, without `..`"
    )]
    Outside { pattern: String },
}

impl Patterns {
    pub(crate) fn new(include: &[String], exclude: &[String]) -> Result<Self, PatternError> {
        let include = include.iter().map(|glob| inside(glob)).collect::<Result<Vec<_>, _>>()?;
        let exclude = exclude.iter().map(|glob| inside(glob)).collect::<Result<Vec<_>, _>>()?;
        let dotted: Vec<&str> = include.iter().copied().filter(|glob| spells_dot(glob)).collect();
        Ok(Self {
            each: include.iter().map(|glob| glob_of(glob)).collect::<Result<_, _>>()?,
            include: compile(&include)?,
            dotted: compile(&dotted)?,
            exclude: compile(&exclude)?,
            reaches: include.iter().map(|glob| Reach::of(glob)).collect(),
        })
    }

    /// Whether the source takes this location.
    pub(crate) fn take(&self, location: &str) -> bool {
        let wanted = if is_hidden(location) { &self.dotted } else { &self.include };
        wanted.is_match(location) && !self.exclude.is_match(location)
    }

    /// Patterns that match none of these locations: often a slip of the pen.
    pub(crate) fn without_match<'a>(
        &'a self,
        found: impl Iterator<Item = &'a str> + Clone,
    ) -> impl Iterator<Item = &'a str> {
        let matches = move |glob: &Glob| {
            let matcher = glob.compile_matcher();
            found.clone().any(|location| matcher.is_match(location))
        };
        self.each.iter().filter(move |glob| !matches(glob)).map(Glob::glob)
    }

    /// Whether something below this folder may be taken.
    pub(crate) fn enter(&self, folder: &str) -> bool {
        if self.dotted.is_empty() && is_hidden(folder) {
            return false;
        }
        // The history of a repository is never data.
        folder.rsplit('/').next() != Some(".git") && self.reaches.iter().any(|reach| reach.enters(folder))
    }

    /// Whether any pattern reaches hidden names.
    pub(crate) fn reach_hidden(&self) -> bool {
        !self.dotted.is_empty()
    }
}

/// How far a pattern reaches, without matching it.
#[derive(Debug, Clone)]
struct Reach {
    /// Leading parts without any special character.
    prefix: Vec<String>,
    /// Deepest folder that may hold a match; `None` with `**`.
    depth: Option<usize>,
}

impl Reach {
    fn of(glob: &str) -> Self {
        let parts: Vec<&str> = glob.split('/').collect();
        let folders = parts.len() - 1;
        let literal = |part: &&&str| !part.contains(['*', '?', '[', ']', '{', '}', '\\', '!']);
        let prefix = parts.iter().take(folders).take_while(literal).map(|part| (*part).to_owned()).collect();
        Self { prefix, depth: (!glob.contains("**")).then_some(folders) }
    }

    fn enters(&self, folder: &str) -> bool {
        let deep = folder.split('/').count();
        self.depth.is_none_or(|depth| deep <= depth)
            && self.prefix.iter().zip(folder.split('/')).all(|(wanted, found)| wanted == found)
    }
}

fn inside(pattern: &str) -> Result<&str, PatternError> {
    let mut inside = pattern;
    while let Some(rest) = inside.strip_prefix("./") {
        inside = rest;
    }
    if inside.is_empty() || inside.starts_with('/') || inside.split('/').any(|part| part == "..") {
        return Err(PatternError::Outside { pattern: pattern.to_owned() });
    }
    Ok(inside)
}

fn compile(globs: &[&str]) -> Result<GlobSet, PatternError> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(glob_of(glob)?);
    }
    set.build().map_err(|source| PatternError::Glob { pattern: globs.join(", "), source })
}

fn glob_of(glob: &str) -> Result<Glob, PatternError> {
    let broken = |source| PatternError::Glob { pattern: glob.to_owned(), source };
    GlobBuilder::new(glob).literal_separator(true).build().map_err(broken)
}

fn spells_dot(glob: &str) -> bool {
    glob.split(['/', '{', ',']).any(|part| part.starts_with('.'))
}

fn is_hidden(location: &str) -> bool {
    location.split('/').any(|part| part.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(include: &[&str], exclude: &[&str]) -> Patterns {
        let owned = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect::<Vec<_>>();
        Patterns::new(&owned(include), &owned(exclude)).unwrap()
    }

    #[test]
    fn a_star_stops_at_a_slash_and_two_stars_do_not() {
        let flat = patterns(&["data/*.json"], &[]);
        assert!(flat.take("data/a.json"));
        assert!(!flat.take("data/x/a.json"));
        let deep = patterns(&["data/**/*.json"], &[]);
        assert!(deep.take("data/a.json"));
        assert!(deep.take("data/x/y/a.json"));
        assert!(!deep.take("other/a.json"));
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_told() {
        let two = patterns(&["**/*.json", "**/*.jsn"], &[]);
        let unmatched = |found: &[&'static str]| {
            two.without_match(found.iter().copied()).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(unmatched(&["a/b.json", "c.json"]), ["**/*.jsn"]);
        assert_eq!(unmatched(&["a/b.json", "c.jsn"]), Vec::<String>::new());
        assert_eq!(unmatched(&[]), ["**/*.json", "**/*.jsn"]);
    }

    #[test]
    fn an_excluded_location_is_not_taken() {
        let some = patterns(&["**/*.json"], &["**/draft-*.json", "old/**"]);
        assert!(some.take("a.json"));
        assert!(!some.take("x/draft-a.json"));
        assert!(!some.take("old/a.json"));
    }

    #[test]
    fn hidden_names_need_a_pattern_that_spells_the_dot() {
        let all = patterns(&["**/*.json"], &[]);
        assert!(!all.take(".hidden.json"));
        assert!(!all.take(".cache/a.json"));
        assert!(!all.enter(".cache"));
        let dotted = patterns(&["**/*.json", ".well-known/*.json"], &[]);
        assert!(dotted.take(".well-known/a.json"));
        assert!(dotted.enter(".well-known"));
        assert!(!dotted.take(".other/a.json"));
        assert!(!dotted.enter(".git"));
    }

    #[test]
    fn folders_out_of_reach_are_not_entered() {
        let some = patterns(&["data/**/*.json", "extra/x/*.csv"], &[]);
        assert!(some.enter("data"));
        assert!(some.enter("data/a/b"));
        assert!(some.enter("extra"));
        assert!(some.enter("extra/x"));
        assert!(!some.enter("extra/y"));
        assert!(!some.enter("extra/x/z"));
        assert!(!some.enter("node_modules"));
        assert!(patterns(&["{a/b,c}/*.json"], &[]).enter("a/b"));
    }

    #[test]
    fn patterns_that_lead_out_of_the_root_are_refused() {
        for pattern in ["/etc/*", "../x/*.json", "a/../../b", ""] {
            assert!(Patterns::new(&[pattern.to_owned()], &[]).is_err(), "{pattern}");
        }
        assert!(Patterns::new(&["a{".to_owned()], &[]).is_err());
        assert!(patterns(&["./a/*.json"], &[]).take("a/x.json"));
    }
}
