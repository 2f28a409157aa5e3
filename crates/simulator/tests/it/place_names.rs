//! Placement: names that refer to nothing are shown, malformed ones refused, and every refusal says what to do.

use serde_json::{Value, json};
use simulator::place::{PlaceArgs, Solver, place};

fn problem() -> Value {
    json!({
        "tasks": [{"name": "train", "hours": 2, "hours_on": {"p4": 1, "p5": 1},
                   "inputs": [{"place": "azure:westeurope", "gb": 1}]}],
        "offers": [{"name": "a", "cloud": "aws", "region": "eu-west-1", "zone": "eu-west-1a", "instance": "p4", "family": "p",
                    "usd_per_hour": 2}],
        "relays": [{"place": "gcp:europe-west1"}],
    })
}

/// The answer, or the refusal with what to do about it.
fn placed(change: Value, solver: Solver) -> Result<Value, (String, String)> {
    let mut problem = problem();
    for (name, value) in change.as_object().unwrap() {
        problem[name] = value.clone();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), problem.to_string()).unwrap();
    let args = PlaceArgs {
        problem: file.path().to_owned(),
        solver,
        network: None,
        price_history: None,
        date: None,
        why_not: None,
    };
    place(&args).map(|report| serde_json::to_value(report).unwrap()).map_err(|error| {
        let problem = domain::Problem::from(error);
        (problem.cause, problem.next_step.unwrap())
    })
}

#[test]
fn names_that_refer_to_nothing_are_shown() {
    let report = placed(
        json!({
            "quotas": [{"name": "q", "limit": 9, "place": "awz:us"}, {"name": "r", "limit": 9, "place": "aws:eu-west-1:eu-west-1a"},
                       {"name": "s", "limit": 9, "families": ["p", "x"]}],
            "outages": ["azure", "gcp:europe-west9"],
            "egress": [{"from": "*", "to": "internet", "usd_per_gb": 1}, {"from": "azure", "to": "aws:eu-west-2", "usd_per_gb": 1}],
            "bandwidth": {"pairs": [{"from": "gcp:europe-west1", "to": "mars", "gbps": 1}]},
        }),
        Solver::Ours,
    )
    .unwrap();
    let told = [
        "quota \"q\": place \"awz:us\" matches no offer",
        "quota \"s\": family \"x\" matches no offer",
        "outage \"azure\" matches no offer and no relay",
        "outage \"gcp:europe-west9\" matches no offer and no relay",
        "task \"train\": hours_on \"p5\" matches no offer's instance",
        "egress[1]: place \"aws:eu-west-2\" matches no offer, no relay and no fixed data",
        "bandwidth.pairs[0]: place \"mars\" matches no offer, no relay and no fixed data",
    ];
    assert_eq!(report["unmatched"], json!(told));
    let clean = json!({"tasks": [{"name": "t", "hours": 1}], "outages": ["gcp"]});
    assert_eq!(placed(clean, Solver::Ilp).unwrap().get("unmatched"), None);
    let many: Vec<String> = (0..300).map(|at| format!("mars:{at}")).collect();
    let report = placed(json!({ "outages": many }), Solver::Ours).unwrap();
    let told = report["unmatched"].as_array().unwrap();
    assert_eq!((told.len(), &told[100]), (101, &json!("and 201 more")));
}

#[test]
fn a_malformed_place_is_refused_and_every_refusal_says_what_to_do() {
    let form = "see docs/placement.md for the form";
    for (change, said, next) in [
        (json!({"outages": ["blah blah"]}), "outages[0] is \"blah blah\"", form),
        (json!({"outages": [""]}), "outages[0] is \"\"", form),
        (json!({"quotas": [{"name": "q", "limit": 1, "place": "a:b:c:d"}]}), "quotas[0].place is \"a:b:c:d\"", form),
        (json!({"egress": [{"from": "aws:", "to": "*", "usd_per_gb": 1}]}), "egress[0].from is \"aws:\"", form),
        (json!({"bandwidth": {"pairs": [{"from": "*", "to": ":x", "gbps": 1}]}}), "bandwidth.pairs[0].to is", form),
        (json!({"surprise": 1}), "unknown field `surprise`", form),
        (json!({"budget_usd": 0.5}), "the cheapest plan costs", "loosen what the message names"),
        (json!({"outages": ["aws"]}), "no offer can run task \"train\"", "loosen"),
        (json!({"quotas": [{"name": "q", "limit": 0}]}), "no offer can run task \"train\"", "loosen"),
    ] {
        let (cause, step) = placed(change.clone(), Solver::Ours).unwrap_err();
        assert!(cause.contains(said) && step.contains(next), "{change}: {cause}; {step}");
    }
    for (change, said) in [
        (json!({"outages": ["aws"]}), "no offer can run task \"train\""),
        (json!({"budget_usd": 0.5}), "no plan keeps the quotas that tasks share and the budget of the whole"),
    ] {
        let (cause, step) = placed(change.clone(), Solver::Ilp).unwrap_err();
        assert!(cause.contains(said) && step.contains("loosen"), "{change}: {cause}; {step}");
    }
}
