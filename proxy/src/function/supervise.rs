//! Keeps a process running for an environment, from the first start to the last end.
//!
//! A process that ends by itself, or does not work, is started again after a back-off. One that was
//! killed because its call took too long is started again at once, as AWS does.

use std::{io, process::ExitStatus, sync::Arc, time::Duration};

use super::{
    child::Child,
    environment::Environment,
    queue::{Due, InitError},
    runtime_api::RuntimeApi,
};

/// First pause before a restart.
const PAUSE_MIN: Duration = Duration::from_millis(100);
/// Longest pause before a restart.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// What follows the end of a process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Then {
    Nothing,
    StartAtOnce,
    BackOff,
}

/// Supervises an environment until it is retired and has nothing left to do.
pub(super) async fn supervise(environment: Arc<Environment>) {
    let mut pause = Pause::default();
    loop {
        environment.started();
        let (then, how) = run(&environment).await;
        environment.exited(&how);
        if environment.succeeded() {
            pause = Pause::default();
        }
        let pause = match then {
            Then::Nothing => break,
            Then::StartAtOnce => Duration::ZERO,
            Then::BackOff => pause.next(fastrand::f64()),
        };
        let function = &environment.name;
        tracing::warn!(%function, how, pause_ms = pause.as_millis(), "the function's process ended");
        if !environment.back_off(pause).await {
            break;
        }
        environment.count_restart();
    }
    environment.end();
}

/// Runs one process from its start to its end, and says how it ended.
async fn run(environment: &Arc<Environment>) -> (Then, String) {
    let api = match RuntimeApi::start(Arc::clone(environment)).await {
        Ok(api) => api,
        Err(error) => return not_started(environment, "Runtime.Unknown", &error),
    };
    let mut child = match Child::start(environment, api.address) {
        Ok(child) => child,
        Err(error) => {
            api.finish().await;
            return not_started(environment, "Runtime.InvalidEntrypoint", &error);
        }
    };
    environment.set_group(child.group());
    let (then, status) = attend(environment, &mut child).await;
    child.clear().await;
    environment.set_group(None);
    // What it posted last still counts: its socket outlives it.
    api.finish().await;
    let how = match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    (then, how)
}

/// Waits for the end of a process, or brings it about.
async fn attend(environment: &Environment, child: &mut Child) -> (Then, io::Result<ExitStatus>) {
    let due = tokio::select! {
        status = child.wait() => {
            environment.close();
            return (Then::BackOff, status);
        }
        due = environment.due() => due,
    };
    // From here on it must not take an event: nobody would answer.
    environment.close();
    match due {
        Due::Stop => (Then::Nothing, child.stop().await),
        // A process that could not start may still be saying why.
        Due::Restart => (Then::BackOff, child.stop().await),
        // What it does after its time is up is wanted by nobody.
        Due::Replace | Due::Wait(_) => (Then::StartAtOnce, child.kill().await),
    }
}

/// A start that failed before there was a process.
fn not_started(environment: &Environment, error_type: &str, error: &io::Error) -> (Then, String) {
    let program = environment.spec.process.command.first();
    let message = format!("{}: {error}", program.map_or("", String::as_str));
    environment.refuse_start(&InitError {
        error_type: error_type.to_owned(),
        message: message.clone(),
    });
    (Then::BackOff, message)
}

/// The pauses between restarts: each up to twice the one before, none the same for all functions.
#[derive(Debug, Default)]
struct Pause {
    failures: u32,
}

impl Pause {
    /// The pause before the next start; `random`, from 0 to 1, takes up to half of it off.
    fn next(&mut self, random: f64) -> Duration {
        let longest = PAUSE_MAX.min(PAUSE_MIN * 2_u32.saturating_pow(self.failures.min(10)));
        self.failures += 1;
        longest.mul_f64(1.0 - random / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit_and_start_again() {
        let mut pause = Pause::default();
        let pauses: Vec<_> = (0..9).map(|_| pause.next(0.0).as_millis()).collect();
        assert_eq!(
            pauses,
            [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]
        );
        pause = Pause::default();
        assert_eq!(pause.next(1.0).as_millis(), 50);
        assert_eq!(pause.next(0.5).as_millis(), 150);
    }
}
