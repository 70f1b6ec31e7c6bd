/* folder.h - a test's own folder, and its end. */
#ifndef RADPOST_TESTS_SUPPORT_FOLDER_H
#define RADPOST_TESTS_SUPPORT_FOLDER_H

#define FOLDER_PATH_BYTES 128

/* A fresh folder below TMPDIR (or /tmp), e.g. "/tmp/radpost-ca-x1Y2z3"; stops the test program if
 * there is none to be had. */
void folder_make(const char *name, char out[FOLDER_PATH_BYTES]);
/* With everything in it. */
void folder_remove(const char *path);

#endif
