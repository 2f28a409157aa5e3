//! The examples of the documents are whole: what is printed there can be run.

use std::path::Path;

use crate::line::simulate;
use simulator::{flows, route};

fn document(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)).unwrap()
}

/// The blocks of one language, in order.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let begins = format!("```{language}\n");
    text.split(&begins).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn the_worlds_of_the_data_page_are_whole() {
    let text = document("data.md");
    let [requests, flow] = blocks(&text, "toml")[..] else { panic!("not two worlds") };
    assert_eq!(route::parse_world(requests, None).unwrap().regions.len(), 2);
    assert_eq!(flows::parse_world(flow).unwrap().regions.len(), 2);
}

#[test]
fn the_problem_of_the_placement_page_answers_its_own_question() {
    let (text, folder) = (document("placement.md"), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("job.json"), blocks(&text, "json")[0]).unwrap();
    let line = text.lines().find(|line| line.contains("--why-not")).unwrap();
    let line = line.strip_prefix("mcp simulate ").unwrap().replace("job.json", "DIR/job.json");
    let report = simulate(&line, folder.path()).unwrap();
    let answer = report["why_not"].as_str().unwrap();
    assert!(answer.starts_with("p4d-us may not run train: "), "{answer}");
    assert_eq!(report.get("unmatched"), None);
}
