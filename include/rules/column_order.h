/* In which order a row's columns become keys of a jsonb object. */
#ifndef PGHERALD_RULES_COLUMN_ORDER_H
#define PGHERALD_RULES_COLUMN_ORDER_H

#include "rules/ruleset.h"

/* The places of a row's columns, first the one whose key jsonb keeps first: shorter names, then by
 * bytes. The server sorts the keys of every object it is sent, and a tenth of what an audit entry
 * cost it was that; keys in order it only looks through. Source: uniqueifyJsonbObject() and
 * lengthCompareJsonbString() of jsonb_util.c, qsort_arg() of sort_template.h.
 *
 * `count` indexes, owned by the table and good until the next call; NULL for a row of other columns
 * than were seen last, which goes as it is. */
const uint16_t *column_order_for_jsonb(struct table_rules *table, size_t count);

#endif
