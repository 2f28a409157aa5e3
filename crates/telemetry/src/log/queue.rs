//! Lines on their way to the writer: a bounded queue and one thread, so that a disk or a pipe that blocks holds nobody
//! up. A line that finds no room, or that cannot be written, is dropped and counted.

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use domain::text::printable;

use super::Format;
use crate::metric;

/// Lines that may wait for the writer.
const QUEUE_LINES: usize = 4_096;
/// Longest line that is written, in bytes.
const LINE_MAX_BYTES: usize = 64 << 10;

static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Log lines that were dropped since the start of the process.
#[must_use]
pub fn dropped() -> u64 {
    DROPPED.load(Ordering::Relaxed)
}

/// Counts a dropped line.
pub(super) fn drop_line(reason: &'static str) {
    DROPPED.fetch_add(1, Ordering::Relaxed);
    metrics::counter!(metric::LOG_LINES_DROPPED.name, "reason" => reason).increment(1);
}

enum Message {
    Line(Vec<u8>),
    /// Answered when everything before it was written.
    Flush(SyncSender<()>),
}

/// The queue.
pub(super) struct Lines {
    queue: SyncSender<Message>,
}

impl Lines {
    /// Starts the thread that writes to what `writer` makes, one a line.
    pub(super) fn start<W: Write>(writer: impl Fn() -> W + Send + 'static) -> io::Result<Self> {
        let (queue, waiting) = sync_channel(QUEUE_LINES);
        let write = move || write_all(&waiting, writer);
        std::thread::Builder::new().name("log writer".to_owned()).spawn(write)?;
        Ok(Self { queue })
    }

    /// Puts a line into the queue, if there is room.
    pub(super) fn push(&self, line: Vec<u8>) {
        if line.len() > LINE_MAX_BYTES {
            drop_line("length");
        } else if self.queue.try_send(Message::Line(line)).is_err() {
            drop_line("queue");
        }
    }

    /// Waits until what was pushed before is written, at most so long.
    pub(super) fn flush(&self, limit: Duration) {
        let (done, written) = sync_channel(1);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            let _ = written.recv_timeout(limit);
        }
    }
}

fn write_all<W: Write>(waiting: &Receiver<Message>, writer: impl Fn() -> W) {
    while let Ok(message) = waiting.recv() {
        match message {
            Message::Line(line) => {
                if writer().write_all(&line).is_err() {
                    drop_line("write");
                }
            }
            // Whoever waited may have gone.
            Message::Flush(done) => drop(done.try_send(())),
        }
    }
}

/// Takes one formatted event a call.
#[derive(Clone)]
pub(super) struct LineWriter {
    format: Format,
    ansi: bool,
    lines: Arc<Lines>,
}

impl LineWriter {
    pub(super) const fn new(format: Format, ansi: bool, lines: Arc<Lines>) -> Self {
        Self { format, ansi, lines }
    }
}

impl Write for LineWriter {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let line = match self.format {
            // JSON is escaped already.
            Format::Json => event.to_vec(),
            Format::Text => one_line(&String::from_utf8_lossy(event), self.ansi).into_bytes(),
        };
        self.lines.push(line);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The event on one line without control characters; those of our own colours stay where there are any.
fn one_line(event: &str, ansi: bool) -> String {
    let text = event.trim_end_matches('\n');
    let shown = if ansi {
        // Fields have lost their escape characters already: the formatter takes them out.
        Cow::Owned(text.split('\x1b').map(|part| printable(part, LINE_MAX_BYTES)).collect::<Vec<_>>().join("\x1b"))
    } else {
        printable(text, LINE_MAX_BYTES)
    };
    format!("{shown}\n")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Fails while told to, and keeps what it got.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(bool, Vec<u8>)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().expect("nobody panics with it");
            if disk.0 {
                return Err(io::Error::from(io::ErrorKind::StorageFull));
            }
            disk.1.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_cannot_be_written_is_dropped_and_the_next_one_is_written() {
        let disk = Disk::default();
        let of_thread = disk.clone();
        let lines = Lines::start(move || of_thread.clone()).expect("a thread");
        disk.0.lock().expect("free").0 = true;
        let before = dropped();
        lines.push(b"lost\n".to_vec());
        lines.flush(Duration::from_secs(60));
        assert!(dropped() > before);
        disk.0.lock().expect("free").0 = false;
        lines.push(b"kept\n".to_vec());
        lines.push(vec![b'x'; LINE_MAX_BYTES + 1]);
        lines.flush(Duration::from_secs(60));
        assert_eq!(disk.0.lock().expect("free").1, b"kept\n");
    }

    #[test]
    fn a_writer_that_blocks_holds_nobody_up() {
        let (hold, held) = sync_channel::<()>(0);
        let held = Mutex::new(held);
        let lines = Lines::start(move || {
            // Blocks until the test ends.
            let _ = held.lock().map(|held| held.recv());
            io::sink()
        })
        .expect("a thread");
        let before = dropped();
        for _ in 0..QUEUE_LINES + 10 {
            lines.push(b"line\n".to_vec());
        }
        assert!(dropped() >= before + 9);
        drop(hold);
    }

    #[test]
    fn an_event_is_one_line_without_control_characters() {
        assert_eq!(one_line("a\nb\x1b[2J\u{202e}\n", false), "a\\nb\\u{1b}[2J\\u{202e}\n");
        assert_eq!(one_line("\x1b[31mred\x1b[0m a\nb\n", true), "\x1b[31mred\x1b[0m a\\nb\n");
    }
}
