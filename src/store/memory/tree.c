/* SPDX-License-Identifier: Apache-2.0 */
/* Trees that never change. See tree.h. */
#include "store/memory/tree.h"
#include "base/bytes.h"
#include "base/mem.h"
#include <stdatomic.h>
#include <string.h>

struct sherd_memory_value {
    atomic_size_t holders;
    size_t len;
    size_t room;
    uint8_t data[];
};

struct sherd_memory_node {
    atomic_size_t holders;
    uint64_t weight; /* no child's is greater */
    struct sherd_ref name;
    struct sherd_memory_value *value;
    struct sherd_memory_node *left;
    struct sherd_memory_node *right;
};

/* --- values ------------------------------------------------------------------------------------------------------ */

struct sherd_memory_value *sherd_memory_value_new(size_t room)
{
    struct sherd_memory_value *value = sherd_alloc(sizeof(*value) + room);

    if (value == NULL)
        return NULL;
    atomic_init(&value->holders, 1);
    value->room = room;
    return value;
}

enum sherd_err sherd_memory_value_append(struct sherd_memory_value **value, struct sherd_span bytes)
{
    const size_t len = (*value)->len + bytes.len;
    size_t room = (*value)->room;

    if (len > room) {
        while (room < len)
            room = room < 64 ? 64 : room * 2;
        struct sherd_memory_value *grown = sherd_realloc(*value, sizeof(*grown) + room);
        if (grown == NULL)
            return SHERD_ERR_NO_MEMORY;
        grown->room = room;
        *value = grown;
    }
    if (bytes.len > 0)
        memcpy((*value)->data + (*value)->len, bytes.data, bytes.len);
    (*value)->len = len;
    return SHERD_OK;
}

uint8_t *sherd_memory_value_data(struct sherd_memory_value *value)
{
    return value->data;
}

struct sherd_span sherd_memory_value_span(const struct sherd_memory_value *value)
{
    return sherd_span_of(value->data, value->len);
}

struct sherd_memory_value *sherd_memory_value_hold(struct sherd_memory_value *value)
{
    atomic_fetch_add_explicit(&value->holders, 1, memory_order_relaxed);
    return value;
}

void sherd_memory_value_drop(struct sherd_memory_value *value)
{
    if (value != NULL && atomic_fetch_sub_explicit(&value->holders, 1, memory_order_acq_rel) == 1)
        sherd_free(value);
}

/* --- nodes ------------------------------------------------------------------------------------------------------- */

static int name_compare(struct sherd_ref a, struct sherd_ref b)
{
    return memcmp(a.bytes, b.bytes, sizeof(a.bytes)); /* not secret: names lie open in a store */
}

/* The finaliser of SplitMix64 (Steele, Lea, Flood, 2014) over both halves of the name. */
static uint64_t weigh(uint64_t seed, struct sherd_ref name)
{
    uint64_t x = seed;

    for (size_t half = 0; half < 2; half++) {
        x += sherd_get_u64(name.bytes + 8 * half) + UINT64_C(0x9e3779b97f4a7c15);
        x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
        x ^= x >> 31;
    }
    return x;
}

struct sherd_memory_node *sherd_memory_tree_hold(struct sherd_memory_node *tree)
{
    if (tree != NULL)
        atomic_fetch_add_explicit(&tree->holders, 1, memory_order_relaxed);
    return tree;
}

void sherd_memory_tree_drop(struct sherd_memory_node *tree)
{
    if (tree == NULL || atomic_fetch_sub_explicit(&tree->holders, 1, memory_order_acq_rel) != 1)
        return;
    sherd_memory_tree_drop(tree->left);
    sherd_memory_tree_drop(tree->right);
    sherd_memory_value_drop(tree->value);
    sherd_free(tree);
}

/* A node, held once, that takes over left and right, also on failure (NULL), and holds value too. */
static struct sherd_memory_node *join(uint64_t weight, struct sherd_ref name, struct sherd_memory_value *value,
                                      struct sherd_memory_node *left, struct sherd_memory_node *right)
{
    struct sherd_memory_node *node = sherd_alloc(sizeof(*node));

    if (node == NULL) {
        sherd_memory_tree_drop(left);
        sherd_memory_tree_drop(right);
        return NULL;
    }
    atomic_init(&node->holders, 1);
    node->weight = weight;
    node->name = name;
    node->value = sherd_memory_value_hold(value);
    node->left = left;
    node->right = right;
    return node;
}

/* A copy of node with other children, which it takes over, also on failure. */
static struct sherd_memory_node *copy(const struct sherd_memory_node *node, struct sherd_memory_node *left,
                                      struct sherd_memory_node *right)
{
    return join(node->weight, node->name, node->value, left, right);
}

struct sherd_memory_value *sherd_memory_tree_find(const struct sherd_memory_node *tree, struct sherd_ref name)
{
    while (tree != NULL) {
        const int order = name_compare(name, tree->name);

        if (order == 0)
            return tree->value;
        tree = order < 0 ? tree->left : tree->right;
    }
    return NULL;
}

/* NULL: no memory. The root of what it returns is always new, so it may be rotated in place. */
static struct sherd_memory_node *put(const struct sherd_memory_node *tree, uint64_t weight, struct sherd_ref name,
                                     struct sherd_memory_value *value)
{
    if (tree == NULL)
        return join(weight, name, value, NULL, NULL);

    const int order = name_compare(name, tree->name);
    struct sherd_memory_node *child;
    struct sherd_memory_node *node;

    if (order == 0)
        return join(weight, name, value, sherd_memory_tree_hold(tree->left), sherd_memory_tree_hold(tree->right));
    child = put(order < 0 ? tree->left : tree->right, weight, name, value);
    if (child == NULL)
        return NULL;
    if (order < 0)
        node = copy(tree, child, sherd_memory_tree_hold(tree->right));
    else
        node = copy(tree, sherd_memory_tree_hold(tree->left), child);
    if (node == NULL || child->weight <= node->weight)
        return node;
    if (order < 0) {
        node->left = child->right;
        child->right = node;
    } else {
        node->right = child->left;
        child->left = node;
    }
    return child;
}

enum sherd_err sherd_memory_tree_put(const struct sherd_memory_node *tree, uint64_t seed, struct sherd_ref name,
                                     struct sherd_memory_value *value, struct sherd_memory_node **out_tree)
{
    struct sherd_memory_node *changed = put(tree, weigh(seed, name), name, value);

    if (changed == NULL)
        return SHERD_ERR_NO_MEMORY;
    *out_tree = changed;
    return SHERD_OK;
}

/* One tree of two, where all names of left come before those of right. */
static enum sherd_err merge(struct sherd_memory_node *left, struct sherd_memory_node *right,
                            struct sherd_memory_node **out_tree)
{
    struct sherd_memory_node *inner;

    if (left == NULL || right == NULL) {
        *out_tree = sherd_memory_tree_hold(left == NULL ? right : left);
        return SHERD_OK;
    }
    if (left->weight >= right->weight) {
        SHERD_TRY(merge(left->right, right, &inner));
        *out_tree = copy(left, sherd_memory_tree_hold(left->left), inner);
    } else {
        SHERD_TRY(merge(left, right->left, &inner));
        *out_tree = copy(right, inner, sherd_memory_tree_hold(right->right));
    }
    return *out_tree == NULL ? SHERD_ERR_NO_MEMORY : SHERD_OK;
}

/* The name is in the tree. */
static enum sherd_err remove_name(const struct sherd_memory_node *tree, struct sherd_ref name,
                                  struct sherd_memory_node **out_tree)
{
    const int order = name_compare(name, tree->name);
    struct sherd_memory_node *child;

    if (order == 0)
        return merge(tree->left, tree->right, out_tree);
    if (order < 0) {
        SHERD_TRY(remove_name(tree->left, name, &child));
        *out_tree = copy(tree, child, sherd_memory_tree_hold(tree->right));
    } else {
        SHERD_TRY(remove_name(tree->right, name, &child));
        *out_tree = copy(tree, sherd_memory_tree_hold(tree->left), child);
    }
    return *out_tree == NULL ? SHERD_ERR_NO_MEMORY : SHERD_OK;
}

enum sherd_err sherd_memory_tree_remove(struct sherd_memory_node *tree, struct sherd_ref name,
                                        struct sherd_memory_node **out_tree)
{
    struct sherd_memory_node *changed;

    if (sherd_memory_tree_find(tree, name) == NULL) {
        *out_tree = sherd_memory_tree_hold(tree);
        return SHERD_OK;
    }
    SHERD_TRY(remove_name(tree, name, &changed));
    *out_tree = changed;
    return SHERD_OK;
}

enum sherd_err sherd_memory_tree_walk(const struct sherd_memory_node *tree, const struct sherd_ref *after,
                                      sherd_store_visit_fn *visit, void *arg)
{
    if (tree == NULL)
        return SHERD_OK;
    if (after != NULL && name_compare(tree->name, *after) <= 0)
        return sherd_memory_tree_walk(tree->right, after, visit, arg);
    SHERD_TRY(sherd_memory_tree_walk(tree->left, after, visit, arg));
    SHERD_TRY(visit(arg, tree->name, sherd_memory_value_span(tree->value)));
    return sherd_memory_tree_walk(tree->right, NULL, visit, arg);
}
