//! The contenders: what each is called and how it is started, all with equal settings.
//!
//! In: a contender, the ports to use, a folder of its own. Out: its configuration in that folder
//! and the command that runs it. All run one worker, keep upstream connections, and write no access
//! log except the one row that says so. Starting and stopping is `running`'s.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::ValueEnum;

use crate::{install::Tools, load, objects};

/// Who is measured.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, ValueEnum)]
pub(crate) enum Contender {
    /// nginx, proxy_pass with keep-alive to the upstream.
    Nginx,
    /// Envoy, one listener and one cluster.
    Envoy,
    /// The bare hyper proxy beside this file.
    Yardstick,
    /// Tollgate with its access log off, as the others'.
    Tollgate,
    /// Tollgate as it comes: access log on.
    TollgateLogged,
}

/// Where a contender finds what it needs.
pub(crate) struct Setting<'a> {
    /// Programs that were installed.
    pub(crate) tools: &'a Tools,
    /// Folder of our release programs.
    pub(crate) programs: &'a Path,
    /// Folder for configuration and temporary files, of this run of this contender alone.
    pub(crate) folder: &'a Path,
    /// Port to listen on.
    pub(crate) listen: u16,
    /// Port of the upstream.
    pub(crate) upstream: u16,
    /// Port of Tollgate's admin listener.
    pub(crate) admin: u16,
    /// Port of Tollgate's health listener.
    pub(crate) health: u16,
}

impl Contender {
    /// All, in the order of the table.
    pub(crate) const ALL: [Self; 5] = [
        Self::Nginx,
        Self::Envoy,
        Self::Yardstick,
        Self::Tollgate,
        Self::TollgateLogged,
    ];

    /// The name in flags and JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Envoy => "envoy",
            Self::Yardstick => "yardstick",
            Self::Tollgate => "tollgate",
            Self::TollgateLogged => "tollgate-logged",
        }
    }

    /// The name in the table.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Envoy => "Envoy",
            Self::Yardstick => "bare hyper (the yardstick)",
            Self::Tollgate => "Tollgate, access log off",
            Self::TollgateLogged => "Tollgate, access log on",
        }
    }

    /// Whether it is Tollgate.
    pub(crate) fn is_ours(self) -> bool {
        match self {
            Self::Nginx | Self::Envoy | Self::Yardstick => false,
            Self::Tollgate | Self::TollgateLogged => true,
        }
    }

    /// Whether callgrind can count its instructions and it makes sense to: one process that
    /// valgrind can run, and not the same program twice.
    pub(crate) fn is_counted(self) -> bool {
        match self {
            Self::Nginx | Self::Yardstick | Self::Tollgate => true,
            Self::Envoy | Self::TollgateLogged => false,
        }
    }

    /// Writes the configuration; answers with the program and its arguments.
    pub(crate) fn prepare(self, setting: &Setting<'_>) -> anyhow::Result<Vec<String>> {
        match self {
            Self::Nginx => nginx(setting, include_str!("config/nginx.conf")),
            Self::Envoy => envoy(setting),
            Self::Yardstick => Ok(yardstick(setting)),
            Self::Tollgate => tollgate(setting, false),
            Self::TollgateLogged => tollgate(setting, true),
        }
    }
}

/// The command of an nginx with this configuration; the upstream is one too.
pub(crate) fn nginx(setting: &Setting<'_>, template: &str) -> anyhow::Result<Vec<String>> {
    let config = write(setting, "nginx.conf", &fill(setting, template))?;
    let prefix = format!("{}/", setting.folder.display());
    let program = setting.tools.nginx.display().to_string();
    // -e: without it nginx opens its built-in log file before it reads the configuration.
    Ok(words(&[
        &program, "-e", "stderr", "-p", &prefix, "-c", &config,
    ]))
}

fn envoy(setting: &Setting<'_>) -> anyhow::Result<Vec<String>> {
    let text = fill(setting, include_str!("config/envoy.yaml"));
    let config = write(setting, "envoy.yaml", &text)?;
    let program = setting.tools.envoy()?.display().to_string();
    let mut command = words(&[&program, "--config-path", &config, "--concurrency", "1"]);
    command.extend(words(&["--disable-hot-restart", "--log-level", "warning"]));
    Ok(command)
}

fn yardstick(setting: &Setting<'_>) -> Vec<String> {
    let listen = format!("127.0.0.1:{}", setting.listen);
    let upstream = format!("127.0.0.1:{}", setting.upstream);
    let program = program(setting, "yardstick");
    words(&[&program, "--listen", &listen, "--upstream", &upstream])
}

fn tollgate(setting: &Setting<'_>, access_log: bool) -> anyhow::Result<Vec<String>> {
    let text = objects::manifest(&[
        objects::gateway(setting.listen, access_log),
        objects::service(setting.upstream),
        objects::endpoints(setting.upstream),
        objects::plain_route(),
    ]);
    let manifests = setting.folder.join("manifests");
    fs::create_dir(&manifests)?;
    fs::write(manifests.join("plain.yaml"), text)?;
    Ok(serve(setting, &manifests, 1))
}

/// The command of a Tollgate that serves a folder of manifests.
pub(crate) fn serve(setting: &Setting<'_>, manifests: &Path, cores: u32) -> Vec<String> {
    let admin = format!("127.0.0.1:{}", setting.admin);
    let health = format!("127.0.0.1:{}", setting.health);
    let manifests = manifests.display().to_string();
    let mut command = words(&[&program(setting, "tollgate-proxy"), "serve"]);
    command.extend(words(&["--manifests", &manifests]));
    command.extend(words(&["--cores", &cores.to_string()]));
    command.extend(words(&["--admin", &admin, "--health", &health]));
    command
}

fn program(setting: &Setting<'_>, name: &str) -> String {
    setting.programs.join(name).display().to_string()
}

fn fill(setting: &Setting<'_>, template: &str) -> String {
    template
        .replace("@LISTEN@", &setting.listen.to_string())
        .replace("@UPSTREAM@", &setting.upstream.to_string())
        .replace("@BODY@", load::BODY)
}

fn write(setting: &Setting<'_>, name: &str, text: &str) -> anyhow::Result<String> {
    let path: PathBuf = setting.folder.join(name);
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(path.display().to_string())
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
