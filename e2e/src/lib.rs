//! A real Kubernetes API server for tests and benches.
//!
//! In: nothing, or `KUBECONFIG`. Out: a [`Cluster`]: etcd, kube-apiserver and
//! kube-controller-manager as processes of ours, or the cluster that is given. What is promised
//! against it is in `tests/`, one file per promise.
//!
//! ```no_run
//! let cluster = tollgate_e2e::Cluster::shared()?;
//! let namespace = cluster.fresh_namespace("routes")?;
//! cluster.kubectl().args(["apply", "-n", &namespace, "-f", "route.yaml"]).status()?;
//! # Ok::<(), anyhow::Error>(())
//! ```

mod admin;
pub mod background;
mod binary;
mod certificates;
mod cluster;
mod commands;
mod component;
pub mod fault_proxy;
pub mod harness;
mod kubeconfig;
pub mod load;

pub use admin::{Admin, Answer, Credential};
pub use cluster::Cluster;
pub use component::Part;
