//! A model that is too large for an instance is told before anything is bought, and told apart from what is merely full.

use domain::Model;
use serde_json::json;
use state::objects::{get, put};
use state::{Batch, Expect};

use crate::house::House;

const GIB: u64 = 1 << 30;

/// `demo:1.0` as if its file had so many bytes, and so many for each token of 512.
async fn with_model(size_bytes: u64, cache_bytes_per_token: Option<u64>) -> House {
    let house = House::new();
    house.furnish().await;
    let read = get::<Model>(&*house.store, "demo:1.0").await.expect("it reads").expect("it is there");
    let model = Model { size_bytes, cache_bytes_per_token, ..read.value };
    let write = put(&model, Expect::Version(read.version)).expect("it serialises");
    let written = state::Store::commit(&*house.store, Batch::new().with(write)).await;
    written.expect("the store takes it");
    house
}

fn wish() -> serde_json::Value {
    json!({ "model": "demo:1.0", "environment": "production", "replicas": 3 })
}

#[tokio::test]
async fn a_model_that_fits_nowhere_is_refused_with_its_numbers() {
    let house = with_model(6 * GIB, Some(GIB / 512)).await;
    let plan = house.done("POST", "/v1/plans", Some(wish())).await;
    assert_eq!(plan["placements"], json!([]));
    assert_eq!(plan["rejected"][0]["reason"], json!("model_too_large"), "{plan}");
    let cause = plan["rejected"][0]["cause"].as_str().expect("a sentence");
    let said =
        "the model needs 11.1Gi memory (weights 6.0Gi + KV cache 4.0Gi (512 tokens × 4 at once) + runtime 1.1Gi)";
    assert!(cause.starts_with(said) && cause.ends_with("an instance has 8.0Gi"), "{cause}");
    assert_eq!(plan["memory"]["cache_bytes"], json!(4 * GIB));
    let (status, refused) = house.call("POST", "/v1/deployments", Some(wish())).await;
    assert_eq!((status.as_u16(), &refused["error"]["kind"]), (503, &json!("no_capacity")), "{refused}");
    assert!(refused["error"]["next_step"].as_str().is_some_and(|next| next.contains("smaller")), "{refused}");
}

#[tokio::test]
async fn a_model_larger_than_its_environment_gets_what_it_needs() {
    let mut house = with_model(3 * GIB, Some(GIB / 2_048)).await;
    let plan = house.done("POST", "/v1/plans", Some(wish())).await;
    assert_eq!(plan["placements"].as_array().map(Vec::len), Some(3));
    let note = plan["notes"][0].as_str().expect("a note");
    assert!(note.contains("gives a replica 1.0Gi memory and demo:1.0 needs 4.4Gi"), "{note}");
    house.deploy(3).await;
    house.until(4, "asked for", |house| house.cloud.with(|state| state.asked.len()) == 3).await;
    let total = plan["memory"]["total_bytes"].as_u64().expect("a number");
    assert!(total > 4 * GIB && house.cloud.with(|state| state.asked.iter().all(|need| need.memory_bytes == total)));
}

#[tokio::test]
async fn a_file_that_does_not_tell_its_cache_is_said_to() {
    let house = with_model(GIB / 2, None).await;
    let plan = house.done("POST", "/v1/plans", Some(wish())).await;
    assert_eq!(plan["placements"].as_array().map(Vec::len), Some(3));
    assert!(plan["notes"][0].as_str().is_some_and(|note| note.contains("only its weights were counted")), "{plan}");
}
