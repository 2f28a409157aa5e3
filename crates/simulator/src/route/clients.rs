//! Requests of many clients, each with its own rate and burstiness window by window, drawn from a folder of measured windows.
//!
//! A window's requests are as many as its rate says. Their gaps are drawn from the window's family and laid around the window, so
//! that the load over time is the published one and only what happens within a window is drawn. Lengths come in pairs from a log
//! that knows no clients, so all clients draw from the same; and who goes on with which conversation is drawn as for
//! [`super::Conversations`], since neither set tells it.

use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::Serialize;

use super::gaps::{Burstiness, Family, Gaps, around, spread};
use super::lengths::Lengths;
use super::requests::Requests;
use super::talk::Talk;
use crate::csv::{Row, bare_rows};
use crate::problem::SimulationError;
use crate::trace::read_text;

const COLUMNS: [&str; 6] = ["t_seconds", "rate", "cv", "family", "parameter1", "parameter2"];
/// Most requests drawn.
const REQUESTS_MAX: f64 = 10_000_000.0;
/// Most blocks of all prompts together.
const BLOCKS_MAX: usize = 200_000_000;
/// Most clients of a folder.
const CLIENTS_MAX: usize = 10_000;
/// Seconds of the only window of a file, where no second tells how long one is.
const WINDOW_S: f64 = 600.0;
/// Largest spread taken in: gaps of which one in a million is all there is.
const CV_MAX: f64 = 1_000.0;
/// A window tells something of its gaps' spread from so many requests on.
const COUNTED_FROM: usize = 100;

/// A stretch of time in which a client asks at one rate.
#[derive(Debug, Clone, Copy)]
struct Window {
    from_s: f64,
    length_s: f64,
    /// Requests a second, above zero.
    rate: f64,
    cv: f64,
    gaps: Gaps,
}

/// One client's windows in which it asks for something.
#[derive(Debug, Clone)]
struct Client {
    name: String,
    windows: Vec<Window>,
}

/// The clients of a folder over some time.
#[derive(Debug, Clone)]
pub struct Clients {
    folder: PathBuf,
    /// In order of name.
    list: Vec<Client>,
    /// From and until when, seconds.
    span_s: (f64, f64),
}

/// What was drawn.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Drawn {
    /// Clients that asked for something.
    pub clients: usize,
    /// Requests that the windows' rates say.
    pub expected_requests: f64,
    /// Mean over requests of what their window's coefficient of variation is said to be; windows of 100 requests or more.
    pub stated_cv: f64,
    /// The same of the gaps drawn.
    pub drawn_cv: f64,
}

impl Clients {
    /// Reads every `*.csv` of a folder, one a client: lines of `t_seconds,rate,cv,family,parameter1,parameter2` without a line of
    /// names, for windows of one length. Only windows between the two seconds are kept.
    ///
    /// # Errors
    /// When the folder or a file cannot be read, a line has another form, or nobody asks for anything in that time.
    pub fn read(folder: &Path, span_s: (f64, f64), burstiness: Burstiness) -> Result<Self, SimulationError> {
        let unreadable = |cause| SimulationError::Unreadable { path: folder.to_owned(), cause };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|ending| ending == "csv") {
                paths.push(path);
            }
        }
        if paths.is_empty() || paths.len() > CLIENTS_MAX {
            let cause = format!("holds {} .csv files, not 1 to {CLIENTS_MAX}", paths.len());
            return Err(SimulationError::malformed(folder, cause));
        }
        paths.sort();
        let (mut list, mut until_s) = (Vec::with_capacity(paths.len()), 0.0_f64);
        for path in &paths {
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let (windows, ends_s) = read_windows(path, span_s, burstiness)?;
            until_s = until_s.max(ends_s);
            list.push(Client { name, windows });
        }
        if list.iter().all(|client| client.windows.is_empty()) {
            let (from, to) = span_s;
            let cause = format!("nobody asks for anything from {from} to {to} s; the windows end at {until_s} s");
            return Err(SimulationError::malformed(folder, cause));
        }
        Ok(Self { folder: folder.to_owned(), list, span_s })
    }

    /// Requests that the rates say for this time.
    #[must_use]
    pub fn expected_requests(&self) -> f64 {
        let within = |window: &Window| {
            let (from_s, to_s) = (window.from_s.max(self.span_s.0), self.span_s.1.min(window.from_s + window.length_s));
            window.rate * (to_s - from_s).max(0.0)
        };
        self.list.iter().flat_map(|client| &client.windows).map(within).sum()
    }

    /// Draws the requests: equal for an equal seed, and each window's by itself, so that another time or another client beside it
    /// changes nothing in it but which conversations there are to go on with.
    ///
    /// # Errors
    /// When there would be too many.
    pub fn draw(&self, lengths: &Lengths, block_tokens: u32, seed: u64) -> Result<(Requests, Drawn), SimulationError> {
        let expected_requests = self.expected_requests();
        let windows = self.list.iter().flat_map(|client| &client.windows);
        let whole: f64 = windows.map(|window| window.rate * window.length_s).sum();
        // A sum beyond all numbers is over it too.
        if !(0.0..=REQUESTS_MAX).contains(&whole) {
            let cause = format!("{whole:.0} requests in the windows of this time are over the limit of {REQUESTS_MAX}");
            return Err(SimulationError::malformed(&self.folder, format!("{cause}: draw a shorter time")));
        }
        let (mut asked, mut spreads) = (Vec::with_capacity(expected_requests as usize), Spreads::default());
        for (number, client) in self.list.iter().enumerate() {
            for window in &client.windows {
                let mut rng = StdRng::seed_from_u64(seed_of(seed, &client.name, window.from_s.to_bits()));
                let gaps = window.draw(&mut rng);
                spreads.count(window, &gaps);
                for offset_s in around(&gaps, window.length_s, &mut rng) {
                    // Drawn even where it is not kept, so that the time kept does not change what comes after.
                    let (at_s, lengths) = (window.from_s + offset_s, lengths.draw(&mut rng));
                    if (self.span_s.0..self.span_s.1).contains(&at_s) {
                        asked.push((((at_s - self.span_s.0) * 1e6) as u64, number, lengths));
                    }
                }
            }
        }
        asked.sort_by_key(|(at_us, number, _)| (*at_us, *number));
        let requests = self.talk(&asked, block_tokens, seed).ok_or_else(|| {
            let cause = format!("the prompts have more than {BLOCKS_MAX} blocks: draw a shorter time");
            SimulationError::malformed(&self.folder, cause)
        })?;
        let clients = self.list.iter().filter(|client| !client.windows.is_empty()).count();
        let (stated_cv, drawn_cv) = spreads.means();
        Ok((requests, Drawn { clients, expected_requests, stated_cv, drawn_cv }))
    }

    /// The requests with the blocks of their prompts, by conversation; nothing when there are too many blocks.
    fn talk(&self, asked: &[(u64, usize, (u32, u32))], block_tokens: u32, seed: u64) -> Option<Requests> {
        let mut requests = Requests::default();
        // Each client's first block: what stands before all of its prompts.
        let mut talks: Vec<Talk> = self
            .list
            .iter()
            .zip(0..)
            .map(|(client, first)| Talk::new(seed_of(seed, &client.name, u64::MAX), first))
            .collect();
        let (mut next_block, mut kept) = (self.list.len() as u64, 0);
        for (at_us, number, (input, output)) in asked {
            let blocks = talks[*number].prompt(*input, input / block_tokens.max(1), &mut next_block);
            kept += blocks.len();
            if kept > BLOCKS_MAX || !requests.push(*at_us, *input, *output, &blocks) {
                return None;
            }
            talks[*number].keep(input.saturating_add(*output), blocks);
        }
        Some(requests)
    }
}

/// Sums over windows of their requests, and of those times the spread stated and drawn.
#[derive(Debug, Default)]
struct Spreads {
    requests: f64,
    stated: f64,
    drawn: f64,
}

impl Spreads {
    fn count(&mut self, window: &Window, gaps: &[f64]) {
        if gaps.len() >= COUNTED_FROM {
            let requests = gaps.len() as f64;
            self.requests += requests;
            self.stated += requests * window.cv;
            self.drawn += requests * spread(gaps);
        }
    }

    /// Means over requests; zero of none.
    fn means(&self) -> (f64, f64) {
        let requests = self.requests.max(1.0);
        (self.stated / requests, self.drawn / requests)
    }
}

impl Window {
    fn draw(&self, rng: &mut StdRng) -> Vec<f64> {
        let expected = self.rate * self.length_s;
        // A part of a request comes with that chance; a rate is mostly a count over the length, up to rounding.
        let count = if (expected - expected.round()).abs() < 1e-6 {
            expected.round()
        } else {
            expected.floor() + f64::from(u8::from(rng.random_bool(expected.fract())))
        };
        self.gaps.draw(count as usize, self.length_s, rng)
    }
}

/// A seed for a client and something of it, by FNV-1a (G. Fowler, L. Noll, P. Vo): equal wherever the client stands in the folder.
fn seed_of(seed: u64, name: &str, part: u64) -> u64 {
    let bytes = seed.to_le_bytes().into_iter().chain(name.bytes()).chain(part.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A client's windows within a time, and when its last one ends.
fn read_windows(
    path: &Path,
    span_s: (f64, f64),
    burstiness: Burstiness,
) -> Result<(Vec<Window>, f64), SimulationError> {
    let text = read_text(path)?;
    let (mut windows, mut length_s, mut before_s) = (Vec::new(), None, None::<f64>);
    for row in bare_rows(path, &text, &COLUMNS) {
        let row = row?;
        let from_s = row.number(0, 0.0)?;
        if let Some(before_s) = before_s {
            let step_s = from_s - before_s;
            if step_s <= 0.0 || (step_s - *length_s.get_or_insert(step_s)).abs() > 1e-6 {
                return Err(row.wrong("t_seconds does not come one window after the line before"));
            }
        }
        before_s = Some(from_s);
        let (rate, gaps) = (row.number(1, 0.0)?, gaps(&row, burstiness)?);
        if let Some((cv, gaps)) = gaps.filter(|_| from_s < span_s.1) {
            windows.push(Window { from_s, length_s: 0.0, rate, cv, gaps });
        }
    }
    let length_s = length_s.unwrap_or(WINDOW_S);
    let until_s = before_s.map(|last_s| last_s + length_s);
    let until_s = until_s.ok_or_else(|| SimulationError::malformed(path, "holds no window"))?;
    windows.retain_mut(|window| {
        window.length_s = length_s;
        window.from_s + length_s > span_s.0
    });
    Ok((windows, until_s))
}

/// The spread that a line states, and the gaps that it asks for; nothing where the rate is 0.
fn gaps(row: &Row<'_, 6>, burstiness: Burstiness) -> Result<Option<(f64, Gaps)>, SimulationError> {
    if row.number(1, 0.0)? <= 0.0 {
        return Ok(None);
    }
    let family = match row.cell(3) {
        "Gamma" => Family::Gamma,
        "Weibull" => Family::Weibull,
        other => {
            return Err(row.wrong(format_args!("family is {other:?}, not Gamma or Weibull, and the rate is not 0")));
        }
    };
    let cv = row.number(2, 0.0)?;
    if cv > CV_MAX {
        return Err(row.wrong(format_args!("cv is {cv}, over {CV_MAX}")));
    }
    // The second parameter, the scale, is not used: the rate says how long gaps are.
    let (shape, _) = (row.number(4, f64::MIN_POSITIVE)?, row.number(5, f64::MIN_POSITIVE)?);
    Ok(Some(match burstiness {
        Burstiness::Measured => (cv, Gaps::of_cv(family, cv)),
        Burstiness::Fitted => (cv, Gaps::of_shape(family, shape)),
    }))
}
