#!/bin/bash
# Runs lab.sh in new namespaces. When that has ended, however it ended, this removes the empty cgroups and everything in
# the folder but the logs. It is outside of the namespaces; the laboratory also lives without it.
exec 8<&0 # bash gives background jobs /dev/null as standard input
unshare --mount --propagation private --net --pid --uts --ipc --fork --kill-child=KILL --mount-proc \
  bash "$LAB_INSIDE/lab.sh" <&8 8<&- &
exec 8<&-
wait $!
# A moment passes until the kernel lets go of the last one.
for _ in $(seq 100); do
  left=
  for folder in /sys/fs/cgroup/"$LAB_CGROUP" /sys/fs/cgroup/*/"$LAB_CGROUP"; do
    [ -d "$folder" ] || continue
    find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null
    [ -d "$folder" ] && left=1
  done
  [ -z "$left" ] && break
  sleep 0.05
done
cd "$LAB_STATE" || exit
find . -mindepth 1 -maxdepth 1 ! -name logs ! -name lock ! -name settings.json -exec rm -rf {} +
rm -f settings.json # the last, since it names this process, for which others wait
