/* The checks of `pgherald doctor`: each notes what it found, and what to do about it. */
#ifndef PGHERALD_CLI_CHECKS_H
#define PGHERALD_CLI_CHECKS_H

#include "cli/facts.h"
#include "config/config.h"
#include "pg/sync.h"

enum check_verdict { CHECK_OK, CHECK_WARN, CHECK_FAIL };

struct check {
    const char *name;
    enum check_verdict verdict;
    char *found;
    char *remedy; /* NULL: nothing to do */
};

struct checks {
    struct check *items;
    size_t count;
};

/* `remedy` may be NULL. Copies the texts. */
void checks_add(struct checks *checks, const char *name, enum check_verdict verdict,
                const char *remedy, const char *found, ...) PRINTF_LIKE(5, 6);
void checks_fini(struct checks *checks);

/* Everything that needs the database; what needs this machine; what clients are known by. */
void checks_run_database(struct checks *checks, const struct config *config, struct pg_sync *conn);
/* The output plugin, and what pgoutput needs. */
void checks_run_plugin(struct checks *checks, const struct config *config, struct pg_sync *conn,
                       const struct server_facts *server, const struct slot_facts *slot);
/* Private channels, messages from SQL, Supabase's publication. */
void checks_run_realtime(struct checks *checks, const struct config *config, struct pg_sync *conn);
void checks_run_machine(struct checks *checks, const struct config *config);
void checks_run_tokens(struct checks *checks, const struct config *config);

#endif
