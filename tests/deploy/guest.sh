# What is tried on a Debian whose systemd is process 1: each step is printed behind its name.
step() { echo "== $*"; }
show() { systemctl show -P "$1" pointsman.service; }
drop_in() { # NAME: one of those in the package
  cp "/usr/share/doc/pointsman/examples/drop-ins/$1.conf" /run/systemd/system/pointsman.service.d/
  systemctl daemon-reload
}
vips() { ipvsadm -Sn; }
status() { grep -E '^(Uid|CapEff|NoNewPrivs|Seccomp):' "/proc/$(show MainPID)/status"; }
mkdir -p /run/systemd/system/pointsman.service.d

ip link set lo up
ip link add eth0 type dummy
ip address add 10.0.0.11/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.0.1

step process 1
cat /proc/1/comm

# The guest's kernel has no nf_tables for iptables; and a hang is to be found soon.
printf '[Service]\nWatchdogSec=8\n' >/run/systemd/system/pointsman.service.d/soon.conf
drop_in iptables-legacy

step start
systemctl start pointsman && show ActiveState
step rights
status
step state
stat -c '%U %a %n' /var/lib/pointsman /var/lib/pointsman/*
step kernel
vips
step settings
cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/vs/conntrack /proc/sys/net/ipv4/vs/expire_nodest_conn
step rules
iptables-legacy-save | grep -o '^-A POINTSMAN[A-Z-]*' | sort -u
step dns
dig +short @127.0.0.1 web.marathon.mesos | sort
step native
# What was asked with a cookie went up to Python, which taught the name.
dig +short +nocookie @127.0.0.1 web.marathon.mesos | sort
cat /proc/"$(show MainPID)"/task/*/comm | grep -cx dns
# Each of these goes before the rest of the process, which is like any other.
cat /proc/"$(show MainPID)"/task/*/stat | awk '$2 == "(dns)" || $19 {print $2, $19}'
step sandbox
nsenter -t "$(show MainPID)" -m sh -c '
  touch /etc/x; touch /usr/x; touch /var/x; echo 1 >/proc/sys/kernel/printk; echo 1 >/sys/kernel/x
  ls /dev/mem /proc/sysrq-trigger; echo 1 >/proc/sysrq-trigger; ls -d /root/*; cat /proc/sys/net/ipv4/ip_forward' 2>&1

said() { journalctl -u pointsman | grep -q "$1"; }
step reload
pid=$(show MainPID)
systemctl reload pointsman
until said 'pointsman.toml: reloaded' && [ "$(show ActiveState)" = active ]; do sleep 1; done
[ "$(show MainPID)" = "$pid" ] && echo the same process
step refused
cp /etc/pointsman/pointsman.toml /etc/pointsman/kept
echo 'nonsense = 1' >>/etc/pointsman/pointsman.toml
systemctl reload pointsman
until said 'reload refused; .*nonsense' && [ "$(show ActiveState)" = active ]; do sleep 1; done
[ "$(show MainPID)" = "$pid" ] && echo the same process
dig +short @127.0.0.1 web.marathon.mesos | sort
cp /etc/pointsman/kept /etc/pointsman/pointsman.toml

step networkd
systemctl start systemd-networkd systemd-resolved
ask() { dig +short +tries=1 +time=2 "$@"; }
until ask @198.51.100.1 thisnode.thisdcos.directory | grep -qx 198.51.100.1; do sleep 1; done
ip -o -4 address show dev pointsman-dns | awk '{print $4}'
step resolved
until ask @127.0.0.53 web.marathon.mesos | grep -qx 127.0.0.11; do sleep 1; done
ask @127.0.0.53 web.marathon.mesos | sort
systemctl stop systemd-resolved systemd-networkd.socket systemd-networkd

step hang
kill -STOP "$(show MainPID)"
for _ in $(seq 60); do
  [ "$(show NRestarts)" = 0 ] || break
  vips | wc -l
  sleep 1
done | uniq
until systemctl is-active --quiet pointsman; do sleep 1; done
[ "$(show MainPID)" != "$pid" ] && show NRestarts
journalctl -u pointsman | grep -oE 'Watchdog timeout|Fatal Python error: Aborted|in _run_once$' | sort -u
dig +short @127.0.0.1 web.marathon.mesos | sort

step stop
systemctl stop pointsman
systemctl is-active pointsman
step kernel after the stop
vips
step rules after the stop
iptables-legacy-save | grep -o '^-A POINTSMAN[A-Z-]*' | sort -u

step socket
sed -e 's/10.0.0.11:53/127.0.0.1:53/' /usr/share/doc/pointsman/examples/pointsman.socket \
  >/run/systemd/system/pointsman.socket
systemctl daemon-reload
systemctl start pointsman.socket
systemctl is-active pointsman
dig +short +tries=1 +time=60 @127.0.0.1 web.marathon.mesos | sort
until systemctl is-active pointsman; do sleep 1; done | tail -1
systemctl stop pointsman.socket pointsman

step namespaces
drop_in namespaces
ip netns add blue
unshare --net sleep 600 &
mkdir -p /var/run/dcos/cni/l4lb
echo /run/netns/blue >/var/run/dcos/cni/l4lb/blue
sleep 1
echo "/proc/$!/ns/net" >/var/run/dcos/cni/l4lb/green
systemctl start pointsman
for _ in $(seq 30); do
  [ "$(ip netns exec blue ipvsadm -Sn | wc -l)" != 3 ] || break
  sleep 1
done
status
ip netns exec blue ipvsadm -Sn
nsenter -t "$!" --net ipvsadm -Sn
systemctl stop pointsman
rm /run/systemd/system/pointsman.service.d/namespaces.conf

step dns only
rm /run/systemd/system/pointsman.service.d/iptables-legacy.conf
drop_in dns-only
sed -i 's/\[dns\]/[vip]\nenabled = false\n[dns]/' /etc/pointsman/pointsman.toml
systemctl start pointsman
status
dig +short @127.0.0.1 web.marathon.mesos | sort
systemctl stop pointsman
cp /etc/pointsman/kept /etc/pointsman/pointsman.toml

step flush
pointsman flush
vips
ip link show pointsman0 2>&1
cat /proc/sys/net/ipv4/vs/expire_nodest_conn
step failed
systemctl --failed --no-legend --plain
step journal
journalctl -u pointsman -o cat --no-pager | grep -vE '^Starting|^Started|^Stop' | tail -80
