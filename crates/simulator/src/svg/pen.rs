//! What pictures are drawn with: a card, words, lines and marks in colours that everybody can tell apart.

use std::fmt::Write as _;

const CARD: &str = "#ffffff";
/// Words.
pub const INK: &str = "#1f2328";
/// Words beside the matter.
pub const FAINT_INK: &str = "#57606a";
/// Lines behind the matter.
pub const GRID: &str = "#dfe3e8";
/// Width of a character as a share of the font's size: an upper end for the usual sans-serif fonts.
const CHARACTER: f64 = 0.6;
/// Size of plain words.
pub const WORDS: f64 = 12.0;
const TITLE: f64 = 15.0;
const MARGIN: f64 = 16.0;

/// The product's own policy.
const OURS: &str = "#0072b2";
/// What nobody can beat.
const BOUND: &str = "#57606a";
/// Told apart by people who see colours differently (Okabe and Ito, "Color Universal Design", 2008).
const RIVALS: [&str; 5] = ["#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// How one set of points or one bar looks.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub colour: &'static str,
    /// Which form its marks have.
    pub form: usize,
    pub width: f64,
    pub is_dashed: bool,
}

/// Looks by name: ours stands out, bounds are grey, and rivals differ in colour and form. What stands before a comma is whose
/// it is: two of one name look alike.
pub fn looks<'a>(names: impl Iterator<Item = &'a str>) -> Vec<Look> {
    let mut rivals: Vec<&str> = Vec::new();
    names
        .map(|name| {
            if name.starts_with("ours") {
                return Look { colour: OURS, form: 0, width: 2.5, is_dashed: false };
            }
            if ["optimum", "omniscient", "one-sample oracle", "bound"].iter().any(|word| name.starts_with(word)) {
                return Look { colour: BOUND, form: 3, width: 1.5, is_dashed: true };
            }
            let whose = name.split(',').next().unwrap_or_default();
            let number = rivals.iter().position(|rival| *rival == whose).unwrap_or(rivals.len());
            if number == rivals.len() {
                rivals.push(whose);
            }
            Look { colour: RIVALS[number % RIVALS.len()], form: 1 + number % 2, width: 1.5, is_dashed: false }
        })
        .collect()
}

/// About how many pixels plain words take.
pub fn width_of(words: &str) -> f64 {
    CHARACTER * WORDS * words.chars().count() as f64
}

/// An SVG in the making.
#[derive(Debug)]
pub struct Pen {
    svg: String,
}

impl Pen {
    /// A card of a size in pixels with its title.
    pub fn new((width, height): (f64, f64), title: &str) -> Self {
        let said = escaped(title);
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"{WORDS}\" role=\"img\">\n\
             <title>{said}</title>\n\
             <rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\" fill=\"{CARD}\" stroke=\"#c8ced6\"/>\n",
            width - 1.0,
            height - 1.0
        );
        let mut pen = Self { svg };
        // A long title is set smaller rather than cut.
        let size = TITLE.min((width - 2.0 * MARGIN) / (CHARACTER * title.chars().count().max(1) as f64));
        pen.sized((MARGIN, 26.0), "start", title, size, INK);
        pen
    }

    /// The whole picture.
    pub fn finish(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }

    pub fn text(&mut self, at: (f64, f64), anchor: &str, words: &str) {
        self.sized(at, anchor, words, WORDS, INK);
    }

    /// Words on a ground of their own, so that no line runs through them.
    pub fn grounded(&mut self, (x, y): (f64, f64), words: &str) {
        self.rectangle((x - 2.0, y - WORDS), (width_of(words) + 2.0, WORDS + 4.0), CARD);
        self.text((x, y), "start", words);
    }

    pub fn faint(&mut self, at: (f64, f64), anchor: &str, words: &str) {
        self.sized(at, anchor, words, WORDS - 1.0, FAINT_INK);
    }

    fn sized(&mut self, (x, y): (f64, f64), anchor: &str, words: &str, size: f64, colour: &str) {
        let words = escaped(words);
        let _ = writeln!(
            self.svg,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size:.1}\" fill=\"{colour}\">{words}</text>"
        );
    }

    /// Words that go up the side.
    pub fn upwards(&mut self, (x, y): (f64, f64), words: &str) {
        let words = escaped(words);
        let _ = writeln!(
            self.svg,
            "<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" text-anchor=\"middle\" fill=\"{INK}\">{words}</text>"
        );
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, is_dashed: bool) {
        let dash = if is_dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        let _ = writeln!(
            self.svg,
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"{dash}/>",
            from.0, from.1, to.0, to.1
        );
    }

    pub fn path(&mut self, places: &[(f64, f64)], look: &Look) {
        let points: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let dash = if look.is_dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        let _ = writeln!(
            self.svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\"{dash}/>",
            points.join(" "),
            look.colour,
            look.width
        );
    }

    pub fn rectangle(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), colour: &str) {
        let _ = writeln!(
            self.svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
        );
    }

    /// A mark around a point: a disc, a square, a triangle or a diamond.
    pub fn mark(&mut self, (x, y): (f64, f64), look: &Look) {
        let shape = match look.form {
            1 => format!("<rect class=\"mark\" x=\"{:.1}\" y=\"{:.1}\" width=\"8\" height=\"8\"", x - 4.0, y - 4.0),
            2 => format!("<path class=\"mark\" d=\"M{x:.1} {:.1}l5 9h-10z\"", y - 5.5),
            3 => format!("<path class=\"mark\" d=\"M{x:.1} {:.1}l5.5 5.5l-5.5 5.5l-5.5 -5.5z\"", y - 5.5),
            _ => format!("<circle class=\"mark\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.5\""),
        };
        let _ = writeln!(self.svg, "{shape} fill=\"{}\" stroke=\"{CARD}\" stroke-width=\"0.8\"/>", look.colour);
    }
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
