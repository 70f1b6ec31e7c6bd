/* ok.h - a call that must succeed; there is a struct err err where it is used. cmocka tests. */
#ifndef RADPOST_TESTS_SUPPORT_OK_H
#define RADPOST_TESTS_SUPPORT_OK_H

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct err *e_ = &err;                                                                     \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, e_->text);                                                   \
    } while (0)

#endif
