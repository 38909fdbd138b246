//! Who holds the Lease, as this replica knows it.

/// The holder of the Lease: the one replica that writes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Holder {
    /// This replica.
    Me,
    /// Another one.
    Other {
        /// Its identity, as the Lease has it.
        identity: String,
        /// Where it takes relays, `host:port`, from the annotation `tollgate.dev/relay`.
        relay: String,
    },
    /// Nobody, or nobody knows.
    Nobody,
}
