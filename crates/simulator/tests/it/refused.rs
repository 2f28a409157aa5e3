//! What a command refuses names the flag at fault and says the limit.

use crate::line::simulate;

#[test]
fn the_flag_at_fault_is_named_with_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("r.csv"),
        "model,t_seconds,requests_per_second_total,active_clients\nm,0,1,1\nm,600,1,1\n",
    )
    .unwrap();
    let flows = "flows --generate --regions 2 --policy ours";
    let egress = "egress --from aws:us-east-1 --to internet";
    for (line, flag, said) in [
        (&*format!("{flows} --requests-per-second 1e15"), "--requests-per-second", "1e15 is over the limit of 1e12"),
        (&*format!("{flows} --hours 1e9"), "--hours", "1000000 steps"),
        (&*format!("{flows} --hours 24 --step-seconds 0.001"), "--step-seconds", "1000000 steps"),
        (&*format!("{flows} --hours 1 --step-seconds 7200"), "--step-seconds", "not 1 to"),
        (&*format!("{flows} --outage mars@5+5"), "--outage", "no region \"mars\""),
        (&*format!("{egress} --gb 1e15"), "--gb", "1e15 is over the limit of 1e10 gigabytes"),
        (&*format!("{egress} --gb NaN"), "--gb", "NaN is not an amount"),
        ("generate traces --out DIR/t --zones 0", "--zones", "0 is not 1 or more"),
        ("generate traces --out DIR/t --ticks 0", "--ticks", "0 numbers"),
        ("generate clients --out DIR/c --clients 0", "--clients", "0 is not 1 or more"),
        ("generate spend --out DIR/s.csv --days 60 --spike tenant=mill@400*2", "--spike", "from day 400 on"),
        ("generate spend --out DIR/s.csv --days 60 --drift region=us@60*2", "--drift", "changes no period"),
        (
            "autoscale --rates DIR/r.csv --rps-per-replica 5 --policy ours --over-capacity-share 2",
            "--over-capacity-share",
            "between 0 and 1",
        ),
    ] {
        let cause = simulate(line, folder.path()).unwrap_err();
        assert!(cause.starts_with(&format!("{flag}: ")) && cause.contains(said), "{line}: {cause}");
        assert!(cause.len() < 200, "{line}: {cause}");
    }
}
