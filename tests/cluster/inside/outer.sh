#!/bin/bash
# Runs lab.sh in new namespaces and removes its empty cgroups when it has ended, however it ended. This process is
# outside of the namespaces; the laboratory also lives without it.
unshare --mount --propagation private --net --pid --uts --ipc --fork --kill-child=KILL --mount-proc \
  bash "$LAB_INSIDE/lab.sh" &
wait $!
# A moment passes until the kernel lets go of the last one.
for _ in $(seq 100); do
  left=
  for folder in /sys/fs/cgroup/"$LAB_CGROUP" /sys/fs/cgroup/*/"$LAB_CGROUP"; do
    [ -d "$folder" ] || continue
    find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null
    [ -d "$folder" ] && left=1
  done
  [ -z "$left" ] && exit
  sleep 0.05
done
