//! `quire figure`: one figure from a table.

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use quire_figures::eyemap::{Eyemap, EyemapData, Grid, Metric, Summary};
use serde::Serialize;

use crate::{Exit, EyemapArgs, FigureArgs, FigureKind, exit::wrong_usage, output};

/// What was drawn.
#[derive(Debug, Serialize)]
struct Answer {
    file: PathBuf,
    format: Format,
    /// What the picture shows, in words.
    text: String,
    #[serde(flatten)]
    summary: Summary,
}

/// How a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Svg,
    Png,
    Html,
}

/// Draws.
///
/// # Errors
/// A table that cannot be read or is not right, a file that cannot be written.
pub fn run(args: &FigureArgs) -> anyhow::Result<Exit> {
    match &args.kind {
        FigureKind::Eyemap(args) => eyemap(args),
    }
}

fn eyemap(args: &EyemapArgs) -> anyhow::Result<Exit> {
    let format = format(&args.out)?;
    if args.json && is_dash(&args.out) {
        wrong_usage!("--json and a picture cannot both go to standard output: give --out a file");
    }
    let data = read(&args.data)?;
    if data.is_empty() {
        bail!("cannot draw {}: it has no rows below its header", args.data.display());
    }
    let region = region(args, &data)?;
    let Some(columns) = data.region(&region) else {
        wrong_usage!("the table has no region `{region}`: choose one of {}", data.regions().join(", "));
    };
    if let (Some(low), Some(high)) = (args.low, args.high)
        && low > high
    {
        wrong_usage!("--low {low} is more than --high {high}: the colours need the smaller end first");
    }
    let eyemap = options(args, &data, region);
    if let Err(error) = eyemap.check() {
        wrong_usage!("{error}");
    }
    let summary = write_whole(&args.out, |out| match format {
        Format::Svg => eyemap.draw(&columns, out),
        Format::Png => eyemap.draw_png(&columns, out),
        Format::Html => eyemap.page(&columns, out),
    })?;
    tell(args, &Answer { file: args.out.clone(), format, text: summary.to_string(), summary })
}

fn tell(args: &EyemapArgs, answer: &Answer) -> anyhow::Result<Exit> {
    if args.json {
        output::json(answer)?;
    } else if !is_dash(&args.out) {
        output::text(&format!("{}: {}", args.out.display(), answer.text))?;
    }
    Ok(Exit::Done)
}

fn is_dash(path: &Path) -> bool {
    path.as_os_str() == "-"
}

fn format(out: &Path) -> anyhow::Result<Format> {
    let ending = out.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        Some("svg") => Ok(Format::Svg),
        Some("png") => Ok(Format::Png),
        Some("html") => Ok(Format::Html),
        None if is_dash(out) => Ok(Format::Svg),
        _ => {
            wrong_usage!(
                "`{}` is no name for a picture: end it with .svg, .png or .html, or write -",
                out.display()
            )
        }
    }
}

fn read(path: &Path) -> anyhow::Result<EyemapData> {
    if is_dash(path) {
        return EyemapData::read(io::stdin().lock(), 0).context("cannot draw standard input");
    }
    let about = || format!("cannot draw {}", path.display());
    let file = File::open(path).with_context(about)?;
    let bytes = file.metadata().with_context(about)?.len();
    EyemapData::read(BufReader::new(file), bytes).with_context(about)
}

/// The region that is meant.
fn region(args: &EyemapArgs, data: &EyemapData) -> anyhow::Result<String> {
    match (&args.region, data.regions()) {
        (Some(region), _) => Ok(region.clone()),
        (None, []) => Ok(String::new()),
        (None, [only]) => Ok(only.clone()),
        (None, several) => wrong_usage!(
            "the table has several regions: say which with --region, one of {}",
            several.join(", ")
        ),
    }
}

fn options(args: &EyemapArgs, data: &EyemapData, region: String) -> Eyemap {
    let fitting = Grid::fitting(data.columns());
    let range = data.range().map(|(low, high)| (args.low.unwrap_or(low), args.high.unwrap_or(high)));
    Eyemap {
        subject: args.title.clone(),
        region,
        side: args.side.into(),
        metric: match args.metric.as_str() {
            "synapses" => Metric::Synapses,
            "cells" => Metric::Cells,
            other => Metric::Other(other.to_owned()),
        },
        grid: Grid {
            coordinates: args.coordinates.into(),
            top: args.top.into(),
            radius: args.radius.unwrap_or(fitting.radius),
            spacing: args.spacing,
            margin: args.margin,
            mirrored: args.mirrored,
            ..fitting
        },
        palette: args.palette.into(),
        bins: args.bins.into(),
        method: args.scale.into(),
        range,
        layers: data.layers().to_vec(),
        tooltips: args.tooltips.into(),
        width: args.size,
        ..Eyemap::default()
    }
}

/// Has a file written beside `out`, which takes its place when it is whole. What is no file, such as a pipe, is written to.
fn write_whole<T, E>(out: &Path, write: impl FnOnce(&mut dyn Write) -> Result<T, E>) -> anyhow::Result<T>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let about = || format!("cannot make {}", out.display());
    if is_dash(out) {
        return write(&mut io::stdout().lock()).context("cannot make the picture");
    }
    if fs::metadata(out).is_ok_and(|there| !there.is_file()) {
        let mut file = File::create(out).with_context(about)?;
        return write(&mut file).with_context(about);
    }
    let mut name = out.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = out.with_file_name(name);
    let written = (|| {
        let mut file = BufWriter::new(File::create(&part).with_context(about)?);
        let answer = write(&mut file).with_context(about)?;
        file.flush().and_then(|()| fs::rename(&part, out)).with_context(about)?;
        Ok(answer)
    })();
    if written.is_err() {
        // The error that is told is the first one.
        let _ = fs::remove_file(&part);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_says_how_a_picture_is_written() {
        assert_eq!(format(Path::new("a/b.SVG")).unwrap(), Format::Svg);
        assert_eq!(format(Path::new("b.png")).unwrap(), Format::Png);
        assert_eq!(format(Path::new("-")).unwrap(), Format::Svg);
        for name in ["b", "b.jpg", "png", "svg/"] {
            assert!(format(Path::new(name)).is_err(), "{name}");
        }
    }

    #[test]
    fn a_picture_that_fails_leaves_the_last_one() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("a.svg");
        let succeed = |out: &mut dyn Write| out.write_all(b"whole");
        write_whole(&out, succeed).unwrap();
        let fail = |out: &mut dyn Write| {
            out.write_all(b"half").and_then(|()| Err::<(), _>(io::Error::other("no more")))
        };
        assert!(write_whole(&out, fail).is_err());
        assert_eq!(fs::read(&out).unwrap(), b"whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
