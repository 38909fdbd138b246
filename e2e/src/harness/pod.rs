//! A proxy's pod: the object in the API server, and the files that a kubelet would give it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    Front,
    program::{Program, binary},
    proxy::Proxy,
    site::Site,
};

/// A pod of the gateway `public`.
#[derive(Debug)]
pub struct Pod {
    pub name: String,
    /// As a token's binding names it.
    pub bound: Value,
    /// Leads to the proxy that was started here last.
    pub front: Front,
    /// Its own files.
    pub folder: PathBuf,
    arguments: Vec<(String, String)>,
}

impl Pod {
    /// Makes it, ready behind the gateway's Service.
    pub(super) fn make(site: &Site<'_>, name: &str) -> Self {
        let account = "tollgate-public";
        let bound = site.make_pod(&site.shop, account, name);
        let mut target = bound.clone();
        target["namespace"] = site.shop.as_str().into();
        site.apply(
            &json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": name, "namespace": site.shop,
                         "labels": {"kubernetes.io/service-name": account}},
            "addressType": "IPv4", "ports": [{"port": 80}],
            "endpoints": [{"addresses": ["10.1.0.1"], "conditions": {"ready": true},
                           "targetRef": target}]}),
        );
        let folder = site.fresh_folder(name);
        let token = site.token(&site.shop, account, &json!(["tollgate"]), Some(&bound));
        fs::write(folder.join("token"), token).unwrap();
        let text = |path: PathBuf| path.display().to_string();
        let arguments = [
            (
                "--controller",
                format!("https://{}", site.controllers.address()),
            ),
            ("--ca", text(site.mounted().join("ca.crt"))),
            ("--token", text(folder.join("token"))),
            ("--gateway", format!("{}/public", site.shop)),
            ("--cache", text(folder.join("cache"))),
            ("--seal-key", text(site.mounted().join("seal"))),
            ("--bootstrap", text(site.mounted().join("bootstrap"))),
            ("--admin", "127.0.0.1:0".to_owned()),
            ("--health", "127.0.0.1:0".to_owned()),
            ("--cores", "1".to_owned()),
        ];
        let arguments = arguments.map(|(flag, value)| (flag.to_owned(), value));
        Self {
            name: name.to_owned(),
            bound,
            front: Front::new(),
            folder,
            arguments: arguments.to_vec(),
        }
    }

    /// Gives an argument another value.
    pub fn set(&mut self, flag: &str, value: impl Into<String>) {
        self.arguments.retain(|(known, _)| known != flag);
        self.arguments.push((flag.to_owned(), value.into()));
    }

    /// Folder of the kept snapshots.
    pub fn cache(&self) -> PathBuf {
        let cache = self.arguments.iter().find(|(flag, _)| flag == "--cache");
        cache.map(|(_, value)| PathBuf::from(value)).unwrap()
    }

    /// The kept snapshots, the oldest first.
    pub fn generations(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.cache()) else {
            return Vec::new();
        };
        let numbered = entries.filter_map(|entry| {
            let path = entry.unwrap().path();
            let number = path.file_name()?.to_str()?.strip_prefix("snapshot-")?;
            Some((number.parse::<u64>().ok()?, path))
        });
        let mut numbered: Vec<_> = numbered.collect();
        numbered.sort();
        numbered.into_iter().map(|(_, path)| path).collect()
    }

    /// Starts a proxy here.
    pub fn start(&self, site: &Site<'_>) -> Proxy {
        self.start_program(site, &binary("tollgate-proxy"))
    }

    /// Starts a proxy here, of another program.
    pub fn start_program(&self, site: &Site<'_>, program: &Path) -> Proxy {
        let flags = self.arguments.iter().cloned();
        let flags = flags.flat_map(|(flag, value)| [flag, value]);
        let fixed = ["serve", "--any-port"].map(str::to_owned);
        let arguments: Vec<String> = fixed.into_iter().chain(flags).collect();
        let log = site.fresh_file(&format!("{}.log", self.name));
        let environment = [("RUST_LOG", "info".to_owned())];
        Proxy {
            program: Program::start(program, &arguments, &environment, log),
            front: self.front.clone(),
        }
    }
}
