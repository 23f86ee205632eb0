/* PostgreSQL's own text of a parsed expression (pg_node_tree), as a tree.
 *
 *   {OPEXPR :opno 2972 :args ({VAR :varattno 2 ...} {CONST ... :constvalue 4 [ 5 0 0 0 ]})}
 *
 * Source: outfuncs.c and read.c of PostgreSQL. Which nodes and fields there are differs from one
 * version to the next: nothing here knows any of them. */
#ifndef PGHERALD_POLICY_TREE_H
#define PGHERALD_POLICY_TREE_H

#include "base/arena.h"

#define TREE_MAX_BYTES ((size_t)256 << 10)
#define TREE_MAX_DEPTH 200

enum tree_kind {
    TREE_NOTHING, /* <>, which is an empty list too */
    TREE_WORD,
    TREE_BYTES, /* of a constant */
    TREE_LIST,
    TREE_NODE
};

struct tree {
    enum tree_kind kind;
    struct str text; /* of a word; a node's name; bytes: the numbers between the brackets */
    const struct tree *first; /* of a list's items, a node's fields */
    const struct tree *next;  /* its sibling */
    struct str label;         /* of a field, without the colon */
};

/* NULL if the text is no tree, or one beyond the bounds. Views of `text` stay in the tree. */
const struct tree *tree_parse(struct arena *arena, struct str text);

/* All of these take NULL for a tree that is not there. */
bool tree_is(const struct tree *tree, const char *node); /* a node of that name */
const struct tree *tree_field(const struct tree *node, const char *label);
bool tree_word_is(const struct tree *tree, const char *word);
bool tree_number(const struct tree *tree, int64_t *out); /* a word that is one */
/* The only item of a list, or NULL. */
const struct tree *tree_only(const struct tree *list);
size_t tree_count(const struct tree *list);

/* Whether a field has the value that means nothing: false, 0, -1, <> or an empty set. A field that
 * we have never heard of changes nothing as long as it has that. */
bool tree_is_default(const struct tree *field);

#endif
