#include "realtime/metrics.h"

#include "base/version.h"

#define WRITE_METRIC(field, type, help)                                                            \
    buf_add_str(out, STR("# HELP pgherald_" #field " " help "\n# TYPE pgherald_" #field " " #type  \
                         "\npgherald_" #field " "));                                               \
    buf_add_u64(out, stat_get(&stats->field));                                                     \
    buf_add_char(out, '\n');

#define WRITE_FIELD(field, type, help)                                                             \
    buf_add_str(out, STR(",\"" #field "\":"));                                                     \
    buf_add_u64(out, stat_get(&stats->field));

void metrics_write(struct buf *out, const struct stats *stats)
{
    STATS_LIST(WRITE_METRIC)
}

void metrics_write_json(struct buf *out, const struct stats *stats)
{
    buf_add_str(out, STR("{\"version\":\"" PGHERALD_VERSION "\""));
    STATS_LIST(WRITE_FIELD)
    buf_add_str(out, STR("}\n"));
}

/* All of them. */
static bool is_realtime_up(const struct stats *stats)
{
    uint64_t up = stat_get(&stats->realtime_up);

    return up > 0 && up >= stat_get(&stats->realtime_loops);
}

bool metrics_write_ready(struct buf *out, const struct stats *stats)
{
    const uint64_t roles = stat_get(&stats->roles);
    const struct {
        const char *name;
        uint64_t up;
        uint64_t role;
    } parts[] = {{"stream", stat_get(&stats->stream_up), 1},
                 {"store", stat_get(&stats->store_up), 1},
                 {"dispatch", stat_get(&stats->dispatch_up), 2},
                 {"realtime", is_realtime_up(stats), 1}};
    size_t down = 0;

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (parts[i].up || !(roles & parts[i].role))
            continue;
        buf_add_c(out, down++ ? ", " : "not ready: ");
        buf_add_c(out, parts[i].name);
    }
    buf_add_c(out, down ? " down\n" : "ready\n");
    return down == 0;
}
