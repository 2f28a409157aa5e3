//! Clients with rates and burstiness of their own: what is drawn is as much and as bursty as their windows say.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::line::simulate;
use proptest::prelude::*;
use simulator::route::{Burstiness, Clients, Drawn, Lengths, Requests, made};

const LENGTHS: &str = "TIMESTAMP,ContextTokens,GeneratedTokens\na,100,1\nb,700,20\nc,5000,0\nd,3000,300\n";
const WINDOW_S: f64 = 600.0;

fn folder_with(files: &[(String, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn lengths() -> Lengths {
    Lengths::parse(Path::new("lengths.csv"), LENGTHS).unwrap()
}

fn draw(files: &[(String, String)], span_s: (f64, f64), how: Burstiness, seed: u64) -> (Requests, Drawn) {
    let folder = folder_with(files);
    Clients::read(folder.path(), span_s, how).unwrap().draw(&lengths(), 512, seed).unwrap()
}

fn seconds(requests: &Requests) -> Vec<f64> {
    requests.list().iter().map(|request| request.at_us as f64 / 1e6).collect()
}

/// Requests in each window.
fn counts(requests: &Requests) -> BTreeMap<u64, f64> {
    let mut counts = BTreeMap::new();
    seconds(requests).iter().for_each(|at_s| *counts.entry((at_s / WINDOW_S) as u64).or_insert(0.0) += 1.0);
    counts
}

/// One client of `windows` windows that ask alike.
fn alone(family: &str, rate: f64, cv: f64, parameters: &str, windows: u32) -> Vec<(String, String)> {
    let line = |window: u32| format!("{},{rate},{cv},{family},{parameters}\n", f64::from(window) * WINDOW_S);
    vec![("c.csv".to_owned(), (0..windows).map(line).collect())]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// Every window of a drawn folder holds the requests that its clients' rates add up to.
    #[test]
    fn each_window_holds_what_its_rates_say(seed in any::<u64>(), clients in 1_usize..12, rate in 0.1_f64..1.0) {
        let files = made::clients(clients, 1, rate, seed);
        let mut stated: BTreeMap<u64, f64> = BTreeMap::new();
        for line in files.iter().flat_map(|(_, text)| text.lines()) {
            let cells: Vec<f64> = line.split(',').take(2).map(|cell| cell.parse().unwrap()).collect();
            *stated.entry((cells[0] / WINDOW_S) as u64).or_insert(0.0) += cells[1] * WINDOW_S;
        }
        stated.retain(|_, requests| *requests > 0.0);
        let (requests, drawn) = draw(&files, (0.0, 86_400.0), Burstiness::Measured, seed);
        let counts = counts(&requests);
        prop_assert_eq!(counts.len(), stated.len());
        for (window, requests) in &stated {
            prop_assert!((counts[window] - requests).abs() < 1e-6, "window {}: {} {}", window, counts[window], requests);
        }
        prop_assert!((drawn.expected_requests - requests.list().len() as f64).abs() < 1e-3);
    }

    /// The same seed draws the same, in whichever order the files were written, and another draws something else.
    #[test]
    fn the_seed_decides_and_the_order_of_files_does_not(seed in any::<u64>()) {
        let mut files = made::clients(5, 1, 1.0, 7);
        let span_s = (40_000.0, 45_000.0);
        let all = |requests: &Requests| -> Vec<(simulator::route::Request, Vec<u64>)> {
            requests.list().iter().map(|request| (*request, requests.blocks(request).to_vec())).collect()
        };
        let first = all(&draw(&files, span_s, Burstiness::Measured, seed).0);
        files.reverse();
        prop_assert_eq!(&first, &all(&draw(&files, span_s, Burstiness::Measured, seed).0));
        let other = all(&draw(&files, span_s, Burstiness::Measured, seed.wrapping_add(1)).0);
        prop_assert_ne!(&first, &other);
    }

    /// A client beside it and another time change nothing in when a client asks and how much.
    #[test]
    fn a_window_is_drawn_by_itself(seed in any::<u64>(), from in 0_u32..5_000, length in 500_u32..5_000) {
        let files = made::clients(3, 1, 0.5, 8);
        let span_s = (f64::from(from), f64::from(from + length));
        let asked = |files: &[(String, String)], span_s: (f64, f64)| -> Vec<(u64, u32, u32)> {
            let folder = folder_with(files);
            // Where nobody asks for anything, nothing is drawn.
            let Ok(clients) = Clients::read(folder.path(), span_s, Burstiness::Measured) else { return Vec::new() };
            let requests = clients.draw(&lengths(), 512, seed).unwrap().0;
            let from_us = (span_s.0 * 1e6) as u64;
            let asked = |request: &simulator::route::Request| {
                (request.at_us + from_us, request.input_tokens, request.output_tokens)
            };
            requests.list().iter().map(asked).collect()
        };
        let within = |list: Vec<(u64, u32, u32)>| -> Vec<(u64, u32, u32)> {
            let span_us = ((span_s.0 * 1e6) as u64, (span_s.1 * 1e6) as u64);
            list.into_iter().filter(|(at_us, ..)| (span_us.0..span_us.1).contains(at_us)).collect()
        };
        // A microsecond is lost where the beginning is taken off.
        let whole = within(asked(&files, (0.0, 12_000.0)));
        let cut = asked(&files, span_s);
        prop_assert!(whole.len().abs_diff(cut.len()) <= 1, "{} {}", whole.len(), cut.len());
        let mut one_by_one: Vec<(u64, u32, u32)> = files.iter().flat_map(|file| asked(std::slice::from_ref(file), span_s)).collect();
        one_by_one.sort_unstable();
        let mut together = cut;
        together.sort_unstable();
        prop_assert_eq!(one_by_one, together);
    }
}

/// Mean over the windows of the spread of the gaps between neighbours.
fn spread(requests: &Requests) -> f64 {
    let moments = seconds(requests);
    let mut spreads = Vec::new();
    for window in moments.chunk_by(|a, b| (a / WINDOW_S) as u64 == (b / WINDOW_S) as u64) {
        let gaps: Vec<f64> = window.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        spreads.push(variance.sqrt() / mean);
    }
    spreads.iter().sum::<f64>() / spreads.len() as f64
}

/// Seed 5, 3,000 requests a window. The gap over the window's edge is not seen, and it is likely the longest: bursty clients
/// have more room.
#[test]
fn gaps_are_spread_as_the_window_says() {
    for family in ["Gamma", "Weibull"] {
        for (cv, room) in [(0.4, 0.02), (1.0, 0.03), (2.0, 0.06), (4.0, 0.15)] {
            let files = alone(family, 5.0, cv, "0.5,1", 30);
            let (requests, drawn) = draw(&files, (0.0, 18_000.0), Burstiness::Measured, 5);
            assert_eq!(requests.list().len(), 90_000);
            assert!((spread(&requests) / cv - 1.0).abs() < room, "{family} {cv}: {}", spread(&requests));
            assert!((drawn.stated_cv - cv).abs() < 1e-9 && (drawn.drawn_cv / cv - 1.0).abs() < room, "{drawn:?}");
        }
        // Clockwork.
        let (requests, _) = draw(&alone(family, 1.0, 0.0, "0.5,1", 3), (0.0, 1_800.0), Burstiness::Measured, 5);
        assert!(requests.list().len() == 1_800 && spread(&requests) < 0.01, "{family}: {}", spread(&requests));
        // By the fitted shape: 1/√0.25 of Gamma, √(Γ(9)/Γ(5)² − 1) of Weibull.
        let cv = if family == "Gamma" { 2.0 } else { 8.307 };
        let (requests, _) = draw(&alone(family, 5.0, 1.0, "0.25,1", 30), (0.0, 18_000.0), Burstiness::Fitted, 5);
        assert!((spread(&requests) / cv - 1.0).abs() < 0.25, "{family}: {}", spread(&requests));
    }
}

/// Seed 6. Half a request a window is one in every second, and no time in a window is likelier than another.
#[test]
fn a_part_of_a_request_comes_with_that_chance_and_at_any_time() {
    let (requests, _) =
        draw(&alone("Gamma", 0.5 / WINDOW_S, 3.0, "0.1,1", 4_000), (0.0, 2.4e6), Burstiness::Measured, 6);
    let count = requests.list().len() as f64;
    assert!((count - 2_000.0).abs() < 4.0 * 1_000_f64.sqrt(), "{count}");
    let early = seconds(&requests).iter().filter(|at_s| **at_s % WINDOW_S < 300.0).count() as f64;
    assert!((early / count - 0.5).abs() < 0.05, "{early} of {count}");
}

/// Seed 7.
#[test]
fn lengths_come_in_pairs_and_prompts_go_on_with_what_their_client_said() {
    let files = made::clients(6, 1, 1.0, 7);
    let (requests, _) = draw(&files, (0.0, 20_000.0), Burstiness::Measured, 7);
    let pairs = [(100, 1), (700, 20), (5_000, 0), (3_000, 300)];
    let mut seen = [0_usize; 4];
    let (mut known, mut shared) = (std::collections::HashSet::new(), 0);
    for request in requests.list() {
        seen[pairs.iter().position(|pair| *pair == (request.input_tokens, request.output_tokens)).unwrap()] += 1;
        let blocks = requests.blocks(request);
        assert_eq!(blocks.len(), request.input_tokens as usize / 512);
        // The first block is what all prompts of one of the six clients begin with.
        assert!(blocks.first().is_none_or(|first| *first < 6));
        shared += usize::from(blocks.get(1).is_some_and(|second| known.contains(second)));
        known.extend(blocks.iter().copied());
    }
    let count = requests.list().len();
    assert!(seen.iter().all(|seen| seen.abs_diff(count / 4) < count / 20), "{seen:?} of {count}");
    assert!(shared > count / 20, "{shared} of {count} go on with a conversation");
}

#[test]
fn what_is_wrong_with_a_folder_or_the_lengths_is_said_with_its_line() {
    let read = |text: &str, span_s| {
        let folder = folder_with(&[("one.csv".to_owned(), text.to_owned()), ("notes.txt".to_owned(), String::new())]);
        let clients = Clients::read(folder.path(), span_s, Burstiness::Measured).map_err(|error| error.to_string())?;
        clients.draw(&lengths(), 512, 1).map(|(requests, _)| requests.list().len()).map_err(|error| error.to_string())
    };
    let good = "0,0.1,1,Gamma,1,10\n600,0,0,,0,0\n\n1200,0.1,1,Weibull,1,10\n";
    assert_eq!(read(good, (0.0, 1e9)), Ok(120));
    for (text, said) in [
        ("", "one.csv: holds no window"),
        ("t,rate,cv,family,a,b\n", "line 1: t_seconds is \"t\""),
        ("0,-1,1,Gamma,1,1\n", "line 1: rate is \"-1\""),
        ("0,1,1,,1,1\n", "line 1: family is \"\", not Gamma or Weibull"),
        ("0,1,1,Pareto,1,1\n", "line 1: family is \"Pareto\""),
        ("0,1,-1,Gamma,1,1\n", "line 1: cv is \"-1\""),
        ("0,1,1e9,Gamma,1,1\n", "line 1: cv is 1000000000, over 1000"),
        ("0,1,1,Gamma,0,1\n", "line 1: parameter1 is \"0\""),
        ("0,1,1,Gamma,1,NaN\n", "line 1: parameter2 is \"NaN\""),
        ("0,1,1,Gamma,1\n", "line 1: 5 columns instead of 6"),
        ("0,0,0,,0,0\n600,0,0,,0,0\n1000,0,0,,0,0\n", "line 3: t_seconds does not come one window after"),
        ("600,0,0,,0,0\n0,0,0,,0,0\n", "line 2: t_seconds does not come one window after"),
        ("0,1e5,1,Gamma,1,1\n", "60000000 requests in the windows of this time are over the limit of 10000000"),
        ("0,1e308,1,Gamma,1,1\n600,1e308,1,Gamma,1,1\n", "are over the limit"),
        ("0,0,0,,0,0\n", "nobody asks for anything from 0 to 1000000000 s; the windows end at 600 s"),
    ] {
        let cause = read(text, (0.0, 1e9)).unwrap_err();
        assert!(cause.contains(said), "{text}: {cause}");
    }
    assert!(read(good, (5_000.0, 6_000.0)).unwrap_err().contains("the windows end at 1800 s"));
    assert!(Clients::read(folder_with(&[]).path(), (0.0, 1.0), Burstiness::Measured).is_err());
    assert!(Clients::read(Path::new("/nowhere"), (0.0, 1.0), Burstiness::Measured).is_err());
    let head = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
    for (text, said) in [
        ("", "holds no request"),
        ("t,0,1\n", "line 2: ContextTokens is \"0\""),
        ("t,1.5,1\n", "line 2: ContextTokens is \"1.5\""),
        ("t,1,-1\n", "line 2: GeneratedTokens is \"-1\""),
        ("t,1,1\nt,1\n", "line 3: 2 columns instead of 3"),
    ] {
        let cause = Lengths::parse(Path::new("l.csv"), &format!("{head}{text}")).unwrap_err().to_string();
        assert!(cause.contains(said) && cause.contains("l.csv"), "{cause}");
    }
}

#[test]
fn whoever_has_no_data_draws_it_and_routes_it() {
    let folder = tempfile::tempdir().unwrap();
    let here = |line: &str| simulate(line, folder.path());
    here("generate clients --out DIR/clients --clients 4 --days 1 --mean-rate 2 --seed 3").unwrap();
    here("generate lengths --out DIR/lengths.csv --requests 500 --seed 3").unwrap();
    let world = concat!(env!("CARGO_MANIFEST_DIR"), "/worlds/three-regions.toml");
    let line = format!("route --world {world} --policy ours --clients DIR/clients");
    let some = here(&format!("{line} --lengths DIR/lengths.csv --from-seconds 7200 --for-seconds 600")).unwrap();
    assert_eq!(some["completed_share"], 1.0, "{some}");
    let expected = some["drawn"]["expected_requests"].as_f64().unwrap();
    assert!((expected - some["requests"].as_f64().unwrap()).abs() < 1e-3 && expected > 300.0, "{some}");
    for (rest, said) in [
        ("", "--lengths"),
        ("--lengths DIR/none.csv", "none.csv"),
        ("--lengths DIR/lengths.csv --generate 5", "--generate"),
        ("--lengths DIR/lengths.csv --for-seconds 0", "--for-seconds"),
        ("--lengths DIR/lengths.csv --from-seconds=-1", "--from-seconds"),
        ("--lengths DIR/lengths.csv --from-seconds 1e7", "the windows end at 86400 s"),
    ] {
        let cause = here(&format!("{line} {rest}")).unwrap_err();
        assert!(cause.contains(said), "{rest}: {cause}");
    }
    assert!(here("generate clients --out DIR/clients").unwrap_err().contains("is there already"));
    assert!(here("generate clients --out DIR/x --clients 0").unwrap_err().contains("--clients"));
    assert!(here("generate lengths --out DIR/x --requests 0").unwrap_err().contains("--requests"));
}
