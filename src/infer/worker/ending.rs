//! How a process ended, in words.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// The signals that end processes, by number, and what they mean for a model.
const SIGNALS: [(i32, &str, &str); 8] = [
    (
        libc::SIGKILL,
        "SIGKILL",
        "by somebody, or by the kernel when memory ran out",
    ),
    (
        libc::SIGABRT,
        "SIGABRT",
        "whisper.cpp gave up: often out of memory, then a smaller model helps",
    ),
    (
        libc::SIGSEGV,
        "SIGSEGV",
        "a crash in the model's code: often out of memory, then a smaller model helps",
    ),
    (
        libc::SIGBUS,
        "SIGBUS",
        "a crash: often a model file that changed while it was read",
    ),
    (libc::SIGILL, "SIGILL", "it was built for another CPU"),
    (libc::SIGFPE, "SIGFPE", "a crash in the model's code"),
    (libc::SIGTERM, "SIGTERM", "by somebody"),
    (libc::SIGINT, "SIGINT", "by somebody"),
];

/// "it was ended by SIGKILL (by somebody, …)". `None` where nobody knows: the application reaped it.
pub(super) fn describe(status: Option<ExitStatus>) -> String {
    let Some(status) = status else {
        return "it ended, and the application took its exit status".into();
    };
    if let Some(number) = status.signal() {
        return match SIGNALS.iter().find(|(signal, ..)| *signal == number) {
            Some((_, name, meaning)) => format!("it was ended by {name} ({meaning})"),
            None => format!("it was ended by signal {number}"),
        };
    }
    match status.code() {
        Some(code) => format!("it exited with status {code}"),
        None => "it ended".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_have_names() {
        // As waitpid gives them: the signal in the low bits, the exit status above.
        for (raw, text) in [
            (9, "it was ended by SIGKILL (by somebody, or by the kernel"),
            (6, "it was ended by SIGABRT (whisper.cpp gave up"),
            (6 | 0x80, "it was ended by SIGABRT"), // with a core dump
            (40, "it was ended by signal 40"),
            (3 << 8, "it exited with status 3"),
        ] {
            let said = describe(Some(ExitStatus::from_raw(raw)));
            assert!(said.starts_with(text), "{said}");
        }
        assert!(describe(None).contains("the application"));
    }
}
