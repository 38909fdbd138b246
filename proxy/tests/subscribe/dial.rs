//! Who is dialled, and as whom.

use std::fs;

use crate::support::{
    ca::Ca,
    controlled,
    controller::{Controller, Port},
    proxy::Place,
    units::{public, route, set},
};

#[test]
fn a_controller_of_another_ca_is_refused_until_the_bundle_has_its_ca() {
    let (ours, theirs) = (Ca::new(), Ca::new());
    let controller = Controller::start(&theirs);
    let place = Place::new(controller.url(), &ours);
    let mut proxy = place.start();
    let line = proxy.says("no stream from the controller");
    assert!(line.contains("invalid peer certificate"), "{line}");
    fs::write(place.ca(), format!("{}{}", ours.pem(), theirs.pem())).unwrap();
    controller
        .stream()
        .run(1, &set(&[public(), route("a", "one")], 7), None);
    assert_eq!(proxy.get("/a"), (200, "one".to_owned()));
}

#[test]
fn an_expired_certificate_is_refused_and_a_new_one_is_taken() {
    let ca = Ca::new();
    let port = Port::new();
    let expired = Controller::start_as(ca.server(2002), &port);
    let place = Place::new(expired.url(), &ca);
    let mut proxy = place.start();
    let line = proxy.says("certificate expired");
    assert!(line.contains("no stream from the controller"), "{line}");
    drop(expired);
    let controller = Controller::start_at(&ca, &port);
    controller
        .stream()
        .run(1, &set(&[public(), route("a", "one")], 7), None);
}

#[test]
fn a_token_that_is_replaced_is_used_from_the_next_attempt_on() {
    let (controller, place) = controlled();
    fs::write(place.token(), "expired").unwrap();
    let mut proxy = place.start();
    proxy.says("the token has expired");
    fs::write(place.token(), "secret-token-2").unwrap();
    assert_eq!(controller.stream().token, "secret-token-2");
}

#[test]
fn files_that_are_missing_are_named_and_waited_for() {
    let (controller, place) = controlled();
    for file in [place.ca(), place.token()] {
        let content = fs::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        let mut proxy = place.start();
        let line = proxy.says("no stream from the controller");
        assert!(line.contains(file.to_str().unwrap()), "{line}");
        fs::write(&file, content).unwrap();
        controller.stream();
    }
}
