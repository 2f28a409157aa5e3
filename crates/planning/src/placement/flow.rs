//! The largest flow through a small network, and the cut that holds it (Dinic, "Algorithm for solution of a problem of maximum
//! flow in a network with power estimation", 1970). For [`super::local`].

/// Pipes between nodes; node 0 is the source and node 1 the sink.
#[derive(Debug, Clone, Default)]
pub(super) struct Flow {
    /// By node: its pipes.
    pipes: Vec<Vec<usize>>,
    /// Where each pipe goes; pipe 2n and pipe 2n + 1 are the two directions of one.
    to: Vec<usize>,
    /// What each pipe can still carry.
    room: Vec<i64>,
    level: Vec<usize>,
    next: Vec<usize>,
    queue: Vec<usize>,
}

/// The source's number.
pub(super) const SOURCE: usize = 0;
/// The sink's number.
pub(super) const SINK: usize = 1;
const UNSEEN: usize = usize::MAX;

impl Flow {
    /// Begins again with `nodes` nodes, source and sink included.
    pub(super) fn reset(&mut self, nodes: usize) {
        self.pipes.iter_mut().for_each(Vec::clear);
        self.pipes.resize(nodes, Vec::new());
        self.to.clear();
        self.room.clear();
    }

    /// Adds a pipe; returns its number.
    pub(super) fn add(&mut self, from: usize, to: usize, room: i64) -> usize {
        let pipe = self.to.len();
        self.pipes[from].push(pipe);
        self.pipes[to].push(pipe + 1);
        self.to.extend([to, from]);
        self.room.extend([room, 0]);
        pipe
    }

    /// Sends as much as goes through on top of what has been sent; returns how much that is.
    pub(super) fn send(&mut self) -> i64 {
        let mut sent = 0;
        while self.levels() {
            self.next.clear();
            self.next.resize(self.pipes.len(), 0);
            loop {
                let more = self.push(SOURCE, i64::MAX);
                if more == 0 {
                    break;
                }
                sent += more;
            }
        }
        sent
    }

    /// Whether `node` is on the source's side of the cut, after [`Self::send`].
    pub(super) fn is_reached(&self, node: usize) -> bool {
        self.level[node] != UNSEEN
    }

    /// Steps from the source to each node through pipes with room; whether the sink is reached.
    fn levels(&mut self) -> bool {
        self.level.clear();
        self.level.resize(self.pipes.len(), UNSEEN);
        self.level[SOURCE] = 0;
        self.queue.clear();
        self.queue.push(SOURCE);
        let mut at = 0;
        while at < self.queue.len() {
            let node = self.queue[at];
            at += 1;
            for pipe in &self.pipes[node] {
                let to = self.to[*pipe];
                if self.room[*pipe] > 0 && self.level[to] == UNSEEN {
                    self.level[to] = self.level[node] + 1;
                    self.queue.push(to);
                }
            }
        }
        self.level[SINK] != UNSEEN
    }

    /// Sends along one shortest way; the walk is as deep as there are nodes, which are few.
    fn push(&mut self, node: usize, most: i64) -> i64 {
        if node == SINK {
            return most;
        }
        while self.next[node] < self.pipes[node].len() {
            let pipe = self.pipes[node][self.next[node]];
            let to = self.to[pipe];
            if self.room[pipe] > 0 && self.level[to] == self.level[node] + 1 {
                let sent = self.push(to, most.min(self.room[pipe]));
                if sent > 0 {
                    self.room[pipe] -= sent;
                    self.room[pipe ^ 1] += sent;
                    return sent;
                }
            }
            self.next[node] += 1;
        }
        0
    }
}
