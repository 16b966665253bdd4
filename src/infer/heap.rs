//! Giving freed memory back to the system.

#![allow(unsafe_code)] // malloc_trim is a C function

/// Returns freed heap pages to the system. glibc keeps what a model of many small and medium blocks leaves
/// behind, and the resident set then looks as if the model had never gone. Elsewhere the allocator does it.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: takes no pointer and may be called from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}
