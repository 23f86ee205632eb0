/* A run of a job, as the database tells of it. */
#ifndef PGHERALD_JOBS_RUN_H
#define PGHERALD_JOBS_RUN_H

#include "base/err.h"
#include "base/str.h"

#define RUN_WORKER_MAX 160

struct run {
    char id[37]; /* a uuid */
    char name[64];
    char lost_by[RUN_WORKER_MAX]; /* the runner that died with it; empty: none did */
    bool is_running;              /* false: that was its last attempt */
    unsigned attempt, max_attempts;
};

/* The columns of sql/queries/jobs_begin.sql. */
enum run_column {
    RUN_ID,
    RUN_NAME,
    RUN_IS_RUNNING,
    RUN_ATTEMPT,
    RUN_MAX_ATTEMPTS,
    RUN_LOST_BY,
    RUN_COLUMNS
};

/* From the texts of these columns. FAILED: they are not what this program understands. */
enum result run_read(struct run *run, const struct str columns[RUN_COLUMNS],
                     struct err *err) MUST_CHECK;

/* "host/who/pid": the name under which this process works on runs; returns out. */
const char *run_worker(char out[RUN_WORKER_MAX], const char *who);

#endif
