# Boots a Debian tree, with its own systemd as process 1, and has that run a script:
#
#   UML_EXEC=1 netns-lab/uml/run netns-lab/uml/boot.sh TREE SCRIPT
#
# What the guest writes is kept in memory, and gone at its end; the tree stays as it is.
tree=$2 script=$3
"$UML_SCRATCH/modprobe" overlay
rmmod ip_vs # the tree's own units load what they need
mkdir /run/layer
mount -t tmpfs -o mode=755 layer /run/layer
mkdir /run/layer/upper /run/layer/work /run/layer/root
mount -t overlay -o "lowerdir=$tree,upperdir=/run/layer/upper,workdir=/run/layer/work" root \
  /run/layer/root
cd /run/layer/root || exit
mkdir -p lib/modules mnt
mount --bind /usr/lib/uml/modules lib/modules
mount --bind "$UML_SCRATCH" mnt
cp "$script" script || exit
cat >etc/systemd/system/script.service <<'UNIT'
[Unit]
After=basic.target
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=oneshot
ExecStart=/bin/sh -c 'sh /script; echo $? >/mnt/status'
StandardOutput=tty
StandardError=inherit
TTYPath=/dev/console
UNIT
mkdir -p etc/systemd/system/basic.target.wants
ln -s ../script.service etc/systemd/system/basic.target.wants/script.service
echo /sbin/modprobe >/proc/sys/kernel/modprobe
for there in /dev/pts /dev/shm /dev /sys /proc; do umount -l $there; done
mount --move . /
exec chroot . /lib/systemd/systemd --unit=basic.target --show-status=no
