/* What has left the audit trail and goes into a file before it is dropped: one file a table, in
 * audit_export_dir. Which statement comes next is said here; who asks it, over which kind of
 * connection, is the caller's. Pure but for the file.
 *
 *   export_next(export, &query), and while query.sql: ask it, export_take() what it answered
 *
 * A file that is not complete has a name that ends in .part, and is begun anew by the next run. */
#ifndef PGHERALD_JOBS_EXPORT_H
#define PGHERALD_JOBS_EXPORT_H

#include "base/err.h"
#include "base/str.h"

#define EXPORT_PARAMS 4
#define EXPORT_COLUMNS 5 /* of sql/queries/jobs_export_page.sql */

/* The job to which this belongs: it detaches what is exported. */
#define EXPORT_JOB "audit_retention"

struct export;

struct export_query {
    const char *sql;                   /* NULL: nothing waits any more */
    const char *params[EXPORT_PARAMS]; /* valid until export_take() */
    size_t count;
};

/* `folder` is borrowed; empty if there is none, which fails once something waits. */
struct export *export_new(const char *folder);
void export_free(struct export *export); /* what is not complete stays as it is; NULL is fine */

void export_next(struct export *export, struct export_query *query);

/* What the statement answered; `row_count` 0: no row. Views of it are used during the call only. */
enum result export_take(struct export *export, const struct str columns[EXPORT_COLUMNS],
                        size_t row_count, struct err *err) MUST_CHECK;

#endif
