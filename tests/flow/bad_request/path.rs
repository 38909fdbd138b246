//! Path tricks: refused, or forwarded in the one form that was matched.

use tollgate_tests::{
    trial::{BEHIND, Expect, Trial},
    upstream::Upstream,
};

fn get(target: &str) -> Vec<u8> {
    let mut request = b"GET ".to_vec();
    // One byte for each char, so that a row can hold bytes that are no UTF-8.
    request.extend(target.chars().map(|c| u8::try_from(u32::from(c)).unwrap()));
    request.extend_from_slice(b" HTTP/1.1\r\nhost: a.example\r\n\r\n");
    request
}

#[test]
fn a_path_that_can_be_read_in_two_ways_is_refused() {
    let trial = Trial::forwarding("{}");
    let stays = Expect::Stays(400, "BadRequest");
    let closes = Expect::Closes(400, "BadRequest");
    let bare = Expect::Bare(400, "BadRequest");
    let rows = [
        ("an escaped NUL", "/a%00", stays),
        ("an escaped slash", "/a%2fb", stays),
        ("an escaped slash in capitals", "/a%2Fb", stays),
        ("an escaped dot dot slash", "/a/%2e%2e%2fb", stays),
        ("an escaped backslash", "/a%5cb", stays),
        ("an escaped backslash in capitals", "/a%5Cb", stays),
        ("an escape that is none", "/a%zz", stays),
        ("half an escape", "/a%4", stays),
        ("a percent at the end", "/a%", stays),
        ("an escaped newline", "/a%0ab", stays),
        ("an escaped return", "/a%0d%0ax:y", stays),
        ("an escaped tab", "/a%09b", stays),
        ("an escaped delete", "/a%7fb", stays),
        ("dots with a parameter", "/a/..;/b", stays),
        ("dots with a named parameter", "/a/..;x=1/b", stays),
        ("escaped dots with a parameter", "/a/%2e%2e;/b", stays),
        ("a dot with a parameter", "/a/.;/b", stays),
        ("a backslash", "/a\\b", stays),
        ("dot dot by backslash", "/a\\..\\b", stays),
        ("a fragment", "/a#b", closes),
        ("a fragment behind a query", "/a?b#c", closes),
        ("an escaped unicode slash", "/a%u2215b", stays),
        ("a control byte", "/a\x01b", bare),
        ("a delete", "/a\x7fb", bare),
        ("a tab", "/a\tb", bare),
        ("a vertical tab", "/a\x0bb", bare),
    ];
    for (name, target, expected) in rows {
        trial.check(name, get(target), expected);
    }
    let behind_an_empty_line = [b"\r\n".to_vec(), get("/a#b")].concat();
    trial.check(
        "a fragment behind an empty line",
        behind_an_empty_line,
        closes,
    );
    trial.gateway.stop();
}

#[test]
fn a_path_is_forwarded_in_its_one_form() {
    let trial = Trial::forwarding("{}");
    let rows = [
        ("empty segments", "//a///b", "GET /a/b HTTP/1.1"),
        ("a trailing slash", "/a//", "GET /a/ HTTP/1.1"),
        ("a dot", "/a/./b", "GET /a/b HTTP/1.1"),
        ("dot dot", "/a/../b", "GET /b HTTP/1.1"),
        ("escaped dot dot", "/a/%2e%2e/b", "GET /b HTTP/1.1"),
        ("half escaped dot dot", "/a/.%2E/b", "GET /b HTTP/1.1"),
        ("above the root", "/../../../b", "GET /b HTTP/1.1"),
        ("dot dot at the end", "/a/b/..", "GET /a/ HTTP/1.1"),
        ("an escaped letter", "/%61", "GET /a HTTP/1.1"),
        (
            "an escape in small letters",
            "/a%3fb",
            "GET /a%3Fb HTTP/1.1",
        ),
        ("an escaped percent", "/a%252fb", "GET /a%252fb HTTP/1.1"),
        ("overlong utf-8", "/a%c0%af..", "GET /a%C0%AF.. HTTP/1.1"),
        ("raw utf-8", "/\u{c3}\u{a9}", "GET /%C3%A9 HTTP/1.1"),
        ("a parameter", "/a;v=1/b", "GET /a;v=1/b HTTP/1.1"),
        ("dots in a name", "/a..b/...", "GET /a..b/... HTTP/1.1"),
        (
            "tricks in the query",
            "/a?b=/../%2f",
            "GET /a?b=/../%2f HTTP/1.1",
        ),
        (
            "a host by two slashes",
            "//b.example/a",
            "GET /b.example/a HTTP/1.1",
        ),
    ];
    for (name, target, line) in rows {
        let outcome = trial.send([get(target), BEHIND.into()].concat());
        outcome.check(name, Expect::Forwarded(line));
        let path = line.split([' ', '?']).nth(1);
        assert_eq!(outcome.lines[0]["path"].as_str(), path, "{name}");
    }
    trial.gateway.stop();
}

#[test]
fn the_rule_of_the_one_form_answers() {
    let rules = "  - {name: secret, match: [{path: /secret}, {path: \"/secret/{rest+}\"}], \
                 respond: {status: 403}}\n";
    let trial = Trial::with("{}", rules, Upstream::echo());
    let rows = [
        "/secret",
        "/secret/",
        "//secret",
        "/./secret",
        "/open/../secret",
        "/open/%2e%2e/secret",
        "/open/..//secret/x",
        "/%73ecret",
        "/../secret",
        "/secret/x/..",
        "http://a.example/open/../secret",
    ];
    for target in rows {
        let mut request = get(target);
        let end = request.len() - 2;
        request.splice(end..end, *b"connection: close\r\n");
        let outcome = trial.send(request);
        outcome.check_lines(target, &[(403, None)]);
        assert_eq!(outcome.lines[0]["rule"], "secret", "{target}");
        assert_eq!(outcome.forwarded.len(), 0, "{target}");
    }
    trial.gateway.stop();
}
