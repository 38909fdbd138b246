//! What became of the tokens.

use prometheus::{Error, Registry};

use super::Counters;

/// What became of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reviewed {
    /// Taken; the API server was asked.
    Taken,
    /// Taken; it was reviewed a moment ago.
    Cached,
    /// Taken on an older review, because the API server can't be asked.
    Stale,
    /// Refused by the API server, or nothing that it could take.
    Refused,
    /// Good, but of nobody who may have units.
    Denied,
    /// The API server can't be asked.
    Unavailable,
}

/// The reviews of tokens.
#[derive(Debug)]
pub struct TokenMetrics {
    /// By what became of them.
    pub reviews: Counters<Reviewed>,
}

impl TokenMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, Error> {
        let reviews = Counters::new(
            registry,
            (
                "tollgate_controller_token_reviews_total",
                "Tokens with which proxies and replicas dialled, by what became of them.",
                "result",
            ),
            &[
                (Reviewed::Taken, "taken"),
                (Reviewed::Cached, "cached"),
                (Reviewed::Stale, "stale"),
                (Reviewed::Refused, "refused"),
                (Reviewed::Denied, "denied"),
                (Reviewed::Unavailable, "unavailable"),
            ],
        )?;
        Ok(Self { reviews })
    }
}
