//! Which processes hold memory for this one: itself and the workers that it started.

use std::{fs, path::Path};

/// The names that a worker process goes by in `/proc/PID/comm`, which has 15 letters of each: `scribe-worker` and
/// `scribe-worker-cuda`.
const WORKERS: [&str; 2] = ["scribe-worker", "scribe-worker-c"];

/// This process's workers. Found by looking, so a worker that died or was started by another
/// element needs no book-keeping. Empty where there is no `/proc`.
pub fn pids() -> Vec<u32> {
    workers_below(Path::new("/proc"), std::process::id())
}

fn workers_below(proc: &Path, parent: u32) -> Vec<u32> {
    // Each thread lists the children that it started.
    let Ok(threads) = fs::read_dir(proc.join(format!("{parent}/task"))) else {
        return Vec::new();
    };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<u32>>()
        })
        .filter(|pid| {
            fs::read_to_string(proc.join(format!("{pid}/comm")))
                .is_ok_and(|name| WORKERS.contains(&name.trim_end()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_workers_among_the_children_of_all_threads_count() {
        let proc = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = proc.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("10/task/10/children", "11 12 ");
        write("10/task/15/children", "13 ");
        write("11/comm", "sh\n");
        write("12/comm", "scribe-worker\n");
        write("13/comm", "scribe-worker-c\n");
        let mut found = workers_below(proc.path(), 10);
        found.sort_unstable();
        assert_eq!(found, [12, 13]);
        assert!(workers_below(proc.path(), 99).is_empty());
    }
}
