/* `pgherald run`: the loops, wired together, until a signal or an LSN ends them. */
#ifndef PGHERALD_DAEMON_DAEMON_H
#define PGHERALD_DAEMON_DAEMON_H

#include "base/lsn.h"
#include "config/config.h"

/* Runs until SIGTERM or SIGINT, or, with endpos > 0, until everything up to endpos is durable.
 * `roles` says which of the loops (daemon/roles.h); endpos needs the pipeline.
 * `config_path` (may be NULL) is read again on SIGHUP. Returns the process's exit code. */
int daemon_run(const struct config *config, const char *config_path, lsn_t endpos, unsigned roles);

#endif
