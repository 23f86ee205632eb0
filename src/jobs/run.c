#include "jobs/run.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HOST_MAX 80

/* A longer text is cut between characters. */
static void copy(char *out, size_t size, struct str text)
{
    text = str_whole_utf8(str_from(text.data, text.len < size ? text.len : size - 1));
    memcpy(out, text.data ? text.data : "", text.len);
    out[text.len] = '\0';
}

static bool read_number(struct str text, unsigned *out)
{
    uint64_t number;

    if (!str_to_u64(text, &number) || number > UINT32_MAX)
        return false;
    *out = (unsigned)number;
    return true;
}

enum result run_read(struct run *run, const struct str columns[RUN_COLUMNS], struct err *err)
{
    uint8_t uuid[16];

    *run = (struct run){0};
    if (!str_to_uuid(columns[RUN_ID], uuid) || columns[RUN_NAME].len == 0 ||
        columns[RUN_NAME].len >= sizeof(run->name) ||
        !read_number(columns[RUN_ATTEMPT], &run->attempt) ||
        !read_number(columns[RUN_MAX_ATTEMPTS], &run->max_attempts))
        return err_set(err, "pgherald.begin_run() answered what this version does not understand; "
                            "run `pgherald init` to install this version's");
    copy(run->id, sizeof(run->id), columns[RUN_ID]);
    copy(run->name, sizeof(run->name), columns[RUN_NAME]);
    copy(run->lost_by, sizeof(run->lost_by), columns[RUN_LOST_BY]);
    run->is_running = str_eq(columns[RUN_IS_RUNNING], STR("t"));
    return OK;
}

const char *run_worker(char out[RUN_WORKER_MAX], const char *who)
{
    char host[HOST_MAX];

    if (gethostname(host, sizeof(host)) != 0)
        strcpy(host, "?");
    host[sizeof(host) - 1] = '\0'; /* a name that was cut need not end */
    snprintf(out, RUN_WORKER_MAX, "%s/%.63s/%ld", host, who, (long)getpid());
    return out;
}
