/* scribe-worker-cuda, linked from parts: the Rust of it is in libscribe_worker_parts.a. */
int scribe_worker_main(void);

int main(void) { return scribe_worker_main(); }
