//! Templates that are wrong, and templates that do wrong.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;

use quire_renderer::{
    engine::{Engine, RenderError},
    look::Look,
    page::{PageError, Pages},
};

const DEFINITION: &str = r#"
catalogue: small
title: Small
sources: [{ name: models, files: { include: ["*.json"], format: json } }]
record: { key: .id, title: .name }
pages: { record: templates/record.html }
"#;

fn look(template: &str, more: &[(&str, &str)]) -> Look {
    let mut files = vec![("catalogue.yaml", DEFINITION), ("templates/record.html", template)];
    files.extend_from_slice(more);
    Look::of(&support::catalogue_of(&files))
}

/// The page that `template` makes of a small record.
fn page(template: &str, more: &[(&str, &str)]) -> Result<String, PageError> {
    let engine = Arc::new(Engine::new(look(template, more)).unwrap());
    let item = support::item("a.json", r#"{"id":"a","name":"A & B","n":1e3,"none":null}"#.into());
    let catalogue = support::catalogue_of(&[("catalogue.yaml", DEFINITION)]);
    let (record, body) = support::judged(&catalogue, &item).unwrap();
    let made = support::made(&Pages::new(engine), &support::render_record(&item, &record), &body)?;
    Ok(String::from_utf8(made.ending("html").unwrap().bytes.clone()).unwrap())
}

fn problems(template: &str, more: &[(&str, &str)]) -> Vec<String> {
    let problems = Engine::new(look(template, more)).err().map(|problems| problems.0).unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_missing_variable_is_named_with_its_template_and_line() {
    let error = page("a\n{% include \"part.html\" %}", &[("templates/part.html", "\n\n{{ record.nane.x }}")]);
    let error = error.unwrap_err();
    let PageError::Render(RenderError::Template { template, line, message }) = &error else {
        panic!("{error}")
    };
    assert_eq!((template.as_str(), *line), ("part.html", 3));
    assert!(message.contains("record.nane"), "{message}");
    assert_eq!(page("{% if record.nane %}x{% else %}no{% endif %}", &[]).unwrap(), "no");
}

#[test]
fn a_template_that_does_not_end_is_stopped() {
    let endless = [
        "{% macro again(x) %}{{ again(x) }}{% endmacro %}{{ again(1) }}",
        "{% include \"record.html\" %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{% set c = a + b %}{% endfor %}{% endfor %}",
    ];
    for template in endless {
        let error = page(template, &[]).unwrap_err();
        assert!(matches!(error, PageError::Render(_)), "{template}: {error}");
    }
}

#[test]
fn everything_wrong_with_templates_is_said_at_once() {
    let template = "{{ title | safe }}\n{% autoescape false %}{{ title }}{% endautoescape %}\n\
                    {% include \"gone.html\" %}{{ title | shout }}\n<a href={{ title }}>x</a>\n\
                    <script>{{ title }}</script><p onclick=\"{{ title }}\" data-x=\"{{ record | tojson }}\">";
    let found = problems(template, &[("templates/other.html", "\n{% if %}")]);
    for expected in [
        "templates/other.html:2: ",
        "templates/record.html:1: the filter safe is not allowed",
        "templates/record.html:2: autoescape cannot be changed",
        "templates/record.html:3: there is no template \"gone.html\"",
        "templates/record.html:3: there is no filter \"shout\"",
        "templates/record.html:4: a value in a tag must stand between quotes",
        "templates/record.html:5: a value in a script must be printed with tojson",
        "templates/record.html:5: a value cannot be printed into a script or style attribute",
        "templates/record.html:5: tojson in an attribute must stand between single quotes",
    ] {
        assert!(found.iter().any(|problem| problem.starts_with(expected)), "{expected} is not in {found:#?}");
    }
    assert_eq!(found.len(), 9, "{found:#?}");
}

#[test]
fn the_filter_safe_does_not_exist_however_it_is_called() {
    let error = page("{{ [title] | map('safe') | join }}", &[]).unwrap_err();
    assert!(error.to_string().contains("cannot render"), "{error}");
}

#[test]
fn markdown_that_is_included_in_a_page_is_escaped_like_all_else() {
    let text = page("{% include \"part.md\" %}", &[("templates/part.md", "{{ title }}")]).unwrap();
    assert_eq!(text, "A &amp; B");
}

#[test]
fn a_catalogue_cannot_replace_the_built_in_templates() {
    let found = problems("x", &[("templates/quire/base.html", "y")]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("templates/quire/base.html: "));
}

#[test]
fn the_built_in_templates_pass_our_own_checks() {
    let own: Vec<(String, String)> = quire_renderer::engine::templates()
        .map(|(name, source)| (format!("templates/copy-{name}"), source.to_owned()))
        .collect();
    let own: Vec<(&str, &str)> = own.iter().map(|(name, source)| (name.as_str(), source.as_str())).collect();
    assert_eq!(problems("x", &own), Vec::<String>::new());
}
