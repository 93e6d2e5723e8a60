//! Why items or records could not be processed, for reports: those of one cause together.

/// Most causes told.
const MAX_CAUSES: usize = 20;
/// Most of one cause that are named.
const MAX_NAMES: usize = 20;

/// What is told of those that could not be processed.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    causes: Vec<Cause>,
    untold: usize,
}

#[derive(Debug)]
struct Cause {
    /// The error without the name of what it is about.
    error: String,
    /// The first error as it is.
    first: String,
    /// The first of these.
    names: Vec<String>,
    count: usize,
}

impl Losses {
    /// One more: what it is called in the report and, if that is another name, in its error.
    pub(crate) fn add(&mut self, subject: &str, name: &str, error: &str) {
        let cause = unnamed(error, name);
        let is_room = self.causes.len() < MAX_CAUSES;
        match self.causes.iter_mut().find(|known| known.error == cause) {
            Some(known) => {
                known.count += 1;
                if known.names.len() < MAX_NAMES {
                    known.names.push(subject.to_owned());
                }
            }
            None if is_room => {
                let (first, names) = (error.to_owned(), vec![subject.to_owned()]);
                self.causes.push(Cause { error: cause, first, names, count: 1 });
            }
            None => self.untold += 1,
        }
    }

    /// A line for each cause, and one for those beyond. `what` they are, such as `records`.
    pub(crate) fn told(self, what: &str) -> Vec<String> {
        let cause = |Cause { error, first, names, count }: Cause| {
            let (told, named) = (names.join(", "), names.len());
            match count {
                1 => format!("{told}: {first}"),
                _ if count > named => format!("{told} and {} more {what}: {error}", count - named),
                _ => format!("{told}: {error}"),
            }
        };
        let mut told: Vec<String> = self.causes.into_iter().map(cause).collect();
        if self.untold > 0 {
            told.push(format!("{} more {what} could not be processed", self.untold));
        }
        told
    }
}

/// An error without the name of what it is about: so those of one cause are the same.
#[must_use]
pub fn unnamed(error: &str, name: &str) -> String {
    error.replacen(&format!(" {name}:"), ":", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_of_one_cause_are_told_together() {
        let mut losses = Losses::default();
        for key in ["heron", "swan", "wren"] {
            losses.add(&format!("{key} (s:{key}.json)"), key, &format!("rendering {key}: no colour"));
        }
        losses.add("owl (s:owl.json)", "owl", "rendering owl: no size");
        assert_eq!(
            losses.told("records"),
            [
                "heron (s:heron.json), swan (s:swan.json), wren (s:wren.json): rendering: no colour",
                "owl (s:owl.json): rendering owl: no size"
            ]
        );
        let mut losses = Losses::default();
        (0..25).for_each(|number| losses.add("a", "a", &format!("error {number}")));
        let told = losses.told("items");
        assert_eq!(
            (told.len(), told.last().map(String::as_str)),
            (21, Some("5 more items could not be processed"))
        );
        let mut losses = Losses::default();
        (0..23).for_each(|number| losses.add(&number.to_string(), "a", "no colour"));
        let told = losses.told("items");
        assert_eq!(told.len(), 1);
        assert!(
            told[0].starts_with("0, 1, 2,") && told[0].ends_with("18, 19 and 3 more items: no colour"),
            "{told:?}"
        );
    }
}
