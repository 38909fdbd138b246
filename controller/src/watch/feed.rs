//! The feed of one kind: list, then watch, for ever.
//!
//! In: an API server. Out: steps, in order, and what failed in between. The feed goes on where it
//! stopped, and begins anew only when the server no longer knows that place. Nothing is remembered
//! of the objects.
//!
//! kube-runtime's watcher does the same, and three things keep us from it: it drops the version of
//! a list, without which a deletion that nobody saw looks like a step back in time; it asks again
//! at once when a watch ends early without an error; and a resumption that the server answers with
//! 410 or "too large a version" it repeats for ever.

use std::{collections::VecDeque, fmt, time::Duration};

use futures_util::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use kube::{
    Api, Client, Error,
    api::{ListParams, WatchParams},
    core::{ApiResource, Status, WatchEvent},
};
use tokio::time::{Instant, sleep_until, timeout};

use super::{pace::Pace, raw::Raw};
use crate::causes::with_causes;

/// How long a watch lasts, in seconds. A connection that is dead without a word is given up
/// [`MARGIN`] later.
const WATCH_SECONDS: u32 = 30;

/// How much later than it should a watch may end.
const MARGIN: Duration = Duration::from_secs(5);

/// How long the answer to a request may take; a list's page also until its end.
const ANSWER: Duration = Duration::from_secs(20);

/// Objects in a page.
const PAGE: u32 = 500;

/// A watch that ends sooner than this, without a word, has failed.
const TOO_SOON: Duration = Duration::from_secs(5);

/// After this many failures in a row the place to go on from is given up.
const RESUMPTIONS: u32 = 3;

/// How long until a kind that is not there is looked for again.
const LOOK_AGAIN: Duration = Duration::from_secs(4);

/// Marks the end of the list at the beginning of a watch.
const LIST_END: &str = "k8s.io/initial-events-end";

/// What the feed says.
#[derive(Debug)]
pub(super) enum Step {
    /// A list begins; one that has begun is void.
    Begin,
    /// An object of the list.
    Listed(Raw),
    /// The list is complete, as of this version.
    End(String),
    /// An object is new or has been edited.
    Put(Raw),
    /// An object is gone; this is what it was.
    Delete(Raw),
    /// The kind does not exist, says the server.
    Absent,
    /// Something failed and will be tried again.
    Failed(Failure),
}

/// Why the feed stopped for a moment.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server said no, or the connection failed.
    Said(Box<Error>),
    /// The server said no in the middle of a watch.
    InWatch(Box<Status>),
    /// The server said nothing for too long.
    Silent,
    /// A watch ended as soon as it began.
    EndedAtOnce,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(status) = status(self) {
            return write!(f, "{}: {}", status.code, status.message);
        }
        match self {
            Self::Said(error) => f.write_str(&with_causes(error)),
            Self::InWatch(status) => f.write_str(&status.message),
            Self::Silent => f.write_str("the API server does not answer"),
            Self::EndedAtOnce => f.write_str("the watch ended as soon as it began"),
        }
    }
}

type Watch = BoxStream<'static, kube::Result<WatchEvent<Raw>>>;

/// Where the feed is.
enum Place {
    /// Nothing is known.
    Start,
    /// In a list by pages.
    Pages {
        next: Option<String>,
        objects: VecDeque<Raw>,
        /// Of the last page; none: there are more.
        version: Option<String>,
    },
    /// In a list at the beginning of a watch.
    Listing { watch: Watch },
    /// Between two watches.
    At(String),
    /// In a watch.
    Watching {
        watch: Watch,
        version: String,
        since: Instant,
    },
}

struct Feed {
    /// The kind in each version, the best first.
    versions: Vec<Api<Raw>>,
    /// Which of them is asked for.
    chosen: usize,
    fields: Option<String>,
    pace: Pace,
    place: Place,
    /// Whether the server lists at the beginning of a watch, as far as we know.
    streams_lists: bool,
    /// Lists of that manner that came to no end.
    endless_lists: u32,
    /// Failures since the last event.
    failures: u32,
}

/// What to watch.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    /// The kind in each version, the best first; at least one.
    pub(super) resources: Vec<ApiResource>,
    /// Its namespace; none: all, or it is in none.
    pub(super) namespace: Option<String>,
    /// Field selector.
    pub(super) fields: Option<String>,
}

/// Feeds a kind for ever.
pub(super) fn feed(client: &Client, subject: &Subject) -> impl Stream<Item = Step> + Send + use<> {
    let api = |resource| match &subject.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
        None => Api::all_with(client.clone(), resource),
    };
    let feed = Feed {
        versions: subject.resources.iter().map(api).collect(),
        chosen: 0,
        fields: subject.fields.clone(),
        pace: Pace::default(),
        place: Place::Start,
        streams_lists: true,
        endless_lists: 0,
        failures: 0,
    };
    stream::unfold(feed, |mut feed| async {
        let step = feed.next().await;
        Some((step, feed))
    })
}

impl Feed {
    async fn next(&mut self) -> Step {
        loop {
            let step = match std::mem::replace(&mut self.place, Place::Start) {
                Place::Start if self.streams_lists => self.list_by_watch().await,
                Place::Start => {
                    self.place = Place::Pages {
                        next: None,
                        objects: VecDeque::new(),
                        version: None,
                    };
                    Some(Step::Begin)
                }
                Place::Pages {
                    next,
                    mut objects,
                    version,
                } => match (objects.pop_front(), version) {
                    (Some(object), version) => {
                        self.place = Place::Pages {
                            next,
                            objects,
                            version,
                        };
                        Some(Step::Listed(object))
                    }
                    (None, Some(version)) => {
                        self.place = Place::At(version.clone());
                        Some(Step::End(version))
                    }
                    (None, None) => self.page(next).await,
                },
                Place::Listing { watch } => self.listing(watch).await,
                Place::At(version) => self.resume(version).await,
                Place::Watching {
                    watch,
                    version,
                    since,
                } => self.watching(watch, version, since).await,
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    async fn list_by_watch(&mut self) -> Option<Step> {
        match self.open("", true).await {
            Ok(watch) => {
                self.place = Place::Listing { watch };
                Some(Step::Begin)
            }
            Err(Failure::Said(error)) if is_not_understood(&error) => {
                self.streams_lists = false;
                None
            }
            Err(failure) => self.failed(failure),
        }
    }

    async fn page(&mut self, token: Option<String>) -> Option<Step> {
        self.wait().await;
        let mut params = ListParams::default().limit(PAGE);
        params.field_selector.clone_from(&self.fields);
        params.continue_token = token;
        let list = timeout(ANSWER, self.api().list(&params)).await;
        match list.map_err(|_| Failure::Silent).and_then(said) {
            Ok(list) => {
                let next = list.metadata.continue_.filter(|token| !token.is_empty());
                let version = list.metadata.resource_version.unwrap_or_default();
                self.place = Place::Pages {
                    version: next.is_none().then_some(version),
                    next,
                    objects: list.items.into(),
                };
                None
            }
            // The place is the start: a list that stopped in the middle is no list.
            Err(failure) => self.failed(failure),
        }
    }

    async fn listing(&mut self, mut watch: Watch) -> Option<Step> {
        let event = match event(&mut watch).await {
            Ok(Some(event)) => event,
            Ok(None) => {
                self.endless_lists += 1;
                self.streams_lists = self.endless_lists < 2;
                return self.failed(Failure::EndedAtOnce);
            }
            Err(failure) => return self.failed(failure),
        };
        match event {
            WatchEvent::Added(raw) | WatchEvent::Modified(raw) => {
                self.place = Place::Listing { watch };
                Some(Step::Listed(raw))
            }
            WatchEvent::Bookmark(mark) => {
                let version = mark.metadata.resource_version;
                if !mark.metadata.annotations.contains_key(LIST_END) {
                    self.place = Place::Listing { watch };
                    return None;
                }
                self.endless_lists = 0;
                self.place = Place::Watching {
                    watch,
                    version: version.clone(),
                    since: Instant::now(),
                };
                Some(Step::End(version))
            }
            // No list names what is gone. What does is not a list, and is asked for again.
            WatchEvent::Deleted(_) => self.failed(Failure::EndedAtOnce),
            WatchEvent::Error(status) => self.failed(Failure::InWatch(status)),
        }
    }

    async fn resume(&mut self, version: String) -> Option<Step> {
        match self.open(&version, false).await {
            Ok(watch) => {
                self.place = Place::Watching {
                    watch,
                    version,
                    since: Instant::now(),
                };
                None
            }
            Err(failure) => self.failed_at(version, failure),
        }
    }

    async fn watching(&mut self, mut watch: Watch, at: String, since: Instant) -> Option<Step> {
        let event = match event(&mut watch).await {
            Ok(Some(event)) => event,
            Ok(None) if since.elapsed() < TOO_SOON => {
                return self.failed_at(at, Failure::EndedAtOnce);
            }
            Ok(None) => {
                self.place = Place::At(at);
                return None;
            }
            Err(failure) => return self.failed_at(at, failure),
        };
        self.failures = 0;
        let (version, step) = match event {
            WatchEvent::Added(raw) | WatchEvent::Modified(raw) => {
                (raw.version().to_owned(), Some(Step::Put(raw)))
            }
            WatchEvent::Deleted(raw) => (raw.version().to_owned(), Some(Step::Delete(raw))),
            WatchEvent::Bookmark(mark) => (mark.metadata.resource_version, None),
            WatchEvent::Error(status) => {
                return self.failed_at(at, Failure::InWatch(status));
            }
        };
        let version = if version.is_empty() { at } else { version };
        self.place = Place::Watching {
            watch,
            version,
            since,
        };
        step
    }

    /// Begins a watch; with `lists` at a list of all that is there.
    async fn open(&mut self, version: &str, lists: bool) -> Result<Watch, Failure> {
        self.wait().await;
        self.pace.begun(Instant::now());
        let params = WatchParams {
            label_selector: None,
            field_selector: self.fields.clone(),
            timeout: Some(WATCH_SECONDS),
            bookmarks: true,
            send_initial_events: lists,
        };
        let watch = timeout(ANSWER, self.api().watch(&params, version)).await;
        let watch = watch.map_err(|_| Failure::Silent).and_then(said)?;
        Ok(watch.boxed())
    }

    async fn wait(&mut self) {
        if let Some(at) = self.pace.not_before() {
            sleep_until(at).await;
        }
    }

    fn api(&self) -> &Api<Raw> {
        &self.versions[self.chosen]
    }

    /// Notes a failure after which the place is the start.
    fn failed(&mut self, failure: Failure) -> Option<Step> {
        let now = Instant::now();
        if code(&failure) != Some(404) {
            self.pace.failed(now, retry_after(&failure));
            return Some(Step::Failed(failure));
        }
        self.chosen = (self.chosen + 1) % self.versions.len();
        if self.chosen > 0 {
            self.pace.absent(now, Duration::ZERO);
            return None;
        }
        self.pace.absent(now, LOOK_AGAIN);
        Some(Step::Absent)
    }

    /// Notes a failure after which the feed goes on where it was, if the server lets it.
    fn failed_at(&mut self, version: String, failure: Failure) -> Option<Step> {
        self.failures += 1;
        // 410: too old a version; 504: one of the future, after the server was set back; 400: none.
        let unknown_here = matches!(code(&failure), Some(400 | 404 | 410 | 504));
        if !unknown_here && self.failures < RESUMPTIONS {
            self.place = Place::At(version);
        }
        self.failed(failure)
    }
}

/// The next event of a watch; none: it has ended.
async fn event(watch: &mut Watch) -> Result<Option<WatchEvent<Raw>>, Failure> {
    let longest = Duration::from_secs(WATCH_SECONDS.into()) + MARGIN;
    match timeout(longest, watch.next()).await {
        Ok(event) => said(event.transpose()),
        Err(_) => Err(Failure::Silent),
    }
}

fn said<T>(answer: kube::Result<T>) -> Result<T, Failure> {
    answer.map_err(|error| Failure::Said(error.into()))
}

fn status(failure: &Failure) -> Option<&Status> {
    match failure {
        Failure::Said(error) => {
            let Error::Api(status) = &**error else {
                return None;
            };
            Some(status)
        }
        Failure::InWatch(status) => Some(status),
        Failure::Silent | Failure::EndedAtOnce => None,
    }
}

fn code(failure: &Failure) -> Option<u16> {
    status(failure).map(|status| status.code)
}

fn retry_after(failure: &Failure) -> Option<Duration> {
    let details = status(failure)?.details.as_ref()?;
    Some(Duration::from_secs(details.retry_after_seconds.into()))
}

/// Whether the server does not know lists at the beginning of a watch.
fn is_not_understood(error: &Error) -> bool {
    matches!(error, Error::Api(status) if matches!(status.code, 400 | 422))
}
