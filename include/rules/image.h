/* Rows as JSON for the audit trail and for webhooks: exact values, secrets left out. */
#ifndef PGHERALD_RULES_IMAGE_H
#define PGHERALD_RULES_IMAGE_H

#include "rules/ruleset.h"

/* Webhooks show columns as the table has them; the audit trail's images are for jsonb, which has an
 * order of its own (rules/column_order.h). */
enum image_order { IMAGE_TABLE_ORDER, IMAGE_JSONB_ORDER };

/* Appends the new row as a JSON object: the record, and with a full identity also the TOASTed
 * values that did not change. Redacted values are "[redacted]", hashed ones a digest
 * (rules/digest.h), ignored columns are not there, a value for which jsonb has no room (240 MB of
 * text in a row, 30 MB of json) is "[left out: N bytes]", and one that the stream does not carry is
 * "[not in the stream: NaN or Infinity]". only: no other columns than
 * these; NULL: all. */
void image_add_new(struct buf *out, struct ruleset *rules, struct table_rules *table,
                   const struct change *change, const struct rule_list *only,
                   enum image_order order);
/* The same of the old row, as much of it as the replica identity carries. */
void image_add_old(struct buf *out, struct ruleset *rules, struct table_rules *table,
                   const struct change *change, const struct rule_list *only,
                   enum image_order order);

/* Calls `each` for the columns that an UPDATE changed, ignored ones left out. Returns false, and
 * calls nothing, if the old row is not known in full. */
bool image_changed_columns(struct ruleset *rules, struct table_rules *table,
                           const struct change *change, void (*each)(void *arg, struct str name),
                           void *arg);

/* Whether an UPDATE is not worth an entry: it changed columns that the audit policy ignores and no
 * other, or nothing at all where the policy wants changes only. false if the old row is not known
 * in full. */
bool image_is_worthless(struct ruleset *rules, struct table_rules *table,
                        const struct change *change);

/* Appends the primary key's value: as text, or as a JSON array if it has several columns. false if
 * the table has no primary key, or the stream does not carry it. */
bool image_add_key(struct buf *out, struct ruleset *rules, const struct change *change);
/* The same of the row before an update that changed its key; false, with nothing appended, for
 * every other change. */
bool image_add_old_key(struct buf *out, struct ruleset *rules, const struct change *change);

/* Appends what deliveries of one row have in common: the table and the primary key's value, cut to
 * what an index holds (rows that are the same up to there wait for each other too). Without a key
 * the whole table is one row. `out` is empty, and has room for IMAGE_ROW_KEY_MAX. */
#define IMAGE_ROW_KEY_MAX ((size_t)1 << 20)
void image_add_row_key(struct buf *out, struct ruleset *rules, const struct table_rules *table,
                       const struct change *change);

#endif
