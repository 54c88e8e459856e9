//! Memory maps, folders, ports and files.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{Access, StatVfs};
use whirlwind_component::{Need, Room};

use super::Finding;

const MIB: u64 = 1 << 20;

/// Less than this, and the first store that is written to soon fails.
const LEAST_SPACE: u64 = 16 * MIB;

/// Less than this is soon used up by compiled components and a store.
const LITTLE_SPACE: u64 = 256 * MIB;

/// An app of a few actors fits this many times.
const FEW: usize = 100;

/// Whether this machine has room for the instances.
pub(super) fn room_of(needs: &[(Need, usize)]) -> Finding {
    judge_room(&Room::now(), needs)
}

fn judge_room(room: &Room, needs: &[(Need, usize)]) -> Finding {
    let most = room.instances(Need::PLAIN);
    let about = match room.max_maps {
        Some(maps) => format!("vm.max_map_count={maps}"),
        None => "address space".to_owned(),
    };
    let is = |message: String| Finding::ok("room", about.clone(), message);
    if let Err(error) = room.check(needs.iter().copied()) {
        let (asked, possible) = (error.asked, error.possible);
        return is(format!(
            "no room for {asked} instances, only for {possible}"
        ))
        .fault(error.cause.to_string());
    }
    let wanted = needs.iter().map(|(_, count)| *count);
    let wanted = wanted.fold(0, usize::saturating_add);
    let finding = is(format!("{wanted} instances wanted, room for {most}"));
    if most < FEW {
        return finding
            .warning("few will fit: sysctl -w vm.max_map_count=65530, and no `ulimit -v`");
    }
    finding
}

/// Whether the data directory can be written, and how much fits.
pub(super) fn data_dir(folder: &Path) -> Vec<Finding> {
    let about = folder.display().to_string();
    let is = |message: String| Finding::ok("data-dir", about.clone(), message);
    let elsewhere = "choose another folder with --data-dir";
    // What is not there is made, in the nearest folder that is.
    let there = folder
        .ancestors()
        .find(|path| path.symlink_metadata().is_ok());
    let there = match there {
        Some(path) if !path.as_os_str().is_empty() => path,
        _ => Path::new("."),
    };
    if !there.is_dir() {
        let finding = is(format!("{} is not a folder", there.display()));
        return vec![finding.fault(format!("move it away, or {elsewhere}"))];
    }
    if let Err(error) = rustix::fs::access(there, Access::WRITE_OK | Access::EXEC_OK) {
        let error = io::Error::from(error);
        let finding = is(format!("{} cannot be written: {error}", there.display()));
        return vec![finding.fault(format!("make it writable, or {elsewhere}"))];
    }
    let writable = match there == folder {
        true => is("writable".to_owned()),
        false => is("not there yet, and can be made".to_owned()),
    };
    match rustix::fs::statvfs(there) {
        Ok(disk) => vec![writable, judge_disk(&about, &disk)],
        Err(_) => vec![writable],
    }
}

fn judge_disk(about: &str, disk: &StatVfs) -> Finding {
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let is = |message: String| Finding::ok("disk", about, message);
    // A file system that counts no files says 0 of both.
    if disk.f_files > 0 && disk.f_favail == 0 {
        return is("its disk takes no more files".to_owned())
            .fault("remove some, or choose another disk with --data-dir");
    }
    let finding = is(match free {
        free if free < 10 << 30 => format!("{} MiB free", free / MIB),
        free => format!("{} GiB free", free >> 30),
    });
    let remedy = "make room, or choose another disk with --data-dir";
    match free {
        ..LEAST_SPACE => finding.fault(remedy),
        LEAST_SPACE..LITTLE_SPACE => finding.warning(remedy),
        _ => finding,
    }
}

/// Whether a broker in the node can listen there; `runs` is whether its node does.
pub(super) fn port(provider: &str, listen: SocketAddr, runs: bool) -> Finding {
    let is = |message: String| Finding::ok("port", provider, message);
    match TcpListener::bind(listen) {
        Ok(_) => is(format!("{listen} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse && runs => {
            is(format!("{listen} is in use, and the app's node runs"))
        }
        Err(error) if error.kind() == ErrorKind::AddrInUse => is(format!("{listen} is in use"))
            .fault(format!(
                "stop what listens there, or give [provider.{provider}] another `listen`"
            )),
        Err(error) => is(format!("{listen} cannot be listened on: {error}"))
            .fault(format!("give [provider.{provider}] another `listen`")),
    }
}

/// Whether a file that holds a secret is one.
pub(super) fn secret(provider: &str, what: &str, file: &Path) -> Finding {
    let shown = file.display();
    let is = |message: String| Finding::ok("secret", provider, message);
    match file.metadata() {
        Ok(about) if about.permissions().mode() & 0o006 != 0 => is(format!(
            "{what} {shown} can be read by everybody on this machine"
        ))
        .warning(format!("chmod go= {shown}")),
        Ok(_) => is(format!("{what} {shown} is closed to others")),
        Err(error) => is(format!("{what} {shown} cannot be read: {error}"))
            .fault(format!("correct it in [provider.{provider}]")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Health;

    const MACHINE: Room = Room {
        max_maps: Some(65_530),
        maps: 200,
        max_space: 1 << 47,
        space: 1 << 30,
    };

    #[test]
    fn too_few_memory_maps_are_a_fault_with_a_remedy() {
        let finding = judge_room(&MACHINE, &[(Need::PLAIN, 10)]);
        assert_eq!(finding.state, Health::Ok, "{finding:?}");
        let finding = judge_room(&MACHINE, &[(Need::PLAIN, 20_000)]);
        assert_eq!(finding.state, Health::Fault);
        assert!(
            finding
                .remedy
                .unwrap()
                .contains("sysctl -w vm.max_map_count=")
        );
        let small = Room {
            max_maps: Some(4500),
            ..MACHINE
        };
        assert_eq!(judge_room(&small, &[]).state, Health::Warning);
        let unknown = Room {
            max_maps: None,
            ..MACHINE
        };
        assert_eq!(judge_room(&unknown, &[]).state, Health::Ok);
    }

    #[test]
    fn a_disk_is_judged_by_its_room_and_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = rustix::fs::statvfs(folder.path()).unwrap();
        (disk.f_frsize, disk.f_files, disk.f_favail) = (4096, 10, 10);
        let mut with = |mib: u64| {
            disk.f_bavail = mib * MIB / 4096;
            judge_disk("here", &disk).state
        };
        assert_eq!(with(15), Health::Fault);
        assert_eq!(with(255), Health::Warning);
        assert_eq!(with(256), Health::Ok);
        disk.f_favail = 0;
        assert_eq!(judge_disk("here", &disk).state, Health::Fault);
    }
}
