//! Every scenario prints what is kept beside it, and all it expects holds.

use std::path::Path;

use simulator::scenario::{parse_scenario, play};

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
    assert!(played >= 3, "{played} scenarios");
}

#[test]
fn a_malformed_line_is_refused_with_its_number() {
    let good = "world w.toml\nload 10 requests at 2\npolicy ours\n";
    assert!(parse_scenario(good).is_ok());
    for (line, said) in [
        ("nonsense", "line 4: \"nonsense\" is not understood"),
        ("world other.toml", "line 4: a second world"),
        ("load 5 requests at -1", "line 4: \"-1\" is no number above zero"),
        ("outage eu at x for 5", "line 4: \"x\" is no time"),
        ("policy best", "line 4: \"best\" is no policy"),
        ("print ttft", "line 4: \"ttft\" is not one of"),
        ("expect ours.usd ~ 3", "line 4: \"~\" is not one of"),
        ("expect prefix-hash.usd < 3", "line 4: policy prefix-hash does not run"),
    ] {
        let cause = parse_scenario(&format!("{good}{line}\n")).unwrap_err();
        assert!(cause.contains(said), "{line}: {cause}");
    }
    assert_eq!(parse_scenario("seed 3\n").unwrap_err(), "there is no world");
}

#[test]
fn an_expectation_that_fails_is_told_with_its_figures() {
    let folder = tempfile::tempdir().unwrap();
    let world = Path::new(env!("CARGO_MANIFEST_DIR")).join("worlds/three-regions.toml");
    std::fs::copy(world, folder.path().join("w.toml")).unwrap();
    let file = folder.path().join("s.txt");
    std::fs::write(&file, "world w.toml\nload 20 requests at 1\npolicy ours\nexpect ours.completed_share < 1\n")
        .unwrap();
    let outcome = play(&file).unwrap();
    assert_eq!(outcome.text, "NO: ours.completed_share < 1");
    assert_eq!(outcome.failures, ["line 4: ours.completed_share < 1 does not hold: 1 and 1"]);
}
