/* What one process does. Several may share the work of one database: many dispatchers and runners
 * of jobs, and for each slot one pipeline. Browsers belong to the pipeline: the rows come to them
 * through a queue in memory. */
#ifndef PGHERALD_DAEMON_ROLES_H
#define PGHERALD_DAEMON_ROLES_H

#include "base/err.h"
#include "base/str.h"

/* The values are those of the metric pgherald_roles. */
enum role { ROLE_PIPELINE = 1, ROLE_DISPATCH = 2, ROLE_JOBS = 4 };
#define ROLE_ALL (ROLE_PIPELINE | ROLE_DISPATCH | ROLE_JOBS)

/* "all", or some of "pipeline,dispatch,jobs". */
enum result roles_parse(struct str text, unsigned *roles, struct err *err) MUST_CHECK;

#endif
