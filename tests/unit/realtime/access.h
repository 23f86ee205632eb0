/* What a role may do with an imaginary table, as pgherald.realtime_policies() would tell it. */
#ifndef PGHERALD_TESTS_ACCESS_H
#define PGHERALD_TESTS_ACCESS_H

#include "../policy/facts.h"
#include "base/json.h"
#include "realtime/access.h"

#define MACHINE "PostgreSQL 15.20 on x86_64-pc-linux-gnu, compiled by gcc, 64-bit"

/* `kind` is the beginning of the facts. */
#define FACTS_ALL                                                                                  \
    "{\"rls\":false,\"sent\":[\"INSERT\",\"UPDATE\",\"DELETE\"],\"refused\":null,\"readable\":"    \
    "true,\"hidden\":null,\"judged\":false}"
#define FACTS_INSERTS                                                                              \
    "{\"rls\":false,\"sent\":[\"INSERT\"],\"refused\":null,\"readable\":true,\"hidden\":null,"     \
    "\"judged\":false}"
#define FACTS_NONE                                                                                 \
    "{\"rls\":true,\"sent\":[\"INSERT\",\"UPDATE\",\"DELETE\"],\"refused\":null,\"readable\":"     \
    "false,\"hidden\":[\"id\"],\"judged\":false}"

/* A table (id int, u uuid, public bool), where one permissive policy holds. Freed by the caller. */
static inline char *judged_facts(const char *qual)
{
    struct buf out;

    buf_init(&out, 65536);
    buf_add_c(&out, "{\"rls\":true,\"sent\":[\"INSERT\",\"UPDATE\",\"DELETE\"],\"refused\":null,"
                    "\"readable\":true,\"hidden\":[\"secret\"],"
                    "\"judged\":true,\"plain\":true,\"machine\":\"" MACHINE "\",\"labels\":null,"
                    "\"nondeterministic\":null,\"columns\":[[1,\"id\",\"23\",\"0\"],[2,\"u\","
                    "\"2950\",\"0\"],[3,\"public\",\"16\",\"0\"]],\"functions\":[[\"16386\","
                    "\"2950\",");
    json_add_string(&out, STR(UID_SOURCE));
    buf_addf(&out,
             "]],\"policies\":[{\"permissive\":true,\"whole_row\":false,\"columns\":[%s],\"qual\":",
             strstr(qual, ":varattno 2 ") ? "2" : "");
    json_add_string(&out, str_c(qual));
    buf_add_c(&out, "}]}");
    return buf_take(&out, NULL);
}

static inline struct table_access *judged_access(const char *qual)
{
    char *facts = judged_facts(qual);
    struct table_access *access = access_read(str_c(facts));

    free(facts);
    return access;
}

#define N_OWN N_COMPARE(2972, N_COLUMN(2, 2950), N_UID)
#define N_PUBLIC N_COLUMN(3, 16)

#endif
