//! Ordinary memory: what this process and its workers keep resident, over what the machine has.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Probe, Reading, Source, workers};

/// Reads `/proc`. The measure is the resident set without pages that belong to files: those
/// (libraries, mapped data) are the page cache's, shared with others and dropped when memory is
/// short, so counting them would call the first use of a decoder a leak.
pub struct HostProbe {
    proc: PathBuf,
    cgroups: PathBuf,
    total: u64,
}

impl HostProbe {
    /// `None` where there is no `/proc` to read.
    pub fn new() -> Option<Self> {
        Self::at(Path::new("/proc"), Path::new("/sys/fs/cgroup"))
    }

    fn at(proc: &Path, cgroups: &Path) -> Option<Self> {
        let machine = field(&fs::read_to_string(proc.join("meminfo")).ok()?, "MemTotal:")?;
        let groups = fs::read_to_string(proc.join("self/cgroup")).unwrap_or_default();
        let total = cgroup_limit(&groups, cgroups).map_or(machine, |limit| limit.min(machine));
        Some(Self {
            proc: proc.to_owned(),
            cgroups: cgroups.to_owned(),
            total,
        })
    }

    fn resident(&self, process: &str) -> Option<u64> {
        let status = fs::read_to_string(self.proc.join(process).join("status")).ok()?;
        field(&status, "RssAnon:")
    }
}

impl Probe for HostProbe {
    fn device(&self) -> &str {
        "host"
    }

    fn source(&self) -> Source {
        Source::Host
    }

    fn read(&self) -> Option<Reading> {
        let own = self.resident("self")?;
        // A worker that exits between the listing and the reading holds nothing.
        let workers = workers::pids()
            .into_iter()
            .filter_map(|pid| self.resident(&pid.to_string()));
        Some(Reading {
            allocated: own + workers.sum::<u64>(),
            total: self.total,
        })
    }

    /// What the kernel says can be taken without swapping, and what the control groups leave.
    fn free(&self) -> Option<u64> {
        let machine = field(
            &fs::read_to_string(self.proc.join("meminfo")).ok()?,
            "MemAvailable:",
        )?;
        let groups = fs::read_to_string(self.proc.join("self/cgroup")).unwrap_or_default();
        let left = memory_groups(&groups, &self.cgroups).filter_map(|group| group.left());
        Some(left.fold(machine, u64::min))
    }
}

/// The bytes in a line `Name:   123 kB`.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The smallest limit that the control groups in `groups` (`/proc/self/cgroup`) and their parents set.
fn cgroup_limit(groups: &str, root: &Path) -> Option<u64> {
    memory_groups(groups, root)
        .filter_map(|group| group.limit())
        .min()
}

/// A control group of memory, and how its version names things.
struct Group {
    folder: PathBuf,
    limit: &'static str,
    used: &'static str,
    /// In `memory.stat`: pages of files that nobody used lately, which the kernel drops first.
    droppable: &'static str,
}

impl Group {
    fn number(&self, file: &str) -> Option<u64> {
        // "max" is no limit
        fs::read_to_string(self.folder.join(file))
            .ok()?
            .trim()
            .parse()
            .ok()
    }

    fn limit(&self) -> Option<u64> {
        self.number(self.limit)
    }

    /// What can still be taken before the limit. `None` where there is none.
    fn left(&self) -> Option<u64> {
        let (limit, used) = (self.limit()?, self.number(self.used)?);
        let stat = fs::read_to_string(self.folder.join("memory.stat")).unwrap_or_default();
        let droppable = stat.lines().find_map(|line| {
            let (name, bytes) = line.split_once(' ')?;
            (name == self.droppable).then(|| bytes.trim().parse::<u64>().ok())?
        });
        Some(limit.saturating_sub(used.saturating_sub(droppable.unwrap_or(0))))
    }
}

/// The groups in `groups` that count memory and their parents, of version 2 (`0::/path`) and 1 (`4:memory:/path`).
fn memory_groups(groups: &str, root: &Path) -> impl Iterator<Item = Group> {
    groups
        .lines()
        .filter_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            let path = path.trim_start_matches('/');
            match controllers {
                "" => Some((
                    root.to_owned(),
                    path,
                    ["memory.max", "memory.current", "inactive_file"],
                )),
                c if c.split(',').any(|c| c == "memory") => Some((
                    root.join("memory"),
                    path,
                    [
                        "memory.limit_in_bytes",
                        "memory.usage_in_bytes",
                        "total_inactive_file",
                    ],
                )),
                _ => None,
            }
        })
        .flat_map(|(base, path, [limit, used, droppable])| {
            // Inside a container the path may be the host's: the root then holds the limit.
            Path::new(path).ancestors().map(move |group| Group {
                folder: base.join(group),
                limit,
                used,
                droppable,
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_bytes() {
        let status = "Name:\tx\nVmRSS:\t  900 kB\nRssAnon:\t     120 kB\n";
        assert_eq!(field(status, "RssAnon:"), Some(120 * 1024));
        assert_eq!(field(status, "RssShmem:"), None);
    }

    #[test]
    fn the_tightest_control_group_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("a/memory.max", "4000\n");
        write("a/b/memory.max", "max\n");
        write("memory/c/memory.limit_in_bytes", "3000\n");
        write("memory/memory.limit_in_bytes", "9000\n");
        for (groups, limit) in [
            ("0::/a/b\n", Some(4000)),
            ("0::/a/b\n5:cpu:/x\n4:memory:/c\n", Some(3000)),
            ("4:cpu,memory:/not/visible/here\n", Some(9000)),
            ("0::/\n", None),
            ("", None),
        ] {
            assert_eq!(cgroup_limit(groups, root.path()), limit, "{groups}");
        }
    }

    #[test]
    fn what_is_free_is_what_the_tightest_group_leaves() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "proc/meminfo",
            "MemTotal: 8 kB\nMemFree: 1 kB\nMemAvailable: 6 kB\n",
        );
        write("groups/a/memory.max", "5000\n");
        write("groups/a/memory.current", "2500\n");
        write(
            "groups/a/memory.stat",
            "anon 900\nfile 1600\ninactive_file 500\nactive_file 1000\n",
        );
        write("groups/a/b/memory.max", "max\n");
        write("groups/a/b/memory.current", "2000\n");
        write("groups/a/full/memory.max", "100\n");
        write("groups/a/full/memory.current", "200\n");
        write("groups/wide/memory.max", "90000\n");
        write("groups/wide/memory.current", "10\n");
        write("groups/memory/c/memory.limit_in_bytes", "4000\n");
        write("groups/memory/c/memory.usage_in_bytes", "3000\n");
        write(
            "groups/memory/c/memory.stat",
            "inactive_file 1\ntotal_inactive_file 200\n",
        );
        for (group, free) in [
            ("", 6144),
            ("0::/wide\n", 6144),
            ("0::/a/b\n", 3000),
            ("0::/a/full\n", 0),
            ("0::/a\n4:memory:/c\n", 1200),
            ("0::/not/visible/here\n", 6144),
        ] {
            write("proc/self/cgroup", group);
            let probe = HostProbe::at(&root.path().join("proc"), &root.path().join("groups")).unwrap();
            assert_eq!(probe.free(), Some(free), "{group}");
        }
    }

    #[test]
    fn this_process_holds_something_of_what_there_is() {
        let reading = HostProbe::new().unwrap().read().unwrap();
        assert!(reading.allocated > 0 && reading.allocated < reading.total);
        assert!(HostProbe::new().unwrap().free().unwrap() < reading.total);
    }
}
