/* Parsed expressions as PostgreSQL 15 writes them, put together from parts. */
#ifndef PGHERALD_TESTS_NODES_H
#define PGHERALD_TESTS_NODES_H

/* A column of the table. */
#define N_COLUMN(number, type)                                                                     \
    "{VAR :varno 1 :varattno " #number " :vartype " #type                                          \
    " :vartypmod -1 :varcollid 0 :varlevelsup 0 :varnosyn 1 :varattnosyn " #number                 \
    " :location 30}"

/* A constant: its type and its bytes. */
#define N_CONST(type, length, bytes)                                                               \
    "{CONST :consttype " #type " :consttypmod -1 :constcollid 0 :constlen -1 :constbyval false "   \
    ":constisnull false :location 36 :constvalue " #length " [ " bytes " ]}"
#define N_NULL(type)                                                                               \
    "{CONST :consttype " #type " :consttypmod -1 :constcollid 0 :constlen -1 :constbyval false "   \
    ":constisnull true :location 36 :constvalue <>}"
#define N_TRUE N_CONST(16, 1, "1 0 0 0 0 0 0 0")
#define N_FALSE N_CONST(16, 1, "0 0 0 0 0 0 0 0")
#define N_INT(value) N_CONST(23, 4, #value " 0 0 0 0 0 0 0")
#define N_UUID_1 N_CONST(2950, 16, "-86 -86 -86 -86 0 0 64 0 -128 0 0 0 0 0 0 1")
#define UUID_1 "aaaaaaaa-0000-4000-8000-000000000001"
#define UUID_2 "bbbbbbbb-0000-4000-8000-000000000002"
#define N_TEXT_A N_CONST(25, 5, "20 0 0 0 97")
#define N_TEXT_EMPTY N_CONST(25, 4, "16 0 0 0")

#define N_OPERATOR(node, operator, result, collation, args)                                        \
    "{" node " :opno " #operator" :opfuncid 0 :opresulttype " #result                              \
                                " :opretset false :opcollid 0 :inputcollid " #collation            \
                                " :args (" args ") :location 32}"
#define N_COMPARE(operator, left, right) N_OPERATOR("OPEXPR", operator, 16, 100, left " " right)
#define N_DISTINCT(operator, left, right)                                                          \
    N_OPERATOR("DISTINCTEXPR", operator, 16, 100, left " " right)

#define N_BOOL(op, args) "{BOOLEXPR :boolop " op " :args (" args ") :location 1}"
#define N_IS_NULL(arg) "{NULLTEST :arg " arg " :nulltesttype 0 :argisrow false :location 1}"
#define N_TEST(kind, arg) "{BOOLEANTEST :arg " arg " :booltesttype " #kind " :location 1}"
#define N_LIST(node_or, operator, left, array)                                                     \
    "{SCALARARRAYOPEXPR :opno " #                                                                  \
    operator" :opfuncid 67 :hashfuncid 0 :negfuncid 0 :useOr " node_or                             \
            " :inputcollid 100 :args (" left " " array ") :location 32}"
#define N_ARRAY(array_type, type, elements)                                                        \
    "{ARRAYEXPR :array_typeid " #array_type " :array_collid 0 :element_typeid " #type              \
    " :elements (" elements ") :multidims false :location -1}"

#define N_CALL(function, result, args)                                                             \
    "{FUNCEXPR :funcid " #function " :funcresulttype " #result                                     \
    " :funcretset false :funcvariadic false :funcformat 0 :funccollid 0 :inputcollid 0 "           \
    ":args " args " :location 34}"
/* The oids of the functions in facts.h. */
#define N_UID N_CALL(16386, 2950, "<>")
#define N_JWT N_CALL(16387, 3802, "<>")
#define N_CLAIM(key) N_OPERATOR("OPEXPR", 3477, 25, 100, N_JWT " " key)

#define N_CAST(type, arg)                                                                          \
    "{COERCEVIAIO :arg " arg " :resulttype " #type " :resultcollid 0 :coerceformat 1 :location "   \
    "48}"
#define N_RELABEL(type, arg)                                                                       \
    "{RELABELTYPE :arg " arg " :resulttype " #type                                                 \
    " :resulttypmod -1 :resultcollid 100 :relabelformat 2 :location -1}"

/* (select expression) */
#define N_SELECT_FROM(from, expression)                                                            \
    "{SUBLINK :subLinkType 4 :subLinkId 0 :testexpr <> :operName <> :subselect {QUERY "            \
    ":commandType 1 :querySource 0 :canSetTag true :utilityStmt <> :resultRelation 0 :hasAggs "    \
    "false :hasSubLinks false :cteList <> :rtable <> :jointree {FROMEXPR :fromlist <> "            \
    ":quals " from "} :targetList ({TARGETENTRY :expr " expression                                 \
    " :resno 1 :resname uid :ressortgroupref 0 :resorigtbl 0 :resorigcol 0 :resjunk false}) "      \
    ":override 0 :limitOffset <> :limitCount <> :stmt_location 0 :stmt_len 0} :location 34}"
#define N_SELECT(expression) N_SELECT_FROM("<>", expression)

#endif
