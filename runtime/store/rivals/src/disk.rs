//! What a disk has at any moment of a trace, and what is left of it in a power cut.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::pages::Pages;
use crate::random::Random;
use crate::trace::{Call, Event, FileId};

/// Bytes that a disk writes wholly or not at all.
const SECTOR: usize = 512;

/// When a name is there after a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Once its directory was synced: what POSIX promises.
    Promised,
    /// Also once any file was synced afterwards: a file system with one journal for all, as ext4.
    Journalled,
}

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Directory,
    /// A file.
    File(FileId),
}

/// Names below the directory of the trace, and what they are of.
pub type Tree = BTreeMap<String, Node>;

/// Applies a call that changes names.
pub fn rename(tree: &mut Tree, call: &Call) {
    match call {
        Call::Create(path, file) => drop(tree.insert(path.clone(), Node::File(*file))),
        Call::MakeDirectory(path) => drop(tree.insert(path.clone(), Node::Directory)),
        Call::Remove(path) => drop(tree.remove(path)),
        Call::Rename(from, to) => {
            if let Some(node) = tree.remove(from) {
                tree.insert(to.clone(), node);
            }
        }
        _ => {}
    }
}

/// Applies a call that changes a file.
pub fn change(pages: &mut Pages, call: &Call) {
    match call {
        Call::Write(_, at, bytes) => pages.write(*at, bytes),
        Call::SetLen(_, len) => pages.set_len(*len),
        Call::Grow(_, len) => pages.set_len(pages.len().max(*len)),
        _ => {}
    }
}

/// The directory of a path, as the trace has it.
#[must_use]
pub fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// A disk: synced, and since then.
pub struct Disk {
    rule: Names,
    names: Tree,
    /// Changes of names that may be missing after a cut, in order.
    renames: Vec<Event>,
    files: BTreeMap<FileId, Inode>,
    /// The last turn of which somebody was told.
    pub acknowledged: u64,
}

#[derive(Default)]
struct Inode {
    synced: Pages,
    since: Vec<Event>,
}

impl Disk {
    /// An empty one.
    #[must_use]
    pub fn new(rule: Names) -> Self {
        Self {
            rule,
            names: Tree::new(),
            renames: Vec::new(),
            files: BTreeMap::new(),
            acknowledged: 0,
        }
    }

    /// What a process did.
    pub fn take(&mut self, event: &Event) {
        match &event.call {
            Call::Write(file, ..) | Call::SetLen(file, _) | Call::Grow(file, _) => {
                let inode = self.files.entry(*file).or_default();
                inode.since.push(event.clone());
            }
            Call::Create(..) | Call::MakeDirectory(_) | Call::Remove(_) | Call::Rename(..) => {
                self.renames.push(event.clone());
            }
            Call::Sync(file) => {
                let inode = self.files.entry(*file).or_default();
                for change_ in std::mem::take(&mut inode.since) {
                    if change_.ended < event.begun {
                        change(&mut inode.synced, &change_.call);
                    } else {
                        inode.since.push(change_);
                    }
                }
                if self.rule == Names::Journalled {
                    self.settle(event, |_| true);
                }
            }
            Call::SyncDirectory(path) => {
                let all = self.rule == Names::Journalled;
                self.settle(event, |of| all || of == path);
            }
            Call::Acknowledge(turn) => self.acknowledged = *turn,
        }
    }

    /// Names in these directories are durable, as far as they were changed before the sync.
    fn settle(&mut self, sync: &Event, directories: impl Fn(&str) -> bool) {
        for change in std::mem::take(&mut self.renames) {
            if change.ended < sync.begun && directories(change.call.directory()) {
                rename(&mut self.names, &change.call);
            } else {
                self.renames.push(change);
            }
        }
    }

    /// What is found after a cut now: of what is not synced all, none, a beginning, or some in any order, torn.
    pub fn cut(&self, random: &mut Random) -> Image {
        let kind = random.below(5);
        let mut names = self.names.clone();
        // A file system keeps the order of what is done to the names of a directory; one journal that of all.
        let ordered = |call: &Call| match self.rule {
            Names::Promised => call.directory().to_owned(),
            Names::Journalled => String::new(),
        };
        let mut directories = BTreeMap::new();
        for change in &self.renames {
            *directories.entry(ordered(&change.call)).or_insert(0) += 1;
        }
        for left in directories.values_mut() {
            *left = match kind {
                0 => *left,
                1 => 0,
                _ => random.below(*left + 1),
            };
        }
        for change in &self.renames {
            let left = directories.get_mut(&ordered(&change.call)).unwrap();
            if *left > 0 {
                *left -= 1;
                rename(&mut names, &change.call);
            }
        }
        // The last call of which a beginning is there.
        let until = self.files.values().flat_map(|inode| &inode.since);
        let mut begun: Vec<_> = until.map(|event| event.begun).collect();
        begun.sort_unstable();
        let until = begun.get(random.below(begun.len())).copied();
        let mut files = BTreeMap::new();
        for node in names.values() {
            if let Node::File(file) = node {
                let pages = self
                    .files
                    .get(file)
                    .map(|inode| inode.cut(kind, until, random));
                files.insert(*file, pages.unwrap_or_default());
            }
        }
        Image { names, files }
    }
}

impl Inode {
    fn cut(&self, kind: usize, until: Option<usize>, random: &mut Random) -> Pages {
        let mut pages = self.synced.clone();
        let mut since: Vec<_> = self.since.iter().collect();
        if kind > 2 {
            for at in (1..since.len()).rev() {
                since.swap(at, random.below(at + 1));
            }
        }
        for event in since {
            let whole = match kind {
                0 => true,
                1 => continue,
                2 if Some(event.begun) > until => continue,
                2 => Some(event.begun) < until,
                _ => false,
            };
            match &event.call {
                Call::Write(file, at, bytes) if !whole => {
                    for (nth, sector) in sectors(*at, bytes) {
                        if random.below(2) == 0 {
                            change(&mut pages, &Call::Write(*file, nth, sector.to_vec()));
                        }
                    }
                }
                call if whole || random.below(2) == 0 => change(&mut pages, call),
                _ => {}
            }
        }
        pages
    }
}

/// What is written, sector by sector of the file.
fn sectors(at: u64, bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut sectors = Vec::new();
    let (mut at, mut rest) = (at, bytes);
    while !rest.is_empty() {
        let part = (SECTOR - at as usize % SECTOR).min(rest.len());
        let (sector, after) = rest.split_at(part);
        sectors.push((at, sector));
        (at, rest) = (at + part as u64, after);
    }
    sectors
}

/// All that lies below a directory, and whether it is a directory.
#[must_use]
pub fn listed(dir: &Path) -> BTreeMap<String, bool> {
    fn list(dir: &Path, within: &str, into: &mut BTreeMap<String, bool>) {
        for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
            let name = format!("{within}{}", entry.file_name().to_str().unwrap());
            let directory = entry.file_type().unwrap().is_dir();
            if directory {
                list(&entry.path(), &format!("{name}/"), into);
            }
            into.insert(name, directory);
        }
    }
    let mut all = BTreeMap::new();
    list(dir, "", &mut all);
    all
}

/// A directory and its files: found after a power cut, or damaged.
#[derive(Clone)]
pub struct Image {
    names: Tree,
    files: BTreeMap<FileId, Pages>,
}

impl Image {
    /// What lies in a directory.
    #[must_use]
    pub fn load(dir: &Path) -> Self {
        let mut image = Self {
            names: Tree::new(),
            files: BTreeMap::new(),
        };
        for (name, directory) in listed(dir) {
            let node = if directory {
                Node::Directory
            } else {
                let file = FileId(image.files.len());
                let pages = Pages::load(&fs::File::open(dir.join(&name)).unwrap()).unwrap();
                image.files.insert(file, pages);
                Node::File(file)
            };
            image.names.insert(name, node);
        }
        image
    }

    /// Its files by name.
    pub fn files(&self) -> impl Iterator<Item = (&String, &Pages)> {
        self.names.iter().filter_map(|(name, node)| match node {
            Node::File(file) => Some((name, &self.files[file])),
            Node::Directory => None,
        })
    }

    /// One of its files.
    pub fn file(&mut self, name: &str) -> &mut Pages {
        match self.names.get(name) {
            Some(Node::File(file)) => self.files.get_mut(file).unwrap(),
            _ => panic!("`{name}` is no file"),
        }
    }

    /// Takes one of its files away.
    pub fn remove(&mut self, name: &str) {
        self.names.remove(name);
    }

    /// Makes an empty directory hold it.
    pub fn save(&self, dir: &Path) {
        for (name, node) in &self.names {
            let path = dir.join(name);
            // Nobody finds what lies in a directory that has no name.
            if !path.parent().unwrap().is_dir() {
                continue;
            }
            match node {
                Node::Directory => fs::create_dir(path).unwrap(),
                Node::File(file) => self.files[file]
                    .save(&fs::File::create(path).unwrap())
                    .unwrap(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(rule: Names, calls: &[Call]) -> Disk {
        let mut disk = Disk::new(rule);
        for (at, call) in calls.iter().enumerate() {
            disk.take(&Event {
                begun: 2 * at,
                ended: 2 * at + 1,
                call: call.clone(),
            });
        }
        disk
    }

    /// The contents of `new` and `old` that are found in many cuts.
    fn found(disk: &Disk) -> Vec<[Option<Vec<u8>>; 2]> {
        let mut found: Vec<_> = (0..200)
            .map(|seed| {
                let dir = crate::fleeting();
                disk.cut(&mut Random(seed)).save(dir.path());
                ["new", "old"].map(|name| fs::read(dir.path().join(name)).ok())
            })
            .collect();
        found.sort();
        found.dedup();
        found
    }

    #[test]
    fn what_is_synced_is_there_and_of_the_rest_any_part() {
        let file = FileId(0);
        let create = Call::Create("new".to_owned(), file);
        let write = Call::Write(file, 0, vec![7; 700]);
        let directory = Call::SyncDirectory(String::new());
        // Neither: no file, an empty one, and any of two sectors.
        let nothing = found(&disk(Names::Promised, &[create.clone(), write.clone()]));
        assert_eq!(nothing.len(), 5, "{nothing:?}");
        let sync = Call::Sync(file);
        let named = [create.clone(), write.clone(), directory.clone()];
        assert_eq!(found(&disk(Names::Promised, &named)).len(), 4);
        let synced = [create.clone(), write.clone(), sync.clone()];
        let whole = [Some(vec![7; 700]), None];
        assert_eq!(
            found(&disk(Names::Promised, &synced)),
            [[None, None], whole.clone()]
        );
        assert_eq!(
            found(&disk(Names::Journalled, &synced)),
            std::slice::from_ref(&whole)
        );
        let both = [
            create.clone(),
            write.clone(),
            sync.clone(),
            directory.clone(),
        ];
        assert_eq!(
            found(&disk(Names::Promised, &both)),
            std::slice::from_ref(&whole)
        );
        let rename = Call::Rename("new".to_owned(), "old".to_owned());
        let [new, old] = whole;
        let renamed = [create, write, sync, directory.clone(), rename.clone()];
        let either = [[None, new.clone()], [new.clone(), old]];
        assert_eq!(found(&disk(Names::Promised, &renamed)), either);
        let durable = [&renamed[..], &[directory]].concat();
        assert_eq!(found(&disk(Names::Promised, &durable)), [[None, new]]);
    }
}
