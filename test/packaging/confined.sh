#!/usr/bin/env bash
# Runs a command in an image's file system as the compose file has it run: read-only but for /tmp and the data directory, as user
# 1000 without a capability, unable to gain one, as process 1 of its own. The network is the machine's. Run as root.
#
#   confined.sh ROOT DATA COMMAND…
set -euo pipefail
export IMAGE_ROOT=$1 IMAGE_DATA=$2
shift 2
exec unshare --mount --ipc --uts --pid --fork --kill-child sh -ec '
  mount --bind "$IMAGE_ROOT" "$IMAGE_ROOT"
  mount -o remount,bind,ro "$IMAGE_ROOT"
  mount -t proc proc "$IMAGE_ROOT/proc"
  mount --rbind /dev "$IMAGE_ROOT/dev"
  mount -t tmpfs -o mode=1777 tmp "$IMAGE_ROOT/tmp"
  mount --bind "$IMAGE_DATA" "$IMAGE_ROOT/var/lib/espalier"
  unset IMAGE_DATA
  exec chroot "$IMAGE_ROOT" setpriv --reuid=1000 --regid=1000 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs "$@"
' sh "$@"
