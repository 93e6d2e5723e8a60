//! Comma-separated rows under a header, read line by line within limits. Every mistake says where it is, what was
//! expected and what to do.

use std::{fmt, io, io::BufRead};

/// Longest line in bytes.
pub const LONGEST_LINE: usize = 4096;

/// Why a table was not read.
#[derive(Debug, thiserror::Error)]
pub enum CsvError {
    /// The caller's reader failed.
    #[error("cannot read the table")]
    Read(#[from] io::Error),
    /// What is there is not what was expected.
    #[error("{at}: {what}")]
    Wrong {
        /// Where.
        at: Place,
        /// What was found, what was expected, what to do.
        what: String,
    },
}

/// Where in a table; both are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column and its name, if it is about one.
    pub column: Option<(usize, String)>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        match &self.column {
            Some((column, name)) => write!(f, ", column {column} ({name})"),
            None => Ok(()),
        }
    }
}

/// A table being read.
pub struct Rows<R> {
    input: R,
    line: u64,
    bytes: Vec<u8>,
    /// Where the cells of the line end in `cells`.
    ends: Vec<usize>,
    cells: String,
    names: Vec<String>,
}

impl<R: BufRead> Rows<R> {
    /// Reads the header. Names are compared without regard to case and surrounding blanks.
    ///
    /// # Errors
    /// A missing, unknown or repeated name; what [`Rows::next_row`] says of lines.
    pub fn new(input: R, required: &[&str], optional: &[&str]) -> Result<Self, CsvError> {
        let mut rows = Self {
            input,
            line: 0,
            bytes: Vec::new(),
            ends: Vec::new(),
            cells: String::new(),
            names: Vec::new(),
        };
        let header = required.join(",");
        if !rows.next_line()? {
            return Err(rows.wrong(1, format!("nothing is there: expected the header {header}")));
        }
        let known = |name: &String| required.contains(&name.as_str()) || optional.contains(&name.as_str());
        let names: Vec<String> = (0..rows.ends.len()).map(|at| rows.cell(at).to_ascii_lowercase()).collect();
        for (at, name) in names.iter().enumerate() {
            let expected = || {
                let also = if optional.is_empty() {
                    String::new()
                } else {
                    format!(" and, if you like, {}", optional.join(", "))
                };
                format!("expected {header}{also}")
            };
            if !known(name) {
                let name: String = name.chars().take(40).collect();
                return Err(
                    rows.wrong(1, format!("the header names `{name}` in column {}: {}", at + 1, expected()))
                );
            }
            if names[..at].contains(name) {
                return Err(rows.wrong(1, format!("the header names `{name}` twice: {}", expected())));
            }
        }
        if let Some(missing) = required.iter().find(|name| !names.iter().any(|there| there == *name)) {
            let what = format!(
                "the header does not name `{missing}`: expected {header}; write it as the first line"
            );
            return Err(rows.wrong(1, what));
        }
        rows.names = names;
        Ok(rows)
    }

    /// Number of the named column, counted from 0.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|there| there == name)
    }

    /// Goes to the next row that is not empty; `false` at the end.
    ///
    /// # Errors
    /// A line that is too long, has another number of cells than the header, is not UTF-8, or has a quotation mark that is not closed.
    pub fn next_row(&mut self) -> Result<bool, CsvError> {
        if !self.next_line()? {
            return Ok(false);
        }
        let (found, expected) = (self.ends.len(), self.names.len());
        if found != expected {
            let what = format!(
                "{found} cells: expected {expected}, as in the header; write \"…\" around a cell with commas, and nothing into an empty one"
            );
            return Err(self.wrong(self.line, what));
        }
        Ok(true)
    }

    /// Number of the line, counted from 1.
    #[must_use]
    pub const fn line(&self) -> u64 {
        self.line
    }

    /// A cell of the row, without surrounding blanks; columns are counted from 0.
    #[must_use]
    pub fn cell(&self, column: usize) -> &str {
        let begin = if column == 0 { 0 } else { self.ends[column - 1] };
        self.cells[begin..self.ends[column]].trim()
    }

    /// What is wrong with a cell of this row.
    #[must_use]
    pub fn wrong_cell(&self, column: usize, expected: &str) -> CsvError {
        let cell: String = self.cell(column).chars().take(40).collect();
        let name = self.names.get(column).cloned().unwrap_or_default();
        let what = format!("found `{cell}`, expected {expected}");
        CsvError::Wrong { at: Place { line: self.line, column: Some((column + 1, name)) }, what }
    }

    /// What is wrong with a line.
    #[must_use]
    pub fn wrong(&self, line: u64, what: String) -> CsvError {
        CsvError::Wrong { at: Place { line, column: None }, what }
    }

    /// Reads the next line that is not empty into cells.
    fn next_line(&mut self) -> Result<bool, CsvError> {
        loop {
            self.bytes.clear();
            self.line += 1;
            let most = LONGEST_LINE as u64 + 1;
            let mut limited = io::Read::take(&mut self.input, most);
            if limited.read_until(b'\n', &mut self.bytes)? == 0 {
                return Ok(false);
            }
            if self.bytes.len() > LONGEST_LINE {
                let what = format!(
                    "longer than {LONGEST_LINE} bytes: expected a short row; is this file comma-separated text?"
                );
                return Err(self.wrong(self.line, what));
            }
            if self.line == 1 && self.bytes.starts_with(b"\xef\xbb\xbf") {
                self.bytes.drain(..3);
            }
            if !self.bytes.trim_ascii().is_empty() {
                break;
            }
        }
        self.split().map(|()| true)
    }

    fn split(&mut self) -> Result<(), CsvError> {
        let Ok(line) = std::str::from_utf8(&self.bytes) else {
            let what = "not UTF-8: save the file as comma-separated text in UTF-8".to_owned();
            return Err(self.wrong(self.line, what));
        };
        let line = line.trim_end_matches(['\n', '\r']);
        self.cells.clear();
        self.ends.clear();
        let mut quoted = false;
        let mut letters = line.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '"' if quoted && letters.peek() == Some(&'"') => {
                    letters.next();
                    self.cells.push('"');
                }
                '"' => quoted = !quoted,
                ',' if !quoted => self.ends.push(self.cells.len()),
                letter => self.cells.push(letter),
            }
        }
        if quoted {
            let what = "a quotation mark is not closed on its line: expected \"…\"".to_owned();
            return Err(self.wrong(self.line, what));
        }
        self.ends.push(self.cells.len());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8]) -> Result<Vec<Vec<String>>, CsvError> {
        let mut rows = Rows::new(text, &["a", "b"], &["c"])?;
        let mut all = Vec::new();
        while rows.next_row()? {
            all.push((0..rows.names.len()).map(|at| rows.cell(at).to_owned()).collect());
        }
        Ok(all)
    }

    #[test]
    fn cells_may_be_quoted_and_lines_end_as_they_like() {
        let read = rows(b"\xef\xbb\xbfA, b,c\r\n1,\"2,\"\"x\"\"\",\r\n\n  \n 3 ,4,\xc3\xa4").unwrap();
        assert_eq!(read, [["1", "2,\"x\"", ""], ["3", "4", "ä"]]);
    }

    #[test]
    fn mistakes_say_where_they_are() {
        let long = [b"a,b\n".as_slice(), &vec![b'1'; LONGEST_LINE + 1]].concat();
        for (text, told) in [
            (b"".as_slice(), "line 1: nothing is there: expected the header a,b"),
            (b"a,x", "line 1: the header names `x` in column 2: expected a,b and, if you like, c"),
            (b"a,b,a", "line 1: the header names `a` twice"),
            (b"1,2\n", "line 1: the header names `1` in column 1"),
            (b"a\n", "line 1: the header does not name `b`: expected a,b"),
            (b"a,b\n\n1\n", "line 3: 1 cells: expected 2"),
            (b"a,b\n1,\"2\n", "line 2: a quotation mark is not closed"),
            (b"a,b\n1,\xff\n", "line 2: not UTF-8"),
            (&long, "line 2: longer than 4096 bytes"),
        ] {
            let error = rows(text).unwrap_err().to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }
}
