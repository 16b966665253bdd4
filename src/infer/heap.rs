//! Freed heap back to the system.
#![allow(unsafe_code)] // malloc_trim is a C function

/// Hands memory that was freed back to the system. glibc keeps it for later, so without this a
/// released model still counts as resident; elements call it after they dropped one. It takes
/// milliseconds for each GB freed. Elsewhere than on glibc the allocator decides for itself.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes any value, needs no other state, and glibc has it thread-safe.
    unsafe {
        libc::malloc_trim(0);
    }
}
