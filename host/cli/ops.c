/* ops.c - spacc ops: which ONNX operators this version runs, and where. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "host/cli/cli.h"
#include "models/op.h"

enum { JSON, MARKDOWN };

static const struct cli_option options[] = {
    [JSON] = {"json", 0, NULL, "as JSON"},
    [MARKDOWN] = {"markdown", 0, NULL, "as a Markdown table, as it stands in the README"},
    {0}};

struct settings {
    bool json, markdown;
};

static int take(void *to, int option, const char *value)
{
    struct settings *set = to;

    (void)value;
    if (option == JSON)
        set->json = true;
    else
        set->markdown = true;
    return CLI_OK;
}

/* What the compiler for the card takes (host/plan.h), in words; "" for the CPU alone. */
static const char *on_card(const char *op)
{
    if (!strcmp(op, "LSTM") || !strcmp(op, "GRU"))
        return "constant W, R, B; one or two directions";
    if (!strcmp(op, "MatMul") || !strcmp(op, "Gemm"))
        return "constant weights";
    return "";
}

static int print_json(void)
{
    cJSON *list = cJSON_CreateArray();

    for (size_t i = 0; i < spacc_op_count; i++) {
        const struct spacc_op *op = &spacc_ops[i];
        cJSON *o = cJSON_CreateObject();
        if (!o || !cJSON_AddItemToArray(list, o) ||
            !cJSON_AddStringToObject(o, "op", op->name) ||
            !cJSON_AddNumberToObject(o, "opset_first", op->opset_first) ||
            !cJSON_AddNumberToObject(o, "opset_last", op->opset_last) ||
            !cJSON_AddStringToObject(o, "attributes", op->attrs) ||
            !cJSON_AddBoolToObject(o, "card", on_card(op->name)[0] != '\0')) {
            cJSON_Delete(list);
            return cli_fail("out of memory");
        }
    }
    return cli_print_json(list);
}

/* "axis:i perm:I" -> "axis perm" */
static const char *attribute_names(const char *attrs, char *text, size_t bytes)
{
    size_t n = 0;

    for (; *attrs && n + 1 < bytes; attrs++) {
        if (*attrs == ':' && attrs[1])
            attrs++; /* the letter of the kind */
        else
            text[n++] = *attrs;
    }
    text[n] = '\0';
    return text;
}

static void print_markdown(void)
{
    char names[256];

    printf("| operator | opsets | card | attributes |\n| --- | --- | --- | --- |\n");
    for (size_t i = 0; i < spacc_op_count; i++)
        printf("| %s | %d-%d | %s | %s |\n", spacc_ops[i].name, spacc_ops[i].opset_first,
               spacc_ops[i].opset_last, on_card(spacc_ops[i].name),
               attribute_names(spacc_ops[i].attrs, names, sizeof(names)));
}

static void print_text(void)
{
    char names[256];

    printf("%zu operators, all on the CPU; the card takes the four marked.\n\n",
           spacc_op_count);
    printf("%-26s %-7s %-5s %s\n", "operator", "opsets", "card", "attributes");
    for (size_t i = 0; i < spacc_op_count; i++) {
        const struct spacc_op *op = &spacc_ops[i];
        int column = printf("%-26s %2d-%-4d %-5s", op->name, op->opset_first, op->opset_last,
                            on_card(op->name)[0] ? "yes" : "");
        attribute_names(op->attrs, names, sizeof(names));
        for (char *name = strtok(names, " "); name; name = strtok(NULL, " ")) {
            if (column + (int)strlen(name) >= 100)
                column = printf("\n%40s", "") - 1;
            column += printf(" %s", name);
        }
        putchar('\n');
    }
}

static int run(int argc, char **argv)
{
    struct settings set = {0};
    const char *file;
    int status;

    if (!cli_parse(&cli_ops, argc, argv, take, &set, &file, &status))
        return status;
    if (set.json)
        return print_json();
    if (set.markdown)
        print_markdown();
    else
        print_text();
    return CLI_OK;
}

const struct cli_command cli_ops = {
    .name = "ops",
    .arguments = "",
    .summary = "List the ONNX operators of this version, and which the card takes.",
    .example = "spacc ops",
    .option = options,
    .run = run};
