#!/bin/sh
# SPDX-License-Identifier: MIT
# systemd-ns.sh FOLDER COMMAND - boots this machine's systemd as PID 1 of new namespaces, over a
# throw-away overlay of /, runs COMMAND in it, with FOLDER as /keep, and exits with its status.
# 77: that cannot be done here. Nothing of it is left behind. Needs root.
set -eu

# Why it cannot be done.
skip() {
	echo "$1" >&2
	exit 77
}

# Outside: a cgroup, then the namespaces, which end with the first process in them.
outside() {
	[ "$(id -u)" = 0 ] || skip 'not root'
	[ -x /lib/systemd/systemd ] || skip 'systemd is not installed'
	command -v unshare >/dev/null || skip 'unshare is not installed'
	unshare --mount --pid --cgroup --uts --ipc --net --fork true 2>/dev/null ||
		skip 'no namespaces can be made here'
	group=/sys/fs/cgroup/unified
	[ -d "$group" ] || group=/sys/fs/cgroup
	[ -e "$group/cgroup.procs" ] || skip 'no cgroups of version 2'
	group=$group/arun-test.$$
	mkdir "$group" 2>/dev/null || skip 'no cgroup can be made here'
	folder=$(mktemp -d)
	: >"$folder.out"
	trap 'clean_up' EXIT
	status=0
	(
		echo 0 >"$group/cgroup.procs"
		ARUN_NS_FOLDER=$folder exec timeout -s KILL 120 unshare --mount --pid --cgroup --uts \
			--ipc --net --fork --kill-child --propagation private "$0" "$@"
	) || status=$?
	exit $status
}

clean_up() {
	cat "$folder.out"
	rm -f "$folder.out"
	rmdir "$folder"
	find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || :
}

mount_devices() {
	mount -t tmpfs -o mode=755 tmpfs "$root/dev"
	for device in null zero full random urandom tty; do
		touch "$root/dev/$device"
		mount --bind "/dev/$device" "$root/dev/$device"
	done
	mkdir "$root/dev/pts" "$root/dev/shm"
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
	ln -s pts/ptmx "$root/dev/ptmx"
	mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
	ln -s /proc/self/fd "$root/dev/fd"
}

mount_root() {
	mount -t tmpfs -o size=512m tmpfs "$ARUN_NS_FOLDER"
	mkdir "$ARUN_NS_FOLDER/upper" "$ARUN_NS_FOLDER/work" "$root"
	mount -t overlay overlay \
		-o "lowerdir=/,upperdir=$ARUN_NS_FOLDER/upper,workdir=$ARUN_NS_FOLDER/work" "$root"
	ip link set lo up 2>/dev/null || :
	mount -t proc proc "$root/proc"
	# Not every sysctl is of a namespace: systemd must not set this machine's.
	mount --bind "$root/proc/sys" "$root/proc/sys"
	mount -o remount,bind,ro "$root/proc/sys"
	mount -t sysfs -o ro sysfs "$root/sys"
	mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
	mount_devices
	mount -t tmpfs -o mode=755 tmpfs "$root/run"
	mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
	head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$root/etc/machine-id"
	mkdir "$root/keep"
	mount --bind "$1" "$root/keep"
	: >"$root/out"
	mount --bind "$ARUN_NS_FOLDER.out" "$root/out"
}

# basic.target without what such a machine has no use for, then the command.
write_units() {
	units=$root/etc/systemd/system
	mkdir -p "$units"
	cat >"$units/test.target" <<-END
		[Unit]
		Requires=basic.target dbus.socket
		After=basic.target dbus.socket
		Wants=test.service
		AllowIsolate=yes
	END
	cat >"$units/test.service" <<-END
		[Unit]
		After=basic.target dbus.socket
		[Service]
		Type=oneshot
		ExecStart=/bin/sh -c '$1 >>/out 2>&1; systemctl exit \$?'
		TimeoutStartSec=infinity
	END
	for unit in systemd-timesyncd.service systemd-networkd.service systemd-networkd.socket \
		systemd-resolved.service systemd-udevd.service systemd-udev-trigger.service \
		systemd-udevd-control.socket systemd-udevd-kernel.socket apt-daily.timer \
		apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \
		systemd-sysctl.service systemd-modules-load.service systemd-journald-audit.socket \
		systemd-update-utmp.service man-db.timer systemd-logind.service getty.target \
		sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount \
		dev-mqueue.mount sys-fs-fuse-connections.mount systemd-remount-fs.service; do
		ln -sf /dev/null "$units/$unit"
	done
}

inside() {
	root=$ARUN_NS_FOLDER/root
	mount_root "$1" || skip 'the overlay cannot be mounted'
	write_units "$2"
	cd "$root"
	mkdir .old
	pivot_root . .old
	exec chroot . /bin/sh -c 'umount -l /.old
		exec env -i container=arun-test PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb \
		/lib/systemd/systemd --unit=test.target --log-target=journal --show-status=no'
}

if [ "${ARUN_NS_FOLDER-}" ]; then
	inside "$@"
else
	outside "$@"
fi
