//! Colours: sequences from little to much that stay apart in lightness, so that they can be told apart by all readers and in print.

use serde::{Deserialize, Serialize};

/// An sRGB colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Colour(pub u8, pub u8, pub u8);

impl Colour {
    /// White.
    pub const WHITE: Self = Self(0xff, 0xff, 0xff);

    /// As SVG and CSS write it, such as `#fee5d9`.
    #[must_use]
    pub fn hex(self) -> [u8; 7] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let Self(r, g, b) = self;
        let high = |byte: u8| DIGITS[usize::from(byte >> 4)];
        let low = |byte: u8| DIGITS[usize::from(byte & 15)];
        [b'#', high(r), low(r), high(g), low(g), high(b), low(b)]
    }

    /// The colour a share `t` (0..=1) of the way to `other`, channel by channel.
    #[must_use]
    pub fn towards(self, other: Self, t: f64) -> Self {
        let mix = |from: u8, to: u8| {
            (f64::from(from) + (f64::from(to) - f64::from(from)) * t).round_ties_even() as u8
        };
        Self(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }

    /// Relative luminance, 0 (black) to 1 (white), as WCAG 2.2 defines it.
    #[must_use]
    pub fn luminance(self) -> f64 {
        let linear = |byte: u8| {
            let share = f64::from(byte) / 255.0;
            if share <= 0.040_45 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }
}

impl std::fmt::Display for Colour {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

/// A sequence of colours. All go one way in lightness and none relies on red against green.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Palette {
    /// Pale to dark red.
    #[default]
    Reds,
    /// Pale to dark blue.
    Blues,
    /// Light to dark grey, for print.
    Greys,
    /// Yellow over green to violet.
    Viridis,
    /// Yellow over grey to blue: made for readers without red or green cones.
    Cividis,
    /// Pale yellow over magenta to black.
    Magma,
}

impl Palette {
    /// All there are.
    pub const ALL: [Self; 6] =
        [Self::Reds, Self::Blues, Self::Greys, Self::Viridis, Self::Cividis, Self::Magma];

    /// Its name, as it is serialised.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Reds => "reds",
            Self::Blues => "blues",
            Self::Greys => "greys",
            Self::Viridis => "viridis",
            Self::Cividis => "cividis",
            Self::Magma => "magma",
        }
    }

    /// Its five stops, from little to much. Viridis, cividis and magma are sampled from the maps of these names.
    const fn stops(self) -> [Colour; 5] {
        match self {
            Self::Reds => colours([0xfee5d9, 0xfcbba1, 0xfc9272, 0xef6548, 0xa50f15]),
            Self::Blues => colours([0xe1ecf7, 0xb3d0e9, 0x6fabd6, 0x3079b8, 0x0b3a78]),
            Self::Greys => colours([0xebebeb, 0xc4c4c4, 0x949494, 0x616161, 0x262626]),
            Self::Viridis => colours([0xfde725, 0x5ec962, 0x21918c, 0x3b528b, 0x440154]),
            Self::Cividis => colours([0xfee838, 0xbcae6c, 0x7c7b78, 0x414d6b, 0x00224e]),
            Self::Magma => colours([0xfcfdbf, 0xfc8961, 0xb73779, 0x51127c, 0x000004]),
        }
    }

    /// `count` colours from little to much, at least two; those between the stops are mixed.
    #[must_use]
    pub fn colours(self, count: usize) -> Vec<Colour> {
        let last = count.max(2) - 1;
        (0..=last).map(|step| self.at(step as f64 / last as f64)).collect()
    }

    /// The colour a share `t` (0..=1) of the way from little to much.
    #[must_use]
    pub fn at(self, t: f64) -> Colour {
        let stops = self.stops();
        let place = t.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
        let before = (place as usize).min(stops.len() - 2);
        stops[before].towards(stops[before + 1], place - before as f64)
    }
}

const fn colours(stops: [u32; 5]) -> [Colour; 5] {
    let mut all = [Colour::WHITE; 5];
    let mut at = 0;
    while at < stops.len() {
        let [_, r, g, b] = stops[at].to_be_bytes();
        all[at] = Colour(r, g, b);
        at += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_has_the_five_reds() {
        let told: Vec<String> = Palette::Reds.colours(5).iter().map(ToString::to_string).collect();
        assert_eq!(told, ["#fee5d9", "#fcbba1", "#fc9272", "#ef6548", "#a50f15"]);
        assert_eq!(&Colour(0xa5, 0x0f, 0x15).hex(), b"#a50f15");
    }

    #[test]
    fn every_palette_goes_from_light_to_dark_in_steps_that_can_be_seen() {
        for palette in Palette::ALL {
            for count in 2..=9 {
                let all = palette.colours(count);
                assert_eq!(all.len(), count);
                for pair in all.windows(2) {
                    let contrast = (pair[0].luminance() + 0.05) / (pair[1].luminance() + 0.05);
                    assert!(contrast > 1.1, "{palette:?} {count}: {} then {}: {contrast}", pair[0], pair[1]);
                }
            }
        }
    }

    /// Dichromats see a mix of red and green where others see two hues: lightness alone must tell colours apart.
    #[test]
    fn neighbours_of_five_stay_apart_without_hue() {
        for palette in Palette::ALL {
            for pair in palette.colours(5).windows(2) {
                let contrast = (pair[0].luminance() + 0.05) / (pair[1].luminance() + 0.05);
                assert!(contrast > 1.25, "{palette:?}: {} then {}: {contrast}", pair[0], pair[1]);
            }
        }
    }
}
