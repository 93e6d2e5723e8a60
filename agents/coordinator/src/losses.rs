//! Why items or records could not be processed, for reports: those of one cause together.

/// Most causes told.
const MAX_CAUSES: usize = 20;

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
    /// The first of these, and its error as it is.
    first: (String, String),
    count: usize,
}

impl Losses {
    /// One more: what it is called in the report and, if that is another name, in its error.
    pub(crate) fn add(&mut self, subject: &str, name: &str, error: &str) {
        let cause = error.replacen(&format!(" {name}:"), ":", 1);
        let is_room = self.causes.len() < MAX_CAUSES;
        match self.causes.iter_mut().find(|known| known.error == cause) {
            Some(known) => known.count += 1,
            None if is_room => {
                let first = (subject.to_owned(), error.to_owned());
                self.causes.push(Cause { error: cause, first, count: 1 });
            }
            None => self.untold += 1,
        }
    }

    /// A line for each cause, and one for those beyond. `what` they are, such as `records`.
    pub(crate) fn told(self, what: &str) -> Vec<String> {
        let cause = |Cause { error, first: (subject, own), count }| match count {
            1 => format!("{subject}: {own}"),
            _ => format!("{subject} and {} more {what}: {error}", count - 1),
        };
        let mut told: Vec<String> = self.causes.into_iter().map(cause).collect();
        if self.untold > 0 {
            told.push(format!("{} more {what} could not be processed", self.untold));
        }
        told
    }
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
                "heron (s:heron.json) and 2 more records: rendering: no colour",
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
    }
}
