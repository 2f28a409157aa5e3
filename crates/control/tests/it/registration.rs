//! Model files: whole ones are registered, others are refused with what is wrong.

use serde_json::json;

use crate::house::{House, model_bytes, write_model};

fn request(path: &std::path::Path) -> serde_json::Value {
    json!({ "name": "demo", "version": "1.0", "path": path })
}

#[tokio::test]
async fn a_model_says_what_it_is() {
    let house = House::new();
    let path = write_model(house.folder.path(), "demo.gguf", "llama", 7);
    let (status, model) = house.call("POST", "/v1/models", Some(request(&path))).await;
    assert_eq!(status, 201);
    assert_eq!((&model["architecture"], &model["context_tokens"]), (&json!("llama"), &json!(512)));
    assert_eq!((&model["parameters"], &model["metadata"]["general.name"]), (&json!(64), &json!("A small one")));
    let (status, again) = house.call("POST", "/v1/models", Some(request(&path))).await;
    assert_eq!((status.as_u16(), again), (200, model.clone()), "the same file again is the same model");
    let fetched = house.done("GET", "/v1/models/demo:1.0", None).await;
    assert_eq!(fetched, model);
}

#[tokio::test]
async fn a_version_stands_for_one_file() {
    let house = House::new();
    let one = write_model(house.folder.path(), "one.gguf", "llama", 1);
    let other = write_model(house.folder.path(), "other.gguf", "llama", 2);
    house.done("POST", "/v1/models", Some(request(&one))).await;
    let (status, answer) = house.call("POST", "/v1/models", Some(request(&other))).await;
    assert_eq!((status.as_u16(), &answer["error"]["code"]), (409, &json!("MCP0005")), "{answer}");
}

#[tokio::test]
async fn the_digest_that_is_expected_is_checked() {
    let house = House::new();
    let path = write_model(house.folder.path(), "demo.gguf", "llama", 7);
    let mut body = request(&path);
    body["digest"] = json!("ab".repeat(32));
    let (status, answer) = house.call("POST", "/v1/models", Some(body.clone())).await;
    assert_eq!((status.as_u16(), &answer["error"]["field"]), (400, &json!("digest")), "{answer}");
    let registered = house.done("POST", "/v1/models", Some(request(&path))).await;
    body["digest"] = registered["digest"].clone();
    assert_eq!(house.done("POST", "/v1/models", Some(body)).await, registered);
}

#[tokio::test]
async fn every_cut_of_a_file_is_refused() {
    let house = House::new();
    let whole = model_bytes("llama", 3);
    let path = house.folder.path().join("cut.gguf");
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).expect("room on the disk");
        let (status, answer) = house.call("POST", "/v1/models", Some(request(&path))).await;
        assert_eq!((status.as_u16(), &answer["error"]["field"]), (400, &json!("path")), "{length}: {answer}");
        assert!(answer["error"]["next_step"].is_string(), "{answer}");
    }
    assert_eq!(house.done("GET", "/v1/models", None).await["items"], json!([]), "nothing half-written");
}

#[tokio::test]
async fn what_is_no_plain_file_is_refused_and_never_waited_for() {
    let house = House::new();
    let fifo = house.folder.path().join("fifo.gguf");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
    for path in [fifo.as_path(), std::path::Path::new("/dev/zero"), std::path::Path::new("/dev/null")] {
        let refused = house.call("POST", "/v1/models", Some(request(path)));
        let (status, answer) =
            tokio::time::timeout(std::time::Duration::from_secs(60), refused).await.expect("it is not waited for");
        assert_eq!((status.as_u16(), &answer["error"]["field"]), (400, &json!("path")), "{answer}");
    }
}

#[tokio::test]
async fn texts_of_a_model_file_are_cut_and_escaped() {
    let house = House::new();
    let long = write_model(house.folder.path(), "long.gguf", &"x".repeat(10 << 20), 0);
    let odd = write_model(house.folder.path(), "odd.gguf", "lla\x1b[2Jma", 0);
    for path in [long, odd] {
        let (status, answer) = house.call("POST", "/v1/models", Some(request(&path))).await;
        let text = answer.to_string();
        assert!(status == 400 && text.contains("architecture") && text.len() < 2_000, "{text:.2000}");
        assert!(!answer["error"]["cause"].as_str().unwrap_or_default().contains('\x1b'), "{text}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_model_is_not_told_about() {
    let house = House::new();
    let path = house.folder.path().join("secrets.txt");
    let digest = "5b11618c2e44027877d0cd0921ed166b9f176f50587fc91e7534dd2946db77d6";
    std::fs::write(&path, "hunter2 hunter2 hunter2").expect("room on the disk");
    for body in [request(&path), json!({ "name": "x", "version": "1", "path": path, "digest": "ab".repeat(32) })] {
        let (status, answer) = house.call("POST", "/v1/models", Some(body)).await;
        let text = answer.to_string();
        assert!(status == 400 && !text.contains("hunter2") && !text.contains(digest), "{text}");
        assert!(text.contains("not a GGUF file"), "{text}");
    }
}

#[tokio::test]
async fn what_is_no_model_is_refused() {
    let house = House::new();
    let folder = house.folder.path();
    std::fs::write(folder.join("text.gguf"), "hello, I am a poem").expect("room on the disk");
    let mut old = model_bytes("llama", 0);
    old[4] = 1;
    std::fs::write(folder.join("old.gguf"), &old).expect("room on the disk");
    let mut huge = model_bytes("llama", 0);
    huge[8..24].fill(0xff);
    std::fs::write(folder.join("huge.gguf"), &huge).expect("room on the disk");
    let unsaid = write_model(folder, "unsaid.gguf", "", 0);
    for (path, says) in [
        (folder.join("text.gguf"), "not a GGUF file"),
        (folder.join("old.gguf"), "version 1"),
        (folder.join("huge.gguf"), "too many entries"),
        (unsaid, "the name of the architecture"),
        (folder.join("missing.gguf"), "cannot be read"),
        (folder.to_path_buf(), "is not a file"),
    ] {
        let (status, answer) = house.call("POST", "/v1/models", Some(request(&path))).await;
        let cause = answer["error"]["cause"].as_str().unwrap_or_default();
        assert!(status == 400 && cause.contains(says), "{}: {answer}", path.display());
    }
}
