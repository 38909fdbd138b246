//! Tasks that live and end together.
//!
//! In: parts, each with a name. Out: one end of all. A part that ends before it is told to takes
//! the others along: an operator without one of them would look alive and be of no use.

use std::{fmt::Display, future::Future, time::Duration};

use anyhow::anyhow;
use tokio::{sync::watch, task::JoinSet, time::timeout};

/// How long the parts may take to end once they are told.
const END: Duration = Duration::from_secs(10);

/// The tasks.
pub(super) struct Parts {
    tasks: JoinSet<(&'static str, Result<(), String>)>,
    end: watch::Sender<bool>,
}

impl Parts {
    pub(super) fn new() -> Self {
        Self {
            tasks: JoinSet::new(),
            end: watch::Sender::new(false),
        }
    }

    /// Adds a part that can't fail.
    pub(super) fn add<F>(
        &mut self,
        name: &'static str,
        part: impl FnOnce(watch::Receiver<bool>) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let part = part(self.end.subscribe());
        self.tasks.spawn(async move {
            part.await;
            (name, Ok(()))
        });
    }

    /// Adds a part that can fail.
    pub(super) fn try_add<F, E>(
        &mut self,
        name: &'static str,
        part: impl FnOnce(watch::Receiver<bool>) -> F,
    ) where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        let part = part(self.end.subscribe());
        self.tasks.spawn(async move {
            let ended = part.await;
            (name, ended.map_err(|error| format!("{error:#}")))
        });
    }

    /// Waits until `ending` says true, or a part ends by itself; then for the end of all.
    pub(super) async fn until(mut self, mut ending: watch::Receiver<bool>) -> anyhow::Result<()> {
        let first = tokio::select! {
            _ = ending.wait_for(|ending| *ending) => None,
            ended = self.tasks.join_next() => Some(match ended {
                Some(Ok((name, Err(error)))) => anyhow!("{name}: {error}"),
                Some(Ok((name, Ok(())))) => anyhow!("{name}: it ended by itself"),
                Some(Err(panic)) => anyhow!(panic),
                None => anyhow!("nothing runs"),
            }),
        };
        self.end.send_replace(true);
        let all = async {
            while let Some(ended) = self.tasks.join_next().await {
                match ended {
                    Ok((_, Ok(()))) => {}
                    Ok((name, Err(error))) => tracing::warn!(name, error, "a part failed"),
                    Err(error) => tracing::warn!(%error, "a part failed"),
                }
            }
        };
        if timeout(END, all).await.is_err() {
            tracing::warn!("not all parts ended in time");
        }
        first.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(mut ending: watch::Receiver<bool>) {
        let _ = ending.wait_for(|ending| *ending).await;
    }

    #[tokio::test(start_paused = true)]
    async fn all_end_when_they_are_told() {
        let (end, ending) = watch::channel(false);
        let mut parts = Parts::new();
        parts.add("one", told);
        parts.add("two", told);
        end.send_replace(true);
        parts.until(ending).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_ends_by_itself_ends_all_and_is_named() {
        type Part = fn(watch::Receiver<bool>) -> std::future::Ready<Result<(), String>>;
        let rows: [(&str, Part, &str); 2] = [
            (
                "ends",
                |_| std::future::ready(Ok(())),
                "bad: it ended by itself",
            ),
            (
                "fails",
                |_| std::future::ready(Err("no".to_owned())),
                "bad: no",
            ),
        ];
        for (name, bad, expected) in rows {
            let (_end, ending) = watch::channel(false);
            let mut parts = Parts::new();
            parts.add("good", told);
            parts.try_add("bad", bad);
            let error = parts.until(ending).await.unwrap_err();
            assert_eq!(error.to_string(), expected, "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_that_does_not_end_keeps_nobody_for_ever() {
        let (end, ending) = watch::channel(false);
        let mut parts = Parts::new();
        parts.add("deaf", |_| std::future::pending());
        end.send_replace(true);
        parts.until(ending).await.unwrap();
    }
}
