/* PAUSED and READY in turn, and what the process has at each READY.
 *
 *     cycle TIMES PIPELINE-DESCRIPTION...
 *
 * Prints "cycle DESCRIPTORS THREADS CHILDREN KIB" for every cycle, and "failed" where PAUSED is not reached; the status is 1
 * then. Declares the few functions of GStreamer that it calls, so that it builds where there are no headers. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct _GstElement GstElement;
void gst_init(int *argc, char ***argv);
GstElement *gst_parse_launch(const char *description, void **error);
int gst_element_set_state(GstElement *element, int state);
int gst_element_get_state(GstElement *element, int *state, int *pending, uint64_t timeout);
void gst_object_unref(void *object);

enum { NULL_STATE = 1, READY = 2, PAUSED = 3, FAILURE = 0 };

static long entries(const char *folder) {
    long count = 0;
    DIR *open = opendir(folder);
    if (!open) return -1;
    for (struct dirent *entry; (entry = readdir(open));) count += entry->d_name[0] != '.';
    closedir(open);
    return count;
}

/* Children of all threads. */
static long children(void) {
    long count = 0;
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return -1;
    for (struct dirent *task; (task = readdir(tasks));) {
        char path[300];
        snprintf(path, sizeof path, "/proc/self/task/%s/children", task->d_name);
        FILE *file = task->d_name[0] == '.' ? NULL : fopen(path, "r");
        long pid;
        while (file && fscanf(file, "%ld", &pid) == 1) count++;
        if (file) fclose(file);
    }
    closedir(tasks);
    return count;
}

static long resident(void) {
    char line[200];
    long kib = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file)) sscanf(line, "RssAnon: %ld", &kib);
    if (file) fclose(file);
    return kib;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        fprintf(stderr, "Usage: cycle TIMES PIPELINE-DESCRIPTION\n");
        return 2;
    }
    int times = atoi(argv[1]);
    gst_init(NULL, NULL);
    void *error = NULL;
    GstElement *pipeline = gst_parse_launch(argv[2], &error);
    if (!pipeline || error) {
        fprintf(stderr, "cycle: no pipeline: %s\n", argv[2]);
        return 2;
    }
    for (int n = 0; n < times; n++) {
        int state;
        if (gst_element_set_state(pipeline, PAUSED) == FAILURE ||
            gst_element_get_state(pipeline, &state, NULL, UINT64_MAX) == FAILURE) {
            printf("failed\n");
            gst_element_set_state(pipeline, NULL_STATE);
            return 1;
        }
        gst_element_set_state(pipeline, READY);
        printf("cycle %ld %ld %ld %ld\n", entries("/proc/self/fd"), entries("/proc/self/task"), children(), resident());
        fflush(stdout);
    }
    gst_element_set_state(pipeline, NULL_STATE);
    gst_object_unref(pipeline);
    return 0;
}
