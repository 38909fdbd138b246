//! Functions as real processes: how they start, answer, fail, are replaced and end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by a panic"
)]

#[path = "function/support.rs"]
mod support;

use std::{cell::RefCell, collections::BTreeMap, fs, io, path::Path, sync::Once, time::Duration};

use bytes::Bytes;
use support::{Scene, scene, soon, until};
use tollgate_proxy::function::{CallError, FunctionSpec, State, answer};

impl Scene {
    /// A function that does what the event names.
    fn stub(&self) -> FunctionSpec {
        self.spec(&[tollgate_stub::function().to_str().unwrap(), "events"])
    }

    /// The same with one variable more.
    fn version(&self, version: &str) -> FunctionSpec {
        let mut spec = self.stub();
        spec.process.env = vec![("VERSION".to_owned(), version.to_owned())];
        spec
    }

    async fn text(&self, event: &str) -> String {
        String::from_utf8(self.answer(event).await.unwrap().to_vec()).unwrap()
    }

    /// Lets a function that waits go on.
    async fn go(&self) {
        let go = self.folder.path().join("go");
        let opened = tokio::task::spawn_blocking(|| fs::File::options().write(true).open(go));
        soon(opened).await.unwrap().unwrap();
    }
}

/// A function that runs.
fn running() -> Scene {
    let scene = scene();
    scene.set(scene.stub());
    scene
}

/// Whether a process is gone, or a zombie that nobody has waited for yet.
fn is_gone(pid: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
    stat.map_or(true, |stat| stat.contains(") Z "))
}

thread_local! {
    /// What was logged on this thread, on which the whole of a test runs.
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// What is logged on this thread.
struct Log;

/// Starts to log. One subscriber serves all tests: with one for each, tracing may remember of
/// another thread, which has none, that nobody listens.
fn log() -> Log {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let subscriber = tracing_subscriber::fmt().with_ansi(false).without_time();
        subscriber.with_writer(|| Log).init();
    });
    Log
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        LOGGED.with_borrow(|logged| String::from_utf8(logged.clone()).unwrap())
    }

    /// The pauses before restarts, in milliseconds.
    fn pauses(&self) -> Vec<u64> {
        let text = self.text();
        let pauses = text.split("pause_ms=").skip(1);
        let number = |pause: &str| pause.split_whitespace().next().unwrap().parse().unwrap();
        pauses.map(number).collect()
    }
}

#[tokio::test]
async fn one_process_answers_call_after_call() {
    let scene = running();
    let pid = scene.text("pid").await;
    assert_eq!(scene.text("pid").await, pid);
    assert_eq!(scene.text("hello").await, "hello");
}

#[tokio::test]
async fn a_function_that_is_not_set_is_not_found() {
    let scene = scene();
    assert_eq!(scene.answer("{}").await, Err(CallError::NotFound));
}

#[tokio::test]
async fn many_callers_share_the_slot() {
    let scene = running();
    let calls: Vec<_> = (0..50).map(|i| scene.call(&i.to_string())).collect();
    for (i, call) in calls.into_iter().enumerate() {
        assert_eq!(soon(call).await.unwrap(), Ok(Bytes::from(i.to_string())));
    }
}

#[tokio::test]
async fn an_answer_that_is_not_json_comes_as_it_is_and_is_malformed() {
    let scene = running();
    let text = scene.answer("no json").await.unwrap();
    assert_eq!(text, "no json");
    assert!(answer::v2(&text).is_err());
}

#[tokio::test]
async fn a_process_that_ends_before_its_first_poll_fails_the_callers() {
    let scene = scene();
    scene.set(scene.spec(&["/bin/sh", "-c", "exit 7"]));
    let Err(CallError::Init {
        error_type,
        message,
    }) = scene.answer("{}").await
    else {
        panic!("no init error");
    };
    assert_eq!(error_type, "Runtime.ExitError");
    assert!(message.contains("exit status: 7"), "{message}");
    let error = scene.state().init_error.unwrap();
    assert_eq!(error.message, message);
}

#[tokio::test]
async fn a_command_that_cannot_start_fails_the_callers() {
    let scene = scene();
    for command in [&["/does/not/exist"][..], &["does-not-exist", "x"], &[]] {
        scene.set(scene.spec(command));
        let Err(CallError::Init {
            error_type,
            message,
        }) = scene.answer("{}").await
        else {
            panic!("no init error");
        };
        assert_eq!(error_type, "Runtime.InvalidEntrypoint");
        assert!(
            message.starts_with(command.first().unwrap_or(&"")),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_working_folder_that_is_missing_fails_the_callers() {
    let scene = scene();
    let mut spec = scene.stub();
    spec.process.working_dir = scene.folder.path().join("missing");
    scene.set(spec);
    let error = scene.answer("{}").await.unwrap_err();
    assert!(matches!(error, CallError::Init { .. }), "{error}");
}

#[tokio::test]
async fn a_crash_fails_the_running_call_and_no_other() {
    let scene = running();
    let crash = scene.call("exit");
    let after = scene.call("after");
    assert_eq!(soon(crash).await.unwrap(), Err(CallError::Crashed));
    assert_eq!(soon(after).await.unwrap(), Ok(Bytes::from("after")));
    assert_eq!(scene.state().restarts, 1);
}

#[tokio::test]
async fn an_answer_right_before_the_end_counts() {
    let scene = running();
    for _ in 0..3 {
        assert_eq!(scene.text("answer and exit").await, "answer and exit");
    }
}

#[tokio::test]
async fn back_off_grows_until_a_call_succeeds() {
    let log = log();
    let scene = running();
    for event in ["exit", "exit", "exit"] {
        assert_eq!(scene.answer(event).await, Err(CallError::Crashed));
    }
    assert_eq!(scene.text("hello").await, "hello");
    assert_eq!(scene.answer("exit").await, Err(CallError::Crashed));
    until(|| log.pauses().len() == 4).await;
    let ranges = [50..=100, 100..=200, 200..=400, 50..=100];
    for (pause, range) in log.pauses().into_iter().zip(ranges) {
        assert!(range.contains(&pause), "{pause} in {range:?}");
    }
}

#[tokio::test]
async fn back_off_grows_while_the_start_fails() {
    let log = log();
    let scene = scene();
    scene.set(scene.spec(&["/bin/sh", "-c", "exit 1"]));
    until(|| log.pauses().len() == 3).await;
    assert!((200..=400).contains(&log.pauses()[2]), "{:?}", log.pauses());
}

#[tokio::test]
async fn a_call_beyond_the_timeout_ends_its_process_with_all_it_started() {
    let log = log();
    let mut scene = scene();
    let mut spec = scene.stub();
    spec.timeout = Duration::from_secs(1);
    scene.set(spec);
    let pid = scene.text("pid").await;
    let hang = scene.call("hang with a child");
    let child = scene.said().await;
    assert!(!is_gone(&child));
    assert_eq!(soon(hang).await.unwrap(), Err(CallError::TimedOut));
    assert_ne!(scene.text("pid").await, pid);
    until(|| is_gone(&pid) && is_gone(&child)).await;
    assert_eq!(log.pauses(), [0], "a timeout is followed by no back-off");
}

#[tokio::test]
async fn calls_that_wait_outlive_the_timeout_of_another() {
    let scene = scene();
    let mut spec = scene.stub();
    spec.timeout = Duration::from_secs(1);
    scene.set(spec);
    let hang = scene.call("hang");
    let after = scene.call("after");
    assert_eq!(soon(hang).await.unwrap(), Err(CallError::TimedOut));
    assert_eq!(soon(after).await.unwrap(), Ok(Bytes::from("after")));
}

#[tokio::test]
async fn the_environment_is_ours_in_four_names_then_the_users_then_the_contracts() {
    let mut scene = scene();
    let script = "env > env.txt; echo written > said; read line < never";
    let mut spec = scene.spec(&["/bin/sh", "-c", script]);
    spec.memory_mb = 256;
    let env = [
        ("TABLE", "products"),
        ("TABLE", "last"),
        ("AWS_LAMBDA_RUNTIME_API", "198.51.100.1:80"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1"),
        ("_HANDLER", "other"),
    ];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    spec.process.env = env.to_vec();
    scene.set(spec);
    assert_eq!(scene.said().await, "written");

    let env = fs::read_to_string(scene.folder.path().join("env.txt")).unwrap();
    let env: BTreeMap<_, _> = env
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    let own = |name| std::env::var(name).ok();
    let ours = |value: &str| Some(value.to_owned());
    let folder = scene.folder.path().to_str().unwrap();
    assert!(own("CARGO_MANIFEST_DIR").is_some());
    let table = [
        ("PATH", own("PATH")),
        ("HOME", own("HOME")),
        ("LANG", own("LANG")),
        ("TZ", own("TZ").or_else(|| ours(":UTC"))),
        ("CARGO_MANIFEST_DIR", None),
        ("TABLE", ours("last")),
        ("AWS_LAMBDA_FUNCTION_NAME", ours("products")),
        ("AWS_LAMBDA_FUNCTION_VERSION", ours("$LATEST")),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", ours("256")),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", ours("on-demand")),
        ("AWS_LAMBDA_LOG_GROUP_NAME", ours("/aws/lambda/products")),
        ("AWS_LAMBDA_MAX_CONCURRENCY", None),
        ("AWS_REGION", None),
        ("AWS_ACCESS_KEY_ID", None),
        ("_HANDLER", ours(script)),
        ("LAMBDA_TASK_ROOT", ours(folder)),
    ];
    for (name, expected) in table {
        assert_eq!(env.get(name).copied(), expected.as_deref(), "{name}");
    }
    assert!(env["AWS_LAMBDA_RUNTIME_API"].starts_with("127.0.0.1:"));
    assert!(env["AWS_LAMBDA_LOG_STREAM_NAME"].contains("/[$LATEST]"));
}

#[tokio::test]
async fn what_a_function_writes_is_in_our_log() {
    let log = log();
    let scene = running();
    scene.text("print").await;
    until(|| log.text().contains("to stdout")).await;
    soon(scene.functions.stop()).await;
    let text = log.text();
    let line = |part: &str| {
        text.lines()
            .find(|line| line.contains(part))
            .unwrap()
            .to_owned()
    };
    let (stdout, stderr) = (line("to stdout"), line("to stderr, without an end"));
    for part in ["function: ", "function=shop/products", "stream=\"stdout\""] {
        assert!(stdout.contains(part), "{stdout}");
    }
    assert!(stderr.contains("stream=\"stderr\""), "{stderr}");
}

#[tokio::test]
async fn an_equal_spec_changes_nothing() {
    let scene = running();
    let pid = scene.text("pid").await;
    scene.set(scene.stub());
    assert_eq!(scene.text("pid").await, pid);
}

#[tokio::test]
async fn a_changed_spec_loses_no_call() {
    let mut scene = scene();
    scene.set(scene.version("1"));
    let old = scene.text("pid").await;
    let running = scene.call("wait");
    assert_eq!(scene.said().await, "waits");
    let waiting: Vec<_> = (0..20).map(|_| scene.call("version")).collect();
    until(|| scene.state().waiting == 20).await;

    scene.set(scene.version("2"));
    assert_eq!(scene.text("version").await, "2");
    assert!(!is_gone(&old));
    scene.go().await;
    assert_eq!(soon(running).await.unwrap(), Ok(Bytes::from("waited")));
    for call in waiting {
        assert_eq!(soon(call).await.unwrap(), Ok(Bytes::from("1")));
    }
    until(|| is_gone(&old)).await;
    assert_eq!(scene.text("version").await, "2");
}

#[tokio::test]
async fn calls_go_on_through_many_changes() {
    let scene = scene();
    scene.set(scene.version("0"));
    let mut calls = Vec::new();
    for version in 1..=5 {
        calls.push(scene.call("version"));
        tokio::task::yield_now().await;
        scene.set(scene.version(&version.to_string()));
        calls.push(scene.call("version"));
    }
    for call in calls {
        soon(call).await.unwrap().unwrap();
    }
    assert_eq!(scene.text("version").await, "5");
}

#[tokio::test]
async fn a_removed_function_finishes_its_calls_and_ends() {
    let mut scene = scene();
    scene.set(scene.stub());
    let pid = scene.text("pid").await;
    let running = scene.call("wait");
    assert_eq!(scene.said().await, "waits");
    scene.functions.set(&scene.name, None);
    assert_eq!(scene.answer("{}").await, Err(CallError::NotFound));
    scene.go().await;
    assert_eq!(soon(running).await.unwrap(), Ok(Bytes::from("waited")));
    until(|| is_gone(&pid)).await;
}

#[tokio::test]
async fn a_caller_that_left_does_not_keep_the_slot() {
    let mut scene = scene();
    scene.set(scene.stub());
    let gone = scene.call("wait");
    assert_eq!(scene.said().await, "waits");
    gone.abort();
    let next = scene.call("next");
    scene.go().await;
    assert_eq!(soon(next).await.unwrap(), Ok(Bytes::from("next")));
}

#[tokio::test]
async fn a_stop_waits_for_calls_and_ends_all_processes() {
    let mut scene = scene();
    scene.set(scene.stub());
    let pid = scene.text("pid").await;
    let running = scene.call("wait");
    assert_eq!(scene.said().await, "waits");
    let functions = scene.functions.clone();
    let stop = tokio::spawn(async move { functions.stop().await });
    until(|| scene.state().state == State::Stopping).await;
    assert_eq!(scene.answer("{}").await, Err(CallError::Stopping));
    scene.go().await;
    assert_eq!(soon(running).await.unwrap(), Ok(Bytes::from("waited")));
    soon(stop).await.unwrap();
    assert!(is_gone(&pid));
    scene.set(scene.version("after"));
    assert_eq!(scene.answer("{}").await, Err(CallError::Stopping));
}

#[tokio::test]
async fn a_process_that_ignores_its_signal_is_killed() {
    let mut scene = scene();
    let script = "trap '' TERM; echo $$ > said; read line < never";
    scene.set(scene.spec(&["/bin/sh", "-c", script]));
    let pid = scene.said().await;
    soon(scene.functions.stop()).await;
    assert!(is_gone(&pid));
}

#[tokio::test]
async fn a_kill_ends_all_at_once() {
    let scene = running();
    let pid = scene.text("pid").await;
    let running = scene.call("hang");
    until(|| scene.state().state == State::Running && scene.state().waiting == 0).await;
    let waiting = scene.call("next");
    until(|| scene.state().waiting == 1).await;
    scene.functions.kill();
    assert!(matches!(
        soon(running).await.unwrap(),
        Err(CallError::Crashed)
    ));
    assert!(matches!(
        soon(waiting).await.unwrap(),
        Err(CallError::Stopping)
    ));
    until(|| is_gone(&pid)).await;
    soon(scene.functions.stop()).await;
}
