/* Templates such as `File {{new.name}} failed: {{new.error}}`.
 *
 * A placeholder is `{{new.column}}`, `{{old.column}}`, `{{table}}`, `{{schema}}`, `{{event}}` or
 * `{{commit_lsn}}`; white space inside the braces is allowed. NULL and a column that the row does
 * not carry give nothing. There are no conditions and no code. */
#ifndef PGHERALD_ROW_TEMPLATE_H
#define PGHERALD_ROW_TEMPLATE_H

#include "base/buf.h"
#include "base/err.h"
#include "row/change.h"

#define TEMPLATE_MAX_BYTES 65536

struct template;

/* Parses and copies. On FAILED *out is NULL and err names the placeholder and what is allowed. */
enum result template_parse(struct str text, struct template **out, struct err *err) MUST_CHECK;
void template_free(struct template *t);

/* Appends the filled-in text. */
void template_render(struct buf *out, const struct template *t, const struct change *change);

/* The same where the template is the text of a JSON document and the values are put inside its
 * string literals: each value is escaped for JSON. */
void template_render_json(struct buf *out, const struct template *t, const struct change *change);

#endif
