#include "policy/datum.h"
#include "unit.h"

static void test_order(void **state)
{
    static const struct {
        const char *says;
        enum datum_class class;
        const char *a, *b;
        int order;
    } rows[] = {
        {"booleans", CLASS_BOOL, "false", "true", -1},
        {"numbers by value", CLASS_NUMBER, "1.50", "1.5", 0},
        {"numbers beyond a double", CLASS_NUMBER, "9007199254740993", "9007199254740992", 1},
        {"NaN is above all", CLASS_NUMBER, "NaN", "Infinity", 1},
        {"texts by bytes", CLASS_TEXT, "a", "a", 0},
        {"blanks count", CLASS_TEXT, "a", "a ", -1},
        {"case counts", CLASS_TEXT, "A", "a", -1},
        {"labels", CLASS_LABEL, "ok", "ok", 0},
        {"uuids whatever their case", CLASS_UUID, "aaaaaaaa-0000-4000-8000-000000000001",
         "AAAAAAAA-0000-4000-8000-000000000001", 0},
        {"uuids by bytes", CLASS_UUID, "00000000-0000-0000-0000-0000000000ff",
         "01000000-0000-0000-0000-000000000000", -1},
        {"dates", CLASS_DATE, "1999-12-31", "2000-01-01", -1},
        {"infinity", CLASS_DATE, "infinity", "9999-12-31", 1},
        {"timestamps", CLASS_TIMESTAMP, "2026-01-01 00:00:00.000001", "2026-01-01 00:00:00", 1},
        {"instants", CLASS_TIMESTAMPTZ, "2026-01-01 02:00:00+02", "2026-01-01 00:00:00+00", 0},
        {"minus infinity", CLASS_TIMESTAMPTZ, "-infinity", "0001-01-01 00:00:00+00", -1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct datum a = datum_read(rows[i].class, str_c(rows[i].a));
        struct datum b = datum_read(rows[i].class, str_c(rows[i].b));
        int order;

        CHECK(a.state == DATUM_KNOWN && b.state == DATUM_KNOWN, rows[i].says);
        order = datum_compare(rows[i].class, &a, &b);
        CHECK((order > 0) - (order < 0) == rows[i].order, rows[i].says);
        CHECK((datum_key(rows[i].class, &a) == datum_key(rows[i].class, &b)) == (order == 0),
              rows[i].says);
    }
}

static void test_unsure(void **state)
{
    static const struct {
        const char *says;
        enum datum_class class;
        const char *text;
    } rows[] = {
        {"a year beyond 9999", CLASS_DATE, "12026-01-01"},
        {"before Christ", CLASS_DATE, "0044-03-15 BC"},
        {"before Christ, with a time", CLASS_TIMESTAMPTZ, "0044-03-15 09:00:00+00 BC"},
        {"no boolean", CLASS_BOOL, "yes"},
        {"no number", CLASS_NUMBER, "x"},
        {"no uuid", CLASS_UUID, "x"},
        {"a type that is not ours", CLASS_NONE, "1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        CHECK(datum_read(rows[i].class, str_c(rows[i].text)).state == DATUM_UNSURE, rows[i].says);
}

static void test_cast(void **state)
{
    static const struct {
        const char *says;
        uint32_t type;
        const char *text;
        enum datum_state state;
    } rows[] = {
        {"a uuid", TYPE_OID_UUID, "aaaaaaaa-0000-4000-8000-000000000001", DATUM_KNOWN},
        {"a uuid in another form", TYPE_OID_UUID, "{aaaaaaaa000040008000000000000001}",
         DATUM_UNSURE},
        {"hyphens in strange places", TYPE_OID_UUID, "aaaaaaaa0000-4000-8000-000000000001",
         DATUM_UNSURE},
        {"a user id of somebody else's", TYPE_OID_UUID, "auth0|12", DATUM_RAISES},
        {"the empty text", TYPE_OID_UUID, "", DATUM_RAISES},
        {"a digit too many", TYPE_OID_UUID, "aaaaaaaa-0000-4000-8000-0000000000012", DATUM_RAISES},
        {"blanks around it", TYPE_OID_UUID, " aaaaaaaa-0000-4000-8000-000000000001", DATUM_RAISES},
        {"an integer", TYPE_OID_INT4, "-12", DATUM_KNOWN},
        {"the largest", TYPE_OID_INT4, "2147483647", DATUM_KNOWN},
        {"one more", TYPE_OID_INT4, "2147483648", DATUM_UNSURE},
        {"a small one", TYPE_OID_INT2, "32768", DATUM_UNSURE},
        {"a big one", TYPE_OID_INT8, "-9223372036854775808", DATUM_KNOWN},
        {"too big", TYPE_OID_INT8, "9223372036854775808", DATUM_UNSURE},
        {"blanks", TYPE_OID_INT4, " 1", DATUM_UNSURE},
        {"a point", TYPE_OID_INT4, "1.0", DATUM_UNSURE},
        {"a sign alone", TYPE_OID_INT4, "-", DATUM_UNSURE},
        {"hexadecimal, since 16", TYPE_OID_INT4, "0x1", DATUM_UNSURE},
        {"a numeric", TYPE_OID_NUMERIC, "-1.50", DATUM_KNOWN},
        {"an exponent", TYPE_OID_NUMERIC, "1e2", DATUM_UNSURE},
        {"NaN", TYPE_OID_NUMERIC, "NaN", DATUM_UNSURE},
        {"true", TYPE_OID_BOOL, "true", DATUM_KNOWN},
        {"yes", TYPE_OID_BOOL, "yes", DATUM_UNSURE},
        {"a text", TYPE_OID_TEXT, "x", DATUM_KNOWN},
        {"a date", TYPE_OID_DATE, "2026-01-01", DATUM_UNSURE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        CHECK(datum_cast(rows[i].type, datum_class_of(rows[i].type), str_c(rows[i].text)).state ==
                  rows[i].state,
              rows[i].says);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_unsure),
        cmocka_unit_test(test_cast),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
