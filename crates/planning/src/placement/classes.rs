//! Places grouped by what it costs to leave them and to reach them, so that a table of two variables is passed over in as many
//! steps as there are places and pairs of groups, not pairs of places.

use super::network::{FORBIDDEN, Label};

/// No rate: the two groups have only one place, the same.
const NONE: u32 = u32::MAX;

/// Rates between places, and which places are alike.
#[derive(Debug, Clone)]
pub struct Classes {
    places: usize,
    /// Rate by source and destination place.
    rate_of: Vec<u32>,
    /// The same by destination and source.
    rate_from: Vec<u32>,
    /// The group of each place as a source, and as a destination.
    source_of: Vec<usize>,
    destination_of: Vec<usize>,
    destinations: usize,
    /// Rate by group of sources and group of destinations, and the other way round.
    between: Vec<u32>,
    between_back: Vec<u32>,
}

/// The least value and where, and the least elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct TwoLeast {
    least: i64,
    at: Label,
    next: i64,
}

impl TwoLeast {
    pub(super) const NONE: Self = Self { least: FORBIDDEN, at: Label::MAX, next: FORBIDDEN };

    fn note(&mut self, value: i64, at: Label) {
        if value < self.least {
            *self = Self { least: value, at, next: self.least };
        } else if value < self.next {
            self.next = value;
        }
    }

    /// The least that is not at `place`.
    const fn elsewhere(&self, place: Label) -> i64 {
        if self.at == place { self.next } else { self.least }
    }
}

/// One end of an edge as [`Classes::gather`] found it: the least of each group of places.
#[derive(Debug, Clone, Default)]
pub(super) struct Gathered {
    groups: Vec<TwoLeast>,
    through: Vec<TwoLeast>,
}

impl Classes {
    /// Groups places, first come first served, by their columns and rows of rates without the diagonal.
    #[must_use]
    pub fn new(rate_of: &[Vec<usize>]) -> Self {
        let places = rate_of.len();
        let flat = |at: usize| rate_of[at / places][at % places] as u32;
        let column = |to: usize| -> Vec<u32> {
            (0..places).map(|from| if from == to { NONE } else { flat(from * places + to) }).collect()
        };
        let (columns, destination_of) = alike((0..places).map(column));
        // Sources are compared by their rates to whole groups of destinations.
        let to_groups = |from: usize| -> Vec<u32> { columns.iter().map(|column| column[from]).collect() };
        let (rows, source_of) = alike((0..places).map(to_groups));
        let (sources, destinations) = (rows.len(), columns.len());
        let between: Vec<u32> = rows.into_iter().flatten().collect();
        let between_back = transposed(&between, sources, destinations);
        let rate_of: Vec<u32> = (0..places * places).map(flat).collect();
        let rate_from = transposed(&rate_of, places, places);
        Self { places, rate_of, rate_from, source_of, destination_of, destinations, between, between_back }
    }

    /// The rate from one place to another.
    #[must_use]
    pub fn rate(&self, from: Label, to: Label) -> usize {
        self.rate_of[from as usize * self.places + to as usize] as usize
    }

    /// Rates to every place from `place` when `forward`, else from every place to it.
    pub(super) fn rates(&self, place: Label, forward: bool) -> &[u32] {
        let rows = if forward { &self.rate_of } else { &self.rate_from };
        &rows[place as usize * self.places..][..self.places]
    }

    /// How many places there are.
    pub(super) const fn places(&self) -> usize {
        self.places
    }

    /// Pairs of groups, each with a rate at most.
    pub(super) fn pairs_of_groups(&self) -> usize {
        self.between.len()
    }

    /// Takes the near end's costs, each place once, and finds what reaches each group of the far end.
    pub(super) fn gather(
        &self,
        prices: &[i64],
        forward: bool,
        near: impl Iterator<Item = (Label, i64)>,
        work: &mut Gathered,
    ) {
        let sources = self.between.len() / self.destinations.max(1);
        let (near_of, near_count, far_count, between) = if forward {
            (&self.source_of, sources, self.destinations, &self.between_back)
        } else {
            (&self.destination_of, self.destinations, sources, &self.between)
        };
        work.groups.clear();
        work.groups.resize(near_count, TwoLeast::NONE);
        near.for_each(|(place, cost)| work.groups[near_of[place as usize]].note(cost, place));
        work.through.clear();
        work.through.extend(between.chunks_exact(near_count.max(1)).take(far_count).map(|rates| {
            let mut through = TwoLeast::NONE;
            for (group, rate) in work.groups.iter().zip(rates) {
                if *rate != NONE && group.at != Label::MAX {
                    let price = prices[*rate as usize];
                    through.note(group.least + price, group.at);
                    // Only the least of all needs its place, and that is never the second of a group.
                    through.note(group.next + price, Label::MAX);
                }
            }
            through
        }));
    }

    /// What reaches `place` from anywhere else, after [`Self::gather`].
    pub(super) fn reach(&self, forward: bool, place: Label, work: &Gathered) -> i64 {
        let group = if forward { self.destination_of[place as usize] } else { self.source_of[place as usize] };
        work.through[group].elsewhere(place)
    }
}

/// Groups lists that agree wherever both say something, with what each group says, and the group of each list.
fn alike(lists: impl Iterator<Item = Vec<u32>>) -> (Vec<Vec<u32>>, Vec<usize>) {
    let mut groups: Vec<Vec<u32>> = Vec::new();
    let mut group_of = Vec::new();
    for list in lists {
        let agrees = |group: &Vec<u32>| group.iter().zip(&list).all(|(a, b)| *a == NONE || *b == NONE || a == b);
        if let Some(at) = groups.iter().position(agrees) {
            let merged = groups[at].iter_mut().zip(&list).filter(|(a, _)| **a == NONE);
            merged.for_each(|(a, b)| *a = *b);
            group_of.push(at);
        } else {
            group_of.push(groups.len());
            groups.push(list);
        }
    }
    (groups, group_of)
}

fn transposed(table: &[u32], rows: usize, columns: usize) -> Vec<u32> {
    (0..columns).flat_map(|column| (0..rows).map(move |row| table[row * columns + column])).collect()
}
