#include "policy/tree.h"

#include <string.h>

struct reader {
    struct arena *arena;
    const char *at, *end;
    unsigned depth;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool is_bracket(char c)
{
    return c == '(' || c == ')' || c == '{' || c == '}';
}

/* A bracket, or a run up to white space or a bracket in which a backslash takes the next byte as it
 * is (pg_strtok()). false at the end of the text. */
static bool next_token(struct reader *r, struct str *out)
{
    const char *start;

    while (r->at < r->end && is_space(*r->at))
        r->at++;
    if (r->at == r->end)
        return false;
    start = r->at++;
    if (!is_bracket(*start)) {
        if (*start == '\\' && r->at < r->end)
            r->at++;
        while (r->at < r->end && !is_space(*r->at) && !is_bracket(*r->at))
            r->at += *r->at == '\\' && r->end - r->at > 1 ? 2 : 1;
    }
    *out = str_from(start, (size_t)(r->at - start));
    return true;
}

static struct tree *new_tree(struct reader *r, enum tree_kind kind, struct str text)
{
    struct tree *tree = arena_alloc(r->arena, sizeof(*tree));

    tree->kind = kind;
    tree->text = text;
    return tree;
}

static struct tree *read_item(struct reader *r, struct str token);

/* Takes the token only if it is this one. */
static bool skip_token(struct reader *r, struct str wanted)
{
    struct reader before = *r;
    struct str token;

    if (next_token(r, &token) && str_eq(token, wanted))
        return true;
    *r = before;
    return false;
}

static struct tree *read_list(struct reader *r)
{
    struct tree *list = new_tree(r, TREE_LIST, STR(""));
    const struct tree **last = &list->first;
    struct str token;

    while (next_token(r, &token)) {
        struct tree *item;

        if (str_eq(token, STR(")")))
            return list;
        item = read_item(r, token);
        if (!item)
            return NULL;
        *last = item;
        last = &item->next;
    }
    return NULL;
}

/* What is in front of the bytes is their number, or that of a Datum's. */
static bool read_bytes(struct reader *r, struct tree *tree)
{
    const char *start = r->at;
    struct str token;

    while (next_token(r, &token)) {
        if (str_eq(token, STR("]"))) {
            tree->kind = TREE_BYTES;
            tree->text = str_trim(str_from(start, (size_t)(token.data - start)));
            return true;
        }
    }
    return false;
}

static struct tree *read_field(struct reader *r, struct str label)
{
    struct tree *value;
    struct str token;

    if (!str_starts(label, STR(":")) || !next_token(r, &token))
        return NULL;
    value = read_item(r, token);
    if (!value || (value->kind == TREE_WORD && skip_token(r, STR("[")) && !read_bytes(r, value)))
        return NULL;
    value->label = str_from(label.data + 1, label.len - 1);
    return value;
}

static struct tree *read_node(struct reader *r)
{
    struct str token;
    struct tree *node;
    const struct tree **last;

    if (!next_token(r, &token) || is_bracket(token.data[0]))
        return NULL;
    node = new_tree(r, TREE_NODE, token);
    last = &node->first;
    while (next_token(r, &token)) {
        struct tree *field;

        if (str_eq(token, STR("}")))
            return node;
        field = read_field(r, token);
        if (!field)
            return NULL;
        *last = field;
        last = &field->next;
    }
    return NULL;
}

static struct tree *read_item(struct reader *r, struct str token)
{
    struct tree *item = NULL;

    if (r->depth == TREE_MAX_DEPTH)
        return NULL;
    r->depth++;
    if (str_eq(token, STR("(")))
        item = read_list(r);
    else if (str_eq(token, STR("{")))
        item = read_node(r);
    else if (str_eq(token, STR("<>")))
        item = new_tree(r, TREE_NOTHING, token);
    else if (!is_bracket(token.data[0]))
        item = new_tree(r, TREE_WORD, token);
    r->depth--;
    return item;
}

const struct tree *tree_parse(struct arena *arena, struct str text)
{
    struct reader r = {arena, text.data, text.data + text.len, 0};
    const struct tree *tree;
    struct str token;

    if (text.len == 0 || text.len > TREE_MAX_BYTES || !next_token(&r, &token))
        return NULL;
    tree = read_item(&r, token);
    return tree && !next_token(&r, &token) ? tree : NULL;
}

bool tree_is(const struct tree *tree, const char *node)
{
    return tree && tree->kind == TREE_NODE && str_eq(tree->text, str_c(node));
}

const struct tree *tree_field(const struct tree *node, const char *label)
{
    struct str wanted = str_c(label);
    const struct tree *field = node && node->kind == TREE_NODE ? node->first : NULL;

    while (field && !str_eq(field->label, wanted))
        field = field->next;
    return field;
}

bool tree_word_is(const struct tree *tree, const char *word)
{
    return tree && tree->kind == TREE_WORD && str_eq(tree->text, str_c(word));
}

bool tree_number(const struct tree *tree, int64_t *out)
{
    struct str digits;
    uint64_t value;
    bool negative;

    if (!tree || tree->kind != TREE_WORD)
        return false;
    digits = tree->text;
    negative = str_starts(digits, STR("-"));
    if (negative)
        digits = str_from(digits.data + 1, digits.len - 1);
    if (!str_to_u64(digits, &value) || value > INT64_MAX)
        return false;
    *out = negative ? -(int64_t)value : (int64_t)value;
    return true;
}

const struct tree *tree_only(const struct tree *list)
{
    return tree_count(list) == 1 ? list->first : NULL;
}

size_t tree_count(const struct tree *list)
{
    size_t count = 0;

    if (list && list->kind == TREE_LIST)
        for (const struct tree *item = list->first; item; item = item->next)
            count++;
    return count;
}

bool tree_is_default(const struct tree *field)
{
    switch (field->kind) {
    case TREE_NOTHING:
        return true;
    case TREE_WORD:
        return tree_word_is(field, "false") || tree_word_is(field, "0") ||
               tree_word_is(field, "-1");
    case TREE_LIST:
        return !field->first || (tree_word_is(field->first, "b") && !field->first->next);
    case TREE_BYTES:
    case TREE_NODE:
        return false;
    }
    return false;
}
