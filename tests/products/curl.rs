//! The curl lines that `make run` prints and the README shows: each answers as it says below it.
//!
//! A command is followed by its answer: `# STATUS [or STATUS] [TEXT] [- remark]`, with a text that
//! the answer has in its head or body. The lines are pasted into a shell; where there is no curl,
//! the few options that they use are read here.

use std::{fs, net::SocketAddr, process::Command};

use hyper::Request;

use crate::{Example, repository, request};

/// The address that the lines have, which is that of the example's listener.
const ADDRESS: &str = "127.0.0.1:8080";

struct Step {
    command: String,
    statuses: Vec<String>,
    text: String,
}

fn file() -> String {
    fs::read_to_string(repository().join("examples/products/curl.txt")).unwrap()
}

fn steps() -> Vec<Step> {
    let file = file();
    let lines: Vec<&str> = file.lines().collect();
    lines.chunks(2).map(step).collect()
}

fn step(lines: &[&str]) -> Step {
    let [command, answer] = lines else {
        panic!("no answer below {lines:?}")
    };
    assert!(command.starts_with("curl -i "), "not a command: {command}");
    let answer = answer.strip_prefix("# ").unwrap();
    let answer = answer.split(" - ").next().unwrap().replace(" or ", "|");
    let (statuses, text) = answer.split_once(' ').unwrap_or((&answer, ""));
    Step {
        command: (*command).to_owned(),
        statuses: statuses.split('|').map(ToOwned::to_owned).collect(),
        text: text.to_owned(),
    }
}

async fn run_all(address: SocketAddr) {
    let curl = Command::new("curl").arg("--version").output().is_ok();
    for step in steps() {
        let command = step.command.replace(ADDRESS, &address.to_string());
        let answer = if curl {
            paste(&command)
        } else {
            perform(&command, address).await
        };
        let status = answer
            .split_whitespace()
            .nth(1)
            .unwrap_or("none")
            .to_owned();
        assert!(step.statuses.contains(&status), "{command}\n{answer}");
        assert!(answer.contains(&step.text), "{command}\n{answer}");
    }
}

fn paste(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    let (out, err) = (output.stdout, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command}\n{err}");
    String::from_utf8(out).unwrap()
}

async fn perform(command: &str, address: SocketAddr) -> String {
    let answer = request(address, read(command)).await;
    let mut text = format!("HTTP/1.1 {}\r\n", answer.status);
    for (name, value) in &answer.headers {
        text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
    }
    text.push_str("\r\n");
    text.push_str(std::str::from_utf8(&answer.body).unwrap());
    text
}

/// Reads a command with the options `-i`, `-X`, `-H` and `-d`.
fn read(command: &str) -> Request<String> {
    let (mut builder, mut body) = (Request::builder(), String::new());
    let mut words = words(command).into_iter().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "-i" => {}
            "-X" => builder = builder.method(words.next().unwrap().as_str()),
            "-d" => body = words.next().unwrap(),
            "-H" => {
                let header = words.next().unwrap();
                let (name, value) = header.split_once(": ").unwrap();
                builder = builder.header(name, value);
            }
            url => {
                let rest = url.strip_prefix("http://").unwrap();
                builder = builder.uri(&rest[rest.find('/').unwrap()..]);
            }
        }
    }
    builder.body(body).unwrap()
}

/// The words of a command with single quotes, as a shell splits them.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (i, part) in command.split('\'').enumerate() {
        let mut pieces = if i % 2 == 0 {
            part.split(' ')
        } else {
            part.split('\0')
        };
        let last = words.len() - 1;
        words[last].push_str(pieces.next().unwrap_or_default());
        words.extend(pieces.map(ToOwned::to_owned));
    }
    words.retain(|word| !word.is_empty());
    words
}

#[tokio::test]
async fn every_line_answers_as_it_says_again_and_after_a_restart() {
    let example = Example::new();
    for _ in 0..2 {
        let gateway = example.start().await;
        run_all(gateway.listener("http")).await;
        run_all(gateway.listener("http")).await;
        assert!(gateway.stop().await.success());
    }
}

#[test]
fn the_first_line_puts_a_known_id() {
    let first = read(&steps()[0].command);
    assert_eq!(first.method(), "PUT");
    assert_eq!(first.uri(), "/v1/products/mug");
    assert_eq!(first.headers()["content-type"], "application/json");
    let body: serde_json::Value = serde_json::from_str(first.body()).unwrap();
    assert_eq!(body["name"], "Mug");
}

#[test]
fn every_line_is_readable_without_curl() {
    for step in steps() {
        assert!(read(&step.command).uri().path().starts_with("/v1/"));
    }
}

#[test]
fn the_readme_shows_the_same_lines() {
    let readme = fs::read_to_string(repository().join("README.md")).unwrap();
    assert!(
        readme.contains(&file()),
        "README.md lacks the lines of curl.txt"
    );
}
