/* import_disc.h - a stick or disc as a workstation writes it: images of nobody and a DICOMDIR by
 * dcmmkdir. cmocka tests. */
#ifndef RADPOST_TESTS_SUPPORT_IMPORT_DISC_H
#define RADPOST_TESTS_SUPPORT_IMPORT_DISC_H

/* Files IM/I<number> of n images from this number on, added to the disc of this name below media;
 * image i is STUDY.9.i. */
void import_disc_make(const char *media, const char *name, const char *study, unsigned first,
                      unsigned n);

#endif
