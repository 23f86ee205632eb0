#include "jobs/export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "embedded.h"

#define NAME_MAX_BYTES 64
#define PATH_MAX_BYTES 4096
#define TEXT_MAX 64

enum export_state {
    EXPORT_PAGING,    /* for the next lines, or the next table */
    EXPORT_FINISHING, /* the file is complete; the table may go */
    EXPORT_DONE       /* nothing waits */
};

/* The columns of sql/queries/jobs_export_page.sql. */
enum { PAGE_TABLE, PAGE_LAST_ID, PAGE_LAST_TIME, PAGE_ENTRIES, PAGE_LINES };

struct export
{
    const char *folder;
    enum export_state state;
    char table[NAME_MAX_BYTES]; /* empty: whichever is first */
    char last_id[TEXT_MAX], last_time[TEXT_MAX];
    char host[TEXT_MAX * 4];
    char part[PATH_MAX_BYTES], path[PATH_MAX_BYTES];
    char entries_text[TEXT_MAX];
    uint64_t entries;
    int fd; /* of `part`; -1: none */
};

struct export *export_new(const char *folder)
{
    struct export *export = mem_alloc(sizeof(*export));

    export->folder = folder;
    export->fd = -1;
    if (gethostname(export->host, sizeof(export->host) - 1) != 0)
        strcpy(export->host, "?");
    return export;
}

void export_free(struct export *export)
{
    if (!export)
        return;
    if (export->fd >= 0)
        close(export->fd);
    free(export);
}

void export_next(struct export *export, struct export_query *query)
{
    *query = (struct export_query){0};
    switch (export->state) {
    case EXPORT_PAGING:
        *query = (struct export_query){.sql = sql_jobs_export_page, .count = 3};
        query->params[0] = export->table[0] ? export->table : NULL;
        query->params[1] = export->last_id[0] ? export->last_id : NULL;
        query->params[2] = export->last_time[0] ? export->last_time : NULL;
        break;
    case EXPORT_FINISHING:
        snprintf(export->entries_text, sizeof(export->entries_text), "%llu",
                 (unsigned long long)export->entries);
        *query = (struct export_query){
            .sql = sql_jobs_export_finish,
            .params = {export->table, export->host, export->path, export->entries_text},
            .count = 4};
        break;
    case EXPORT_DONE:
        break;
    }
}

static bool copy_text(char *out, size_t size, struct str text)
{
    if (text.len >= size)
        return false;
    memcpy(out, text.data ? text.data : "", text.len);
    out[text.len] = '\0';
    return true;
}

/* Names of partitions are ours; one that could leave the folder is somebody else's. */
static bool is_table_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_", name.data[i]))
            return false;
    return name.len > 0 && name.len < NAME_MAX_BYTES;
}

static enum result open_file(struct export *export, struct str table, struct err *err)
{
    if (!export->folder[0])
        return err_set(err,
                       "pgherald_audit.%.*s waits to be exported, and the setting "
                       "audit_export_dir names no folder: set it here, or leave the job to a "
                       "daemon that has it",
                       STR_ARG(table));
    if (!is_table_name(table))
        return err_set(err, "\"%.*s\" is no name of a partition", STR_ARG(table));
    (void)copy_text(export->table, sizeof(export->table), table);
    if (snprintf(export->path, PATH_MAX_BYTES, "%s/%s.ndjson", export->folder, export->table) >=
            PATH_MAX_BYTES ||
        snprintf(export->part, PATH_MAX_BYTES, "%s/%s.ndjson.part", export->folder,
                 export->table) >= PATH_MAX_BYTES)
        return err_set(err, "audit_export_dir: the name is too long");
    export->fd = open(export->part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (export->fd < 0)
        return err_set_errno(err, errno, "could not make %s", export->part);
    export->entries = 0;
    return OK;
}

static enum result write_lines(struct export *export, struct str lines, struct err *err)
{
    while (lines.len > 0) {
        ssize_t put = write(export->fd, lines.data, lines.len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return err_set_errno(err, errno, "could not write %s", export->part);
        lines = str_from(lines.data + put, lines.len - (size_t)put);
    }
    return OK;
}

static enum result sync_folder(const struct export *export, struct err *err)
{
    int fd = open(export->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_synced = fd >= 0 && fsync(fd) == 0;
    int why = errno;

    if (fd >= 0)
        close(fd);
    return is_synced ? OK : err_set_errno(err, why, "could not sync the folder %s", export->folder);
}

/* The table goes when its file is on the disk, under its name, and no sooner. It replaces one that
 * was made when the table did not go afterwards. */
static enum result complete_file(struct export *export, struct err *err)
{
    int fd = export->fd;

    export->fd = -1;
    if (fsync(fd) != 0) {
        err_set_errno(err, errno, "could not sync %s", export->part);
        close(fd);
        return FAILED;
    }
    if (close(fd) != 0)
        return err_set_errno(err, errno, "could not close %s", export->part);
    if (rename(export->part, export->path) != 0)
        return err_set_errno(err, errno, "could not rename %s to %s", export->part, export->path);
    return sync_folder(export, err);
}

static enum result take_page(struct export *export, const struct str columns[EXPORT_COLUMNS],
                             struct err *err)
{
    uint64_t entries;

    if (export->fd < 0 && open_file(export, columns[PAGE_TABLE], err) != OK)
        return FAILED;
    if (!str_to_u64(columns[PAGE_ENTRIES], &entries))
        return err_set(err,
                       "pgherald.export_page() answered what this version does not understand; "
                       "run `pgherald init` to install this version's");
    if (entries == 0) {
        export->state = EXPORT_FINISHING;
        return complete_file(export, err);
    }
    export->entries += entries;
    if (!copy_text(export->last_id, TEXT_MAX, columns[PAGE_LAST_ID]) ||
        !copy_text(export->last_time, TEXT_MAX, columns[PAGE_LAST_TIME]))
        return err_set(err, "pgherald.export_page() answered an id or a time that is too long");
    return write_lines(export, columns[PAGE_LINES], err);
}

static void take_finished(struct export *export)
{
    log_info("jobs", "exported, and dropped", log_s("table", export->table),
             log_s("file", export->path), log_u("entries", export->entries));
    export->table[0] = export->last_id[0] = export->last_time[0] = '\0';
    export->state = EXPORT_PAGING;
}

enum result export_take(struct export *export, const struct str columns[EXPORT_COLUMNS],
                        size_t row_count, struct err *err)
{
    if (export->state == EXPORT_FINISHING) {
        take_finished(export);
        return OK;
    }
    if (row_count == 0) {
        export->state = EXPORT_DONE;
        return OK;
    }
    return take_page(export, columns, err);
}
