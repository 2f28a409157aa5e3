//! Progress through known phases: which one it is, how many there are, and about how long it still takes.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

/// Progress on standard error: a moving line on a terminal, plain lines elsewhere.
#[derive(Debug)]
pub struct Phases {
    /// Name and usual length in seconds.
    plan: Vec<(&'static str, f64)>,
    current: usize,
    bar: Option<ProgressBar>,
}

impl Phases {
    /// The phases with their usual lengths in seconds, from which the remaining time is told.
    #[must_use]
    pub fn new(plan: &[(&'static str, f64)]) -> Self {
        let bar = output::is_watched().then(|| {
            // The template is a constant that parses; a plain spinner serves as well.
            let style = ProgressStyle::with_template("{spinner} {msg} [{elapsed}]")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = ProgressBar::new_spinner().with_style(style);
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self { plan: plan.to_vec(), current: 0, bar }
    }

    /// Enters the next phase.
    pub fn next(&mut self) {
        self.current += 1;
        let text = self.text("");
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None => plain(&text),
        }
    }

    /// Says how far the phase is; shown on a terminal alone.
    pub fn detail(&self, detail: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(self.text(detail));
        }
    }

    /// Removes the moving line.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn text(&self, detail: &str) -> String {
        let index = self.current.clamp(1, self.plan.len());
        let left: f64 = self.plan[index - 1..].iter().map(|(_, seconds)| seconds).sum();
        let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
        format!("[{index}/{}] {}{detail}, about {left:.0} s left", self.plan.len(), self.plan[index - 1].0)
    }
}

fn plain(text: &str) {
    use std::io::Write as _;
    // Nobody is left to tell when standard error is closed.
    let _ = writeln!(anstream::stderr(), "{text}");
}
