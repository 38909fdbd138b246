//! Disks that are full, read-only, or have lost what was written.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};
use tollgate_e2e::{
    Cluster,
    harness::{Pod, Site, until},
};
use tollgate_snapshot::saved::{self, SealKey};

use crate::{Scene, hosts};

#[test]
fn a_damaged_snapshot_is_not_used_and_the_one_before_is() {
    let site = Site::new(Cluster::shared().unwrap());
    let operator = site.operator("op-1").ready();
    let mut scene = Scene::new(&site);
    let kept = |scene: &mut Scene<'_>, what: &str| {
        scene.proxy.until_source(what, |source| {
            source["kept"].is_string() && source["from"] == "controller"
        });
    };
    kept(&mut scene, "the first is kept");
    let before = scene.pod.generations().len();
    scene.edit("shop", "newer");
    until("the edit is kept", || {
        (scene.pod.generations().len() > before.min(2)).then_some(())
    });
    let tally = scene.load.stop();
    tally.assert_whole();
    scene.proxy.program.terminate();
    operator.program.kill();

    let whole = scene.pod.generations();
    let newest = whole.last().unwrap();
    let good = fs::read(newest).unwrap();
    for (name, file) in damaged(&good) {
        fs::write(newest, file).unwrap();
        let mut proxy = scene.pod.start(&site).ready();
        let source = proxy.source();
        assert_eq!(source["from"], "disk", "{name}");
        assert!(
            proxy.program.log().contains("a saved snapshot is not used"),
            "{name}"
        );
        for (host, body) in &hosts()[1..] {
            assert_eq!(
                proxy.answer(host, "/x"),
                (200, (*body).to_owned()),
                "{name}"
            );
        }
        proxy.program.terminate();
    }
    fs::write(newest, of_another_program(&good, &site)).unwrap();
    let mut proxy = scene.pod.start(&site).ready();
    assert_eq!(
        proxy.answer("shop.example", "/x"),
        (200, "newer".to_owned())
    );
    proxy.program.terminate();
    another_gateway(&site, &mut scene.pod);
}

/// What can become of a file.
fn damaged(good: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut rows = vec![
        ("empty".to_owned(), Vec::new()),
        ("cut in the head".to_owned(), good[..10].to_vec()),
        ("cut at its end".to_owned(), good[..good.len() - 1].to_vec()),
        ("zeros".to_owned(), vec![0; good.len()]),
        ("of another format".to_owned(), of_another_format(good)),
    ];
    for eighth in 0..8 {
        let at = good.len() * eighth / 8;
        let mut file = good.to_vec();
        file[at] ^= 1 << eighth;
        rows.push((format!("bit {eighth} of byte {at}"), file));
    }
    rows
}

/// A format that nobody knows yet, otherwise as it should be.
fn of_another_format(good: &[u8]) -> Vec<u8> {
    let mut file = good[..good.len() - 32].to_vec();
    file[8] += 1;
    let sum = Sha256::digest(&file);
    file.extend(sum);
    file
}

/// What another version of the proxy, of the same format, has kept.
fn of_another_program(file: &[u8], site: &Site<'_>) -> Vec<u8> {
    let key = SealKey::new(&fs::read(site.mounted().join("seal")).unwrap()).unwrap();
    let mut saved = saved::read(file, Some(&key)).unwrap();
    saved.version = "99.0.0".to_owned();
    saved::write(&saved, Some(&key)).unwrap()
}

/// With what is another gateway's, it waits.
fn another_gateway(site: &Site<'_>, pod: &mut Pod) {
    pod.set("--gateway", format!("{}/other", site.shop));
    let mut proxy = pod.start(site);
    let gateway = format!("it is of gateway {}/public", site.shop);
    proxy.program.says("another gateway's is not used", |line| {
        line.contains(&gateway).then_some(())
    });
    assert!(!proxy.is_ready());
}

/// A small disk of its own.
struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Mounts one; needs the right to mount.
    fn mount(folder: PathBuf, bytes: usize) -> Self {
        let options = format!("size={bytes}");
        run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs"], &folder);
        Self { folder }
    }

    fn remount(&self, how: &str) {
        run("mount", &["-o", &format!("remount,{how}")], &self.folder);
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        // Ends with an error: that is what it is for.
        let full = fs::write(self.folder.join("filler"), vec![1; 8 << 20]);
        assert!(full.is_err(), "the disk is not full");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The processes on it are killed by then or keep it until they are.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}

fn run(program: &str, arguments: &[&str], folder: &Path) {
    let output = Command::new(program)
        .args(arguments)
        .arg(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: this test mounts a small disk, and needs to be root for that: {said}"
    );
}

#[test]
fn a_disk_that_is_full_or_read_only_costs_nothing_but_a_warning() {
    let site = Site::new(Cluster::shared().unwrap());
    let _operator = site.operator("op-1").ready();
    let mut pod = {
        let _first = site.pod("proxy-2");
        site.pod("proxy-2")
    };
    let disk = Disk::mount(site.fresh_folder("disk"), 256 << 10);
    pod.set("--cache", disk.folder.join("cache").display().to_string());
    let mut proxy = pod.start(&site).ready();
    let mut scene = Scene::new(&site);
    let load = tollgate_e2e::load::Load::start(&[pod.front.address()], &hosts());
    let persisted = |source: &serde_json::Value| source["kept"].is_string();
    proxy.until_source("it is kept", persisted);
    let failed = "tollgate_snapshot_persist_failed 1";

    let edit = |scene: &mut Scene<'_>, body: &str| {
        let now = scene.proxy.answer("shop.example", "/x").1;
        load.expect("shop.example", &[(200, &now), (200, body)]);
        scene.edit("shop", body);
    };
    disk.fill();
    edit(&mut scene, "on a full disk");
    proxy.until_answer("shop.example", (200, "on a full disk"));
    until("it warns", || {
        proxy.metrics().contains(failed).then_some(())
    });

    fs::remove_file(disk.folder.join("filler")).unwrap();
    until("it is kept again", || {
        (!proxy.metrics().contains(failed)).then_some(())
    });
    disk.remount("ro");
    edit(&mut scene, "on a read-only disk");
    proxy.until_answer("shop.example", (200, "on a read-only disk"));
    until("it warns", || {
        proxy.metrics().contains(failed).then_some(())
    });

    // Another start finds what there was, and then what there is.
    load.stop().assert_whole();
    proxy.program.terminate();
    let mut proxy = pod.start(&site).ready();
    proxy.until_answer("shop.example", (200, "on a read-only disk"));
    proxy.program.terminate();
    scene.load.stop().assert_whole();
}
