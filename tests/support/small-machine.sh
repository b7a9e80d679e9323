#!/bin/sh
# Becomes the first process of a small machine: systemd, D-Bus, log-ins, and a person called visitor.
# Runs in mount, pid, uts, ipc, net and cgroup namespaces of its own. Nothing of it outlives them: the root is this
# machine's, read only, below a layer in memory; /proc/sys and /sys cannot be written.
# $1: an empty folder to stand on. $2: the folder that the small machine sees as /opt/given.
set -eu
top=$1
given=$2
mount --make-rprivate /
mount -t tmpfs -o mode=755,size=512m tmpfs "$top"
mkdir "$top/upper" "$top/work" "$top/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" "$top/root"
cd "$top/root"
mkdir -p opt/given old
mount --bind "$given" opt/given
mount -o remount,bind,ro opt/given

mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
  touch "dev/$device"
  mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd

# Only what is asked for below shall start, and nothing that looks after hardware, kernel or clock.
rm -rf etc/systemd/system/* etc/systemd/user/*
for unit in systemd-modules-load.service systemd-remount-fs.service systemd-sysctl.service systemd-udevd.service \
  systemd-timesyncd.service systemd-update-utmp.service sys-kernel-debug.mount sys-kernel-tracing.mount \
  sys-kernel-config.mount sys-fs-fuse-connections.mount dev-hugepages.mount; do
  ln -s /dev/null "etc/systemd/system/$unit"
done
printf '[Unit]\nRequires=dbus.socket systemd-logind.service systemd-journald.service\nWants=systemd-user-sessions.service\n' \
  >etc/systemd/system/small.target

echo 'visitor:x:4242:4242::/home/visitor:/bin/sh' >>etc/passwd
echo 'visitor:x:4242:' >>etc/group
echo 'visitor:*:19000:0:99999:7:::' >>etc/shadow
mkdir -p home/visitor var/lib/systemd/linger
chown 4242:4242 home/visitor
touch var/lib/systemd/linger/visitor
echo 0123456789abcdef0123456789abcdef >etc/machine-id
hostname small
ip link set lo up

pivot_root . old
umount -l /old
exec setpriv --bounding-set=-sys_module,-sys_time,-sys_boot,-syslog \
  env -i container=small PATH=/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --system --unit=small.target --show-status=no
