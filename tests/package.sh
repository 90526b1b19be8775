#!/usr/bin/env bash
# Builds the Debian package, and installs, runs and removes it in a copy of this machine: an overlay over its root, which
# leaves the machine itself as it is. Needs root, and `cargo install cargo-deb`.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "package: $*" >&2; exit 1; }

if [ "${1-}" != inside ]; then
  cargo build --quiet --release --bin encke --example package-files
  target/release/examples/package-files target/package-files
  man --warnings --local-file target/package-files/encke.8 >/dev/null 2>target/package-files/warnings
  [ ! -s target/package-files/warnings ] || fail "the manual page: $(cat target/package-files/warnings)"
  deb=$(cargo deb --quiet --no-build --output target/encke.deb)
  echo "built $deb"
  exec unshare --mount --pid --fork bash "$0" inside "$deb"
fi

# === In namespaces of our own ===

deb=$2
place=$(mktemp -d)
mount -t tmpfs tmpfs "$place"
mkdir "$place"/{up,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$place/up,workdir=$place/work" "$place/root"
mount -t proc proc "$place/root/proc"
mount -t tmpfs tmpfs "$place/root/run"
mount -t devtmpfs devtmpfs "$place/root/dev" 2>/dev/null || mount --bind /dev "$place/root/dev"
cp "$deb" "$place/root/encke.deb"
cat > "$place/root/inside.sh" <<'INSIDE'
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
fail() { echo "package: $*" >&2; exit 1; }
running() { pgrep --exact encke; }
get() { curl --silent --show-error --max-time 5 "$@"; }

echo "--- install"
dpkg --install /encke.deb >/dev/null
encke -v
getent passwd encke >/dev/null || fail "no user"
[ "$(stat --format %U:%G:%a /var/log/encke)" = encke:adm:750 ] || fail "the directory of logs"
for file in /usr/share/man/man8/encke.8.gz /usr/share/bash-completion/completions/encke /etc/logrotate.d/encke; do
  [ -e "$file" ] || fail "$file is missing"
done
bash -n /usr/share/bash-completion/completions/encke
[ ! -e /etc/systemd/system/sockets.target.wants/encke.socket ] || fail "the example of a socket unit is enabled"
! running || fail "it runs though nobody started it"

echo "--- unit"
unit=$(ls /lib/systemd/system/encke.service /usr/lib/systemd/system/encke.service 2>/dev/null | head -1)
said=$(systemd-analyze verify --man=no "$unit" /usr/share/doc/encke/examples/encke.socket 2>&1 | grep -i encke || true)
[ -z "$said" ] || fail "systemd-analyze verify: $said"
systemd-analyze security --offline=true --threshold=30 "$unit" | tail -1

echo "--- run: the unit's ExecStart by hand, as its user and with its one capability"
start=$(sed -n 's/^ExecStart=//p' "$unit" | sed 's|${ENCKE_CONF}|/etc/encke/encke.conf|')
# A port below 1024, if this machine has it.
sed -i 's/listen 127.0.0.1:8080;/listen 127.0.0.1:8080; listen 127.0.0.1:843;/' /etc/encke/encke.conf
install -d -o encke -g encke /run/encke
run() {
  setpriv --reuid=encke --regid=encke --init-groups --inh-caps=+net_bind_service --ambient-caps=+net_bind_service \
    --bounding-set=-all,+net_bind_service --no-new-privs "$@"
}
run ${start/ -c / -t -q -c }
run $start &
for _ in $(seq 100); do [ -s /run/encke/encke.pid ] && break; sleep 0.05; done
get --request POST --data hello 'http://127.0.0.1:843/publish?id=a' | grep -q 'queued messages: 1' || fail "publishing"
[ "$(get 'http://127.0.0.1:8080/activity?id=a')" = hello ] || fail "subscribing"

echo "--- log rotation"
if command -v logrotate >/dev/null; then
  logrotate --force --state /tmp/state /etc/logrotate.d/encke
  for _ in $(seq 100); do [ -e /var/log/encke/error.log.1 ] && grep -q . /var/log/encke/error.log.1 && break; sleep 0.05; done
  encke -s reload
  for _ in $(seq 100); do grep -q reconfiguring /var/log/encke/error.log && break; sleep 0.05; done
  grep -q reconfiguring /var/log/encke/error.log || fail "the new log is not written to"
fi

echo "--- a newer program takes over"
old=$(cat /run/encke/encke.pid)
get 'http://127.0.0.1:8080/activity?id=b' > /tmp/waiting &
waiting=$!
for _ in $(seq 100); do
  get 'http://127.0.0.1:8080/publish?id=b' | grep -q 'subscribers: 1' && break; sleep 0.05
done
cp /usr/bin/encke /usr/bin/encke.new && mv /usr/bin/encke.new /usr/bin/encke
kill -USR2 "$old"
for _ in $(seq 100); do new=$(cat /run/encke/encke.pid 2>/dev/null || true); [ -n "$new" ] && [ "$new" != "$old" ] && break; sleep 0.05; done
[ "$new" != "$old" ] || fail "nobody took over"
get --request POST --data later 'http://127.0.0.1:843/publish?id=b' >/dev/null
wait "$waiting"
[ "$(cat /tmp/waiting)" = later ] || fail "who waited got: $(cat /tmp/waiting)"
[ "$(get 'http://127.0.0.1:8080/activity?id=a')" = hello ] || fail "messages are lost"
kill -QUIT "$old"

echo "--- stands in for nginx"
ln -s /usr/bin/encke /usr/local/sbin/nginx
/usr/local/sbin/nginx -v 2>&1 | grep -q '^nginx version: nginx/' || fail "as nginx"

echo "--- remove"
dpkg --remove encke >/dev/null
for _ in $(seq 100); do running >/dev/null || break; sleep 0.05; done
! running || fail "it still runs"
[ ! -e /usr/bin/encke ] || fail "the program is still there"
[ -e /etc/encke/encke.conf ] || fail "the configuration is gone already"
dpkg --purge encke >/dev/null 2>&1
for left in /etc/encke/encke.conf /etc/logrotate.d/encke /var/log/encke /lib/systemd/system/encke.service; do
  [ ! -e "$left" ] || fail "$left is left"
done
echo "package: ok"
INSIDE
chroot "$place/root" bash /inside.sh
