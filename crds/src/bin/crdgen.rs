//! Writes the CRDs: `crdgen DIR` puts one `<plural>.yaml` per kind into DIR.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let dir = PathBuf::from(env::args_os().nth(1).ok_or("usage: crdgen DIR")?);
    for crd in tollgate_crds::all_crds() {
        let path = dir.join(format!("{}.yaml", crd.spec.names.plural));
        fs::write(path, tollgate_crds::to_yaml(&crd)?)?;
    }
    Ok(())
}
