/* rights.h - who may do what at the desk: roles.def, rights.def. Threads: no state. */
#ifndef RADPOST_DESK_RIGHTS_H
#define RADPOST_DESK_RIGHTS_H

enum desk_role_bit {
#define ROLE(name, word) name##_BIT,
#include "gateway/desk/roles.def"
#undef ROLE
    DESK_ROLE_COUNT
};
enum desk_role {
#define ROLE(name, word) name = 1 << name##_BIT,
#include "gateway/desk/roles.def"
#undef ROLE
    DESK_EVERY_ROLE = (1 << DESK_ROLE_COUNT) - 1
};
enum desk_right_bit {
#define MAY(name, roles, allows) name##_BIT,
#include "gateway/desk/rights.def"
#undef MAY
    DESK_RIGHT_COUNT
};
/* For http_route.rights. */
enum desk_right {
#define MAY(name, roles, allows) name = 1 << name##_BIT,
#include "gateway/desk/rights.def"
#undef MAY
};

/* All that any of the roles allows. */
unsigned desk_rights_of(unsigned roles);
/* The word of one role, NULL for none. */
const char *desk_role_word(unsigned role);
/* "technician" > DESK_TECHNICIAN; 0: no such word. */
unsigned desk_role_of(const char *word);

#endif
