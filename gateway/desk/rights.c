/* rights.c - who may do what at the desk. */
#include "gateway/desk/rights.h"

#include "proto/base/base.h"

#include <string.h>

static const struct {
    unsigned role;
    const char *word;
} roles[] = {
#define ROLE(name, word) {name, word},
#include "gateway/desk/roles.def"
#undef ROLE
};

static const struct {
    unsigned right, roles;
} rights[] = {
#define MAY(name, roles, allows) {name, roles},
#include "gateway/desk/rights.def"
#undef MAY
};

unsigned
desk_rights_of(unsigned mask)
{
    unsigned all = 0;

    for (size_t i = 0; i < ARRAY_LEN(rights); i++)
        if (rights[i].roles & mask)
            all |= rights[i].right;
    return all;
}

const char *
desk_role_word(unsigned role)
{
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        if (roles[i].role == role)
            return roles[i].word;
    return NULL;
}

unsigned
desk_role_of(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(roles); i++)
        if (strcmp(roles[i].word, word) == 0)
            return roles[i].role;
    return 0;
}
