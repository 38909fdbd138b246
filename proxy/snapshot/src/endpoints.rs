//! The endpoints of one Service, compiled: for each of its ports, where to connect.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The endpoints of one Service.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Endpoints {
    /// Socket addresses by number of the Service's port, sorted. A port may have none.
    pub ports: BTreeMap<u16, Vec<String>>,
}
