//! The queue of a function, event by event, at times that the test gives.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A queue with a clock of its own.
struct Scene {
    queue: Queue,
    now: Instant,
    polls: ConnectionId,
}

type Caller = oneshot::Receiver<Answer>;

fn scene() -> Scene {
    Scene {
        queue: Queue::new(3 * SECOND),
        now: Instant::now(),
        polls: 0,
    }
}

/// A queue whose process was just started.
fn starting() -> Scene {
    let mut scene = scene();
    scene.queue.started(scene.now);
    scene
}

/// A queue whose process waits for an event on connection 1.
fn ready() -> (Scene, Poll) {
    let mut scene = starting();
    let (poll, next) = scene.arrive();
    assert!(matches!(next, Next::Wait));
    (scene, poll)
}

/// A queue whose process has an event from connection 1.
fn running() -> (Scene, Arc<Attempt>, Caller) {
    let (mut scene, poll) = ready();
    let caller = scene.push("event");
    let attempt = scene.take(&poll);
    (scene, attempt, caller)
}

impl Scene {
    fn push(&mut self, event: &'static str) -> Caller {
        self.queue
            .push(Bytes::from_static(event.as_bytes()))
            .unwrap()
    }

    /// A `/next` on a new connection.
    fn arrive(&mut self) -> (Poll, Next) {
        self.polls += 1;
        self.arrive_on(self.polls)
    }

    fn arrive_on(&mut self, connection: ConnectionId) -> (Poll, Next) {
        let wake = Arc::new(Notify::new());
        let poll = Poll { connection, wake };
        let next = self.queue.arrive(poll.clone(), self.now);
        (poll, next)
    }

    fn take(&mut self, poll: &Poll) -> Arc<Attempt> {
        event(self.queue.take(&poll.wake, self.now))
    }
}

fn event(next: Next) -> Arc<Attempt> {
    match next {
        Next::Event(attempt) => attempt,
        Next::Wait | Next::Refused | Next::Closed => panic!("no event but {next:?}"),
    }
}

fn told(caller: &mut Caller) -> Option<Answer> {
    caller.try_recv().ok()
}

fn init_error(error_type: &str) -> InitError {
    InitError {
        error_type: error_type.to_owned(),
        message: "why".to_owned(),
    }
}

#[test]
fn calls_are_delivered_in_the_order_in_which_they_came() {
    let mut scene = starting();
    let callers = [scene.push("one"), scene.push("two"), scene.push("three")];
    for (expected, mut caller) in ["one", "two", "three"].into_iter().zip(callers) {
        let attempt = event(scene.arrive_on(1).1);
        assert_eq!(attempt.event, expected);
        scene.queue.answer(&attempt.id, Ok(Bytes::from(expected)));
        assert_eq!(told(&mut caller), Some(Ok(Bytes::from(expected))));
    }
}

#[test]
fn ids_and_nonces_are_new_for_every_attempt() {
    let mut scene = starting();
    let _callers = [scene.push("one"), scene.push("one")];
    let one = event(scene.arrive_on(1).1);
    scene.queue.answer(&one.id, Ok(Bytes::new()));
    let two = event(scene.arrive_on(1).1);
    assert_ne!(one.id, two.id);
    assert_ne!(one.nonce, two.nonce);
    assert_ne!(one.trace_id, two.trace_id);
}

#[test]
fn the_slot_is_free_only_at_the_next_poll() {
    let (mut scene, attempt, _caller) = running();
    let _waiting = scene.push("two");
    scene.queue.answer(&attempt.id, Ok(Bytes::new()));
    assert_eq!(scene.queue.state(), State::Running);
    assert_eq!(scene.queue.waiting(), 1);
    assert_eq!(event(scene.arrive_on(1).1).event, "two");
}

#[test]
fn at_most_so_many_calls_wait() {
    let mut scene = starting();
    let mut callers: Vec<_> = (0..WAITING_MAX).map(|_| scene.push("event")).collect();
    assert_eq!(
        scene.queue.push(Bytes::new()).unwrap_err(),
        CallError::QueueFull
    );
    callers.pop();
    assert_eq!(scene.queue.waiting(), WAITING_MAX - 1);
    assert!(scene.queue.push(Bytes::new()).is_ok());
}

#[test]
fn at_most_so_many_bytes_wait() {
    let mut scene = starting();
    let large = Bytes::from(vec![0; WAITING_BYTES_MAX]);
    let first = scene.queue.push(large).unwrap();
    assert_eq!(
        scene.queue.push(Bytes::from("x")).unwrap_err(),
        CallError::QueueFull
    );
    drop(first);
    assert!(scene.queue.push(Bytes::from("x")).is_ok());
}

#[test]
fn a_caller_that_left_while_it_waited_is_skipped() {
    let mut scene = starting();
    drop(scene.push("gone"));
    let _caller = scene.push("here");
    assert_eq!(scene.queue.waiting(), 1);
    assert_eq!(event(scene.arrive().1).event, "here");
}

#[test]
fn the_answer_to_a_caller_that_left_while_it_ran_is_accepted() {
    let (mut scene, attempt, caller) = running();
    drop(caller);
    assert_eq!(scene.queue.recipient(&attempt.id, None), Recipient::Running);
    scene.queue.answer(&attempt.id, Ok(Bytes::new()));
    assert!(matches!(scene.arrive_on(1).1, Next::Wait));
}

#[test]
fn an_answer_is_for_the_call_that_runs() {
    let (mut scene, attempt, _caller) = running();
    let Attempt { id, nonce, .. } = &*attempt;
    let recipient = |scene: &Scene, id: &str, nonce| scene.queue.recipient(id, nonce);
    assert_eq!(recipient(&scene, id, None), Recipient::Running);
    assert_eq!(recipient(&scene, id, Some(nonce)), Recipient::Running);
    assert_eq!(
        recipient(&scene, id, Some("other")),
        Recipient::OtherAttempt
    );
    assert_eq!(recipient(&scene, "other", None), Recipient::Unknown);
    scene.queue.answer(id, Ok(Bytes::new()));
    assert_eq!(recipient(&scene, id, None), Recipient::Unknown);
    assert_eq!(recipient(&starting(), id, None), Recipient::OutOfTurn);
}

#[test]
fn the_same_connection_gets_the_same_event_again() {
    let (mut scene, attempt, mut caller) = running();
    let again = event(scene.arrive_on(1).1);
    assert!(Arc::ptr_eq(&attempt, &again));
    assert_eq!(told(&mut caller), None);
}

#[test]
fn a_new_connection_after_the_fetching_one_closed_means_a_new_process() {
    let (mut scene, attempt, mut caller) = running();
    let _waiting = scene.push("two");
    scene.queue.disconnected(1, scene.now);
    assert_eq!(
        told(&mut caller),
        None,
        "the answer may come on another connection"
    );
    assert_eq!(event(scene.arrive_on(2).1).event, "two");
    assert_eq!(told(&mut caller), Some(Err(CallError::Crashed)));
    assert_eq!(scene.queue.recipient(&attempt.id, None), Recipient::Late);
}

#[test]
fn late_ids_are_remembered_up_to_a_limit() {
    let mut scene = starting();
    let mut ids = Vec::new();
    for _ in 0..=LATE_MAX {
        let _caller = scene.push("event");
        let (poll, next) = scene.arrive();
        ids.push(event(next).id.clone());
        scene.queue.disconnected(poll.connection, scene.now);
    }
    scene.arrive();
    assert_eq!(scene.queue.recipient(&ids[0], None), Recipient::Unknown);
    assert_eq!(scene.queue.recipient(&ids[1], None), Recipient::Late);
    assert_eq!(scene.queue.recipient(&ids[LATE_MAX], None), Recipient::Late);
}

#[test]
fn a_parked_poll_is_lost_with_its_connection() {
    let (mut scene, poll) = ready();
    scene.queue.disconnected(poll.connection, scene.now);
    let _caller = scene.push("event");
    assert!(matches!(
        scene.queue.take(&poll.wake, scene.now),
        Next::Refused
    ));
    assert_eq!(scene.queue.waiting(), 1);
    assert_eq!(event(scene.arrive().1).event, "event");
}

#[test]
fn a_process_that_lost_its_poll_and_asks_no_more_is_restarted() {
    let (mut scene, poll) = ready();
    scene.queue.disconnected(poll.connection, scene.now);
    let until = scene.now + INIT_MAX;
    assert_eq!(scene.queue.due(scene.now), Due::Wait(Some(until)));
    assert_eq!(scene.queue.due(until), Due::Restart);
}

#[test]
fn of_two_polls_the_newer_one_has_the_slot() {
    let (mut scene, older) = ready();
    let (newer, _) = scene.arrive();
    let _caller = scene.push("event");
    assert!(matches!(
        scene.queue.take(&older.wake, scene.now),
        Next::Refused
    ));
    assert_eq!(scene.take(&newer).event, "event");
}

#[test]
fn a_call_beyond_the_timeout_fails_and_its_process_is_replaced() {
    let (mut scene, attempt, mut caller) = running();
    let deadline = scene.now + 3 * SECOND;
    assert_eq!(attempt.deadline, deadline);
    assert_eq!(scene.queue.due(scene.now), Due::Wait(Some(deadline)));
    assert_eq!(scene.queue.due(deadline), Due::Replace);
    assert_eq!(told(&mut caller), Some(Err(CallError::TimedOut)));
    assert_eq!(scene.queue.recipient(&attempt.id, None), Recipient::Late);
}

#[test]
fn the_timeout_runs_from_the_delivery() {
    let mut scene = starting();
    let _caller = scene.push("event");
    scene.now += 5 * SECOND;
    let attempt = event(scene.arrive().1);
    assert_eq!(attempt.deadline, scene.now + 3 * SECOND);
}

#[test]
fn no_timeout_is_beyond_the_clock() {
    let mut scene = scene();
    scene.queue = Queue::new(Duration::MAX);
    scene.queue.started(scene.now);
    let _caller = scene.push("event");
    let attempt = event(scene.arrive().1);
    assert!(attempt.deadline > scene.now + 3 * SECOND);
}

#[test]
fn a_process_that_never_asks_fails_its_callers() {
    let mut scene = starting();
    let mut caller = scene.push("event");
    let until = scene.now + INIT_MAX;
    assert_eq!(scene.queue.due(scene.now), Due::Wait(Some(until)));
    assert_eq!(scene.queue.due(until), Due::Restart);
    let error = told(&mut caller).unwrap().unwrap_err();
    assert!(
        matches!(error, CallError::Init { error_type, .. } if error_type == "Sandbox.Timedout")
    );
}

#[test]
fn after_a_failed_start_callers_fail_at_once_until_one_succeeds() {
    let mut scene = starting();
    let mut caller = scene.push("event");
    scene.queue.init_failed(&init_error("Runtime.Broken"));
    let expected = CallError::from(init_error("Runtime.Broken"));
    assert_eq!(told(&mut caller), Some(Err(expected.clone())));
    assert_eq!(scene.queue.due(scene.now), Due::Restart);
    assert_eq!(scene.queue.push(Bytes::new()).unwrap_err(), expected);

    scene.queue.exited("exit status: 1");
    assert_eq!(scene.queue.state(), State::BackingOff);
    assert_eq!(scene.queue.push(Bytes::new()).unwrap_err(), expected);
    scene.queue.started(scene.now);
    assert_eq!(scene.queue.push(Bytes::new()).unwrap_err(), expected);

    scene.arrive();
    assert_eq!(scene.queue.init_error(), None);
    assert!(scene.queue.push(Bytes::new()).is_ok());
}

#[test]
fn an_end_before_the_first_poll_is_a_failed_start() {
    let mut scene = starting();
    let mut caller = scene.push("event");
    scene.queue.exited("exit status: 7");
    let Some(Err(CallError::Init {
        error_type,
        message,
    })) = told(&mut caller)
    else {
        panic!("no init error");
    };
    assert_eq!(error_type, "Runtime.ExitError");
    assert!(message.contains("exit status: 7"), "{message}");
}

#[test]
fn a_crash_fails_the_running_call_and_keeps_the_waiting_ones() {
    let (mut scene, _, mut caller) = running();
    let mut waiting = scene.push("two");
    scene.queue.exited("signal: 9");
    assert_eq!(told(&mut caller), Some(Err(CallError::Crashed)));
    let mut new = scene.push("three");
    assert_eq!((told(&mut waiting), told(&mut new)), (None, None));
    scene.queue.started(scene.now);
    assert_eq!(event(scene.arrive().1).event, "two");
}

#[test]
fn only_an_answer_is_a_success() {
    let (mut scene, attempt, _caller) = running();
    assert!(!scene.queue.succeeded());
    scene.queue.answer(&attempt.id, Ok(Bytes::new()));
    assert!(scene.queue.succeeded());
    assert!(!scene.queue.succeeded());

    let (mut scene, attempt, _caller) = running();
    scene
        .queue
        .answer(&attempt.id, Err(CallError::AnswerTooLarge));
    assert!(!scene.queue.succeeded());
}

#[test]
fn a_retired_queue_takes_no_calls_and_finishes_those_it_has() {
    let (mut scene, attempt, _caller) = running();
    let _waiting = scene.push("two");
    scene.queue.retire();
    assert_eq!(
        scene.queue.push(Bytes::new()).unwrap_err(),
        CallError::Stopping
    );
    assert!(matches!(scene.queue.due(scene.now), Due::Wait(_)));
    scene.queue.answer(&attempt.id, Ok(Bytes::new()));
    let attempt = event(scene.arrive_on(1).1);
    scene.queue.answer(&attempt.id, Ok(Bytes::new()));
    assert!(
        matches!(scene.queue.due(scene.now), Due::Wait(_)),
        "the slot is not free yet"
    );
    assert!(matches!(scene.arrive_on(1).1, Next::Wait));
    assert_eq!(scene.queue.due(scene.now), Due::Stop);
}

#[test]
fn a_retired_queue_does_not_wait_for_callers_that_left() {
    let mut scene = starting();
    let caller = scene.push("event");
    scene.queue.retire();
    assert!(matches!(scene.queue.due(scene.now), Due::Wait(_)));
    drop(caller);
    assert_eq!(scene.queue.due(scene.now), Due::Stop);
}

#[test]
fn a_poll_of_a_process_that_is_told_to_go_is_closed() {
    let (mut scene, poll) = ready();
    scene.queue.close();
    let _caller = scene.push("event");
    assert!(matches!(
        scene.queue.take(&poll.wake, scene.now),
        Next::Closed
    ));
    assert!(matches!(scene.arrive().1, Next::Closed));
    scene.queue.started(scene.now);
    assert_eq!(event(scene.arrive().1).event, "event");
}

#[test]
fn what_a_process_posted_before_it_was_gone_counts() {
    let (mut scene, attempt, mut caller) = running();
    scene.queue.close();
    scene.queue.answer(&attempt.id, Ok(Bytes::new()));
    scene.queue.exited("exit status: 1");
    assert_eq!(told(&mut caller), Some(Ok(Bytes::new())));
}

#[test]
fn a_poll_without_a_process_is_refused() {
    let mut scene = scene();
    assert!(matches!(scene.arrive().1, Next::Refused));
    let mut scene = starting();
    scene.queue.init_failed(&init_error("Runtime.Broken"));
    assert!(matches!(scene.arrive().1, Next::Refused));
}

#[test]
fn an_end_leaves_nobody_waiting() {
    let (mut scene, _, mut caller) = running();
    let mut waiting = scene.push("two");
    scene.queue.end();
    assert_eq!(told(&mut caller), Some(Err(CallError::Crashed)));
    assert_eq!(told(&mut waiting), Some(Err(CallError::Stopping)));
    assert_eq!(
        scene.queue.push(Bytes::new()).unwrap_err(),
        CallError::Stopping
    );
}
