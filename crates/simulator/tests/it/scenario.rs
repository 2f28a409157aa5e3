//! Every scenario prints what is kept beside it, and all it expects holds.

use std::path::Path;

use simulator::scenario::{parse_scenario, play};

/// `simulate scenario FILE.txt > FILE.out` writes what is kept.
#[test]
fn each_scenario_prints_what_is_kept_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut played = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "txt") {
            continue;
        }
        let outcome = play(&path).unwrap();
        let kept = std::fs::read_to_string(path.with_extension("out")).unwrap();
        assert_eq!(outcome.text.trim_end(), kept.trim_end(), "{}", path.display());
        assert_eq!(outcome.failures, Vec::<String>::new(), "{}", path.display());
        played += 1;
    }
    assert!(played >= 10, "{played} scenarios");
}

#[test]
fn a_malformed_line_is_refused_with_its_number() {
    let good = "run a: egress --gb 1\nrun egress --gb 2\npolicy ours\n";
    assert_eq!(parse_scenario(good).unwrap().runs.len(), 2);
    for (line, said) in [
        ("nonsense", "line 4: \"nonsense\" is not understood"),
        ("run a: egress", "line 4: a second run \"a\""),
        ("run a.b: egress", "line 4: \"a.b\" is no name for a run"),
        ("run route --rate 1", "line 4: this run has no policy"),
        ("run route --rate 1\nprint usd", "line 5: the run before has no policy"),
        ("run b: scenario other.txt", "line 4: scenario cannot be run from a scenario"),
        ("policy nearest", "line 4: there is no run for this policy"),
        ("print seconds", "line 4: seconds is another each time"),
        ("expect ours.usd ~ 3", "line 4: \"~\" is not one of"),
        ("expect ours.usd < NaN", "line 4: \"NaN\" is no number"),
        ("expect ours < 3", "line 4: \"ours\" is neither a number nor a figure"),
        ("expect prefix-hash.usd < 3", "line 4: nothing above is run as \"prefix-hash\""),
    ] {
        let cause = parse_scenario(&format!("{good}{line}\n")).unwrap_err();
        assert!(cause.contains(said), "{line}: {cause}");
    }
    assert_eq!(parse_scenario("# nothing\n").unwrap_err(), "nothing is run");
}

#[test]
fn a_run_that_is_refused_and_a_figure_that_is_not_there_are_told_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.txt");
    let egress = "run a: egress --from aws:us-east-1 --to internet --gb";
    for (text, said) in [
        ("run a: egress --bogus\n".to_owned(), "line 1: unexpected argument '--bogus'"),
        (format!("{egress} -1\n"), "line 1: --gb: -1 is not an amount"),
        ("run a: autoscale --rates none.csv --rps-per-replica 5 --policy ours\n".to_owned(), "none.csv"),
        (format!("{egress} 1\nprint dollars\n"), "line 2: a: \"dollars\" is no figure; there are direct_usd, usd"),
    ] {
        std::fs::write(&file, &text).unwrap();
        let cause = play(&file).unwrap_err().to_string();
        assert!(cause.contains(said) && cause.contains("s.txt"), "{text}: {cause}");
    }
}

#[test]
fn an_expectation_that_fails_is_told_with_its_figures() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.txt");
    let run = "run ours: egress --from aws:us-east-1 --to internet --gb 10\n";
    std::fs::write(&file, format!("{run}expect ours.usd < 0.5\n")).unwrap();
    let outcome = play(&file).unwrap();
    assert_eq!(outcome.text, "NO: ours.usd < 0.5");
    assert_eq!(outcome.failures, ["line 2: ours.usd < 0.5 does not hold: 0.9 and 0.5"]);
}
