//! Draws the figures that a catalogue defines.
//!
//! An expression yields one object a drawing. It is read, drawn straight into what becomes an entry of the pack, and listed for
//! templates. What is wrong is told with figure, drawing and place: a page never goes without its picture.

mod eyemap;
mod picture;
mod scatter;
mod sheets;
mod value;

use std::fmt;

use quire_catalogue::{Figure, FigureKind, Program, decode::Value as Jq, encode, slug};
use quire_figures::eyemap::Grid;
use serde_json::{Map as Listing, Value as Json};

use crate::sight::Sight;
use eyemap::{Map, wider};
use picture::Picture;
use scatter::Plot;
pub(crate) use sheets::sheets;
use value::Wrong;

/// Most drawings of one figure.
const MAX_DRAWINGS: usize = 256;
/// Most bytes of all drawings of one record, or of one figure of a catalogue.
const MAX_DRAWN: usize = 64 << 20;
/// Members of a listing that are ours.
const OWN: [&str; 8] = ["file", "href", "png", "table", "title", "text", "width", "height"];

/// Why figures could not be drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrawError {
    figure: String,
    drawing: Option<(usize, String)>,
    message: String,
}

impl fmt::Display for DrawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "figure {}", self.figure)?;
        match &self.drawing {
            Some((number, file)) if file.is_empty() => write!(f, ", drawing {number}")?,
            Some((number, file)) => write!(f, ", drawing {number} (`{file}`)")?,
            None => {}
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for DrawError {}

/// A figure whose expression is compiled.
#[derive(Debug)]
pub(crate) struct Drawer {
    definition: Figure,
    program: Result<Program, String>,
}

/// Files of one figure, by path below the catalogue's `figures/`, and what templates know of them.
#[derive(Debug, Default)]
pub(crate) struct Drawn {
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) listing: Vec<Json>,
}

/// One drawing, read.
enum Drawing<'v> {
    Eyemap(Map<'v>),
    Scatter(Plot<'v>),
}

impl Drawer {
    pub(crate) fn new(definition: &Figure, aggregates: &[String]) -> Self {
        let program = Program::new(&definition.from.code, aggregates);
        Self { definition: definition.clone(), program }
    }

    pub(crate) fn name(&self) -> &str {
        &self.definition.name
    }

    /// Draws what the expression yields on the object of all aggregates.
    pub(crate) fn draw_shared(&self, sight: &Sight) -> Result<Drawn, DrawError> {
        let fail = |message| DrawError { figure: self.name().to_owned(), drawing: None, message };
        let input = Program::input_of(sight).map_err(fail)?;
        self.draw(input, sight, "")
    }

    /// Draws what the expression yields on `input`. Files lie in `folder` (below `figures/`, empty or with a `/` at its end).
    pub(crate) fn draw(&self, input: Jq, sight: &Sight, folder: &str) -> Result<Drawn, DrawError> {
        let fail = |message| DrawError { figure: self.name().to_owned(), drawing: None, message };
        let program = self.program.as_ref().map_err(|message| fail(message.clone()))?;
        let outputs = program.outputs(input, sight).map_err(fail)?;
        if outputs.len() > MAX_DRAWINGS {
            return Err(fail(format!("{} drawings, at most {MAX_DRAWINGS} are drawn", outputs.len())));
        }
        let read = |(number, output)| {
            self.read(output).map_err(|wrong| self.fail(number, output, wrong.to_string()))
        };
        let mut drawings = outputs.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        share_ranges(&mut drawings);
        share_radius(&mut drawings);
        let files: Vec<&str> = drawings.iter().map(Drawing::file).collect();
        if let Some(twice) = (1..files.len()).find(|&at| files[..at].contains(&files[at])) {
            let message = "two drawings of the figure have this file".to_owned();
            return Err(self.fail(twice, &outputs[twice], message));
        }
        let names = slug::folded_names(&files);
        let (mut drawn, mut bytes) = (Drawn::default(), 0);
        for (number, (drawing, name)) in drawings.iter().zip(&names).enumerate() {
            let fail = |message| self.fail(number, &outputs[number], message);
            let picture = picture::draw(&self.definition, drawing, !folder.is_empty());
            let picture = picture.map_err(|error| fail(chain(&error)))?;
            bytes += picture.bytes();
            if bytes > MAX_DRAWN {
                return Err(fail(format!("the drawings together have more than {MAX_DRAWN} bytes")));
            }
            drawn
                .add(drawing, picture, &format!("{folder}{name}"))
                .map_err(|wrong| fail(wrong.to_string()))?;
        }
        Ok(drawn)
    }

    /// Two figures have a file of one name.
    pub(crate) fn clash(&self, path: &str) -> DrawError {
        let message = format!("another figure has the file {path} already: give its drawings other names");
        DrawError { figure: self.name().to_owned(), drawing: None, message }
    }

    fn fail(&self, number: usize, output: &Jq, message: String) -> DrawError {
        let file = match output {
            Jq::Obj(object) => {
                object.iter().find(|(key, _)| matches!(key, Jq::TStr(name) if &name[..] == b"file"))
            }
            _ => None,
        };
        let file = file.and_then(|(_, file)| value::text(file).ok()).unwrap_or_default();
        let file = file.chars().take(120).collect();
        DrawError { figure: self.name().to_owned(), drawing: Some((number + 1, file)), message }
    }

    fn read<'v>(&self, output: &'v Jq) -> Result<Drawing<'v>, Wrong> {
        match self.definition.kind {
            FigureKind::Eyemap { .. } => Map::read(output).map(Drawing::Eyemap),
            FigureKind::Scatter { .. } => Plot::read(output).map(Drawing::Scatter),
        }
    }
}

impl Drawing<'_> {
    fn file(&self) -> &str {
        match self {
            Self::Eyemap(map) => map.file,
            Self::Scatter(plot) => plot.file,
        }
    }

    fn with(&self) -> Option<&Jq> {
        match self {
            Self::Eyemap(map) => map.with,
            Self::Scatter(plot) => plot.with,
        }
    }
}

impl Drawn {
    fn add(&mut self, drawing: &Drawing<'_>, picture: Picture, path: &str) -> Result<(), Wrong> {
        let mut listing = Listing::new();
        let mut tell = |name: &str, value: Json| listing.insert(name.to_owned(), value);
        tell("file", drawing.file().into());
        tell("href", format!("figures/{path}.svg").into());
        if picture.png.is_some() {
            tell("png", format!("figures/{path}.png").into());
        }
        if picture.table.is_some() {
            tell("table", format!("figures/{path}.html").into());
        }
        tell("title", picture.title.into());
        tell("text", picture.text.into());
        tell("width", whole(picture.size.0));
        tell("height", whole(picture.size.1));
        for (name, value) in drawing.with().map(members).transpose()?.into_iter().flatten() {
            if OWN.contains(&name.as_str()) {
                return Err(Wrong::new(format!("`{name}` is told of every drawing: choose another name"))
                    .within("with"));
            }
            listing.insert(name, value);
        }
        self.listing.push(Json::Object(listing));
        self.files.push((format!("{path}.svg"), picture.svg));
        self.files.extend(picture.png.map(|png| (format!("{path}.png"), png)));
        self.files.extend(picture.table.map(|table| (format!("{path}.html"), table)));
        Ok(())
    }
}

/// The members of `with`.
fn members(with: &Jq) -> Result<Listing<String, Json>, Wrong> {
    let wrong = |message: String| Wrong::new(message).within("with");
    let mut text = Vec::new();
    encode::write(with, &mut text).map_err(|error| wrong(error.to_string()))?;
    match serde_json::from_slice(&text) {
        Ok(Json::Object(members)) => Ok(members),
        Ok(_) => Err(wrong("expected an object".to_owned())),
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// A size as a whole number of pixels, which is what attributes of pages take.
fn whole(size: f64) -> Json {
    Json::from(size.ceil().clamp(0.0, 1e6) as u32)
}

/// Maps of one metric share their colours' range, and those of one region that of their layers, so that they can be
/// compared; unless they say another.
fn share_ranges(drawings: &mut [Drawing<'_>]) {
    let extents: Vec<_> = drawings
        .iter()
        .map(|drawing| match drawing {
            Drawing::Eyemap(map) => Some((map.metric.clone(), map.region.clone(), map.extents())),
            Drawing::Scatter(_) => None,
        })
        .collect();
    for drawing in drawings {
        let Drawing::Eyemap(map) = drawing else { continue };
        let alike = || extents.iter().flatten().filter(|(metric, ..)| *metric == map.metric);
        let values = alike().fold(None, |range, (.., [values, _])| wider(range, *values));
        let of_region = alike().filter(|(_, region, _)| *region == map.region);
        let layers = of_region.fold(None, |range, (.., [_, layers])| wider(range, *layers));
        map.range = map.range.or(values);
        map.layer_range = map.layer_range.or(layers);
    }
}

/// Maps have hexagons of one size, which fits the one with most columns, unless they say another.
fn share_radius(drawings: &mut [Drawing<'_>]) {
    let columns = drawings.iter().filter_map(|drawing| match drawing {
        Drawing::Eyemap(map) => Some(map.columns.count()),
        Drawing::Scatter(_) => None,
    });
    let fitting = Grid::fitting(columns.max().unwrap_or_default()).radius;
    for drawing in drawings {
        if let Drawing::Eyemap(map) = drawing {
            map.radius.get_or_insert(fitting);
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
