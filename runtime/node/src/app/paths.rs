//! Paths that a manifest names: where they may lead, and whether they lead anywhere.

use std::io;
use std::path::{Component, Path, PathBuf};

use thiserror::Error;

use super::{App, Backend};

/// What the node itself keeps in the data directory: the control socket, compiled components, dead letters.
const TAKEN: [&str; 5] = [
    "control.sock",
    "compiled",
    crate::dead::FILE,
    crate::dead::DAMAGED,
    crate::dead::file::NEW,
];

/// Where the node's own store lies in the data directory.
pub(crate) const STORE: &str = "store";

/// A component whose file is not there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the component of actor `{actor}` is missing: {}; {}", path.display(), self.remedy())]
pub struct MissingComponent {
    /// The actor.
    pub actor: String,
    /// The file, absolute.
    pub path: PathBuf,
    /// Whether the manifest says how to build it.
    pub can_be_built: bool,
}

impl MissingComponent {
    fn remedy(&self) -> String {
        if self.can_be_built {
            "build it with `whirlwind build`, or start with `--build`".to_owned()
        } else {
            format!(
                "correct `component` in [actor.{}], or give it a `build` command",
                self.actor
            )
        }
    }
}

impl App {
    /// The actors whose component's file is not there.
    ///
    /// Not part of making an [`App`], as a component may be built after its manifest is read.
    pub fn missing_components(&self) -> Vec<MissingComponent> {
        let missing = self
            .actors
            .values()
            .filter(|actor| !actor.component.is_file());
        missing
            .map(|actor| MissingComponent {
                actor: actor.name.clone(),
                path: actor.component.clone(),
                can_be_built: actor.build.is_some(),
            })
            .collect()
    }
}

/// A provider's folder that cannot be used.
#[derive(Debug, Error)]
pub enum PathError {
    /// A symbolic link leads out of the data directory.
    #[error("{} leads out of the data directory {}; remove the symbolic link", path.display(), root.display())]
    Outside {
        /// What was to be opened.
        path: PathBuf,
        /// Where it should have stayed.
        root: PathBuf,
    },
    /// It cannot be looked at.
    #[error("{} cannot be opened: {error}", path.display())]
    Unreadable {
        /// What was to be opened.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
}

/// The absolute path of `relative` under the data directory, which must exist.
///
/// The manifest's own `..` and absolute paths are refused when it is read; this refuses a symbolic link that leads
/// out, and is to be asked just before opening. Who can place links between the two can write the data as well.
///
/// # Errors
/// The path leads out, or cannot be looked at.
pub fn under(data_directory: &Path, relative: &Path) -> Result<PathBuf, PathError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        |error| PathError::Unreadable { path, error }
    };
    let root = data_directory
        .canonicalize()
        .map_err(unreadable(data_directory))?;
    let outside = || PathError::Outside {
        path: root.join(relative),
        root: root.clone(),
    };
    let mut path = root.clone();
    for part in relative.components() {
        let Component::Normal(name) = part else {
            return Err(outside());
        };
        path.push(name);
        match path.symlink_metadata() {
            Ok(metadata) if metadata.is_symlink() => {
                path = path.canonicalize().map_err(unreadable(&path))?;
                if !path.starts_with(&root) {
                    return Err(outside());
                }
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unreadable(&path)(error)),
        }
    }
    Ok(path)
}

/// The folder of a provider as its manifest writes it, or what is wrong with it.
pub(super) fn provider_path(text: &str) -> Result<PathBuf, (String, String)> {
    let fault = |what: &str| {
        let help = "name a folder under the data directory: path = \"state\"".to_owned();
        Err((format!("`path` {what}"), help))
    };
    if text.is_empty() {
        return fault("is empty");
    }
    if text.contains(|c: char| c.is_control() || c == '\\') {
        return fault("has a control character or a backslash");
    }
    let mut path = PathBuf::new();
    for part in Path::new(text).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                return fault("has `..`, which leads out of the data directory");
            }
            Component::RootDir | Component::Prefix(_) => return fault("is absolute"),
        }
    }
    if path.as_os_str().is_empty() {
        return fault("is the data directory itself");
    }
    if TAKEN.iter().any(|taken| path.starts_with(taken)) {
        return fault("is taken by the node itself");
    }
    Ok(path)
}

/// Pairs of providers of which one would write into the other's folder; each with the two names.
pub(super) fn shared_folders(app: &App) -> Vec<(&str, &str)> {
    let mut folders: Vec<(&Path, &str)> = app
        .providers
        .values()
        .filter_map(|provider| match &provider.kind {
            Backend::Sled { path } => Some((path.as_path(), provider.name.as_str())),
            Backend::Store => Some((Path::new(STORE), provider.name.as_str())),
            Backend::Memory | Backend::Mqtt(_) | Backend::MqttBroker(_) => None,
        })
        .collect();
    // What lies in a folder is sorted right behind it.
    folders.sort_unstable();
    let mut shared = Vec::new();
    let mut outer: Option<(&Path, &str)> = None;
    for (path, name) in folders {
        match outer {
            Some((around, owner)) if path.starts_with(around) => shared.push((name, owner)),
            _ => outer = Some((path, name)),
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_provider_stays_under_the_data_directory() {
        for (text, path) in [
            ("state", "state"),
            ("a/b", "a/b"),
            ("./a//b/", "a/b"),
            ("...", "..."),
            ("ä", "ä"),
        ] {
            assert_eq!(provider_path(text), Ok(PathBuf::from(path)), "{text}");
        }
        let refused = [
            "",
            ".",
            "./",
            "..",
            "../x",
            "a/..",
            "a/../b",
            "a/../../b",
            "/",
            "/etc",
            "//x",
            "a\0b",
            "a\nb",
            "..\\x",
            "control.sock",
            "./control.sock",
            "control.sock/x",
            "dead-letters.jsonl",
            "dead-letters.damaged.jsonl",
        ];
        for text in refused {
            assert!(provider_path(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_link_that_leads_out_is_refused_and_one_that_stays_is_followed() {
        let outside = tempfile::tempdir().unwrap();
        let data = tempfile::tempdir().unwrap();
        let root = data.path().canonicalize().unwrap();
        fs::create_dir(root.join("real")).unwrap();
        symlink(outside.path(), root.join("out")).unwrap();
        symlink("../..", root.join("real/up")).unwrap();
        symlink("real", root.join("in")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        symlink("loop", root.join("loop")).unwrap();

        let stays = [
            ("real", "real"),
            ("new", "new"),
            ("new/deep", "new/deep"),
            ("in", "real"),
            ("in/x", "real/x"),
        ];
        for (path, found) in stays {
            assert_eq!(
                under(&root, Path::new(path)).unwrap(),
                root.join(found),
                "{path}"
            );
        }
        for path in ["out", "out/x", "real/up", "real/up/x", "..", "/etc"] {
            let error = under(&root, Path::new(path)).unwrap_err();
            assert!(
                matches!(error, PathError::Outside { .. }),
                "{path}: {error}"
            );
        }
        for path in ["dangling", "loop"] {
            let error = under(&root, Path::new(path)).unwrap_err();
            assert!(
                matches!(error, PathError::Unreadable { .. }),
                "{path}: {error}"
            );
        }
        assert!(under(&root.join("absent"), Path::new("x")).is_err());
    }
}
