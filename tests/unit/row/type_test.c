#include "fixture.h"

#include "row/type.h"

static void test_find(void **state)
{
    static const struct {
        const char *says;
        uint32_t oid;
        int kind; /* -1: not there */
    } rows[] = {
        {"a type that comes with the server", OID_INT4, TYPE_NUMBER},
        {"the first of them", OID_BOOL, TYPE_BOOL},
        {"one made by CREATE TYPE", OID_PAIR, TYPE_COMPOSITE},
        {"the last of them", OID_PRICE, TYPE_NUMBER},
        {"0 is no type", 0, -1},
        {"an oid of the server that is none", 15, -1},
        {"the first oid of users, not in the map", 16384, -1},
        {"one made later", OID_UNKNOWN, -1},
        {"the largest oid", UINT32_MAX, -1},
    };
    struct types *types = fixture_types();

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct type *type = types_find(types, rows[i].oid);

        if ((type ? (int)type->kind : -1) != rows[i].kind || (type && type->oid != rows[i].oid))
            fail_msg("%s: oid %u", rows[i].says, rows[i].oid);
    }
    types_unref(types);
}

static void test_nothing_known(void **state)
{
    struct types *empty = types_new();

    (void)state;
    types_seal(empty);
    assert_null(types_find(empty, OID_INT4));
    assert_null(types_find(empty, OID_PAIR));
    assert_null(types_find(NULL, OID_INT4));
    types_unref(empty);
    types_unref(NULL);
}

/* Names given may be gone the moment types_add() returns: they are rows of a query's result. */
static void test_copies(void **state)
{
    char name[] = "pair";
    char field[] = "a";
    struct types *types = types_new();
    struct type type = {.oid = OID_PAIR, .kind = TYPE_COMPOSITE, .name = str_c(name)};
    const struct type *found;

    (void)state;
    types_add(types, &type);
    types_add_field(types, OID_PAIR, str_c(field), OID_INT4);
    types_add_field(types, OID_NEST, STR("of a type that is not there"), OID_INT4);
    memset(name, 'x', 4);
    field[0] = 'x';
    types_seal(types);
    found = types_find(types, OID_PAIR);
    check_text("the type's name", found->name, "pair");
    assert_int_equal(found->field_count, 1);
    check_text("the field's name", found->fields[0].name, "a");
    assert_int_equal(found->fields[0].type, OID_INT4);
    types_unref(types);
}

/* The order of the query is not that of the oids, and there are more than fit at first. */
static void test_many(void **state)
{
    struct types *types = types_new();

    (void)state;
    for (uint32_t i = 0; i < 5000; i++) {
        const struct type type = {
            .oid = 10000 + (i * 7919) % 10007, .kind = TYPE_ARRAY, .name = STR("t"), .element = i};

        types_add(types, &type);
    }
    types_seal(types);
    for (uint32_t i = 0; i < 5000; i++) {
        const struct type *type = types_find(types, 10000 + (i * 7919) % 10007);

        assert_non_null(type);
        assert_int_equal(type->element, i);
    }
    types_unref(types);
}

static void test_references(void **state)
{
    struct types *types = fixture_types();
    struct types *mine = types_ref(types);

    (void)state;
    assert_ptr_equal(types, mine);
    types_unref(types);
    assert_non_null(types_find(mine, OID_PAIR)); /* still there */
    types_unref(mine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),       cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_copies),     cmocka_unit_test(test_many),
        cmocka_unit_test(test_references),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
