/* YAML text -> tree: positions, aliases, and what is refused and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sweep/tree.h"
#include "sweep/utf8.h"
#include "sweep/words.h"

static gs_yaml parse(const char *text)
{
    gs_yaml y;
    gs_err e;
    if (gs_yaml_parse("f", text, strlen(text), &y, &e)) fail_msg("%s", e.text);
    return y;
}

static void nodes_know_where_they_are(void **state)
{
    (void)state;
    gs_yaml y = parse("# c\na: 1\nb:\n  - x\n  - {k: 'v w', \"q\": }\n");
    gs_node *root = y.root;
    assert_int_equal(root->kind, GS_NODE_MAP);
    assert_int_equal(root->count, 2);
    assert_string_equal(root->keys[1].text, "b");
    assert_int_equal(root->keys[1].where.line, 3);
    gs_node *list = root->items[1], *map = list->items[1];
    assert_int_equal(list->kind, GS_NODE_LIST);
    assert_string_equal(list->items[0]->text, "x");
    assert_int_equal(list->items[0]->where.line, 4);
    assert_int_equal(list->items[0]->where.column, 5);
    assert_string_equal(map->items[0]->text, "v w");
    assert_int_equal(map->items[0]->where.column, 9);
    assert_string_equal(map->items[1]->text, "");
    gs_yaml_free(&y);
}

static void legal_oddities(void **state)
{
    (void)state;
    static const char *const texts[] = {"\xef\xbb\xbf"
                                        "a: [1, x]\n",
                                        "a: [1, x]\r\n",
                                        "--- \na: [1, x]\n...\n",
                                        "a:\r\n- 1\r\n- x\r\n",
                                        "%YAML 1.2\n---\na: [1, x]",
                                        "{a: [1, x]}",
                                        "a: [1, 'x'] # t\n",
                                        "\"a\": [1,\n  \"x\"]\n",
                                        "a:\n  - 1\n  - |-\n    x\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        gs_yaml y = parse(texts[i]);
        assert_string_equal(y.root->keys[0].text, "a");
        assert_string_equal(y.root->items[0]->items[1]->text, "x");
        gs_yaml_free(&y);
    }
}

static void columns_do_not_count_the_byte_order_mark(void **state)
{
    (void)state;
    gs_yaml y = parse("\xef\xbb\xbf" "\xc3\xa9: 1");
    assert_int_equal(y.root->keys[0].where.column, 1);
    assert_int_equal(y.root->items[0]->where.column, 4);
    gs_yaml_free(&y);
}

static void aliases_are_the_node_itself(void **state)
{
    (void)state;
    gs_yaml y = parse("a: &x [1, 2]\nb: *x\nc: [*x, *x]\nd: &x 7\ne: *x\n");
    assert_ptr_equal(y.root->items[0], y.root->items[1]);
    assert_ptr_equal(y.root->items[2]->items[1], y.root->items[0]);
    assert_string_equal(y.root->items[4]->text, "7");
    assert_int_equal(y.root->weight, 1 + 3 + 3 + 7 + 1 + 1);
    gs_yaml_free(&y);
}

static void refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "f:1:1: the file is empty"},
        {"# c\n\n", "f:1:1: the file is empty"},
        {"a: 1\na: 2", "f:2:1: 'a': this key is there twice"},
        {"a: {b: 1, c: 2, b: 3}", "f:1:17: 'b'"},
        {"a: 1\n'a': 2", "f:2:1: 'a': this key"},
        {"b: 1\na: 1\nb: 1\na: 1", "f:3:1: 'b'"},
        {"a: {<<: {b: 1}}", "f:1:5: merge keys"},
        {"a: &x [*x]", "f:1:8: 'x': this alias stands"},
        {"&x {a: *x}", "f:1:8: 'x': this alias stands"},
        {"a: *x", "f:1:4: 'x': this alias has no"},
        {"&k a: 1", "f:1:1: 'a': a key takes no anchor"},
        {"x: &k a\n*k : 1", "f:2:1: 'k': an alias cannot be a key"},
        {"? [a]\n: 1", "f:1:3: a key must be"},
        {"? {a: b}\n: 1", "f:1:3: a key must be"},
        {"a: !x b", "f:1:4: tags"},
        {"a: !!seq [b]", "f:1:4: tags"},
        {"!!str a: 1", "f:1:1: 'a': a key takes"},
        {"a: 1\n---\na: 2", "f:2:1: a second document"},
        {"a: 1\n...\n---\n", "f:3:1: a second"},
        {"a:\n\tb: 1", "f:2:1: a tab"},
        {"a: 1\n\tb: 1", "a tab"},
        {"-\ta", "f:1:2: a tab"},
        {"a: \xff", "f:1:4: the byte 0xff"},
        {"a: \xed\xa0\x80", "f:1:4: the byte 0xed"},
        {"a: \xf4\x90\x80\x80", "f:1:4: the byte 0xf4"},
        {"a: b\xc3", "f:1:5: the byte 0xc3"},
        {"a: \x01", "f:1:4: the control character U+0001"},
        {"a: \x7f", "U+007F"},
        {"a: \xef\xbb\xbf", "U+FEFF"},
        {"\xef\xbb\xbf\xef\xbb\xbf", "f:1:1: the control character U+FEFF"},
        {"a: \"\\0\"", "f:1:4: a value has a zero byte"},
        {"\"\\0\": 1", "f:1:1: a key has a zero"},
        {"a: [", "this is not YAML"},
        {"a: b: c", "f:1:5: this is not YAML"},
        {"a: @b", "f:1:4: this is not YAML"},
        {"a: 'b", "this is not YAML"},
        {"%YAML 3.0\n--- a", "this is not YAML"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gs_yaml y;
        gs_err e;
        if (!gs_yaml_parse("f", cases[i].text, strlen(cases[i].text), &y, &e)) fail_msg("accepted: %s", cases[i].text);
        if (!strstr(e.text, cases[i].says)) fail_msg("%s: %s, not %s", cases[i].text, e.text, cases[i].says);
        gs_yaml_free(&y);
    }
}

static char *repeat(const char *part, int count)
{
    gs_buf b = {0};
    for (int i = 0; i < count; i++) gs_buf_bytes(&b, part, strlen(part));
    return b.text;
}

static void refused(char *text, const char *says)
{
    gs_yaml y;
    gs_err e;
    assert_int_equal(gs_yaml_parse("f", text, strlen(text), &y, &e), -1);
    if (!strstr(e.text, says)) fail_msg("%s, not %s", e.text, says);
    gs_yaml_free(&y);
    free(text);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    char *open = repeat("[", 64), *shut = repeat("]", 64), *most = gs_text("%s%s", open, shut);
    gs_yaml y = parse(most);
    gs_yaml_free(&y);
    refused(gs_text("[%s%s]", open, shut), "f:1:65: more than 64 levels");
    refused(repeat("[", 100000), "f:1:65: more than 64 levels");
    refused(repeat("[\n", 100000), "f:65:1: more than 64 levels");
    refused(repeat("- ", 100000), "f:1:129: more than 64 levels");
    refused(repeat("{a: ", 100000), "f:1:257: more than 64 levels");
    refused(repeat("? ", 100000), "a key must be");
    free(open);
    free(shut);
    free(most);
}

static void aliases_are_bounded(void **state)
{
    (void)state;
    gs_buf b = {0};
    gs_buf_add(&b, "a0: &a0 [1, 1]\n");
    for (int i = 1; i < 40; i++) gs_buf_add(&b, "a%d: &a%d [*a%d, *a%d]\n", i, i, i - 1, i - 1);
    refused(b.text, "more than 1000000 values");
    gs_buf many = {0};
    for (int i = 0; i < 1001; i++) gs_buf_add(&many, "- &a%d 1\n", i);
    refused(many.text, "f:1001:3: more than 1000 anchors");
    char *ones = repeat("1,", 1000001);
    refused(gs_text("[%s1]", ones), "more than 1000000 values");
    free(ones);
}

static void shown_text_is_harmless(void **state)
{
    (void)state;
    char out[72], *long_text = repeat("\xc3\xa9", 100);
    assert_string_equal(gs_shown("a\nb\x1b[1m", out), "a b [1m");
    gs_shown(long_text, out);
    assert_int_equal(strlen(out), 63);
    assert_string_equal(out + 60, "...");
    assert_true((unsigned char)out[59] == 0xa9);
    gs_err e;
    assert_int_equal(gs_utf8_check("f", out, strlen(out), &e), 0);
    free(long_text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_know_where_they_are),
        cmocka_unit_test(legal_oddities),
        cmocka_unit_test(columns_do_not_count_the_byte_order_mark),
        cmocka_unit_test(aliases_are_the_node_itself),
        cmocka_unit_test(refusals),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(aliases_are_bounded),
        cmocka_unit_test(shown_text_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
