# shellcheck shell=dash
# The guest of the Bluetooth lab, process 1: loads the kernel's Bluetooth stack, and starts D-Bus, virtual controllers that hear each
# other, and the real bluetoothd. Says LAB READY or LAB FAILED on the console; then the second serial port takes commands, one a line.
# The guest has no bash: this runs in busybox's shell, whose name `setup` puts in front.
/bin/busybox --install -s /bin 2> /dev/null
export PATH=/usr/bin:/bin:/sbin LD_LIBRARY_PATH=/usr/lib
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2> /dev/null
mount -t tmpfs tmpfs /run
mkdir -p /run/dbus

say() {
    echo "LAB $(cut -d' ' -f1 /proc/uptime) $*" > /dev/console
}
fail() {
    say "FAILED $*"
    dmesg | tail -n 40 > /dev/console
    poweroff -f
}
# The value of a word on the kernel's command line.
word() {
    sed -n "s/.*lab\.$1=\([^ ]*\).*/\1/p" /proc/cmdline
}

for module in virtio_pci virtio_net sha512_generic ctr drbg cmac ecb algif_hash algif_skcipher bluetooth hci_vhci; do
    modprobe "$module" || say "module $module did not load"
done
ifconfig lo 127.0.0.1 up
ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up || fail "no network card"
say "modules"

dbus-daemon --config-file=/etc/bus.conf --nofork --nopidfile > /run/bus.log 2>&1 &
tries=0
until [ -S /run/dbus/system_bus_socket ]; do
    tries=$((tries + 1))
    [ $tries -lt 400 ] || { cat /run/bus.log > /dev/console; fail "D-Bus did not start"; }
    sleep 0.05
done
say "bus"

btvirt -L "-l$(word controllers)" > /run/btvirt.log 2>&1 &
if [ -n "$(word trace)" ]; then
    btmon > /dev/console 2>&1 &
    bluetoothd --nodetach --debug > /dev/console 2>&1 &
else
    bluetoothd --nodetach > /run/bluetoothd.log 2>&1 &
fi

adapters() {
    dbus-send --system --print-reply --dest=org.bluez / org.freedesktop.DBus.ObjectManager.GetManagedObjects 2> /dev/null |
        grep -c 'string "org.bluez.GattManager1"'
}
tries=0
until [ "$(adapters)" -ge "$(word controllers)" ] 2> /dev/null; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { cat /run/btvirt.log /run/bluetoothd.log > /dev/console; fail "bluetoothd shows too few adapters"; }
    sleep 0.1
done
say "READY"

# The host's hand in here: a line in is a command, its output comes back, and a line with its status ends it.
stty -F /dev/ttyS1 raw -echo
while read -r line; do
    sh -c "$line" 2>&1 < /dev/null
    echo "LAB DONE $?"
done < /dev/ttyS1 > /dev/ttyS1
# Nobody listens any more: the guest goes on until it is switched off.
while :; do sleep 3600; done
