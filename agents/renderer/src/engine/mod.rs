//! The template engine of one catalogue: built-in templates and the catalogue's own, compiled once.
//!
//! There are two environments over the same templates. In the one for pages everything printed is escaped,
//! whatever file it comes from; in the one for Markdown nothing is. So no template can take text from one
//! into the other unescaped. Neither has access to files, and both stop a template that does not end.

mod base;
mod escape;
mod helpers;
mod html;
mod lint;
mod numbers;
mod scan;
mod value;

use std::{error::Error as _, fmt};

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value, syntax::SyntaxConfig};

pub use base::{RENDERER_VERSION, assets, engine_digest, templates};
pub use helpers::add as add_helpers;
pub(crate) use helpers::{capfirst, squeeze};
pub use value::from_json;
pub(crate) use value::{object, texts};

use crate::look::Look;

/// Most instructions of one rendering; a page of a thousand table rows needs some 50,000.
const FUEL: u64 = 5_000_000;
/// Deepest nesting of includes, macros and loops, in the engine's own measure.
const RECURSION: usize = 200;
/// Largest page, in bytes.
pub const MAX_PAGE_BYTES: usize = 32 * 1024 * 1024;

/// Something wrong with a template, found without any record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateProblem {
    /// Path in the catalogue's folder.
    pub file: String,
    /// Line, counted from 1; 0 for the whole file.
    pub line: u32,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
}

impl fmt::Display for TemplateProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, message } = self;
        if *line > 0 { write!(f, "{file}:{line}: {message}") } else { write!(f, "{file}: {message}") }
    }
}

/// All problems of a catalogue's templates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateProblems(pub Vec<TemplateProblem>);

impl fmt::Display for TemplateProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problems: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&problems.join("; "))
    }
}

impl std::error::Error for TemplateProblems {}

/// Why a page could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The template failed on this input.
    #[error("template {template}, line {line}: {message}")]
    Template {
        /// Name of the template in which it failed.
        template: String,
        /// Line in it.
        line: usize,
        /// What failed, with the variable concerned.
        message: String,
    },
    /// The page is larger than [`MAX_PAGE_BYTES`].
    #[error("template {template} made a page of {bytes} bytes, more than {MAX_PAGE_BYTES}")]
    TooLarge {
        /// Name of the template.
        template: String,
        /// Size.
        bytes: usize,
    },
}

impl RenderError {
    fn new(template: &str, error: &minijinja::Error) -> Self {
        // An error in an included template is the source of one in the template that includes it.
        let mut inner = error;
        while let Some(cause) = inner.source().and_then(|cause| cause.downcast_ref::<minijinja::Error>()) {
            inner = cause;
        }
        let mut message = match inner.detail() {
            Some(detail) if inner.kind() == ErrorKind::UndefinedError => detail.to_owned(),
            Some(detail) => format!("{}: {detail}", inner.kind()),
            None => inner.kind().to_string(),
        };
        if let Some(cause) = inner.source() {
            message = format!("{message}: {cause}");
        }
        let template = inner.name().or(error.name()).unwrap_or(template).to_owned();
        Self::Template { template, line: inner.line().or(error.line()).unwrap_or(0), message }
    }
}

/// Whether a template's output is HTML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// A page: everything printed is escaped.
    Html,
    /// Markdown: nothing is.
    Text,
}

/// The compiled templates of a catalogue.
#[derive(Debug)]
pub struct Engine {
    look: Look,
    html: Environment<'static>,
    text: Environment<'static>,
}

impl Engine {
    /// Compiles the templates of `look`.
    ///
    /// # Errors
    /// All problems of all templates at once.
    pub fn new(look: Look) -> Result<Self, TemplateProblems> {
        let mut problems = Vec::new();
        let html = environment(Output::Html, &look, &mut problems);
        let text = environment(Output::Text, &look, &mut Vec::new());
        lint::lint(&look, &html, &mut problems);
        problems.sort();
        problems.dedup();
        if problems.is_empty() { Ok(Self { look, html, text }) } else { Err(TemplateProblems(problems)) }
    }

    /// The catalogue.
    #[must_use]
    pub const fn look(&self) -> &Look {
        &self.look
    }

    /// Renders one template.
    ///
    /// # Errors
    /// [`RenderError`], naming template, line and variable.
    pub fn render(&self, template: &str, output: Output, context: Value) -> Result<String, RenderError> {
        let env = if output == Output::Html { &self.html } else { &self.text };
        let failed = |error: minijinja::Error| RenderError::new(template, &error);
        let page = env.get_template(template).map_err(failed)?.render(context).map_err(failed)?;
        if page.len() > MAX_PAGE_BYTES {
            return Err(RenderError::TooLarge { template: template.to_owned(), bytes: page.len() });
        }
        Ok(page)
    }
}

fn environment(output: Output, look: &Look, problems: &mut Vec<TemplateProblem>) -> Environment<'static> {
    let mut env = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    // The default delimiters cannot clash.
    env.set_syntax(syntax.unwrap_or_default());
    env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    env.set_fuel(Some(FUEL));
    env.set_recursion_limit(RECURSION);
    // Errors then name the variable; nothing is collected while a template does well.
    env.set_debug(true);
    if output == Output::Html {
        env.set_auto_escape_callback(|_| AutoEscape::Html);
        env.set_formatter(escape::html);
    } else {
        env.set_auto_escape_callback(|_| AutoEscape::None);
        env.set_formatter(escape::plain);
    }
    helpers::add(&mut env);
    for (name, source) in base::templates() {
        if let Err(error) = env.add_template_owned(format!("{}{name}", base::PREFIX), source) {
            problems.push(problem(name, &error));
        }
    }
    for (name, source) in &look.templates {
        if name.starts_with(base::PREFIX) {
            let message = format!("the folder {:?} is taken by the built-in templates", base::PREFIX);
            problems.push(TemplateProblem { file: format!("templates/{name}"), line: 0, message });
        } else if let Err(error) = env.add_template_owned(name.clone(), source.clone()) {
            problems.push(problem(name, &error));
        }
    }
    env
}

fn problem(name: &str, error: &minijinja::Error) -> TemplateProblem {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    let line = error.line().and_then(|line| u32::try_from(line).ok()).unwrap_or(0);
    TemplateProblem { file: format!("templates/{name}"), line, message: detail }
}
