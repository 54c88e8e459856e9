//! A folder from a stranger: whatever its manifest names and whatever lies in it, nothing outside its data directory is written.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use whirlwind::{App, Node, Variables, check};

/// All below `folder`, by path: what files hold, and where links lead.
fn all(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let about = path.symlink_metadata().unwrap();
            let holds = if about.is_symlink() {
                fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes()
            } else if about.is_file() {
                fs::read(&path).unwrap()
            } else {
                if about.is_dir() {
                    open.push(path.clone());
                }
                Vec::new()
            };
            found.insert(path, holds);
        }
    }
    found
}

/// The stranger's folder, with what is ours beside it.
fn folder() -> TempDir {
    let outer = TempDir::new().unwrap();
    fs::create_dir_all(outer.path().join("ours/deep")).unwrap();
    fs::write(outer.path().join("ours/file"), "ours").unwrap();
    fs::create_dir(outer.path().join("app")).unwrap();
    outer
}

/// Does all that a person may do with such a folder. Answers whether the node came up.
async fn try_all(outer: &Path, manifest: &str) -> bool {
    let file = outer.join("app/whirlwind.toml");
    fs::write(&file, manifest).unwrap();
    let Ok(app) = App::load(&file, &Variables::none()) else {
        return false;
    };
    let _ = check(&app, None).await;
    let Ok(node) = Node::builder(app).control().start().await else {
        return false;
    };
    node.stop().await;
    true
}

/// What lies outside the data directory.
fn outside(outer: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = all(outer);
    let (data, manifest) = (
        outer.join("app/.whirlwind"),
        outer.join("app/whirlwind.toml"),
    );
    found.retain(|path, _| *path != manifest && (path == &data || !path.starts_with(&data)));
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn no_hostile_manifest_writes_outside_its_data_directory() {
    let outer = folder();
    let data = outer.path().join("app/.whirlwind");
    fs::create_dir_all(data.join("in")).unwrap();
    let ours = outer.path().join("ours");
    symlink("../../ours", data.join("out")).unwrap();
    symlink("../../../ours", data.join("in/up")).unwrap();
    symlink(&ours, data.join("absolute")).unwrap();
    symlink("../../ours/new", data.join("dangling")).unwrap();
    symlink("in/up", data.join("twice")).unwrap();
    symlink("../../ours/file", data.join("file")).unwrap();
    let before = outside(outer.path());

    // Where a provider could be led to.
    let absolute = ours.display().to_string();
    let starts = [
        "..",
        "../..",
        "a/..",
        "a/../..",
        "./..",
        "../app/..",
        "out",
        "out/deep",
        "in/up",
        "in/up/deep",
        "absolute",
        "dangling",
        "twice",
        "twice/deep",
        "file",
        "in/../../..",
        "out/..",
        "\u{ff0e}\u{ff0e}",
        "..\u{2215}..",
        "%2e%2e",
        "~",
        "$HOME",
        "${HOME}",
        "..\\..",
        "control.sock",
        "compiled",
        "compiled/x",
        "a\u{0}b",
        "...",
        &absolute,
    ];
    let ends = ["", "/", "/x", "//x", "/./x", "/../ours", "/../../ours/x"];
    let mut texts: Vec<String> = Vec::new();
    for start in starts {
        for end in ends {
            texts.push(format!(
                "[provider.p]\ntype = \"sled\"\npath = {:?}\n",
                format!("{start}{end}")
            ));
        }
    }
    // And other names that become a part of a path, or could.
    for name in [
        "..",
        "../ours",
        "a/b",
        "\u{0}",
        "out",
        "compiled",
        "con\u{202e}",
        ".",
        "",
        "control.sock",
    ] {
        texts.push(format!("[provider.{name:?}]\ntype = \"sled\"\n"));
        texts.push(format!(
            "[app]\nname = {name:?}\n[provider.p]\ntype = \"sled\"\n"
        ));
        texts.push(format!("[actor.{name:?}]\ncomponent = \"../ours/file\"\n"));
        texts.push(format!("[actor.a]\ncomponent = \"../ours/file\"\nbuild = \"touch ../ours/built\"\nlinks = {{ keyvalue = \"p/{name}\" }}\n[provider.p]\ntype = \"sled\"\n"));
    }
    let (mut up, tried) = (0, texts.len());
    for text in texts {
        up += usize::from(try_all(outer.path(), &format!("manifest = 1\n{text}")).await);
        let now = outside(outer.path());
        assert!(
            now == before,
            "{text}\nwrote {:?}",
            now.keys().filter(|path| !before.contains_key(*path))
        );
    }
    println!("{tried} hostile manifests, {up} of them harmless enough to start: 0 files outside");
    assert!(tried >= 200 && up > 10, "{up} of {tried}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_that_is_a_link_out_is_refused_and_so_is_a_link_in_it() {
    for link in [
        ".whirlwind",
        ".whirlwind/compiled",
        ".whirlwind/control.sock",
        ".whirlwind/p",
    ] {
        for target in ["ours", "ours/file", "ours/new"] {
            let outer = folder();
            let at = outer.path().join("app").join(link);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            symlink(outer.path().join(target), &at).unwrap();
            let before = outside(outer.path());
            try_all(
                outer.path(),
                "manifest = 1\n[provider.p]\ntype = \"sled\"\n",
            )
            .await;
            let now = outside(outer.path());
            assert_eq!(now, before, "{link} to {target}");
        }
    }
}
