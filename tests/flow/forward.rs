//! What an upstream gets, and what of its answer reaches the client.

use tollgate_tests::{gateway::Gateway, upstream::Upstream, write};

#[test]
fn a_request_reaches_the_service_and_its_answer_the_client() {
    let upstream = Upstream::echo();
    let gateway = Gateway::serving(&write::forwarding_to(upstream.address));
    let reply = gateway.get("/a?b=c");
    assert_eq!((reply.status, reply.body.as_str()), (200, "hello"));
    let seen = &upstream.seen(1)[0];
    assert!(seen.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{seen}");
    assert!(seen.contains("\r\nhost: a.example\r\n"), "{seen}");
    assert!(
        seen.contains("\r\nx-forwarded-for: 127.0.0.1\r\n"),
        "{seen}"
    );
    let line = &gateway.lines(1)[0];
    assert_eq!(line["status"], 200);
    assert_eq!(line["rule"], "all");
    assert_eq!(line["upstream"], upstream.address.to_string());
    gateway.stop();
}
