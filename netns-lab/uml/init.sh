# Process 1 of the guest, read by the init that uml/run writes: "$@" is the command,
# $UML_SCRATCH a folder that both sides see.
mount -t proc proc /proc
mount -t sysfs sys /sys 2>/dev/null
mount -t tmpfs run /run
mkdir -p /run/lock /dev/shm /dev/pts
mount -t tmpfs shm /dev/shm
mount -t devpts devpts /dev/pts
# The guest's devtmpfs has bare nodes only; Mesos's containerizer wants /dev/fd.
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
ip link set lo up

# The root has no /lib/modules of this kernel, so its requests for modules go to a modprobe that
# looks where Debian's package puts them.
printf '#!/bin/sh\nexec /sbin/modprobe -d %s/root "$@"\n' "$UML_SCRATCH" >"$UML_SCRATCH/modprobe"
chmod +x "$UML_SCRATCH/modprobe"
echo "$UML_SCRATCH/modprobe" >/proc/sys/kernel/modprobe
for module in ipv6 ip_vs; do
  "$UML_SCRATCH/modprobe" "$module" || echo "uml: no module $module" >&2
done

[ ! "$UML_EXEC" ] || . "$1"
"$@"
echo $? >"$UML_SCRATCH/status"
sync
# Powers off without the kernel's last words on the console: reboot(2) with LINUX_REBOOT_CMD_POWER_OFF.
echo 0 0 0 0 >/proc/sys/kernel/printk
perl -e 'syscall(169, 0xfee1dead, 672274793, 0x4321fedc, 0)'
sleep 5
