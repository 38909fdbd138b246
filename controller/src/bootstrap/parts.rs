//! A copy in parts: a Secret holds a mebibyte at most.
//!
//! Each part says how many there are and the SHA-256 of the whole, so that a reader who finds parts
//! of two copies knows.

use std::collections::BTreeSet;

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{Api, api::DeleteParams, core::ObjectMeta};
use sha2::{Digest, Sha256};
use tollgate_snapshot::{
    Hash, ObjectName,
    saved::{self, Saved, SealKey},
};

use crate::{
    names,
    secrets::{CallFailed, apply, field, in_time, metadata, secret},
};

/// Largest part, in bytes.
const PART_BYTES: usize = 900 << 10;

/// What is there.
pub(super) struct There {
    /// How many parts, at least: those from the first one on.
    pub(super) count: usize,
    /// The copy, if it can be read.
    pub(super) saved: Option<Saved>,
    /// UID of the gateway that all parts belong to; none: of no or not all of the same.
    pub(super) owner: Option<String>,
}

fn name(gateway: &ObjectName, number: usize) -> String {
    format!("{}-bootstrap-{number}", names::of_gateway(gateway))
}

/// Reads the copy that is there. One that can't be read is as good as none: it is written anew.
pub(super) async fn read(
    secrets: &Api<Secret>,
    gateway: &ObjectName,
    key: &SealKey,
) -> Result<There, String> {
    let mut file = Vec::new();
    let mut sum = None;
    let mut count = 0;
    let mut owners = BTreeSet::new();
    loop {
        let name = name(gateway, count);
        let found = in_time(secrets.get_opt(&name)).await;
        let found =
            found.map_err(|error| format!("secret {}/{name}: {error}", gateway.namespace))?;
        let Some(found) = found else { break };
        sum = sum.or_else(|| field(&found, "sum").map(<[u8]>::to_vec));
        file.extend_from_slice(field(&found, "part").unwrap_or_default());
        owners.insert(owner_of(&found.metadata));
        count += 1;
    }
    let whole = sum == Some(sum_of(&file).into_bytes());
    let saved = whole.then(|| saved::read(&file, Some(key)).ok()).flatten();
    let saved = saved.filter(|saved| saved.gateway == *gateway);
    let one = (owners.len() == 1).then(|| owners.pop_first()).flatten();
    Ok(There {
        count,
        saved,
        owner: one.flatten(),
    })
}

/// Whether as many parts are there.
pub(super) async fn are_there(
    secrets: &Api<Secret>,
    gateway: &ObjectName,
    count: usize,
) -> Result<bool, String> {
    for number in 0..count {
        let name = name(gateway, number);
        let found = in_time(secrets.get_metadata_opt(&name)).await;
        let found =
            found.map_err(|error| format!("secret {}/{name}: {error}", gateway.namespace))?;
        if found.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn owner_of(metadata: &ObjectMeta) -> Option<String> {
    let owners = metadata.owner_references.iter().flatten();
    owners.map(|owner| owner.uid.clone()).next()
}

/// Writes a copy, and deletes the parts beyond it; `before` of them may be there. Returns how many
/// there are now.
pub(super) async fn write(
    secrets: &Api<Secret>,
    gateway: &ObjectName,
    owner: &OwnerReference,
    file: &[u8],
    before: usize,
) -> Result<usize, String> {
    let shown =
        |name: &str, error: CallFailed| format!("secret {}/{name}: {error}", gateway.namespace);
    let sum = sum_of(file);
    let parts = file.chunks(PART_BYTES);
    let count = parts.len();
    for (number, part) in parts.enumerate() {
        let name = name(gateway, number);
        let mut metadata = metadata(&gateway.namespace, &name);
        metadata.owner_references = Some(vec![owner.clone()]);
        let data = [
            ("part", part.to_vec()),
            ("parts", count.to_string().into_bytes()),
            ("sum", sum.clone().into_bytes()),
        ];
        let written = apply(secrets, &secret(metadata, data)).await;
        written.map_err(|error| shown(&name, error))?;
    }
    for number in count..before {
        let name = name(gateway, number);
        match in_time(secrets.delete(&name, &DeleteParams::default())).await {
            Ok(_) | Err(CallFailed::NotFound) => {}
            Err(error @ (CallFailed::Conflict | CallFailed::Failed(_))) => {
                return Err(shown(&name, error));
            }
        }
    }
    Ok(count)
}

fn sum_of(file: &[u8]) -> String {
    Hash::from_bytes(Sha256::digest(file).into()).to_string()
}
