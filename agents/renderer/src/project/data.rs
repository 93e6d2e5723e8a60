//! `data.csv` and `data.json`: every record with what lists show of it.
//!
//! In the CSV a field's values are joined by `; `, and a cell that a
//! spreadsheet would take for a formula begins with `'`: one that starts with `=`, `+`, `-`, `@`, a tab or a
//! carriage return and is not a number. The JSON has the values as they are.

use crate::{
    look::{Field, Look},
    shards::Row,
    twin::string,
};

/// Columns before those of the fields.
const COLUMNS: [&str; 4] = ["key", "title", "summary", "page"];

/// Makes both files: their names and bytes. `rows` ascend by key.
pub(super) fn files(look: &Look, rows: &[&Row]) -> [(&'static str, Vec<u8>); 2] {
    let mut files = DataFiles::new(look);
    rows.iter().for_each(|row| files.add(row));
    files.finish()
}

/// Both files in the making.
struct DataFiles<'a> {
    /// The fields whose values rows keep, with their positions.
    fields: Vec<(usize, &'a Field)>,
    csv: Vec<u8>,
    json: Vec<u8>,
    any: bool,
}

impl<'a> DataFiles<'a> {
    fn new(look: &'a Look) -> Self {
        let mut csv = Vec::new();
        for (number, column) in COLUMNS.into_iter().enumerate() {
            cell(&mut csv, number, column);
        }
        let fields: Vec<(usize, &Field)> =
            look.fields.iter().enumerate().filter(|(_, field)| field.shards).collect();
        for (_, field) in &fields {
            // A field may be called as one of our columns is.
            let prefix = if COLUMNS.contains(&field.name.as_str()) { "field_" } else { "" };
            cell(&mut csv, 1, &format!("{prefix}{}", field.name));
        }
        csv.extend_from_slice(b"\r\n");
        Self { fields, csv, json: b"[".to_vec(), any: false }
    }

    fn add(&mut self, row: &Row) {
        let page = format!("{}.html", row.slug);
        for (number, text) in [&*row.key, &row.title, &row.summary, &page].into_iter().enumerate() {
            cell(&mut self.csv, number, text);
        }
        for (position, _) in &self.fields {
            cell(&mut self.csv, 1, &row.values(*position).join("; "));
        }
        self.csv.extend_from_slice(b"\r\n");
        self.add_json(row, &page);
    }

    fn add_json(&mut self, row: &Row, page: &str) {
        let out = &mut self.json;
        out.extend_from_slice(if self.any { b",\n" } else { b"\n" });
        self.any = true;
        for (name, text) in [
            ("{\"key\":", &*row.key),
            (",\"title\":", &*row.title),
            (",\"summary\":", &*row.summary),
            (",\"page\":", page),
        ] {
            out.extend_from_slice(name.as_bytes());
            string(out, text);
        }
        out.extend_from_slice(b",\"fields\":{");
        for (number, (position, field)) in self.fields.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            string(out, &field.name);
            out.extend_from_slice(b":[");
            for (number, value) in row.values(*position).iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                string(out, value);
            }
            out.push(b']');
        }
        out.extend_from_slice(b"}}");
    }

    fn finish(mut self) -> [(&'static str, Vec<u8>); 2] {
        self.json.extend_from_slice(b"\n]\n");
        [("data.csv", self.csv), ("data.json", self.json)]
    }
}

/// Appends a cell as RFC 4180 has it, guarded against being taken for a formula.
fn cell(csv: &mut Vec<u8>, number: usize, text: &str) {
    if number > 0 {
        csv.push(b',');
    }
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let guard = if formula { "'" } else { "" };
    if !text.contains([',', '"', '\r', '\n']) {
        csv.extend_from_slice(guard.as_bytes());
        csv.extend_from_slice(text.as_bytes());
        return;
    }
    csv.push(b'"');
    csv.extend_from_slice(guard.as_bytes());
    csv.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    csv.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(texts: &[&str]) -> String {
        let mut csv = Vec::new();
        texts.iter().enumerate().for_each(|(number, text)| cell(&mut csv, number, text));
        String::from_utf8(csv).unwrap()
    }

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        assert_eq!(cells(&["a", "b,c", "d\"e", "f\ng", ""]), "a,\"b,c\",\"d\"\"e\",\"f\ng\",");
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_guarded_and_numbers_are_not() {
        assert_eq!(cells(&["=1+1", "@x", "+a", "-b", "\tc", "-1.5"]), "'=1+1,'@x,'+a,'-b,'\tc,-1.5");
        assert_eq!(cells(&["=HYPERLINK(\"x\",\"y\")"]), "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\"");
        assert_eq!(cells(&["\rd"]), "\"'\rd\"");
    }
}
