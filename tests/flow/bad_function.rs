//! Bad functions: each way to fail is told from the others, and the next call works.

use std::{
    fs,
    net::{Shutdown, TcpStream},
    os::unix::fs::OpenOptionsExt,
};

use rustix::fs::{CWD, Mode, OFlags, mkfifoat};

use tollgate_tests::{
    client,
    function::{running, stub},
    gateway::eventually,
    trial::{AFTER, BEHIND, Outcome, Trial, check_refusal},
    upstream::Upstream,
    write,
};

/// A gateway that calls this function: `/short` with a rule's timeout of 400 ms, else `timeout`.
fn calling(function: &str, limits: &str) -> Trial {
    let rules = format!(
        "{AFTER}  - {{name: behind, match: [{{path: /behind}}], backends: [{{service: {{name: up, \
         port: 80}}}}]}}\n  - {{name: short, match: [{{path: /short}}], timeout: 400ms, backends: \
         [{{function: {{name: fn}}}}]}}\n  - {{name: call, match: [{{path: \"/{{rest+}}\"}}], \
         backends: [{{function: {{name: fn}}}}]}}"
    );
    let upstream = Upstream::echo();
    let manifests = format!(
        "{}---\n{}{}{function}",
        write::gateway(limits),
        write::route("r", "", &rules),
        write::service("up", &[upstream.address])
    );
    Trial::of(&manifests, upstream)
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: a.example\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

/// Sends a request with a good one behind it, and expects the refusal of the first.
fn refused(trial: &Trial, name: &str, request: &str, status: u16, reason: &str) -> Outcome {
    let outcome = trial.send(format!("{request}{BEHIND}"));
    let answers = outcome.answers();
    assert_eq!(answers.len(), 2, "{name}: {outcome:#?}");
    check_refusal(name, &answers[0], status);
    assert_eq!(answers[1].body, "hello", "{name}");
    outcome.check_lines(name, &[(status, Some(reason)), (200, None)]);
    outcome
}

/// The next call works.
fn works(trial: &Trial, name: &str) {
    let reply = trial.gateway.get("/good");
    assert_eq!((reply.status, reply.body.as_str()), (200, "good"), "{name}");
    trial
        .outcome(String::new())
        .check_lines(name, &[(200, None)]);
}

/// What the function has noted.
fn notes(trial: &Trial) -> Vec<String> {
    let notes = fs::read_to_string(trial.gateway.folder().join("notes"));
    notes
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Waits until a note is there.
fn noted(trial: &Trial, note: &str) {
    eventually(|| notes(trial).iter().any(|found| found == note).then_some(()));
}

#[test]
fn a_function_that_cannot_start_is_an_error_of_its_own() {
    let secret = r#"{"errorMessage": "secret"}"#;
    let rows = [
        ("it ends", stub("fn", "3s", &["exit", "3"])),
        ("it ends well", stub("fn", "3s", &["exit", "0"])),
        ("it is not there", running("fn", "3s", &["no-such-program"])),
        ("it says so", stub("fn", "3s", &["init-error", secret])),
    ];
    for (name, function) in rows {
        let trial = calling(&function, "{}");
        let outcome = refused(&trial, name, &post("/a", "x"), 500, "FunctionInit");
        assert_eq!(
            outcome.lines[0]["upstream"], "function/default/fn",
            "{name}"
        );
        assert!(!outcome.text.contains("secret"), "{name}: {outcome:#?}");
        trial.gateway.stop();
    }
}

#[test]
fn a_call_that_fails_is_refused_and_the_next_one_works() {
    let trial = calling(&stub("fn", "1s", &["requests"]), "{}");
    works(&trial, "start");
    let secret = r#"{"errorType": "Oops", "errorMessage": "secret"}"#;
    let rows = [
        ("a crash", "/crash", "x", "FunctionCrashed"),
        ("a timeout", "/slow", "x", "FunctionTimeout"),
        ("an error", "/error", secret, "FunctionError"),
        ("bytes that are no text", "/bytes", "x", "FunctionAnswer"),
        ("more than 6 MiB", "/large", "x", "FunctionAnswer"),
    ];
    for (name, path, body, reason) in rows {
        let outcome = refused(&trial, name, &post(path, body), 500, reason);
        assert!(!outcome.text.contains("secret"), "{name}: {outcome:#?}");
        assert_eq!(
            outcome.lines[0]["upstream"], "function/default/fn",
            "{name}"
        );
        works(&trial, name);
    }
    trial.gateway.stop();
}

#[test]
fn an_answer_that_the_format_does_not_allow_is_refused() {
    let trial = calling(&stub("fn", "3s", &["requests"]), "{}");
    works(&trial, "start");
    let rows = [
        ("text", "no json"),
        ("nothing", ""),
        ("half", r#"{"statusCode": 200, "body": ""#),
        ("two", r#"{"statusCode": 200}{"statusCode": 200}"#),
        ("no status", r#"{"statusCode": "ok"}"#),
        ("an interim status", r#"{"statusCode": 101}"#),
        ("no such status", r#"{"statusCode": 1000}"#),
        (
            "a body that is no text",
            r#"{"statusCode": 200, "body": {"a": 1}}"#,
        ),
        (
            "no base64",
            r#"{"statusCode": 200, "body": "-", "isBase64Encoded": true}"#,
        ),
        (
            "a second field",
            r#"{"statusCode": 200, "headers": {"x-a": "b\r\nx-hidden: c"}}"#,
        ),
        (
            "a bare line feed",
            r#"{"statusCode": 200, "headers": {"x-a": "b\nx-hidden: c"}}"#,
        ),
        (
            "a second answer",
            r#"{"statusCode": 200, "headers": {"x-a": "b\r\n\r\nHTTP/1.1 200 hidden"}}"#,
        ),
        (
            "a field in a name",
            r#"{"statusCode": 200, "headers": {"x: b\r\nx-hidden": "c"}}"#,
        ),
        (
            "a field in a cookie",
            r#"{"statusCode": 200, "cookies": ["a=b\r\nx-hidden: c"]}"#,
        ),
        (
            "a type",
            r#"{"statusCode": 200, "headers": {"content-type": "a\r\nx-hidden: c"}}"#,
        ),
        (
            "a NUL",
            r#"{"statusCode": 200, "headers": {"x-a": "hidden\u0000"}}"#,
        ),
    ];
    for (name, answer) in rows {
        let request = post("/answer", answer);
        let outcome = refused(&trial, name, &request, 500, "FunctionAnswer");
        assert!(!outcome.text.contains("hidden"), "{name}: {outcome:#?}");
        works(&trial, name);
    }
    trial.gateway.stop();
}

#[test]
fn a_function_cannot_frame_its_answer() {
    let trial = calling(&stub("fn", "3s", &["requests"]), "{}");
    let answer = r#"{"statusCode": 200, "body": "whole", "headers": {"content-length": "1",
        "transfer-encoding": "chunked", "connection": "close", "keep-alive": "1", "te": "x"}}"#;
    let outcome = trial.send(post("/answer", answer) + BEHIND);
    let answers = outcome.answers();
    outcome.check_lines("framed", &[(200, None), (200, None)]);
    assert_eq!(
        (answers[0].status, answers[0].body.as_str()),
        (200, "whole")
    );
    assert_eq!(answers[1].body, "hello");
    for field in ["transfer-encoding", "connection", "keep-alive", "te"] {
        assert_eq!(answers[0].header(field), None, "{field}");
    }
    trial.gateway.stop();
}

#[test]
fn a_body_that_is_too_large_for_a_function_is_refused() {
    let trial = calling(&stub("fn", "10s", &["requests"]), "{body: 20Mi}");
    works(&trial, "start");
    let body = "a".repeat((6 << 20) + 1);
    let outcome = trial.send(post("/large", &body));
    check_refusal("by its length", &outcome.answers()[0], 413);
    outcome.check_lines("by its length", &[(413, Some("BodyTooLarge"))]);
    assert_eq!(outcome.lines[0].get("upstream"), None);
    works(&trial, "large");
    trial.gateway.stop();
}

/// Lets the function go on, which waits for the pipe.
fn release(trial: &Trial) {
    let mut write = fs::File::options();
    // Unlike a plain open, it never waits for a reader, and fails while there is none.
    write
        .write(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    let go = trial.gateway.folder().join("go");
    eventually(|| write.open(&go).ok());
}

/// Sends a request that takes the slot, and waits until it has.
fn hold(trial: &Trial) -> TcpStream {
    let go = trial.gateway.folder().join("go");
    mkfifoat(CWD, go, Mode::RUSR | Mode::WUSR).unwrap();
    let mut stream = trial.connect();
    client::write(&mut stream, post("/hold", "x").as_bytes());
    noted(trial, "/hold");
    stream
}

/// How many calls wait for the slot.
fn waiting(trial: &Trial) -> u64 {
    let config = trial.gateway.config();
    config["functions"][0]["waiting"]
        .as_u64()
        .unwrap_or_else(|| panic!("{config:#}"))
}

#[test]
fn a_call_that_waits_longer_than_its_rule_allows_is_refused() {
    let trial = calling(&stub("fn", "20s", &["requests"]), "{}");
    let mut held = hold(&trial);
    refused(
        &trial,
        "queued",
        &post("/short", "x"),
        504,
        "UpstreamTimeout",
    );
    release(&trial);
    assert!(client::read_one(&mut held).ends_with("good"));
    drop(held);
    trial
        .outcome(String::new())
        .check_lines("held", &[(200, None)]);
    works(&trial, "after");
    assert_eq!(
        notes(&trial),
        ["/hold", "/good"],
        "it never saw the one that waited"
    );
    trial.gateway.stop();
}

#[test]
fn a_call_of_a_client_that_went_away_is_never_delivered() {
    let trial = calling(&stub("fn", "20s", &["requests"]), "{}");
    let mut held = hold(&trial);
    let mut gone = trial.connect();
    client::write(&mut gone, post("/gone", "x").as_bytes());
    eventually(|| (waiting(&trial) == 1).then_some(()));
    drop(gone);
    let line = trial.gateway.lines(1).remove(0);
    assert_eq!(line["path"], "/gone");
    assert_eq!(line["reason"], "ClientGone");
    assert_eq!(line["status"], 499);
    release(&trial);
    assert!(client::read_one(&mut held).ends_with("good"));
    drop(held);
    let lines = [(499, Some("ClientGone")), (200, None)];
    trial.outcome(String::new()).check_lines("gone", &lines);
    works(&trial, "after");
    assert_eq!(
        notes(&trial),
        ["/hold", "/good"],
        "it never saw the one that went away"
    );
    trial.gateway.stop();
}

#[test]
fn a_call_that_finds_the_queue_full_is_refused() {
    let trial = calling(&stub("fn", "30s", &["requests"]), "{}");
    let mut held = hold(&trial);
    // Few large events fill the queue as well as many small ones.
    let body = "a".repeat(6 << 20);
    let mut waiting = Vec::new();
    let refusal = loop {
        let mut stream = trial.connect();
        client::write(&mut stream, post("/wait", &body).as_bytes());
        let before = waiting.len() as u64;
        let queued = eventually(|| {
            if self::waiting(&trial) > before {
                return Some(true);
            }
            (!trial.gateway.lines(0).is_empty()).then_some(false)
        });
        if !queued {
            break client::read_one(&mut stream);
        }
        waiting.push(stream);
        assert!(waiting.len() < 20, "the queue has no end");
    };
    let reply = client::Reply::parse(&refusal);
    check_refusal("full", &reply, 503);
    assert_eq!(reply.header("retry-after"), Some("1"));
    assert_eq!(trial.gateway.lines(1)[0]["reason"], "FunctionBusy");
    release(&trial);
    let readers = waiting.iter_mut().map(client::read_one);
    for answer in readers.chain([client::read_one(&mut held)]) {
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    drop((held, waiting));
    trial.outcome(String::new());
    works(&trial, "after");
    trial.gateway.stop();
}

#[test]
fn an_upload_that_breaks_off_reaches_no_function() {
    let trial = calling(&stub("fn", "10s", &["requests"]), "{}");
    let whole = post("/good", "ten bytes!");
    let mut stream = trial.connect();
    client::write(&mut stream, &whole.as_bytes()[..whole.len() - 1]);
    stream.shutdown(Shutdown::Write).unwrap();
    let outcome = trial.outcome(client::read(&mut stream));
    outcome.check_lines("broken off", &[(499, Some("ClientGone"))]);
    assert_eq!(outcome.lines[0].get("upstream"), None, "{outcome:#?}");
    works(&trial, "after");
    assert_eq!(notes(&trial), ["/good"], "the whole one alone");
    trial.gateway.stop();
}
