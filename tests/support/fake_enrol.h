/* fake_enrol.h - for a test's centre: enrols whoever asks as tenant "T1", device "g1". */
#ifndef RADPOST_TESTS_FAKE_ENROL_H
#define RADPOST_TESTS_FAKE_ENROL_H

#include "proto/link/enrol.h"

/* ca and addresses stay the caller's and outlive it. */
void fake_enrol_init(struct enrol_server *out, struct ca *ca, const char *const *addresses);

#endif
