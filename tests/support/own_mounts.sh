# own_mounts.sh - sourced first by tests that mount disks: they go on in a mount namespace of their own. Who makes one
# meanwhile (ip netns exec does) would get a copy of each mount and keep its loop device and its disk's other end in use.
if [ "$(id -u)" = 0 ] && [ -z "${RADPOST_OWN_MOUNTS:-}" ] && unshare --mount true 2>/dev/null; then
    RADPOST_OWN_MOUNTS=1 exec unshare --mount "$0" "$@"
fi
