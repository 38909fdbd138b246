//! A task that panics, seen by whoever must clean up behind it.
//!
//! In: a future. Out: its result, or that it panicked. The panic has said what it was already; what
//! it was working on is given up.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::Poll,
};

/// The future panicked; it must not be polled again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Panicked;

/// Awaits a future that may panic.
pub(super) async fn survive<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, Panicked> {
    poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn a_panic_ends_only_what_panicked() {
        let calm = pin!(async {
            yield_now().await;
            7
        });
        assert_eq!(survive(calm).await, Ok(7));
        let fatal = pin!(async {
            yield_now().await;
            assert!(std::hint::black_box(false), "this test panics");
        });
        assert_eq!(survive(fatal).await, Err(Panicked));
    }
}
