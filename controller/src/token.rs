//! Tokens: who dials.
//!
//! In: the bearer token of a proxy or of another replica. Out: which gateway's proxy or that it is
//! a replica, as the API server says (a TokenReview, authentication.k8s.io/v1); or why it is
//! nobody. Nothing that the other end says of itself counts.
//!
//! A review holds for a minute. When the API server can't be asked, one of the last ten minutes
//! does: with the API server down there is nothing new that could leak, while a proxy that has to
//! move to this replica must not lose what it is told. No review holds longer than its token.

mod cache;
mod claims;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use k8s_openapi::api::authentication::v1::{
    TokenReview, TokenReviewSpec, TokenReviewStatus, UserInfo,
};
use kube::{Api, Client, api::PostParams};
use thiserror::Error;
use tollgate_snapshot::{ObjectName, wire::AUDIENCE};

use self::cache::{Age, Cache};
use crate::{
    metrics::{Metrics, Reviewed},
    names::{self, PREFIX},
    proxies::PodUid,
};

/// How long the API server may take.
const REVIEW_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it may take when there is an older review that will do.
const REVIEW_AGAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Who dials.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Identity {
    /// A proxy.
    Proxy {
        /// Its gateway.
        gateway: ObjectName,
        /// Name of its pod.
        pod: String,
        /// UID of its pod.
        pod_uid: PodUid,
    },
    /// A replica of the operator.
    Replica {
        /// Name of its pod.
        pod: String,
    },
}

/// Why a token is not taken.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Refusal {
    /// It is missing or not good.
    #[error("token: {0}")]
    Unauthenticated(String),
    /// It is good, but of nobody who may have units.
    #[error("token: {0}")]
    Denied(String),
    /// The API server can't be asked.
    #[error("token: the API server can't review it: {0}")]
    Unavailable(String),
}

/// Asks the API server, and remembers for a while.
#[derive(Debug)]
pub struct Reviewer {
    api: Api<TokenReview>,
    /// The operator's own account, as a user name.
    own_account: String,
    cache: Cache,
    metrics: Arc<Metrics>,
}

impl Reviewer {
    /// Asks through `client`; `namespace` and `account` are those of the operator itself.
    pub fn new(client: Client, namespace: &str, account: &str, metrics: Arc<Metrics>) -> Self {
        Self {
            api: Api::all(client),
            own_account: format!("system:serviceaccount:{namespace}:{account}"),
            cache: Cache::default(),
            metrics,
        }
    }

    /// Turns away what can't be a good token, without asking anybody.
    ///
    /// # Errors
    /// When it is none.
    pub fn screen(&self, token: &str) -> Result<(), Refusal> {
        let claims = claims::read(token, SystemTime::now());
        claims.map(drop).map_err(|why| {
            self.metrics.token.reviews.inc(Reviewed::Refused);
            Refusal::Unauthenticated(why)
        })
    }

    /// Says who has this token.
    ///
    /// # Errors
    /// When it is nobody who may dial, or nobody can say.
    pub async fn identify(&self, token: &str) -> Result<Identity, Refusal> {
        let (identity, counted) = self.review(token, SystemTime::now()).await;
        self.metrics.token.reviews.inc(counted);
        identity
    }

    async fn review(&self, token: &str, now: SystemTime) -> (Result<Identity, Refusal>, Reviewed) {
        let claims = match claims::read(token, now) {
            Ok(claims) => claims,
            Err(why) => return (Err(Refusal::Unauthenticated(why)), Reviewed::Refused),
        };
        let key = cache::key(token);
        if let Some(found) = self.cache.find(&key, now, Age::Fresh) {
            return (found, Reviewed::Cached);
        }
        let stale = match self.cache.find(&key, now, Age::Stale) {
            Some(Ok(identity)) => Some(identity),
            Some(Err(_)) | None => None,
        };
        let patience = match stale {
            Some(_) => REVIEW_AGAIN_TIMEOUT,
            None => REVIEW_TIMEOUT,
        };
        match self.ask(token, patience).await {
            Ok(status) => {
                let identity = self.judge(status);
                self.cache
                    .insert(key, identity.clone(), claims.expires, now);
                let counted = match &identity {
                    Ok(_) => Reviewed::Taken,
                    Err(Refusal::Denied(_)) => Reviewed::Denied,
                    Err(Refusal::Unauthenticated(_) | Refusal::Unavailable(_)) => Reviewed::Refused,
                };
                (identity, counted)
            }
            Err(why) => match stale {
                Some(identity) => (Ok(identity), Reviewed::Stale),
                None => (Err(Refusal::Unavailable(why)), Reviewed::Unavailable),
            },
        }
    }

    async fn ask(&self, token: &str, patience: Duration) -> Result<TokenReviewStatus, String> {
        let review = TokenReview {
            spec: TokenReviewSpec {
                audiences: Some(vec![AUDIENCE.to_owned()]),
                token: Some(token.to_owned()),
            },
            ..TokenReview::default()
        };
        let options = PostParams::default();
        let asked = self.api.create(&options, &review);
        let answer = tokio::time::timeout(patience, asked).await;
        let answer = answer.map_err(|_| "no answer in time".to_owned())?;
        let answer = answer.map_err(|error| error.to_string())?;
        answer
            .status
            .ok_or_else(|| "an answer without status".to_owned())
    }

    fn judge(&self, status: TokenReviewStatus) -> Result<Identity, Refusal> {
        if status.authenticated != Some(true) {
            let why = status.error.filter(|why| !why.is_empty());
            let why = why.unwrap_or_else(|| "the API server does not take it".to_owned());
            return Err(Refusal::Unauthenticated(why));
        }
        let audiences = status.audiences.unwrap_or_default();
        if !audiences.iter().any(|audience| audience == AUDIENCE) {
            let why = format!("it is not for the audience {AUDIENCE:?}");
            return Err(Refusal::Unauthenticated(why));
        }
        let user = status.user.unwrap_or_default();
        self.identity(&user).map_err(Refusal::Denied)
    }

    fn identity(&self, user: &UserInfo) -> Result<Identity, String> {
        let name = user.username.as_deref().unwrap_or_default();
        let pod = bound(user, "authentication.kubernetes.io/pod-name")
            .ok_or_else(|| format!("{name}: it is not bound to a pod"))?;
        if name == self.own_account {
            return Ok(Identity::Replica {
                pod: pod.to_owned(),
            });
        }
        let pod_uid = bound(user, "authentication.kubernetes.io/pod-uid")
            .ok_or_else(|| format!("{name}: it is not bound to a pod's UID"))?;
        let gateway = gateway_of(name).ok_or_else(|| {
            format!("{name}: not a service account of the form {PREFIX}<gateway>")
        })?;
        Ok(Identity::Proxy {
            gateway,
            pod: pod.to_owned(),
            pod_uid: pod_uid.into(),
        })
    }
}

/// What the token is bound to, by the name of an extra.
fn bound<'a>(user: &'a UserInfo, extra: &str) -> Option<&'a str> {
    let values = user.extra.as_ref()?.get(extra)?;
    values
        .first()
        .map(String::as_str)
        .filter(|value| !value.is_empty())
}

fn gateway_of(user: &str) -> Option<ObjectName> {
    let account = user.strip_prefix("system:serviceaccount:")?;
    let (namespace, account) = account.split_once(':')?;
    names::gateway_of(namespace, account)
}

#[cfg(test)]
mod tests;
