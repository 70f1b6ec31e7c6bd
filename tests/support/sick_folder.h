/* sick_folder.h - a disk that does not give a folder's names. A program that calls this has a
 * readdir() of its own. */
#ifndef RADPOST_TESTS_SUPPORT_SICK_FOLDER_H
#define RADPOST_TESTS_SUPPORT_SICK_FOLDER_H

/* From the first name on (after: of so many that were given) folders whose path ends so answer EIO.
 * NULL: all are well again. */
void sick_folder(const char *path_end, unsigned after);

#endif
