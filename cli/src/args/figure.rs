//! Arguments of `quire figure`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use quire_figures::{
    eyemap::{Coordinates, Side, Tooltips, Top},
    palette::Palette,
    scale::Method,
};

/// Arguments of `quire figure`.
#[derive(Debug, Args)]
pub struct FigureArgs {
    /// Which kind of figure
    #[command(subcommand)]
    pub kind: FigureKind,
}

/// Kinds of figures.
#[derive(Debug, Subcommand)]
pub enum FigureKind {
    /// A hexagonal map of the columns of an eye
    ///
    /// DATA.csv has the header hex1,hex2,value; a column without a value is white. With a column `region`, columns that only other
    /// regions have are grey, and all regions share one range of colours. With a column `layer`, a column's value is the sum over its
    /// layers, and links in the SVG choose one.
    #[command(
        after_help = "Examples:\n  quire figure eyemap T4a.csv --out T4a.svg --title T4a --region ME\n  quire figure eyemap T4a.csv --out T4a.png --palette cividis --size 1200\n  quire figure eyemap - --out - < T4a.csv > T4a.svg"
    )]
    Eyemap(Box<EyemapArgs>),
}

/// Arguments of `quire figure eyemap`.
#[derive(Debug, Args)]
pub struct EyemapArgs {
    /// The table; - reads standard input
    #[arg(value_name = "DATA.csv")]
    pub data: PathBuf,
    /// The picture: .svg or .png, or .html for its values as a table; - writes SVG to standard output
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// What the map is of, such as a cell type
    #[arg(long, default_value = "", value_name = "TEXT", hide_default_value = true)]
    pub title: String,
    /// The region to draw; may be left out where the table has one or none
    #[arg(long, value_name = "NAME")]
    pub region: Option<String>,
    /// Which eye; the right one is drawn mirrored
    #[arg(long, value_enum, default_value_t = SideArg::Right)]
    pub side: SideArg,
    /// What the values count: synapses, cells, or a name of your own
    #[arg(long, default_value = "synapses", value_name = "NAME")]
    pub metric: String,
    /// Colours, all of them told apart by lightness
    #[arg(long, value_enum, default_value_t = PaletteArg::Reds)]
    pub palette: PaletteArg,
    /// Number of colours
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=9))]
    pub bins: u8,
    /// How the range is cut: equal widths, widths that grow, equally many columns
    #[arg(long, value_enum, default_value_t = ScaleArg::Linear)]
    pub scale: ScaleArg,
    /// Smallest value of the colours; default: the smallest of the table
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    pub low: Option<f64>,
    /// Greatest value of the colours; default: the greatest of the table
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    pub high: Option<f64>,
    /// Width of the picture in pixels; default: as large as it must be
    #[arg(long, value_name = "PIXELS")]
    pub size: Option<f64>,
    /// What hex1 and hex2 mean
    #[arg(long, value_enum, default_value_t = CoordinatesArg::Eye)]
    pub coordinates: CoordinatesArg,
    /// What hexagons have on top: an edge (flat) or a corner (pointy)
    #[arg(long, value_enum, default_value_t = TopArg::Flat)]
    pub top: TopArg,
    /// From a hexagon's centre to its corners; default: 6, of eyes with few columns 12 or 24
    #[arg(long, value_name = "LENGTH")]
    pub radius: Option<f64>,
    /// Distance of neighbours over that of hexagons that touch
    #[arg(long, default_value_t = 1.1, value_name = "FACTOR")]
    pub spacing: f64,
    /// Around the hexagons
    #[arg(long, default_value_t = 10.0, value_name = "LENGTH")]
    pub margin: f64,
    /// Exchange left and right, or do not; default: as the side says
    #[arg(long, value_name = "true|false")]
    pub mirrored: Option<bool>,
    /// What pointing at a hexagon shows
    #[arg(long, value_enum, default_value_t = TooltipsArg::Lines)]
    pub tooltips: TooltipsArg,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments that stand for the values of an option of `quire_figures`.
macro_rules! values {
    ($(#[$about:meta])* $name:ident for $of:ty { $($(#[$doc:meta])* $value:ident,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
        pub enum $name { $($(#[$doc])* $value,)+ }

        impl From<$name> for $of {
            fn from(value: $name) -> Self {
                match value { $($name::$value => Self::$value,)+ }
            }
        }
    };
}

values! {
    /// An eye, as it is typed.
    SideArg for Side {
        /// The left one
        Left,
        /// The right one
        Right,
    }
}

values! {
    /// Colours, as they are typed.
    PaletteArg for Palette {
        /// Pale to dark red
        Reds,
        /// Pale to dark blue
        Blues,
        /// Light to dark grey
        Greys,
        /// Yellow over green to violet
        Viridis,
        /// Yellow over grey to blue
        Cividis,
        /// Pale yellow over magenta to black
        Magma,
    }
}

values! {
    /// A scale, as it is typed.
    ScaleArg for Method {
        /// Bins of equal width
        Linear,
        /// Bins whose width grows
        Log,
        /// Bins with equally many columns
        Quantile,
    }
}

values! {
    /// The meaning of ids, as it is typed.
    CoordinatesArg for Coordinates {
        /// Columns of a fly's eye
        Eye,
        /// Axial coordinates q and r
        Axial,
        /// Column and row, odd ones shifted
        OddOffset,
        /// Column and row, even ones shifted
        EvenOffset,
    }
}

values! {
    /// Which way hexagons stand, as it is typed.
    TopArg for Top {
        /// An edge on top
        Flat,
        /// A corner on top
        Pointy,
    }
}

values! {
    /// Tooltips, as they are typed.
    TooltipsArg for Tooltips {
        /// Column, value and region, a line each
        Lines,
        /// The same in one line without words
        Short,
        /// Nothing
        None,
    }
}
