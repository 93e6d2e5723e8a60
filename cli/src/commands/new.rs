//! `quire new`: a folder with a small catalogue that builds at once.

use std::{fs, path::Path};

use anyhow::Context as _;
use quire_catalogue::{Bundle, Catalogue};

use crate::{Exit, NewArgs, exit::wrong_usage, output};

/// The files of a new catalogue; `{name}` stands for its name.
const FILES: [(&str, &str); 5] = [
    ("catalogue.yaml", include_str!("../../scaffold/catalogue.yaml")),
    ("schema.json", include_str!("../../scaffold/schema.json")),
    ("templates/record.html", include_str!("../../scaffold/templates/record.html")),
    ("data/grey-heron.json", include_str!("../../scaffold/data/grey-heron.json")),
    ("data/kingfisher.json", include_str!("../../scaffold/data/kingfisher.json")),
];

/// Makes the folder.
///
/// # Errors
/// A name that is not a slug, a folder that exists, a disk that refuses.
pub fn run(args: &NewArgs) -> anyhow::Result<Exit> {
    check_name(&args.name)?;
    let texts = FILES.map(|(path, text)| (path, text.replace("{name}", &args.name)));
    check_definition(&texts)?;
    let folder = Path::new(&args.name);
    fs::create_dir(folder)
        .with_context(|| format!("cannot make the folder `{}`: choose a name that is free", args.name))?;
    for (path, text) in texts {
        let file = folder.join(path);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)
                .with_context(|| format!("cannot make the folder {}", parent.display()))?;
        }
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    output::text(&format!("made {0}/\n  next: quire build {0} && open site/index.html", args.name))?;
    Ok(Exit::Done)
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if name.is_empty() || name.len() > 64 || name.starts_with('-') || !name.chars().all(fits) {
        wrong_usage!(
            "`{name}` is no name for a catalogue: use 1 to 64 lower-case letters, digits and hyphens, such as `birds`"
        );
    }
    Ok(())
}

/// Some slugs have another use; the definition knows which.
fn check_definition(texts: &[(&str, String)]) -> anyhow::Result<()> {
    let files = texts.iter().map(|(path, text)| ((*path).to_owned(), text.clone().into_bytes())).collect();
    match Catalogue::load(Bundle::new(files)) {
        Ok(_) => Ok(()),
        Err(problems) => match problems.iter().next() {
            Some(problem) => wrong_usage!("{}: choose another name", problem.message),
            None => Ok(()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_slug() {
        assert!(check_name("birds-2").is_ok());
        for name in ["", "-x", "Birds", "a/b", "..", "a b", "ä"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
