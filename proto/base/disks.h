/* disks.h - on how many disks does a folder lie whole, as far as the kernel shows it in /sys?
 * Partitions are followed to their disk, device mappers (LVM, encryption) of one device to that,
 * Linux's own RAID (md) to its level and the disks below. What cannot be told (one plain disk: it
 * may be a RAID controller's mirror or a virtual machine's; several devices below a mapper, btrfs,
 * ZFS, loop devices, a network) is said to be unknown, never guessed.
 * Threads: pure functions. */
#ifndef RADPOST_BASE_DISKS_H
#define RADPOST_BASE_DISKS_H

#include "proto/base/base.h"

enum { DISKS_WORDS_BYTES = 160 };

struct disks {
    bool is_known;
    unsigned copies;  /* so many disks may be lost but one and all of it is still there; known */
    bool is_degraded; /* a mirror, or RAID, that misses a disk */
    char words[DISKS_WORDS_BYTES]; /* what was seen: "md0, raid1 of 2 disks" */
};

/* Of a block device, in this folder for "/sys". */
void disks_look(const char *sys, unsigned major, unsigned minor, struct disks *out);
/* Of what holds this file or folder. */
void disks_of(const char *path, struct disks *out);

#endif
