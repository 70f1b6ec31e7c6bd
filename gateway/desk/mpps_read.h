/* mpps_read.h - the data sets of N-CREATE and N-SET of a performed procedure step (PS3.4 F.7.2), as
 * far as the desk uses them. Hostile bytes. Pure functions; what is read belongs to its owner. */
#ifndef RADPOST_DESK_MPPS_READ_H
#define RADPOST_DESK_MPPS_READ_H

#include "gateway/desk/dose_read.h"

enum mpps_state { MPPS_NONE, MPPS_IN_PROGRESS, MPPS_COMPLETED, MPPS_DISCONTINUED, MPPS_STATES };

/* "" "IN PROGRESS" ... */
const char *mpps_state_word(enum mpps_state state);
enum mpps_state mpps_state_of(const char *word); /* MPPS_NONE: none of them */

enum { MPPS_STEPS = 32, MPPS_INSTANCES = 20000 };

struct mpps_said {
    bool has_state;        /* the attribute is there */
    enum mpps_state state; /* MPPS_NONE: with no word of the standard */
    bool has_steps;        /* Scheduled Step Attributes Sequence is there, with an item */
    struct {               /* its items */
        char study[65], accession[65], procedure_id[65], step_id[65];
    } steps[MPPS_STEPS];
    size_t step_n;
    /* whose step it is, as UTF-8 in DICOM's form; "" not said. Patient data: never logged */
    char patient_id[65], name[1025], sex[17], birth[17];
    char modality[17];
    char reason[257];      /* why it was broken off: the code's meaning */
    char reason_code[17];  /* of CID 9300, "110514" */
    char (*instances)[65]; /* of the performed series, images and others */
    char (*series)[65];    /* of each; "" not said */
    size_t instance_n;
    bool has_series;
    struct dose dose;
};

/* errors  ERR_REJECT not a data set, or more of something than the limits above */
int mpps_read(const uint8_t *dataset, size_t n, enum dcm_coding coding, const char *profile,
              struct mpps_said *out, struct err *err) MUST_CHECK;
void mpps_said_fini(struct mpps_said *said);

#endif
