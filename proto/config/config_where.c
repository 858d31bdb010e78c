/* The line of a key in the YAML file: libcyaml forgets it, so a complaint about a value looks it up
 * again. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "config_file.h"

static yaml_node_t *mapping_find(yaml_document_t *doc, const yaml_node_t *mapping, const char *key,
                                 size_t len)
{
    yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;

    for (; pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *name = yaml_document_get_node(doc, pair->key);

        if (name && name->type == YAML_SCALAR_NODE && name->data.scalar.length == len &&
            !memcmp(name->data.scalar.value, key, len))
            return yaml_document_get_node(doc, pair->value);
    }
    return NULL;
}

static yaml_node_t *sequence_at(yaml_document_t *doc, const yaml_node_t *sequence, unsigned long i)
{
    yaml_node_item_t *items = sequence->data.sequence.items.start;

    if (i >= (size_t)(sequence->data.sequence.items.top - items))
        return NULL;
    return yaml_document_get_node(doc, items[i]);
}

/* Follow "ports[1].mtu" from the root as far as it goes: a key that is missing is complained about
 * where it should be. */
static unsigned line_of(yaml_document_t *doc, const char *key)
{
    yaml_node_t *node = yaml_document_get_root_node(doc);
    unsigned line = 0;

    while (node) {
        line = (unsigned)node->start_mark.line + 1;
        if (!*key)
            break;
        if (node->type == YAML_SEQUENCE_NODE && *key == '[') {
            char *end;

            node = sequence_at(doc, node, strtoul(key + 1, &end, 10));
            key = end + (*end == ']');
        } else if (node->type == YAML_MAPPING_NODE) {
            key += *key == '.';
            node = mapping_find(doc, node, key, strcspn(key, ".["));
            key += strcspn(key, ".[");
        } else {
            break;
        }
    }
    return line;
}

/* The parser reads the file that is returned; NULL, and no parser, when it cannot. */
static FILE *parser_open(yaml_parser_t *parser, const char *path)
{
    FILE *file = fopen(path, "r");

    if (!file)
        return NULL;
    if (!yaml_parser_initialize(parser)) {
        fclose(file);
        return NULL;
    }
    yaml_parser_set_input_file(parser, file);
    return file;
}

static void parser_close(yaml_parser_t *parser, FILE *file)
{
    yaml_parser_delete(parser);
    fclose(file);
}

unsigned config_line(const char *path, const char *key)
{
    yaml_parser_t parser;
    yaml_document_t doc;
    FILE *file = parser_open(&parser, path);
    unsigned line = 0;

    if (!file)
        return 0;
    if (yaml_parser_load(&parser, &doc)) {
        line = line_of(&doc, key);
        yaml_document_delete(&doc);
    }
    parser_close(&parser, file);
    return line;
}

unsigned config_second_document(const char *path)
{
    yaml_parser_t parser;
    yaml_event_t event;
    FILE *file = parser_open(&parser, path);
    unsigned documents = 0, line = 0;
    bool over = false;

    if (!file)
        return 0;
    while (!over && yaml_parser_parse(&parser, &event)) {
        if (event.type == YAML_DOCUMENT_START_EVENT && ++documents == 2)
            line = (unsigned)event.start_mark.line + 1;
        over = line || event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    parser_close(&parser, file);
    return line;
}
