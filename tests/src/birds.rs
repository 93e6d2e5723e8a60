//! A small catalogue that a test may change.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A catalogue of birds, each a key and more members of its record; a page needs the bird's colour. Its data is in `data`,
/// for the variable `NAME_ROOT` to say so.
#[must_use]
pub fn birds(folder: &Path, name: &str, birds: &[(&str, &str)]) -> PathBuf {
    let catalogue = folder.join(name);
    fs::create_dir_all(catalogue.join("templates")).unwrap();
    fs::create_dir_all(catalogue.join("data")).unwrap();
    let yaml = format!(
        "catalogue: {name}\ntitle: Birds\nsources:\n  - name: all\n    \
         files: {{ root: \"${{{}_ROOT}}\", include: [\"*.json\"], format: json }}\n\
         record:\n  key: .id\n  title: .id\npages:\n  record: templates/record.html\n",
        name.to_uppercase()
    );
    fs::write(catalogue.join("catalogue.yaml"), yaml).unwrap();
    let page = "{% extends \"quire/base.html\" %}{% block main %}{{ record.colour }}{% endblock %}";
    fs::write(catalogue.join("templates/record.html"), page).unwrap();
    for (id, rest) in birds {
        let record = format!("{{\"id\":\"{id}\"{rest}}}");
        fs::write(catalogue.join(format!("data/{id}.json")), record).unwrap();
    }
    catalogue
}
