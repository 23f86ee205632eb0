/* From a row of sql/queries/keys_load.sql or keys_read.sql to what the ring wants to know. */
#ifndef PGHERALD_REALTIME_KEY_ROW_H
#define PGHERALD_REALTIME_KEY_ROW_H

#include "pg/conn.h"
#include "token/keyring.h"

/* false: the row makes no sense. What is borrowed is the result's. */
bool key_row_read(const struct pg_result *result, size_t row, struct key_row *out);

#endif
