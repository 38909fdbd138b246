//! The key of a gateway's sealed files: made once, and never changed here.

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::OwnerReference};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tollgate_snapshot::{ObjectName, saved::SealKey};

use crate::{
    names,
    secrets::{CallFailed, field, in_time, metadata, secret},
};

/// Key in the Secret.
const KEY: &str = "key";

/// Reads the key, or makes one. Returns it with the UID of its Secret.
pub(super) async fn read_or_make(
    secrets: &Api<Secret>,
    gateway: &ObjectName,
    owner: &OwnerReference,
) -> Result<(SealKey, String), String> {
    let name = format!("{}-seal", names::of_gateway(gateway));
    let shown = |why: String| format!("secret {}/{name}: {why}", gateway.namespace);
    let there = in_time(secrets.get_opt(&name)).await;
    let there = match there.map_err(|error| shown(error.to_string()))? {
        Some(there) => there,
        None => {
            let mut made = metadata(&gateway.namespace, &name);
            made.owner_references = Some(vec![owner.clone()]);
            let made = secret(made, [(KEY, random()?)]);
            match in_time(secrets.create(&PostParams::default(), &made)).await {
                Ok(made) => made,
                // Somebody was first: theirs it is.
                Err(CallFailed::Conflict) => in_time(secrets.get(&name))
                    .await
                    .map_err(|error| shown(error.to_string()))?,
                Err(error @ (CallFailed::NotFound | CallFailed::Failed(_))) => {
                    return Err(shown(error.to_string()));
                }
            }
        }
    };
    let bytes = field(&there, KEY).ok_or_else(|| shown(format!("{KEY}: missing")))?;
    let key = SealKey::new(bytes).map_err(|error| shown(format!("{KEY}: {error}")))?;
    let mut owners = there.metadata.owner_references.iter().flatten();
    if owners.next().is_some_and(|first| first.uid != owner.uid) {
        // The gateway was made anew: with its old owner the key would go as well.
        let patch = Patch::Merge(json!({"metadata": {"ownerReferences": [owner]}}));
        let patched = in_time(secrets.patch(&name, &PatchParams::default(), &patch)).await;
        patched.map_err(|error| shown(error.to_string()))?;
    }
    Ok((key, there.metadata.uid.clone().unwrap_or_default()))
}

fn random() -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; SealKey::BYTES];
    let filled = aws_lc_rs::rand::fill(&mut bytes);
    filled.map_err(|_| "no randomness".to_owned())?;
    Ok(bytes)
}
