//! Where rules stand that a figure needs for what changes, such as highlighting what an address points to.

use std::io::Write;

use crate::{FigureError, svg::Svg};

/// Where a figure's rules stand. What is seen at first is the same without them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StyleSheet {
    /// In the file. A content security policy that is sent with the file, or with the page around an inline figure, must then
    /// allow inline styles.
    #[default]
    Inline,
    /// At this address, where the figure's `style_sheet` was written to: for strict policies (`style-src 'self'`).
    Linked(String),
    /// Nowhere: the page around an inline figure has them.
    Elsewhere,
}

impl StyleSheet {
    /// Before the root element.
    pub(crate) fn write_link<W: Write>(&self, svg: &mut Svg<W>) -> Result<(), FigureError> {
        if let Self::Linked(address) = self {
            svg.raw("<?xml-stylesheet type=\"text/css\" href=\"")?.text(address)?.raw("\"?>\n")?;
        }
        Ok(())
    }

    /// Within the root element. Rules are ours and need no escaping.
    pub(crate) fn write_rules<W: Write>(&self, svg: &mut Svg<W>, rules: &str) -> Result<(), FigureError> {
        if *self == Self::Inline {
            svg.raw("<style>")?.raw(rules)?.raw("</style>")?;
        }
        Ok(())
    }
}
