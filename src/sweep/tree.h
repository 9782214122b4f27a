/* YAML text -> a tree whose every node knows its line and column. Local.
 *
 * One document, maps, lists and scalars. Scalars stay text: the key that they belong to gives them their type. An alias is the
 * anchored node itself, so the tree may share nodes, but it has no cycle and, written out, at most GS_YAML_NODES nodes. Refused:
 * what is not UTF-8, duplicate keys, merge keys, tags, keys that are not scalars, several documents, deep nesting. */
#ifndef GS_SWEEP_TREE_H
#define GS_SWEEP_TREE_H
#include "gridshift/sweep.h"

enum { GS_YAML_DEPTH = 64, GS_YAML_NODES = 1000000, GS_YAML_ANCHORS = 1000 };

typedef enum gs_node_kind { GS_NODE_SCALAR, GS_NODE_LIST, GS_NODE_MAP } gs_node_kind;
typedef struct gs_name {
    char *text; /* owned */
    gs_where where;
} gs_name;
typedef struct gs_node {
    gs_node_kind kind;
    gs_where where;
    char *text; /* SCALAR; owned */
    int count;
    struct gs_node **items; /* (count): the items of a LIST, the values of a MAP; the array is owned, the nodes are the tree's */
    gs_name *keys;          /* (count): MAP; owned */
    int64_t weight;         /* nodes from here on, with aliases written out; 0 while the node is being read */
    int capacity;
} gs_node;
typedef struct gs_yaml {
    gs_node *root;
    int count, capacity;
    gs_node **nodes; /* (count): every node, owned */
} gs_yaml;

/* path is for the messages only. *out is to be freed after a failure too. */
int gs_yaml_parse(const char *path, const char *text, size_t length, gs_yaml *out, gs_err *e);
void gs_yaml_free(gs_yaml *y);
#endif
