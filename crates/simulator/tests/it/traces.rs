//! Folders of spot traces: read, aligned, and refused with a reason.

use std::fs;
use std::path::Path;

use crate::line::simulate;
use simulator::trace::read_spot_traces;

fn folder_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

const UP: &str = r#"{"metadata":{"gap_seconds":600},"data":[1,1,1,1,1,1,1,1,1,1,1,1]}"#;
const BATCH: &str = "spot-batch --traces DIR --work-hours 1 --deadline-hours 1.5 --starts 2 --policy ours";

#[test]
fn zones_are_read_by_name_and_cut_to_the_shortest() {
    let short = r#"{"metadata":{"gap_seconds":600},"data":[0,1,4]}"#;
    let folder = folder_with(&[("b.json", UP), ("a.json", short), ("notes.txt", "not a trace")]);
    let trace = read_spot_traces(folder.path()).unwrap();
    let names: Vec<&str> = trace.zones.iter().map(|zone| zone.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(trace.zones[0].nodes, [0, 1, 4]);
    assert_eq!(trace.zones[1].nodes.len(), 3);
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_name() {
    for (text, cause) in [
        ("{", "EOF"),
        (r#"{"data":[1]}"#, "metadata"),
        (r#"{"metadata":{"gap_seconds":0},"data":[1]}"#, "gap_seconds is 0"),
        (r#"{"metadata":{"gap_seconds":60},"data":[]}"#, "data is empty"),
        (r#"{"metadata":{"gap_seconds":60},"data":[1,-1]}"#, "data[1] is -1"),
        (r#"{"metadata":{"gap_seconds":60},"data":[0.5]}"#, "data[0] is 0.5"),
    ] {
        let folder = folder_with(&[("zone.json", text)]);
        let said = read_spot_traces(folder.path()).unwrap_err().to_string();
        assert!(said.contains("zone.json") && said.contains(cause), "{said}");
    }
    let marked = folder_with(&[("zone.json", &format!("\u{feff}{UP}"))]);
    assert_eq!(read_spot_traces(marked.path()).unwrap().ticks(), 12);
    let uneven = folder_with(&[("a.json", UP), ("b.json", r#"{"metadata":{"gap_seconds":60},"data":[1]}"#)]);
    assert!(read_spot_traces(uneven.path()).unwrap_err().to_string().contains("unlike the other files"));
    assert!(read_spot_traces(folder_with(&[]).path()).unwrap_err().to_string().contains("no .json"));
    assert!(read_spot_traces(Path::new("/nowhere/at/all")).is_err());
}

#[test]
fn a_batch_on_steady_spot_pays_the_spot_price_and_one_start() {
    let folder = folder_with(&[("zone.json", UP)]);
    let figures = simulate(&format!("{BATCH} --changeover-hours 0.1 --price-ratio 0.5"), folder.path()).unwrap();
    assert_eq!(figures["runs"], 2);
    assert_eq!(figures["missed"], 0);
    assert!((figures["cost_ratio"].as_f64().unwrap() - 0.55).abs() < 1e-6, "{figures}");
    assert_eq!(figures["floor"], 0.5);
}

/// Neither the deadline nor the start is a whole number of ticks, and there is no spot: only on-demand at once will do.
#[test]
fn a_deadline_with_nothing_to_spare_is_kept() {
    let none = r#"{"metadata":{"gap_seconds":3600},"data":[0,0,0,0,0,0,0,0]}"#;
    let folder = folder_with(&[("zone.json", none)]);
    let line = "spot-batch --traces DIR --work-hours 5 --deadline-hours 5.4 --changeover-hours 0.4 --policy ours";
    let figures = simulate(line, folder.path()).unwrap();
    assert_eq!(figures["missed"], 0, "{figures}");
    assert!((figures["cost_ratio"].as_f64().unwrap() - 1.08).abs() < 1e-9, "{figures}");
}

#[test]
fn arguments_that_make_no_sense_are_refused_by_name() {
    let folder = folder_with(&[("zone.json", UP)]);
    for (changed, said) in [
        ("--work-hours=-1", "--work-hours"),
        ("--work-hours=9", "cannot be done in 1.5 h"),
        ("--deadline-hours=100", "the trace lasts 2.0 h"),
        ("--price-ratio=1.5", "--price-ratio"),
        ("--changeover-hours=NaN", "--changeover-hours"),
        ("--starts=0", "--starts"),
        ("--zones=elsewhere", "not one of zone"),
        ("--egress-gb=-3", "--egress-gb"),
    ] {
        let flag = changed.split('=').next().unwrap();
        let kept: Vec<&str> = BATCH.split(" --").filter(|part| !part.starts_with(&flag[2..])).collect();
        let cause = simulate(&format!("{} {changed}", kept.join(" --")), folder.path()).unwrap_err();
        assert!(cause.contains(said), "{changed}: {cause}");
    }
}

#[test]
fn serving_reports_its_figures_and_refuses_nonsense() {
    let folder = folder_with(&[("zone.json", UP)]);
    let line = "spot-serve --traces DIR --replicas 1 --cold-start-seconds 60 --policy";
    for policy in ["ours", "spothedge", "spread", "omniscient"] {
        let figures = simulate(&format!("{line} {policy}"), folder.path()).unwrap();
        for figure in ["cost_ratio", "availability", "preemptions_per_day"] {
            assert!(figures[figure].is_number(), "{policy} {figure}");
        }
    }
    for (changed, said) in [
        ("--replicas 0", "--replicas"),
        ("--replicas 1 --cold-start-seconds=-1", "--cold-start-seconds"),
        ("--replicas 1 --cold-start-seconds=1e9", "before the first replica"),
        ("--replicas 1 --target-availability 2", "--target-availability"),
        ("--replicas 1 --price-ratio=-0.1", "--price-ratio"),
    ] {
        let cause = simulate(&format!("spot-serve --traces DIR {changed} --policy ours"), folder.path()).unwrap_err();
        assert!(cause.contains(said), "{changed}: {cause}");
    }
}
