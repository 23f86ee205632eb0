#include "dispatch/delivery.h"

#include <stdlib.h>

#include "base/mem.h"

/* PostgreSQL's own limit of a value, and the rest of the row. */
#define TEXT_MAX ((size_t)2 << 30)

struct delivery *delivery_new(const struct str field[DELIVERY_FIELDS])
{
    struct delivery *delivery = mem_alloc(sizeof(*delivery));
    size_t total = 0, at = 0;

    for (int i = 0; i < DELIVERY_FIELDS; i++)
        total += field[i].len + 1;
    buf_init(&delivery->text, TEXT_MAX);
    if (!buf_reserve(&delivery->text, total)) {
        delivery_free(delivery);
        return NULL;
    }
    for (int i = 0; i < DELIVERY_FIELDS; i++) {
        buf_add_str(&delivery->text, field[i]);
        buf_add_char(&delivery->text, '\0');
        delivery->field[i] = str_from(delivery->text.data + at, field[i].len);
        at = delivery->text.len;
    }
    return delivery;
}

void delivery_free(struct delivery *delivery)
{
    if (!delivery)
        return;
    buf_fini(&delivery->attempt.response);
    buf_fini(&delivery->text);
    free(delivery);
}

void delivery_list_add(struct delivery_list *list, struct delivery *delivery)
{
    delivery->next = NULL;
    if (list->last)
        list->last->next = delivery;
    else
        list->first = delivery;
    list->last = delivery;
    list->count++;
}

struct delivery *delivery_list_take(struct delivery_list *list)
{
    struct delivery *delivery = list->first;

    if (!delivery)
        return NULL;
    list->first = delivery->next;
    if (!list->first)
        list->last = NULL;
    list->count--;
    delivery->next = NULL;
    return delivery;
}

void delivery_list_join(struct delivery_list *list, struct delivery_list *from)
{
    if (!from->first)
        return;
    if (list->last)
        list->last->next = from->first;
    else
        list->first = from->first;
    list->last = from->last;
    list->count += from->count;
    *from = (struct delivery_list){0};
}

void delivery_list_free(struct delivery_list *list)
{
    struct delivery *delivery;

    while ((delivery = delivery_list_take(list)))
        delivery_free(delivery);
}
