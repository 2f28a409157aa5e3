//! The report as text: a Markdown table of what was measured beside the bars, and a list of commands and seeds.

use std::fmt::Write as _;

use super::BenchReport;

impl BenchReport {
    /// The report as Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = "| what | known bar | rivals, same world | ours | bound | aim | met |\n\
                        |---|---|---|---|---|---|---|\n"
            .to_owned();
        let mut above = "";
        for beside in &self.rows {
            let row = &beside.row;
            // Said once for rows that follow one another.
            let bar = if beside.source.topic == above { "as above" } else { beside.source.bar };
            above = beside.source.topic;
            let met = match row.met {
                Some(true) => "yes",
                Some(false) => "**no**",
                None => "-",
            };
            let cells = [&row.what, bar, &row.rivals, &row.ours, &row.bound, &row.aim, met];
            // An empty cell would look like a mistake, and a bar would end one.
            let cells = cells.map(|cell| if cell.is_empty() { "-".to_owned() } else { cell.replace('|', "\\|") });
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text.push_str(&self.commands());
        for set in &self.absent {
            let _ = write!(text, "\nabsent: {set}");
        }
        for picture in &self.pictures {
            let _ = write!(text, "\nwrote {picture}");
        }
        text.trim_end().to_owned()
    }

    /// Each command once, with its seeds, in the order of the table.
    fn commands(&self) -> String {
        let mut text = "\nCommands of the rows (`POLICY` is each policy of a row), and seeds:\n\n".to_owned();
        let mut told = Vec::new();
        for source in self.rows.iter().map(|beside| &beside.source) {
            if !told.contains(&source.topic) {
                told.push(source.topic);
                let _ = writeln!(text, "- {}: {}. Seeds: {}.", source.topic, source.command, source.seeds);
            }
        }
        text
    }
}
