//! The rules that switch layers: the same for every map with as many layers, bins and the same colours.

use std::fmt::Write as _;

use crate::palette::Palette;

/// A style sheet for maps of at most `layers` layers (at most 26) and these colours, to be published once and named by
/// [`StyleSheet::Linked`](crate::StyleSheet::Linked).
///
/// A hexagon's class says, layer by layer, a letter and the digit of its bin. A link that is what the address points to stands before
/// the hexagons, so it can recolour them.
#[must_use]
pub fn style_sheet(palette: Palette, bins: usize, layers: usize) -> String {
    let mut rules = String::from(
        "a>rect{stroke:#fff;stroke-width:.5}a:target>rect{fill:#495057}a:target>text{fill:#fff}a:focus-visible>rect{stroke:#000}\
         .l:target~g .t{display:none}.l:target~g .u{display:inline}.l:target~g .v use{fill:#fff}",
    );
    for letter in ('a'..='z').take(layers) {
        for (bin, colour) in (1..).zip(palette.colours(bins)) {
            // A String takes everything.
            let _ = write!(rules, ".{letter}:target~g .v [class*={letter}{bin}]{{fill:{colour}}}");
        }
    }
    rules
}
