/* authority.h - certificates by a hospital's authority, made by openssl's own programs. */
#ifndef RADPOST_TESTS_AUTHORITY_H
#define RADPOST_TESTS_AUTHORITY_H

/* Into a folder that exists. All by ca.pem, with the key s.key: here.pem for 127.0.0.1; far.pem for
 * another host; old.pem for 127.0.0.1, over since 2020. stranger.pem: as here.pem, by another
 * authority. 0 = done, else what openssl says is printed; -1 there is no openssl. */
int authority_make(const char *dir);

#endif
