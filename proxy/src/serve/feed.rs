//! The two sources of configuration, behind one face.
//!
//! In: where it comes from. Out: that there is something new to listen to.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Origin, source::Source, subscription::Subscription, view::View};
use crate::{active::Active, config::subscribe::InForce, function::Functions, metrics::Metrics};

/// A source of configuration that is followed.
pub(super) enum Feed {
    /// A folder of manifests.
    Folder(Box<Source>),
    /// A controller. Nothing here can start a process.
    Controller(Subscription),
}

impl Feed {
    /// Adopts what there is now.
    pub(super) async fn open(
        origin: Origin,
        active: &Arc<ArcSwap<Active>>,
        functions: &Functions,
        view: &View,
        metrics: &Metrics,
    ) -> anyhow::Result<Self> {
        Ok(match origin {
            Origin::Folder(dir) => {
                let source = Source::open(&dir, active, functions, view.clone())?;
                Self::Folder(Box::new(source))
            }
            Origin::Controller { controller, store } => {
                let active = Arc::clone(active);
                let subscription = Subscription::open(controller, store, active, view, metrics);
                Self::Controller(subscription.await?)
            }
        })
    }

    /// Waits until a change is in force; whoever wants to know when the listeners are as it wants
    /// them is in the answer. It may be dropped at any time and called again; nothing is lost.
    pub(super) async fn follow(&mut self) -> Option<InForce> {
        match self {
            Self::Folder(source) => {
                source.follow().await;
                None
            }
            Self::Controller(subscription) => Some(subscription.follow().await),
        }
    }

    /// Whether there is a configuration.
    pub(super) fn is_loaded(&self) -> bool {
        match self {
            Self::Folder(_) => true,
            Self::Controller(subscription) => subscription.is_loaded(),
        }
    }

    /// Whether a person at this machine wrote the configuration.
    pub(super) fn is_local(&self) -> bool {
        matches!(self, Self::Folder(_))
    }

    /// Says that this program is about to end; awaiting the result ends the feed, too.
    pub(super) fn stop(self) -> impl Future<Output = ()> {
        let ended = match self {
            Self::Folder(_) => None,
            Self::Controller(subscription) => Some(subscription.stop()),
        };
        async {
            if let Some(ended) = ended {
                ended.await;
            }
        }
    }
}
