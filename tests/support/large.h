/* large.h - databases of years, made up (large_catalog.sql, large_reads.sql), and how many rows of
 * its large tables a piece of work reads. cmocka tests; they run where tests/ is. */
#ifndef RADPOST_TESTS_SUPPORT_LARGE_H
#define RADPOST_TESTS_SUPPORT_LARGE_H

#include <stdint.h>

/* Run a .sql file; it reads how much it makes from this setting. */
void large_fill(const char *conninfo, const char *sql_file, const char *setting, uint64_t n);
/* Ends every other connection to the database, whose counts are then complete, and counts anew. */
void large_begin(const char *conninfo);
/* Since large_begin(), of no table more than `most` rows were read, by index or one by one; else
 * the test fails and names the work, the table and how many. Ends connections, too. */
void large_assert_read(const char *conninfo, const char *work, uint64_t most);

#endif
