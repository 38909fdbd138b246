//! Names as requests need them, on a clock that stands until it is told.

use std::{cell::Cell, collections::VecDeque};

use tokio::{
    sync::Semaphore,
    task::{LocalSet, yield_now},
    time::advance,
};

use super::*;

/// A look-up that finds what it is told, as often as it is allowed to.
struct Fixture {
    resolver: Resolver,
    asked: Rc<Cell<usize>>,
    go: Rc<Semaphore>,
}

/// The last octet of the address that is found; none: the look-up fails.
type Octet = Option<u8>;

impl Fixture {
    fn finding(found: impl IntoIterator<Item = Octet>) -> Self {
        let found = RefCell::new(found.into_iter().collect::<VecDeque<_>>());
        let (asked, go) = (Rc::new(Cell::new(0)), Rc::new(Semaphore::new(99)));
        let (count, gate) = (Rc::clone(&asked), Rc::clone(&go));
        let resolver = Resolver::with(move |_| {
            count.set(count.get() + 1);
            let found = found.borrow_mut().pop_front().flatten();
            let gate = Rc::clone(&gate);
            Box::pin(async move {
                gate.acquire().await.unwrap().forget();
                let octet = found.ok_or(io::ErrorKind::NotFound)?;
                Ok(vec![IpAddr::from([192, 0, 2, octet])])
            })
        });
        Self {
            resolver,
            asked,
            go,
        }
    }

    async fn resolve(&self) -> Result<u8, Reason> {
        let host = UrlHost::Name("a.example".into());
        let found = self.resolver.resolve(&host, 80).await?;
        match found[0].ip() {
            IpAddr::V4(ip) => Ok(ip.octets()[3]),
            IpAddr::V6(_) => unreachable!("only such are found"),
        }
    }

    /// No look-up is over before it is allowed.
    fn hold(&self) {
        self.go.forget_permits(99);
    }
}

fn on_a_standing_clock(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

const UNRESOLVED: Result<u8, Reason> = Err(Reason::UpstreamUnresolved);

#[test]
fn an_answer_is_used_for_a_while() {
    on_a_standing_clock(async {
        let fixture = Fixture::finding([Some(1), Some(2)]);
        assert_eq!(fixture.resolve().await, Ok(1));
        advance(Duration::from_millis(4900)).await;
        assert_eq!(fixture.resolve().await, Ok(1));
        advance(Duration::from_millis(200)).await;
        assert_eq!(fixture.resolve().await, Ok(2));
        assert_eq!(fixture.asked.get(), 2);
    });
}

#[test]
fn requests_at_once_share_one_look_up() {
    on_a_standing_clock(async {
        let fixture = Fixture::finding([Some(1)]);
        let found = tokio::join!(fixture.resolve(), fixture.resolve(), fixture.resolve());
        assert_eq!(found, (Ok(1), Ok(1), Ok(1)));
        assert_eq!(fixture.asked.get(), 1);
    });
}

#[test]
fn a_request_that_goes_away_takes_no_other_with_it() {
    on_a_standing_clock(async {
        let fixture = Fixture::finding([Some(1)]);
        fixture.hold();
        let mut first = Box::pin(fixture.resolve());
        tokio::select! {
            biased;
            _ = &mut first => unreachable!("the look-up is held"),
            () = yield_now() => drop(first),
        }
        fixture.go.add_permits(1);
        assert_eq!(fixture.resolve().await, Ok(1));
        assert_eq!(fixture.asked.get(), 1);
    });
}

#[test]
fn a_failure_is_remembered_for_a_moment() {
    on_a_standing_clock(async {
        let fixture = Fixture::finding([None, Some(1)]);
        assert_eq!(fixture.resolve().await, UNRESOLVED);
        assert_eq!(fixture.resolve().await, UNRESOLVED);
        assert_eq!(fixture.asked.get(), 1);
        advance(Duration::from_secs(1)).await;
        assert_eq!(fixture.resolve().await, Ok(1));
    });
}

#[test]
fn when_a_look_up_fails_the_addresses_before_go_on() {
    on_a_standing_clock(async {
        let fixture = Fixture::finding([Some(1), None, None, None, Some(2)]);
        assert_eq!(fixture.resolve().await, Ok(1));
        advance(Duration::from_secs(5)).await;
        // Each fails, and the rest before the next one doubles.
        for (asked, rest) in [(2, 1), (3, 2), (4, 4)] {
            assert_eq!(fixture.resolve().await, Ok(1));
            yield_now().await;
            assert_eq!(fixture.asked.get(), asked);
            advance(Duration::from_secs(rest) - Duration::from_millis(1)).await;
            assert_eq!(fixture.resolve().await, Ok(1));
            assert_eq!(fixture.asked.get(), asked, "not yet");
            advance(Duration::from_millis(1)).await;
        }
        // Nobody waits for the one that succeeds.
        assert_eq!(fixture.resolve().await, Ok(1));
        yield_now().await;
        assert_eq!(fixture.resolve().await, Ok(2));
    });
}

#[test]
fn a_look_up_that_hangs_fails_in_time() {
    on_a_standing_clock(async {
        let fixture = Fixture::finding([Some(1)]);
        fixture.hold();
        // The clock goes on by itself once everybody waits.
        assert_eq!(fixture.resolve().await, UNRESOLVED);
    });
}

#[test]
fn addresses_that_may_not_be_reached_are_left_out() {
    on_a_standing_clock(async {
        let found = |octets: [u8; 4]| {
            Resolver::with(move |_| Box::pin(async move { Ok(vec![IpAddr::from(octets)]) }))
        };
        let name = UrlHost::Name("a.example".into());
        let metadata = found([169, 254, 169, 254]).resolve(&name, 80).await;
        assert_eq!(metadata, Err(Reason::EgressDenied));
    });
}
